"""`info` and `doctor`: what made an image, what a model is, what is installed, and how this computer is set up."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.cli.output import plain, say, say_json, say_rows, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.models.wording import architecture, disk_size
from diffusion_studio.settings.generation import OF_SIZE, OF_TEXT, STEERING, GenerationSettings
from diffusion_studio.settings.options import changed, options, readers, to_dict
from diffusion_studio.settings.units import size
from diffusion_studio.storage.paths import check_readable

# facts that are listed among the settings of another program
QUIET = (*STEERING, *OF_SIZE, *OF_TEXT)  # shown only where they are not what is usual
NAMED_ABOVE = (
    "made_with", "prompt", "negative_prompt", "width", "height", "model_title", "model_hash", "app_version",
)  # fmt: skip
TRAINED_WITH = {"beta_schedule": "noise schedule", "num_train_timesteps": "timesteps", "shift": "shift"}

if TYPE_CHECKING:
    from diffusion_studio.models.card import ModelCard
    from diffusion_studio.models.text.facts import TextFacts
    from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings
    from diffusion_studio.pictures.reading import Record

Run = Callable[[argparse.Namespace, Stop], int]


def info(parser: argparse.ArgumentParser) -> Run:
    parser.add_argument(
        "subject", metavar="IMAGE|MODEL", help=tr("an image file, the name of a model, or its folder")
    )
    parser.add_argument("--json", action="store_true", help=tr("print one JSON object"))
    return run_info


def run_info(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import cards
    from diffusion_studio.pictures import reading

    subject, path = arguments.subject, Path(arguments.subject)
    check_readable(path)
    if path.is_file() and not _is_model_file(path):
        _show_picture(_read(path, reading.read), arguments.json)
        return 0
    names = {text.casefold() for card in cards.installed() for text in (card.name, card.title)}
    if subject and subject.casefold() in names:
        card = cards.find(subject)
    elif subject and path.exists():
        from diffusion_studio.models.typed import find_typed

        card = find_typed(subject)
    else:
        known = ", ".join(card.name for card in cards.installed()[:20]) or tr("none")
        raise UserError(
            tr(
                "“{subject}” is neither a file nor an installed model; installed: {known}.",
                subject=subject[:80],
                known=known,
            )
        )
    if arguments.json:
        say_json(model_facts(card))
    else:
        say_rows(_model_rows(card))
    return 0


def _is_model_file(path: Path) -> bool:
    """Whether a file holds weights, whatever its name says."""
    if path.suffix.lower() != ".safetensors":
        return False
    from diffusion_studio.models.recognise import looks_like_weights

    return looks_like_weights(path)


def _read(path: Path, read: Callable[[Path], Record]) -> Record:
    """An image; raises `UserError` with what else this file is."""
    from diffusion_studio.models.recognise import PICKLES, explain

    if path.suffix.lower() in {*PICKLES, ".safetensors", ".gguf", ".onnx", ".zip"}:
        raise UserError(explain(path))
    return read(path)


def _show_picture(record: Record, as_json: bool) -> None:
    if as_json:
        say_json({
            "path": str(record.path),
            "format": record.format,
            "width": record.width,
            "height": record.height,
            "settings": _plain(record) or None,
            "facts": record.facts,
            "refused": record.refused,
            "parameters": record.parameters,
            "made_with": record.others.program or None if record.others else None,
            "foreign": _foreign(record.others) if record.others else None,
            "raw": record.raw or None,
        })  # fmt: skip
        return
    say_rows(_picture_rows(record))
    if record.settings is None and not (record.others and record.others.says_how):
        tell(tr("No generation settings found."))


def _picture_rows(record: Record) -> Iterator[tuple[str, object]]:
    yield "Image", record.path
    yield "Format", f"{record.format}, {record.width}×{record.height}"
    idle = GenerationSettings()
    given = record.given
    if record.others is not None:
        yield from foreign_rows(record.others)
        given = {}
    for name, value in given.items():
        if name not in readers(GenerationSettings) and (name not in QUIET or value != getattr(idle, name)):
            yield _setting_row(name, value)
    if given.get("loras"):
        yield _setting_row("loras", given["loras"])
    for part in record.settings.history if record.settings else ():
        differed = (
            (name, value) for name, value in part.values if name in (*options(GenerationSettings), "loras")
        )
        before = [": ".join(map(str, _setting_row(name, value))) for name, value in differed]
        yield (
            "Branch",
            tr("at step {step}", step=part.step) + (f", {', '.join(before)}" if before else ""),
        )
    for name, value in record.facts.items():
        if record.others is not None and name in NAMED_ABOVE:
            continue
        shown = (
            ", ".join(f"{key} {entry}" for key, entry in value.items()) if isinstance(value, dict) else value
        )
        yield name.replace("_", " ").capitalize(), shown
    if not record.ours:
        yield "Metadata", record.raw
    for reason in record.refused:
        yield "Ignored", reason


def foreign_rows(said: ForeignSettings) -> Iterator[tuple[str, object]]:
    """The settings of another program in our names; a row without a value is not printed."""
    yield "Made with", " ".join(filter(None, (said.program, _version(said.version))))
    yield "Prompt", said.prompt
    yield "Negative prompt", said.negative
    yield "Seed", said.seed
    yield "Steps", said.steps
    yield "Sampler", said.sampler
    yield "Noise schedule", said.schedule
    yield "Guidance", _plainly(said.guidance)
    yield "Eta", _plainly(said.eta)
    yield "Denoising strength", _plainly(said.denoise)
    yield "Size", f"{said.width}×{said.height}" if said.width and said.height else None
    yield "Model", said.model
    yield "Model hash", said.model_hash
    yield "LoRA", ", ".join(f"{lora.name} {lora.weight:g}" for lora in said.loras)
    yield "Clip skip", said.clip_skip


def _version(text: str) -> str:
    return text if text[:2].strip("vf")[:1].isdigit() else ""


def _plainly(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _foreign(said: ForeignSettings) -> dict[str, Any]:
    """The settings of another program as JSON: null for what is not known."""
    values = {name: value for name, value in asdict(said).items() if name not in ("raw", "left_out")}
    return {name: None if value in ("", ()) else value for name, value in values.items()}


def _setting_row(name: str, value: Any) -> tuple[str, object]:
    if name == "loras":
        return "LoRA", ", ".join(f"{lora.name} {lora.weight:g}" for lora in value)
    facts = options(GenerationSettings)[name]
    shown = f"{value:g}" if isinstance(value, float) else value
    return facts.label, facts.choices.get(value, value) if facts.choices else shown


def _plain(record: Record) -> dict[str, Any]:
    whole = to_dict(record.settings) if record.settings else {}
    return {name: whole[name] for name in record.given}


def model_facts(card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "path": str(card.path),
        "size": card.size,
        "height": card.sides[0],
        "width": card.sides[1],
        "channels": card.channels,
        "classes": list(card.classes),
        "parameters": card.parameters or None,
        "prediction": card.prediction,
        "schedule": dict(card.schedule),
        "recommended": dict(card.recommended),
        "defaults": changed(replace(card.defaults(), model="")),
        "remarks": list(card.remarks),
        "description": card.description,
        "licence": card.licence,
        "trained": dict(card.trained),
        "starter": card.starter,
        **({} if card.text is None else _text_facts(card.text)),
    }


def _text_facts(facts: TextFacts) -> dict[str, Any]:
    from diffusion_studio.models.text.memory import estimate

    return {
        "family": facts.family,
        "source": str(facts.source),
        "disk": facts.disk,
        "parts": dict(facts.parameters),
        "memory": {dtype: estimate(facts, dtype).on_cpu for dtype in ("float32", "bfloat16")},
        "fault": facts.fault or None,
    }


def _text_rows(facts: TextFacts) -> Iterator[tuple[str, object]]:
    from diffusion_studio.models.text.memory import needs

    yield "Files", facts.source
    yield "Needs", needs(facts)


def _model_rows(card: ModelCard) -> Iterator[tuple[str, object]]:
    yield "Model", card.title
    yield "Name", card.name
    yield "Description", card.description
    yield "Images", f"{card.pixels()} pixels, {'greyscale' if card.channels == 1 else 'colour'}"
    yield "Classes", ", ".join(card.classes)
    yield "Architecture", architecture(card)
    yield "Parameters", _parameters(card)
    yield "On disk", size(disk_size(card))
    if card.text is not None:
        yield from _text_rows(card.text)
    yield "Prediction", card.prediction
    yield (
        "Trained with",
        ", ".join(
            f"{card.schedule[key]} {word}".strip()
            for key, word in TRAINED_WITH.items()
            if key in card.schedule
        ),
    )
    yield "Recommended", ", ".join(f"{key} {value}" for key, value in card.recommended.items())
    if not card.recommended:
        said = {**card.recipe(), **card.said()}
        yield "Defaults", ", ".join(f"{key} {value}" for key, value in said.items())
    for remark in card.remarks:
        yield "Note", remark
    simple = {key: value for key, value in card.trained.items() if isinstance(value, str | int | float)}
    yield "Trained", ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in simple.items())
    yield "Licence", card.licence
    yield "Folder", card.path


def _parameters(card: ModelCard) -> str | None:
    return tr("{parameters:.1f} million", parameters=card.parameters / 1e6) if card.parameters else None


def run_models(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import cards
    from diffusion_studio.models.fast import companion_of
    from diffusion_studio.storage.places import models_dir

    check_readable(models_dir())
    found = cards.installed()
    default = cards.find("").name if found else ""
    if arguments.json:
        for card in found:
            fast = companion_of(card, found)
            pair = {"fast": fast.name if fast is not None else None}
            say_json({**model_facts(card), **pair, "default": card.name == default})
    else:
        _say_table([
            [
                plain(card.name) + (tr(" (default)") if card.name == default else ""),
                plain(card.title),
                card.pixels(),
                plural("{count} class", "{count} classes", len(card.classes))
                if card.classes
                else tr("no classes"),
                _parameters(card) or "",
                _pair(card, found),
            ]
            for card in found
        ])  # fmt: skip
    for reason in _broken({card.name for card in found}):
        tell(reason)
    if not found:
        raise UserError(tr("No model is installed. Make one with “train FOLDER --name NAME”."))
    return 0


def _pair(card: ModelCard, found: Sequence[ModelCard]) -> str:
    """Which fast model belongs to it, or of which model it is the fast one; "" for neither."""
    from diffusion_studio.models.fast import companion_of

    fast = companion_of(card, found)
    if fast is not None:
        return tr("fast: {name}", name=plain(fast.name))
    teacher = card.trained.get("teacher")
    return tr("fast version of {name}", name=plain(str(teacher)[:80])) if teacher else ""


def _broken(known: set[str]) -> Iterator[str]:
    """Why other folders among the models of the user are not listed."""
    from diffusion_studio.models import cards
    from diffusion_studio.storage import places

    place = places.models_dir()
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in known:
            try:
                cards.read_card(folder)
            except UserError as error:
                yield tr("Not listed: {error}", error=error)


def _say_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def doctor(_: argparse.ArgumentParser) -> Run:
    return run_doctor


def run_doctor(_: argparse.Namespace, __: Stop) -> int:
    from diffusion_studio import doctor

    say(doctor.text())
    return 0
