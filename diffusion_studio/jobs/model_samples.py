"""A sheet of sample images for the card of a model that came without one, generated as the model recommends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import SampleSheetEvent, SheetProgress, SheetSaved, Status
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models import cards
from diffusion_studio.models.kinds import kind_of
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.storage.atomic import write_atomic

COLUMNS, ROWS = 8, 2
OF_A_PROMPT = 4  # images that show what a text model makes of its family's example
LARGE = 96  # pixels from which one row is enough, for the time it takes


def make_samples(name: str) -> Iterator[SampleSheetEvent]:
    """Generate the sheet of a model of the user's own and save it with the model; ends with `SheetSaved`.

    The model that is loaded for generating stays loaded.
    """
    card = cards.find(name)
    if card.starter:
        raise UserError(tr("{title} comes with the application, and with its samples.", title=card.title))
    yield Status(text=tr("Reading {title}…", title=card.title))
    device = devices.choose_device("auto")
    model = kind_of(card).open(card, device, devices.choose_precision("auto", device))
    columns = COLUMNS if card.text is None else OF_A_PROMPT
    count = columns * (ROWS if card.size < LARGE else 1)
    settings = replace(card.defaults(), seed=0, count=count)
    if card.text is not None:
        settings = replace(settings, prompt=FAMILIES[card.text.family].example)
    pictures = np.zeros((count, 1, 1, 3), np.uint8)
    for preview in model.previews(settings):
        pictures = preview.result
        yield SheetProgress(done=preview.index, total=preview.total)
    png = io.BytesIO()
    Image.fromarray(sheet(pictures, columns)).save(png, "PNG")
    target = card.path / "samples.png"
    write_atomic(target, png.getvalue())
    yield SheetSaved(path=target)


def sheet(pictures: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """(N, H, W, C) as one (rows·H, columns·W, C) image; N is a multiple of the columns."""
    count, height, width, depth = pictures.shape
    rows = pictures.reshape(count // columns, columns, height, width, depth)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, columns * width, depth)
