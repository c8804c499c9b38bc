"""Samples from one fixed noise while a model trains, of the averaged (EMA) or the raw weights, and the film of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSlider, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.training_events import AutoencoderAdapted, Samples
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import open_file
from diffusion_studio.ui.look.buttons import push_button, text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.drop import FILTERS
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.train.autoencoder import AutoencoderView
from diffusion_studio.ui.train.nearest import NearestView
from diffusion_studio.ui.train.sample_sheets import (
    Comparison,
    Sheets,
    list_sheets,
    read_comparison,
    read_sheet,
)
from diffusion_studio.ui.train.words import about

KEPT = 60  # sheets of this session; older ones are read from their files
FRAME = 160  # milliseconds of the film
WARMING = tr("EMA lags early on; check Raw for now.")
WEIGHTS = (
    (tr("EMA"), tr("Averaged weights, which the finished model uses")),
    (tr("Raw"), tr("The weights of the network at this very step")),
)
STUDENT = (
    (tr("Fast"), tr("The fast model, in the few steps it is made for")),
    (tr("Teacher"), tr("The model it is made from, in many steps from the same noise")),
)


class SampleCanvas(Canvas):
    """There are many small images and no buttons over them, so it gives all of its room to them."""

    margin, gap, room_for_bar = SPACE_S, SPACE_XS, 0


class SamplesView(QWidget):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.canvas = SampleCanvas(self)
        self.canvas.setAccessibleName(tr("Samples"))
        self.canvas.setToolTip(tr("Click an image to see the training image nearest to it."))
        self.ema, self.raw = (_toggle(*words) for words in WEIGHTS)
        self.reconstruction = _toggle(
            tr("Autoencoder"), tr("Images encoded and decoded, before and after the autoencoder was adapted")
        )
        self.autoencoder = AutoencoderView(self)
        self.film = QSlider(Qt.Orientation.Horizontal, self)
        self.film.setAccessibleName(tr("Film of the samples"))
        self.film.setToolTip(tr("The samples from the first to the latest, always from the same noise."))
        self.play = IconButton(
            "play", tr("Play"), tr("show how the samples developed, as a film"), self, icon_on="hold"
        )
        self.play.setCheckable(True)
        self.compare = push_button(
            tr("Compare an image…"), tr("Find the training image nearest to a generated image")
        )
        self.nearest = NearestView(self)
        self.when = plain_label("", "small")
        self.note = plain_label("", "small")
        self._steps: list[int] = []
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, bool]] = {}
        self._sheet: Sheets | None = None  # the step that is shown
        self._folder: Path | None = None
        self._size, self._student = 32, False
        self._asked: np.ndarray | None = None  # the sample whose nearest training image is shown
        self.controls: list[QWidget] = [
            self.ema,
            self.raw,
            self.reconstruction,
            self.canvas,
            self.nearest.close_button,
        ]
        self.controls += [self.play, self.film, self.compare]
        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._advance)
        self._lay_out()
        self.ema.setChecked(True)
        self.ema.toggled.connect(self._show_weights)
        self.reconstruction.toggled.connect(self._show_weights)
        self.film.valueChanged.connect(self._show_frame)
        self.play.toggled.connect(self._play)
        self.compare.clicked.connect(self._choose)
        self.nearest.closed.connect(self._unselect)
        self.canvas.view_changed.connect(self._follow)
        self.begin(None, 32)

    def begin(self, run: Path | None, size: int) -> None:
        """Show the film of a run: the sheets in its folder, and those that come."""
        self._folder = run / "samples" if run is not None else None
        self._size = size
        self._steps, self._kept, self._sheet = [], {}, None
        self.autoencoder.forget()
        self._place_autoencoder()
        self.nearest.begin(run)
        self.name_weights(student=False)
        self.compare.setEnabled(run is not None)
        self.play.setChecked(False)
        self.expect_first(0)
        self.when.setText("")
        self._show_note("")
        self._show_film()
        if self._folder is not None:
            self._context.run(list_sheets(self._folder), self._on_listed)
        if run is not None:
            self._context.run(read_comparison(run), self._on_comparison)

    def name_weights(self, *, student: bool) -> None:
        """Whose samples there are: a student's and its teacher's, or those of averaged and raw weights."""
        self._student = student
        for button, (name, explanation) in zip(
            (self.ema, self.raw), STUDENT if student else WEIGHTS, strict=True
        ):
            button.setText(name)
            button.setAccessibleName(name)
            button.setToolTip(tooltip(explanation))

    def expect_first(self, seconds: float) -> None:
        """Say when the first samples come; 0: not known."""
        if self._sheet is not None:
            return
        message = tr("Samples will appear here")
        if self._folder is not None and seconds:
            message = tr("First samples in about {time}", time=about(seconds))
        self._show_note(message if self.autoencoder.known else "")
        sentence = tr("They always start from the same noise, so that sheets differ by the training alone.")
        self.canvas.show_message(message, sentence)

    def expect_none(self) -> None:
        """The run is not trained any more: without samples it has none."""
        if self._sheet is None and not self._steps:
            message = tr("No samples yet")
            self._show_note(message if self.autoencoder.known else "")
            self.canvas.show_message(message, tr("It was stopped before the first ones."))

    def show_adapted(self, event: AutoencoderAdapted) -> None:
        """How well the autoencoder does by now; its images are shown until there are samples."""
        self.autoencoder.show_rows((event.images, event.before, event.now), event.psnr_before, event.psnr)
        self._place_autoencoder()

    def _on_comparison(self, found: Comparison) -> None:
        if self._folder is not None and found.run == self._folder.parent:
            self.autoencoder.show_rows(found.rows, found.psnr_before, found.psnr)
            self._place_autoencoder()
            if self._sheet is None:
                self._show_note(self.canvas.message.title)

    def _place_autoencoder(self) -> None:
        """Its images are in the place of the samples until these come, and where they are asked for."""
        known = self.autoencoder.known
        self.reconstruction.setVisible(known)
        if not known and self.reconstruction.isChecked():
            self.ema.setChecked(True)
        shown = known and (self._sheet is None or self.reconstruction.isChecked())
        self.autoencoder.setVisible(shown)
        self.canvas.setVisible(not shown)

    @property
    def weights(self) -> str:
        """Whose samples are shown: "ema" or "raw"."""
        return "raw" if self.raw.isChecked() else "ema"

    def add(self, event: Samples) -> None:
        """New samples; they are shown unless the user looks at earlier ones."""
        latest = self.film.value() == self.film.maximum() or not self._steps
        self._steps = [*(step for step in self._steps if step < event.step), event.step]
        if event.teacher != self._student:
            self.name_weights(student=event.teacher)
        self._kept[event.step] = (event.ema, event.raw, event.warming_up and not event.teacher)
        while len(self._kept) > KEPT:
            del self._kept[min(self._kept)]
        self._show_film()
        if latest:
            self.film.setValue(self.film.maximum())
            self._show_frame()

    def set_crisp(self, crisp: bool) -> None:
        self.canvas.set_crisp(crisp)
        self.autoencoder.set_crisp(crisp)

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
            self._show(Sheets(step, tuple(ema), tuple(raw)), WARMING if warming_up else "")
        elif self._folder is not None:
            self._context.run(read_sheet(self._folder, step, self._size), self._on_sheet)

    def _on_sheet(self, sheets: Sheets) -> None:
        if self._steps and self._steps[min(self.film.value(), len(self._steps) - 1)] == sheets.step:
            self._show(sheets, "")

    def _show(self, sheets: Sheets, note: str) -> None:
        self._sheet = sheets
        self._show_note(note)
        self._show_weights()

    def _show_weights(self) -> None:
        """The shown step, of the selected weights."""
        self._place_autoencoder()
        if self._sheet is None:
            return
        pictures = self._sheet.ema if self.weights == "ema" else self._sheet.raw
        if pictures:
            self.canvas.show_pictures([Picture({"denoised": picture}) for picture in pictures])
            self._follow()
        else:
            self.canvas.show_message("", tr("The raw samples of this step were not saved."))

    def _show_note(self, words: str) -> None:
        self.note.setText(words)
        self.note.setVisible(bool(words))

    def _follow(self) -> None:
        """The selected sample, in whichever step is shown, beside its nearest training image."""
        selected = self.canvas.selected
        if selected is None or selected >= len(self.canvas.pictures):
            if self._asked is not None:
                self.nearest.close_pair()
            return
        pixels = self.canvas.pictures[selected].pixels
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
        if self.canvas.selected is not None:
            self.canvas.select(None)

    def _play(self, playing: bool) -> None:
        self.play.setAccessibleName(tr("Pause") if playing else tr("Play"))
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
        self.canvas.setMinimumSize(QSize(160, 120))
        head = QHBoxLayout()
        head.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        head.setSpacing(SPACE_XS)
        weights = QButtonGroup(self)
        for button in (self.ema, self.raw, self.reconstruction):
            weights.addButton(button)
            head.addWidget(button)
        head.addSpacing(SPACE_M)
        head.addWidget(self.note, 1)
        head.addStretch()
        head.addWidget(self.compare)
        both = QHBoxLayout()
        both.setSpacing(1)
        both.addWidget(self.canvas, 1)
        both.addWidget(self.autoencoder, 1)
        both.addWidget(self.nearest)
        row = QHBoxLayout()
        row.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        row.setSpacing(SPACE_M)
        self.when.setMinimumWidth(84)
        for part, stretch in ((self.play, 0), (self.film, 1), (self.when, 0)):
            row.addWidget(part, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, SPACE_XS, 0, SPACE_XS)
        column.setSpacing(SPACE_S)
        column.addLayout(head)
        column.addLayout(both, 1)
        column.addLayout(row)


def _toggle(name: str, explanation: str) -> QToolButton:
    button = text_button(name, explanation)
    button.setCheckable(True)
    return button
