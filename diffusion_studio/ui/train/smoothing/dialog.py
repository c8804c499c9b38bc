"""The dialog that chooses a smoothing: a slider, and samples of the same seeds that follow when it rests."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QDialog, QHBoxLayout, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.smoothing import PERCENTS, RECOMMENDED
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import shorten
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.pictures.sample_grid import SampleGrid
from diffusion_studio.ui.train.smoothing.slider import MarkedSlider

SETTLE = 350  # milliseconds the slider must rest
WIDTH = 656  # pixels
MARKED = round(100 * RECOMMENDED)
EMPTY_SHEET = (4, 2)  # images across and down, before the first sheet


class SmoothingDialog(QDialog):
    sheet_wanted = Signal(float)  # the length of an EMA, as a share of the run
    applied = Signal(float)

    def __init__(self, title: str, side: int, saved: float | None, parent: QWidget) -> None:
        """`side`: of an image in pixels; `saved`: the length that the run's model has, where one was chosen."""
        super().__init__(parent)
        self.setWindowTitle(tr("Smoothing"))
        self.setMinimumWidth(WIDTH)
        self._saved = None if saved is None else round(100 * saved)
        self._side = side
        self._sheets: dict[int, tuple[QImage, tuple[int, int]]] = {}
        self.slider = MarkedSlider(PERCENTS, MARKED)
        self.value = plain_label("")
        self.samples = SampleGrid()
        self.progress = QProgressBar()
        self.line = plain_label("", "small")
        self.apply = push_button(
            tr("Apply"), tr("Save the model of this run with this smoothing; Undo takes it back")
        )
        self.apply.setProperty("primary", True)
        self.apply.setDefault(True)
        self.cancel = push_button(tr("Cancel"), tr("Change nothing"))
        self._timer = QTimer(self, singleShot=True, interval=SETTLE)
        self._lay_out(title)
        self._timer.timeout.connect(self._want)
        self.slider.changed.connect(self._follow)
        self.apply.clicked.connect(self._apply)
        self.cancel.clicked.connect(self.reject)
        self.slider.show_value(self._saved or MARKED)
        self._follow()
        self.slider.slider.setFocus()

    @property
    def length(self) -> float:
        return self.slider.value / 100

    def show_progress(self, fraction: float) -> None:
        self.progress.setValue(round(100 * fraction))

    def show_sheet(self, sheet: QImage, sides: tuple[int, int], length: float) -> None:
        """The samples of a length; those of another than the slider is at now are kept for later."""
        percent = round(100 * length)
        self._sheets[percent] = sheet, sides
        if percent == self.slider.value:
            self._show(percent)

    def show_fault(self, sentence: str) -> None:
        """A length whose samples failed cannot be applied; another one can be tried."""
        self.line.setText(sentence)
        self.progress.setValue(0)
        self.apply.setEnabled(False)

    def done(self, result: int) -> None:
        self._timer.stop()
        super().done(result)

    def _follow(self) -> None:
        percent = self.slider.value
        words = tr("{percent}% of the run", percent=percent)
        if percent == self._saved:
            words = tr("{words}, as it is saved", words=words)
        self.value.setText(words)
        self.apply.setEnabled(True)
        if percent in self._sheets:
            self._timer.stop()
            self._show(percent)
        else:
            self._timer.start()

    def _show(self, percent: int) -> None:
        sheet, sides = self._sheets[percent]
        self.samples.show_sheet(sheet, sides)
        self.line.setText(tr("The same seeds at every length."))
        self.progress.setValue(100)

    def _want(self) -> None:
        self.line.setText(tr("Generating samples…"))
        self.progress.setValue(0)
        self.sheet_wanted.emit(self.length)

    def _apply(self) -> None:
        length = self.length
        self.accept()
        self.applied.emit(length)

    def _lay_out(self, title: str) -> None:
        heading = plain_label(tr("Smoothing of “{title}”", title=shorten(title, 60)), "heading")
        about = plain_label(
            tr(
                "The model is an average of the weights it had during the last part of its training. A longer part gives calmer "
                "images, a shorter one follows the newest steps."
            ),
            "quiet",
        )
        for label in (heading, about, self.line):
            label.setWordWrap(True)
        empty = QImage(EMPTY_SHEET[0] * self._side, EMPTY_SHEET[1] * self._side, QImage.Format.Format_ARGB32)
        empty.fill(0x30808080)
        self.samples.show_sheet(empty, (self._side, self._side))
        self.progress.setObjectName("thinBar")
        self.progress.setRange(0, 100)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName(tr("Progress of the samples"))
        self.value.setMinimumWidth(
            self.value.fontMetrics().horizontalAdvance("20% of the run, as it is saved")
        )
        row = QHBoxLayout()
        row.setSpacing(SPACE_M)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row.addWidget(self.slider, 1)
        row.addWidget(self.value)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addWidget(self.line, 1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.apply)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_M)
        column.addWidget(heading)
        column.addWidget(about)
        column.addLayout(row)
        column.addWidget(self.samples)
        column.addWidget(self.progress)
        column.addStretch(1)
        column.addLayout(foot)
