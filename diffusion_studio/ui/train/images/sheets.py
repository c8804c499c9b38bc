"""Sheets of sprites among the training images: what they hold, the lines they would be cut along, and the offer to cut them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from diffusion_studio.jobs.sprites import Cutting, cut_sheets
from diffusion_studio.language import plural, tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.trashing import Places
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable, shorten
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.pictures.sheet_preview import with_grid

ROOM = QSize(304, 240)  # pixels of the preview


class SheetOffer(QWidget):
    """`sheets`: those of the report on the folder."""

    cut_wanted = Signal()

    def __init__(self, sheets: Sequence[Mapping[str, Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._first = sheets[0]
        self.preview = QLabel()
        self.preview.setAccessibleName(tr("The sheet with the lines it would be cut along"))
        self.preview.hide()
        name = shorten(readable(str(sheets[0]["name"])), 40)
        words = plural(
            "{name} is a sheet of sprites. A model learns from each of them, not from the sheet.",
            "{name} and others, {count:,} in all, are sheets of sprites. A model learns from each sprite, not from a sheet.",
            len(sheets),
            name=name,
        )
        label = plain_label(words)
        label.setWordWrap(True)
        self.cut = push_button(
            offer_words(sheets), tr("Save each sprite as an image of its own, and train on those")
        )
        self.cut.setProperty("primary", True)
        self.cut.clicked.connect(self.cut_wanted)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE_S)
        column.setSpacing(SPACE_S)
        for part in (label, self.preview, self.cut):
            column.addWidget(part)

    def show_sheet(self, image: QImage) -> None:
        """Show the first sheet; nothing where it could not be read."""
        if not image.isNull():
            ratio = self.devicePixelRatioF()
            self.preview.setPixmap(QPixmap.fromImage(with_grid(image, self._first, ROOM, ratio)))
            self.preview.show()


class SpriteCutting(QObject):
    """Cuts sheets in the background. Undo moves the sprites to the trash and goes back to the folder with the sheets."""

    folder_wanted = Signal(object)  # Path to train on from now on; None: no folder

    def __init__(self, context: AppContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._job: int | None = None
        context.background.job_ended.connect(self._end)

    def cut(self, source: Path, sheets: Sequence[Mapping[str, Any]], before: Path | None) -> None:
        """`source`: the folder of the sheets, or the only one; `before`: the folder that Undo goes back to."""
        if self._job is None:
            self._job = self._context.run(
                cut_sheets(source, sheets),
                lambda event: self._take(event, before),
                title=tr("Cutting “{name}”", name=shorten(readable(source.name), 40)),
            )

    def _end(self, job: int) -> None:
        if job == self._job:
            self._job = None

    def _take(self, event: Cutting, before: Path | None) -> None:
        if event.done < event.total:
            return
        folder = event.folder
        places = Places(
            self._context,
            [folder],
            then=lambda: self.folder_wanted.emit(folder if folder.is_dir() else before),
        )
        self._context.done(
            plural("Cut into {count:,} image", "Cut into {count:,} images", event.total),
            Change(tr("cutting into sprites"), places.remove, places.bring_back),
        )
        self.folder_wanted.emit(folder)


def offer_words(sheets: Sequence[Mapping[str, Any]]) -> str:
    """“Cut into 48 sprites of 32×32”; of sheets with cells of several sizes without the size."""
    count, sizes = sum(sheet["sprites"] for sheet in sheets), {(s["width"], s["height"]) for s in sheets}
    if len(sizes) > 1:
        return plural("Cut into {count:,} sprite", "Cut into {count:,} sprites", count)
    width, height = sizes.pop()
    return plural(
        "Cut into {count:,} sprite of {width}×{height}",
        "Cut into {count:,} sprites of {width}×{height}",
        count,
        width=width,
        height=height,
    )
