"""The installed models as a collection: bring one in, give one away, rename, copy, check, delete with a way back.

Nothing is downloaded and nothing is unpickled; what comes in is opened once, from end to end, before it counts as installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from . import cards
from .cards import CARD, ModelCard
from .checkpoint import read_model, weights_digest, write_model
from .errors import UserError
from .folders import models_dir, stage_folder, trash, write_atomic, write_json
from .foreign import explain
from .hardware import DTYPES
from .model_sources import Found, files_of, find_in_hub_cache, hub_name, licence, model_root, unzipped
from .models import kind_of

__all__ = [
    "Found",
    "delete_model",
    "duplicate_model",
    "export_model",
    "find_in_hub_cache",
    "import_model",
    "rename_model",
    "set_default",
    "verify_model",
]

README = """# {title}

{description}

```python
from diffusers import DDPMPipeline
pipeline = DDPMPipeline.from_pretrained("{folder}")
pipeline(num_inference_steps={steps}).images[0].save("picture.png")
```
"""


def import_model(source: Path, name: str | None = None) -> ModelCard:
    """Copy a diffusers folder (a pipeline or a network alone) or a zip of one among the installed models.

    It is opened before and compared after. Raises `UserError` saying what is wrong, or what the source is instead.
    """
    source = Path(source).expanduser().absolute()
    if source.is_file() and zipfile.is_zipfile(source) and source.suffix.lower() == ".zip":
        with unzipped(source) as folder:
            try:
                return _import_folder(model_root(folder), name, source.stem)
            except UserError as error:
                raise UserError(str(error).replace(str(folder), str(source)), error.details) from None
    if not source.is_dir():
        raise UserError(explain(source))
    root = model_root(source)
    return _import_folder(root, name, (hub_name(root) or root.name).split("/")[-1])


def _import_folder(root: Path, name: str | None, folder: str) -> ModelCard:
    """`name` is what the user calls it; otherwise it keeps its title, and takes the name of its `folder`."""
    card = cards.read_card(root)
    kind_of(card)
    checkpoint = read_model(root)
    parameters = sum(weight.numel() for weight in checkpoint.network.parameters())
    target = _free_place(name or folder)
    with stage_folder(target) as stage:
        for file, place in files_of(root):
            (stage / place).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, stage / place)
        if weights_digest(stage) != checkpoint.digest:
            raise UserError(f"{root} changed while it was copied; try again.")
        facts = _json(stage / CARD)
        written = {
            "card_version": 1,
            "licence": licence(root),
            **facts,
            "title": str(name or facts.get("title") or target.name)[:120],
            "parameters": parameters,
            "weights_sha256": checkpoint.digest,
        }
        (stage / CARD).write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return cards.read_card(target)


def _json(path: Path) -> dict[str, Any]:
    return cards.read_small_json(path) if path.is_file() else {}


def _free_place(name: str) -> Path:
    """A folder among the models that nobody has, named as nearly so as file systems allow."""
    plain = re.sub(r"[^\w.+ -]+", "-", name).strip(" .-")[:80] or "model"
    taken = {card.name.casefold() for card in cards.installed()}
    for number in range(1, 10_000):
        place = models_dir() / (plain if number == 1 else f"{plain}-{number}")
        if place.name.casefold() not in taken and not os.path.lexists(place):
            return place
    raise UserError(f"There are too many models called “{plain}” in {models_dir()}.")


# Giving away ----------------------------------------------------------------------------------------------------------


def export_model(name: str, target: Path, *, dtype: str = "float32", zip: bool = False) -> Path:
    """Write an installed model as a folder that `DDPMPipeline.from_pretrained` opens, or a zip of one; returns where it is.

    Never over something that is there. Raises `UserError`.
    """
    card = cards.find(name)
    if dtype not in DTYPES:
        raise UserError(f"A model can be written as {', '.join(DTYPES)}, not as “{dtype[:40]}”.")
    target = Path(target).expanduser().absolute()
    if zip and target.suffix.lower() != ".zip":
        target = target.with_name(target.name + ".zip")
    if os.path.lexists(target):
        raise UserError(f"{target} is there already; choose another name.")
    checkpoint = read_model(card.path)
    facts = {"title": card.title, "parameters": card.parameters, **_json(card.path / CARD)}
    write: dict[str, Any] = {
        "prediction": card.prediction,
        "card": facts,
        "dtype": DTYPES[dtype],
        "samples": card.samples.read_bytes() if card.samples else None,
        "texts": {"README.md": read_me(card, target.stem if zip else target.name)},
    }
    if not zip:
        write_model(target, checkpoint.network, checkpoint.schedule, **write)
        return target
    with tempfile.TemporaryDirectory(prefix="diffusion-studio-") as place:
        folder = Path(place) / target.stem
        write_model(folder, checkpoint.network, checkpoint.schedule, **write)
        write_atomic(target, lambda file: _zip(folder, file), exclusive=True)
    return target


def _zip(folder: Path, file: Any) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # weights hardly get smaller
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())


def read_me(card: ModelCard, folder: str) -> str:
    """What the model is, and three lines of Python that draw with it."""
    steps = max(card.defaults().steps, 50)
    text = README.format(title=card.title, description=card.description, folder=folder, steps=steps)
    if card.class_count:
        lines = [
            "import torch",
            "from diffusers import DDIMScheduler, UNet2DModel",
            f'unet, scheduler = UNet2DModel.from_pretrained("{folder}/unet"), '
            f'DDIMScheduler.from_pretrained("{folder}/scheduler")',
            f"scheduler.set_timesteps({steps})",
            f"x = torch.randn(1, {card.channels}, {card.size}, {card.size})",
            "for t in scheduler.timesteps:",
            "    with torch.no_grad():",
            "        x = scheduler.step(unet(x, t, torch.tensor([0])).sample, t, x).prev_sample",
        ]
        code = "\n".join(lines)
        text = f"# {card.title}\n\n{card.description}\n\n```python\n{code}\n```\n\nClasses by number: "
        text += ", ".join(f"{row} {label}" for row, label in enumerate(card.classes)) + ".\n"
    return text + (f"\nLicence: {card.licence}\n" if card.licence else "")


# In place -------------------------------------------------------------------------------------------------------------


def delete_model(name: str) -> Path:
    """Move an installed model to the trash; `folders.restore(returned, card.path)` brings it back."""
    return trash(_own(name, "deleted").path)


def rename_model(name: str, title: str) -> ModelCard:
    """Give a model another title. Its folder, by which pictures know it, keeps its name."""
    card = _own(name, "renamed")
    title = " ".join(title.split())[:120]
    if not title:
        raise UserError("A model needs a name of at least one letter.")
    if any(other.name != card.name and title.casefold() in (other.title.casefold(), other.name.casefold())
           for other in cards.installed()):  # fmt: skip
        raise UserError(f"Another model is called “{title}”; choose another name.")
    write_json(card.path / CARD, {**_json(card.path / CARD), "title": title})
    return cards.read_card(card.path)


def duplicate_model(name: str) -> ModelCard:
    """A second, independent copy of a model, which may then be renamed; a starter's copy belongs to the user."""
    card = cards.find(name)
    target = _free_place(f"{card.name} copy")
    with stage_folder(target) as stage:
        for file, place in files_of(card.path):
            (stage / place).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, stage / place)
        facts = {**_json(stage / CARD), "title": f"{card.title} copy"}
        (stage / CARD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return cards.read_card(target)


def verify_model(name: str) -> list[str]:
    """What is wrong with a model, a sentence each; nothing where it opens, is finite and has the hash its card names."""
    card = cards.find(name)
    try:
        kind_of(card)
        digest = read_model(card.path).digest
    except UserError as error:
        return [str(error)]
    if card.digest and card.digest != digest:
        return [
            f"{card.path}: its weights are not those its card names (sha256 {digest[:10]}, not {card.digest[:10]})."
        ]
    return []


def set_default(name: str) -> ModelCard:
    """The model that is used where none is named."""
    card = cards.find(name)
    write_json(cards.default_file(), {"model": card.name})
    return card


def _own(name: str, done: str) -> ModelCard:
    card = cards.find(name) if name else None
    if card is None:
        raise UserError(f"Say which model is to be {done}.")
    if card.starter:
        raise UserError(f"{card.title} comes with the application and can not be {done}; a copy of it can.")
    return card
