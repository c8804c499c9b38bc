"""Put a trained model among the starters: float16 weights, and a card that says what it is.

    python packaging/starter/ship.py TRAINED_MODEL packaging/starter/pixel-avatars-32.json
    python packaging/starter/ship.py FAST_MODEL packaging/starter/pixel-avatars-32-fast.json pixel-avatars-32

The JSON file holds what training cannot know: title, description, licence, recommended settings. The third argument names the
starter that a fast model is the companion of: Live and previews use it in its place.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from diffusion_studio.generation.opening import open_model
from diffusion_studio.jobs.model_samples import sheet
from diffusion_studio.models import cards, layout
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.export import early_weights
from diffusion_studio.models.fast import companion_of
from diffusion_studio.models.folder import read_model, write_model

COLUMNS, ROWS = 8, 4


def ship(name: str, extra: Path, teacher: str = "") -> Path:
    card = cards.find(name)
    facts = json.loads((card.path / layout.CARD).read_text(encoding="utf-8"))
    facts.update(json.loads(extra.read_text(encoding="utf-8")))
    if teacher:
        facts["trained"] = linked(card, cards.find(teacher), facts["trained"])
    target = Path(__file__).parents[2] / "resources" / "models" / extra.stem
    write(card, target, facts, None)
    shipped = cards.read_card(target, starter=True)
    write(card, target, facts, samples(shipped))  # drawn by the very weights that are shipped
    return target


def linked(card: ModelCard, teacher: ModelCard, trained: dict) -> dict:
    """What is said of the training, with the starter it is the companion of; exits where it would not be taken for one."""
    trained = {**trained, "teacher": teacher.name, "teacher_title": teacher.title}
    if companion_of(teacher, [replace(card, trained=trained)]) is None:
        sys.exit(
            f"{card.title} is no companion of {teacher.title}: it must generate in few steps, as large, with the same classes."
        )
    return trained


def write(card: ModelCard, target: Path, facts: dict, drawn: bytes | None) -> None:
    checkpoint = read_model(card.path)
    write_model(
        target,
        checkpoint.network,
        checkpoint.schedule,
        prediction=card.prediction,
        card=facts,
        dtype=torch.float16,
        samples=drawn,
        early=early_weights(card, checkpoint.network.config)
        if "autoguidance" in facts["recommended"]
        else None,
        autoencoder=checkpoint.autoencoder,
    )


def samples(card: ModelCard) -> bytes:
    """The recommended settings' first images, seeds 0 to 31, unselected; with transparency where the model has it."""
    *_, last = open_model(card).previews(replace(card.defaults(), seed=0, count=COLUMNS * ROWS))
    png = io.BytesIO()
    Image.fromarray(sheet(last.result, COLUMNS)).save(png, "PNG", optimize=True)
    return png.getvalue()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    print(ship(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
