"""Samples from one fixed noise while a model trains: averaged and raw weights side by side, and the film of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import open_file
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.drop import FILTERS
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.train.film import Sheet, list_sheets, read_sheet
from diffusion_studio.ui.train.nearest import NearestView

if TYPE_CHECKING:
    from diffusion_studio.events import Samples

KEPT = 60  # sheets of raw pictures of this sitting; the averaged ones are files
FRAME = 160  # milliseconds of the film
WARMING = tr("The average still remembers where it started: the raw pictures tell more for now.")


class SampleCanvas(Canvas):
    """There are many small pictures and no buttons over them, so it gives all of its room to them."""

    margin, gap, room_for_bar = SPACE_S, SPACE_XS, 0


class SamplesView(QWidget):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.ema, self.raw = SampleCanvas(self), SampleCanvas(self)
        self.ema.setAccessibleName(tr("Averaged samples"))
        self.raw.setAccessibleName(tr("Raw samples"))
        self.film = QSlider(Qt.Orientation.Horizontal, self)
        self.film.setAccessibleName(tr("Film of the samples"))
        self.film.setToolTip(tr("The samples from the first to the latest, always from the same noise."))
        self.play = IconButton(
            "play", tr("Play"), tr("show how the samples developed, as a film"), self, icon_on="hold"
        )
        self.play.setCheckable(True)
        self.compare = QPushButton(tr("Compare a picture…"), self)
        self.compare.setAccessibleName(tr("Compare a picture…"))
        self.compare.setToolTip(tr("Find the training picture nearest to a picture that a model has drawn"))
        self.nearest = NearestView(self)
        self.when = plain_label("", "small")
        self.note = plain_label("", "small")
        self._steps: list[int] = []
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, bool]] = {}
        self._folder: Path | None = None
        self._size = 32
        self._asked: np.ndarray | None = None  # the sample whose nearest training picture is shown
        self.controls: list[QWidget] = [self.ema, self.raw, self.nearest.close_button]
        self.controls += [self.play, self.film, self.compare]
        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._advance)
        self._lay_out()
        self.film.valueChanged.connect(self._show_frame)
        self.play.toggled.connect(self._play)
        self.compare.clicked.connect(self._choose)
        self.nearest.closed.connect(self._unselect)
        for canvas, other in ((self.ema, self.raw), (self.raw, self.ema)):
            canvas.setToolTip(tr("Click a picture to see the training picture nearest to it."))
            canvas.view_changed.connect(lambda canvas=canvas, other=other: self._follow(canvas, other))
        self.begin(None, 32)

    def begin(self, run: Path | None, size: int) -> None:
        """Show the film of a run: the sheets in its folder, and those that come."""
        self._folder = run / "samples" if run is not None else None
        self._size = size
        self._steps, self._kept = [], {}
        self.nearest.begin(run)
        self.compare.setEnabled(run is not None)
        self.play.setChecked(False)
        message = tr("The first samples come in a while") if run is not None else tr("Samples will form here")
        self.ema.show_message(
            message, tr("Always from the same noise, so that two sheets differ by the training alone.")
        )
        self.raw.show_message("")
        self.when.setText("")
        self._say("")
        self._show_film()
        if self._folder is not None:
            self._context.run(list_sheets(self._folder), self._on_listed)

    def add(self, event: Samples) -> None:
        """Samples drawn just now; they are shown unless the user looks at earlier ones."""
        latest = self.film.value() == self.film.maximum() or not self._steps
        self._steps = [*(step for step in self._steps if step < event.step), event.step]
        self._kept[event.step] = (event.ema, event.raw, event.warming_up)
        while len(self._kept) > KEPT:
            del self._kept[min(self._kept)]
        self._show_film()
        if latest:
            self.film.setValue(self.film.maximum())
            self._show_frame()

    def set_crisp(self, crisp: bool) -> None:
        self.ema.set_crisp(crisp)
        self.raw.set_crisp(crisp)

    def close_down(self) -> None:
        self._timer.stop()

    def _on_listed(self, found: tuple[Path | None, Sequence[int]]) -> None:
        folder, steps = found
        if folder != self._folder or not steps:
            return
        self._steps = sorted({*steps, *self._steps})
        self._show_film()
        self.film.setValue(self.film.maximum())
        self._show_frame()

    def _show_film(self) -> None:
        blocked = self.film.blockSignals(True)
        self.film.setRange(0, max(len(self._steps) - 1, 0))
        self.film.blockSignals(blocked)
        for part in (self.film, self.play):
            part.setEnabled(len(self._steps) > 1)

    def _show_frame(self) -> None:
        if not self._steps:
            return
        step = self._steps[min(self.film.value(), len(self._steps) - 1)]
        self.when.setText(tr("Step {step:,}", step=step))
        self.film.setAccessibleDescription(
            tr(
                "Step {step:,}, sheet {value} of {count}",
                step=step,
                value=self.film.value() + 1,
                count=len(self._steps),
            )
        )
        if step in self._kept:
            ema, raw, warming_up = self._kept[step]
            self._show(self.ema, ema)
            self._show(self.raw, raw)
            self._say(WARMING if warming_up else "")
        elif self._folder is not None:
            self._context.run(read_sheet(self._folder, step, self._size), self._on_sheet)

    def _on_sheet(self, sheet: Sheet) -> None:
        if self._steps and self._steps[min(self.film.value(), len(self._steps) - 1)] == sheet.step:
            self._show(self.ema, sheet.pictures)
            if sheet.raw:
                self._show(self.raw, sheet.raw)
            else:
                self.raw.show_message("", tr("The raw pictures of this step were not kept."))
            self._say("")

    def _say(self, words: str) -> None:
        self.note.setText(words)
        self.note.setVisible(bool(words))

    def _show(self, canvas: Canvas, pictures: Iterable[np.ndarray]) -> None:
        canvas.show_pictures([Picture({"denoised": picture}) for picture in pictures])
        if canvas.selected is not None:
            self._follow(canvas, self.raw if canvas is self.ema else self.ema)

    def _follow(self, canvas: Canvas, other: Canvas) -> None:
        """The sample that is chosen, in whichever step is shown, beside its nearest training picture."""
        chosen = canvas.selected
        if chosen is None or chosen >= len(canvas.pictures):
            if self._asked is not None and other.selected is None:
                self.nearest.put_away()
            return
        if other.selected is not None:
            other.selected = None
            other.update()
        pixels = canvas.pictures[chosen].pixels
        if pixels is not self._asked:
            self._asked = pixels
            self.nearest.ask(pixels)

    def _choose(self) -> None:
        """Ask about a picture in a file."""
        path = open_file(self, tr("Compare an image"), FILTERS)
        if path is not None:
            self._unselect()
            self.nearest.ask(path)

    def _unselect(self) -> None:
        self._asked = None
        for canvas in (self.ema, self.raw):
            if canvas.selected is not None:
                canvas.select(None)

    def _play(self, playing: bool) -> None:
        self.play.setAccessibleName(tr("Hold") if playing else tr("Play"))
        if not playing:
            self._timer.stop()
            return
        if self.film.value() == self.film.maximum():
            self.film.setValue(0)
        self._timer.start()

    def _advance(self) -> None:
        if self.film.value() == self.film.maximum():
            self.play.setChecked(False)
        else:
            self.film.setValue(self.film.value() + 1)

    def _lay_out(self) -> None:
        both = QHBoxLayout()
        both.setSpacing(1)
        for name, explanation, canvas in (
            (
                "Averaged weights (EMA)",
                "What the finished model will draw with: an average over the last steps",
                self.ema,
            ),
            ("Raw weights", "What the network draws with at this very step", self.raw),
        ):
            side = QVBoxLayout()
            side.setSpacing(SPACE_S)
            label = plain_label(name, "small")
            label.setToolTip(explanation)
            label.setContentsMargins(SPACE_L, 0, 0, 0)
            label.setMinimumHeight(self.nearest.close_button.sizeHint().height())  # all three in one line
            canvas.setMinimumSize(QSize(160, 140))
            side.addWidget(label)
            side.addWidget(canvas, 1)
            both.addLayout(side, 1)
        both.addWidget(self.nearest)
        row = QHBoxLayout()
        row.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        row.setSpacing(SPACE_M)
        self.when.setMinimumWidth(84)
        for part, stretch in ((self.play, 0), (self.film, 1), (self.when, 0), (self.compare, 0)):
            row.addWidget(part, stretch)
        self.note.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, SPACE_S, 0, SPACE_S)
        column.setSpacing(SPACE_S)
        column.addLayout(both, 1)
        column.addWidget(self.note)
        column.addLayout(row)
