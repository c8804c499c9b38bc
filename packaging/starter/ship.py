"""Put a trained model among the starters: float16 weights, and a card that says what it is.

    python packaging/starter/ship.py TRAINED_MODEL packaging/starter/pixel-avatars-32.json
    python packaging/starter/ship.py FAST_MODEL packaging/starter/pixel-avatars-32-fast.json --companion-of pixel-avatars-32

The JSON file holds what training cannot know: title, description, licence, recommended settings. `--companion-of` names the
starter that Live and previews use a fast model for. Where autoguidance is recommended, the weights from early in its training are
shipped too; `--early` takes those of another model, for one that was trained further from weights that were good already.
"""

from __future__ import annotations

import argparse
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


def ship(name: str, extra: Path, teacher: str = "", early: str = "") -> Path:
    card = cards.find(name)
    facts = json.loads((card.path / layout.CARD).read_text(encoding="utf-8"))
    facts.update(json.loads(extra.read_text(encoding="utf-8")))
    if teacher:
        facts["trained"] = linked(card, cards.find(teacher), facts["trained"])
    target = Path(__file__).parents[2] / "resources" / "models" / extra.stem
    write(card, target, facts, None, early)
    shipped = cards.read_card(target, starter=True)
    write(card, target, facts, samples(shipped), early)  # drawn by the very weights that are shipped
    return target


def linked(card: ModelCard, teacher: ModelCard, trained: dict) -> dict:
    """What is said of the training, with the starter it is the companion of; exits where it would not be taken for one."""
    trained = {**trained, "teacher": teacher.name, "teacher_title": teacher.title}
    if companion_of(teacher, [replace(card, trained=trained)]) is None:
        sys.exit(
            f"{card.title} is no companion of {teacher.title}: it must generate in few steps, as large, with the same classes."
        )
    return trained


def write(card: ModelCard, target: Path, facts: dict, drawn: bytes | None, early: str) -> None:
    checkpoint, kept = read_model(card.path), None
    if "autoguidance" in facts["recommended"] and early:
        kept = list(read_model(cards.find(early).path).network.parameters())
    elif "autoguidance" in facts["recommended"]:
        kept = early_weights(card, checkpoint.network.config)
    write_model(
        target,
        checkpoint.network,
        checkpoint.schedule,
        prediction=card.prediction,
        card=facts,
        dtype=torch.float16,
        samples=drawn,
        early=kept,
        autoencoder=checkpoint.autoencoder,
    )


def samples(card: ModelCard) -> bytes:
    """The recommended settings' first images, seeds 0 to 31, unselected; with transparency where the model has it."""
    *_, last = open_model(card).previews(replace(card.defaults(), seed=0, count=COLUMNS * ROWS))
    png = io.BytesIO()
    Image.fromarray(sheet(last.result, COLUMNS)).save(png, "PNG", optimize=True)
    return png.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("card", type=Path)
    parser.add_argument("--companion-of", default="", metavar="STARTER")
    parser.add_argument("--early", default="", metavar="MODEL")
    asked = parser.parse_args()
    print(ship(asked.model, asked.card, asked.companion_of, asked.early))
