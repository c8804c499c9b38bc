"""What the card of a model says, in words."""

from __future__ import annotations

from collections.abc import Iterator

from diffusion_studio.diffusion.scheduler_classes import is_consistency
from diffusion_studio.language import plural, tr
from diffusion_studio.models.text.memory import needs as text_needs
from diffusion_studio.models.wording import architecture, draws, layers, predicts, training
from diffusion_studio.settings import units
from diffusion_studio.ui.look.texts import class_title, readable
from diffusion_studio.ui.models.jobs import ModelRow

MOST_CLASSES = 40  # named; a model of thousands would fill the page
FACTS = {  # in the order of the card
    "generates": tr("Generates"),
    "classes": tr("Classes"),
    "network": tr("Network"),
    "layers": tr("Layers"),
    "predicts": tr("Predicts"),
    "notes": tr("Notes"),
    "trained": tr("Trained"),
    "licence": tr("Licence"),
    "needs": tr("Needs"),
    "disk": tr("On disk"),
    "weights": tr("Weights"),
    "folder": tr("Folder"),
}


def facts(row: ModelRow) -> Iterator[tuple[str, str]]:
    """(key of `FACTS`, value); what a model does not say is left out, but for its licence."""
    card = row.card
    yield "generates", draws(card)
    yield "classes", _classes(card.classes)
    yield "network", architecture(card)
    yield "layers", layers(card)
    yield "predicts", predicts(card)
    yield "notes", " ".join(card.remarks)
    yield "trained", training(card)
    yield "licence", card.licence or tr("Not stated")
    yield "needs", text_needs(card.text) if card.text is not None else needs(card.parameters)
    yield "disk", units.size(row.disk)
    yield "weights", f"sha256 {card.digest[:10]}" if card.digest else ""
    place = card.path if card.text is None else card.text.source
    yield "folder", _breakable(readable(place))


def _classes(names: tuple[str, ...]) -> str:
    named = ", ".join(class_title(name) for name in names[:MOST_CLASSES])
    left = len(names) - MOST_CLASSES
    return named + (plural(" and {count} more", " and {count} more", left) if left > 0 else "")


def needs(parameters: int) -> str:
    """The memory that the weights take while the model is open; "" where their number is not known."""
    if not parameters:
        return ""
    return tr("{size} of memory for its weights, half in 16 bit", size=units.size(4 * parameters))


def _breakable(path: str) -> str:
    """A label breaks lines at spaces alone; an invisible one after each separator lets it."""
    return path.replace("/", "/\u200b").replace("\\", "\\\u200b")


def tuning_fault(row: ModelRow) -> str:
    """Why a model cannot be fine-tuned here; "" where it can."""
    if row.card.text is not None:
        return tr("Models that generate from prompts cannot be fine-tuned here")
    if is_consistency(row.card.schedule):
        return tr("A fast model is not trained further. Fine-tune the model it was made from")
    if row.card.network.class_embed_type is not None:
        return tr("A model whose classes are numbers on a scale cannot be fine-tuned here")
    return ""


def fast_fault(row: ModelRow) -> str:
    """Why a model cannot be made fast here; "" where it can."""
    card = row.card
    if card.prompted:
        return tr("A text model cannot be made fast here")
    if card.recipe().get("sampler") == "consistency" or card.trained.get("teacher"):
        return tr("It is a fast model already")
    if len(set(card.sides)) != 1:
        return tr("A model of images that are not square cannot be made fast here")
    if card.network.class_embed_type is not None:
        return tr("A model whose classes are numbers on a scale cannot be made fast here")
    return ""
