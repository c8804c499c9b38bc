"""A generated image beside the training image it is most like, and how alike they are, to recognise overfitting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training_events import Checking
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable, tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture

if TYPE_CHECKING:
    from diffusion_studio.training.data.nearest import Gallery, Likeness

WIDTH = 296
EXPLANATION = tr(
    "The distance is the root mean square over small copies: 0 for the same image, 1 for black against white. "
    "It is compared with the distance from a training image to its nearest other one, because plain and blurred "
    "images are close to many. A distance is only a hint: compare the two images yourself."
)


class PairCanvas(Canvas):
    margin, room_for_bar = SPACE_M, 0


class NearestView(QWidget):
    """Hidden until an image is selected. What it reads of a run's folder is kept until another run is shown."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.worker = Worker("nearest", self)
        self.canvas = PairCanvas(self)
        self.canvas.setAccessibleName(tr("Sample and nearest training image"))
        self.close_button = IconButton("close", tr("Close"), tr("show the samples alone"), self)
        self.name = ElidedLabel("")
        self.name.setProperty("small", True)
        self.measure = plain_label("")
        self.verdict = plain_label("", "quiet")
        self._run: Path | None = None
        self._gallery: Gallery | None = None
        self._job: int | None = None
        self._lay_out()
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(lambda job, sentence, _: self._on_failed(job, sentence))
        self.close_button.clicked.connect(self.close_pair)
        self.hide()

    def begin(self, run: Path | None) -> None:
        """The run whose training images are compared from now on."""
        if run != self._run:
            self._run, self._gallery = run, None
            self.close_pair()

    def ask(self, picture: np.ndarray | Path) -> None:
        """Look for the training image nearest to this one, in place of a search that still runs."""
        if self._run is None:
            return
        self._cancel()
        if self._gallery is None:
            self._gallery = gallery_of(self._run)
        self._job = self.worker.submit(iter(self._gallery.ask(picture)))
        self.show()

    def close_pair(self) -> None:
        self._cancel()
        self.canvas.show_message("")
        for label in (self.name, self.measure, self.verdict):
            label.setText("")
        self.hide()
        self.closed.emit()

    def _cancel(self) -> None:
        if self._job is not None:
            job, self._job = self._job, None
            self.worker.cancel(job)

    def _on_event(self, job: int, event: Checking | Status | Likeness) -> None:
        if job != self._job:
            return
        match event:
            case Checking(done=done, total=total):
                self._wait(tr("Reading the training images… {done:,} of {total:,}", done=done, total=total))
            case Status(text=text):
                self._wait(text)
            case _:
                self._show(event)

    def _wait(self, words: str) -> None:
        if not self.canvas.pictures:
            self.canvas.show_message("", words)

    def _show(self, likeness: Likeness) -> None:
        pair = (likeness.asked, likeness.pixels)
        self.canvas.show_pictures([Picture({"denoised": pixels}) for pixels in pair])
        self.name.setText(readable(likeness.path.name) + (tr(", mirrored") if likeness.mirrored else ""))
        self.name.setToolTip(tooltip(readable(likeness.path)))
        self.measure.setText(tr("Distance {measure}.", measure=likeness.measure))
        self.verdict.setText(likeness.verdict)
        self.canvas.setAccessibleDescription(f"{self.measure.text()} {likeness.verdict}")

    def _on_failed(self, job: int, sentence: str) -> None:
        if job == self._job:
            self.canvas.show_message("", sentence)
            for label in (self.name, self.measure, self.verdict):
                label.setText("")

    def _lay_out(self) -> None:
        self.setFixedWidth(WIDTH)
        self.canvas.setMinimumSize(QSize(160, 100))
        title = plain_label(tr("Nearest training image"), "small")
        row = QHBoxLayout()
        row.setContentsMargins(SPACE_L, 0, SPACE_S, 0)
        row.addWidget(title, 1)
        row.addWidget(self.close_button)
        words = QVBoxLayout()
        words.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        words.setSpacing(SPACE_XS)
        self.name.setContentsMargins(-SPACE_S, 0, -SPACE_S, 0)  # it has a margin of its own
        for label in (self.name, self.measure, self.verdict):
            words.addWidget(label)
        for label in (self.measure, self.verdict):
            label.setWordWrap(True)
            label.setToolTip(EXPLANATION)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addLayout(row)
        column.addWidget(self.canvas, 1)
        column.addLayout(words)


def gallery_of(run: Path) -> Gallery:
    """The training images of a run."""
    from diffusion_studio.training.data.nearest import Gallery
    from diffusion_studio.training.records.run import Run

    settings, _ = from_dict(TrainingSettings, Run(run).facts.get("settings", {}))
    return Gallery.of(settings)
