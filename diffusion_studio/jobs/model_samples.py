"""A sheet of pictures for the card of a model that came without one, drawn as the model recommends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models import cards
from diffusion_studio.models.folder import read_model
from diffusion_studio.models.kinds import kind_of
from diffusion_studio.storage.atomic import write_atomic

COLUMNS, ROWS = 8, 2
LARGE = 96  # pixels from which one row has to do, for the time it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    done: int
    total: int  # steps


def draw_samples(name: str) -> Iterator[Status | Drawing | Path]:
    """A job: draw the sheet of an own model and keep it with the model; the model that is loaded stays so."""
    card = cards.find(name)
    if card.starter:
        raise UserError(tr("{title} comes with the application, and with its samples.", title=card.title))
    yield Status(text=tr("Reading {title}…", title=card.title))
    device = devices.choose_device("auto")
    model = kind_of(card)(card, read_model(card.path), device, devices.choose_precision("auto", device))
    count = COLUMNS * (ROWS if card.size < LARGE else 1)
    pictures = np.zeros((count, 1, 1, 3), np.uint8)
    for frame in model.frames(replace(card.defaults(), seed=0, count=count)):
        pictures = frame.denoised
        yield Drawing(done=frame.index, total=frame.total)
    png = io.BytesIO()
    Image.fromarray(sheet(pictures)).save(png, "PNG")
    target = card.path / "samples.png"
    write_atomic(target, png.getvalue())
    yield target


def sheet(pictures: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """(N, H, W, 3) as one (rows·H, columns·W, 3) picture; N is a multiple of the columns."""
    count, height, width, depth = pictures.shape
    rows = pictures.reshape(count // columns, columns, height, width, depth)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, columns * width, depth)
