"""The part of the panel about the start image: what it is, how much noise it gets, and its mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import Option, options
from diffusion_studio.ui.generate.start.brush import LARGEST
from diffusion_studio.ui.look.buttons import PushButton, ToolButton
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import shorten, tooltip
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.fields import IntField, name_field
from diffusion_studio.ui.widgets.form import LABEL_WIDTH
from diffusion_studio.ui.widgets.ratio_field import RatioField
from diffusion_studio.ui.widgets.schedule_curve import ForwardCurve

if TYPE_CHECKING:
    import numpy as np

THUMBNAIL = 48
LONGEST = 22  # letters of a name
BRUSH = Option(
    label=tr("Brush size"),
    help=tr("how wide the brush is, in pixels of the image ([ and ])"),
    min=1,
    max=LARGEST,
)
FEATHER = Option(
    label=tr("Feather"),
    help=tr("how softly the mask ends, in pixels; its edge blends new and old"),
    min=0,
    max=8,
)


class StartSection(QFrame):
    """Hidden while there is no start image."""

    strength_changed = Signal(float)
    feather_changed = Signal(float)
    resamples_changed = Signal(int)
    brush_resized = Signal(int)
    show_wanted = Signal()
    paint_wanted = Signal()
    remove_wanted = Signal()
    find_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        known = options(GenerationSettings)
        self.thumbnail = ToolButton(self)
        self.thumbnail.setAccessibleName(tr("Show the start image"))
        self.thumbnail.setToolTip(tr("Show the image with the noise it starts from"))
        self.thumbnail.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.title = plain_label(tr("Start image"), "quiet")
        self.name = plain_label("")
        self.fitted = plain_label("", "small")
        self.remove = IconButton(
            "close", tr("Remove the start image"), tr("start from full noise again"), self
        )
        self.strength = RatioField(known["strength"], self)
        self.curve = ForwardCurve(self, height=64)
        self.words = plain_label("", "small")
        self.missing = plain_label("", "small")
        self.find_button = PushButton(tr("Locate file…"), self)
        self.find_button.setAccessibleName(tr("Locate file…"))
        self.find_button.setToolTip(
            tr("Open the file these settings started from; it is recognized by its pixels")
        )
        self.paint_button = PushButton(tr("Paint a mask"), self)
        self.paint_button.setCheckable(True)
        self.paint_button.setAccessibleName(tr("Paint a mask"))
        self.paint_button.setToolTip(tr("Paint the area to regenerate; the rest of the image is kept (B)"))
        self.masked = plain_label("", "small")
        self.brush = RatioField(BRUSH, self, steps=63, whole=True)
        self.feather = RatioField(FEATHER, self, steps=32)
        self.resamples = IntField(known["resamples"], self)
        name_field(self.resamples, known["resamples"])
        self._picture, self._mask = QWidget(self), QWidget(self)
        self._lay_out()
        self._connect()
        self.hide()

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        head = [self.thumbnail, self.remove, self.find_button, *self.strength.controls, self.paint_button]
        return [*head, *self.brush.controls, *self.feather.controls, self.resamples]

    def show_picture(self, name: str, image: QImage, words: str) -> None:
        """What it is called, how the model sees it, and what was done to make it fit."""
        self.name.setText(shorten(name, LONGEST))
        self.name.setToolTip(tooltip(name))
        self.fitted.setText(words)
        self.thumbnail.setIcon(_icon(image))
        self._show(there=True)

    def show_missing(self, sentence: str) -> None:
        """The settings name an image that is not kept here."""
        self.name.setText(tr("Not found"))
        self.fitted.setText("")
        self.thumbnail.setIcon(QIcon())
        self.missing.setText(sentence)
        self._show(there=False)

    def show_strength(self, strength: float, words: str) -> None:
        if strength != self.strength.value():
            self.strength.show_value(strength)
        self.curve.mark(strength)
        self.words.setText(words)
        self.strength.slider.setAccessibleDescription(words)

    def show_schedule(self, left: np.ndarray) -> None:
        self.curve.show_schedule(left)

    def show_mask(self, share: float, *, painting: bool, feather: float, resamples: int) -> None:
        """How much of the image is regenerated; 0: there is no mask."""
        self.paint_button.setChecked(painting)
        self.paint_button.setText(tr("Done painting") if painting else tr("Paint a mask"))
        self.paint_button.setAccessibleName(self.paint_button.text())
        if feather != self.feather.value():
            self.feather.show_value(feather)
        if resamples != self.resamples.value():
            blocked = self.resamples.blockSignals(True)
            self.resamples.show_value(resamples)
            self.resamples.blockSignals(blocked)
        if share:
            self.masked.setText(tr("{share:.0%} masked", share=max(share, 0.01)))
        else:
            self.masked.setText(tr("paint on the image") if painting else tr("regenerates all of it"))
        self._mask.setVisible(painting or share > 0)
        for part in self._brush_row:
            part.setVisible(painting)

    def show_brush(self, size: int) -> None:
        if size != self.brush.value():
            self.brush.show_value(size)

    def _show(self, *, there: bool) -> None:
        self._picture.setVisible(there)
        self.missing.setVisible(not there)
        self.find_button.setVisible(not there)
        self.thumbnail.setVisible(there)
        self.show()

    # --- building ---

    def _connect(self) -> None:
        self.thumbnail.clicked.connect(self.show_wanted)
        self.remove.clicked.connect(self.remove_wanted)
        self.find_button.clicked.connect(self.find_wanted)
        self.paint_button.clicked.connect(self.paint_wanted)
        self.strength.changed.connect(lambda: self.strength_changed.emit(float(self.strength.value())))
        self.curve.chosen.connect(lambda share: self.strength.number.setValue(round(share, 2)))
        self.feather.changed.connect(lambda: self.feather_changed.emit(float(self.feather.value())))
        self.brush.changed.connect(lambda: self.brush_resized.emit(int(self.brush.value())))
        self.resamples.changed.connect(lambda: self.resamples_changed.emit(self.resamples.value()))

    def _lay_out(self) -> None:
        for label in (self.words, self.missing, self.fitted):
            label.setWordWrap(True)
        names = QVBoxLayout()
        names.setSpacing(0)
        for label in (self.title, self.name, self.fitted):
            names.addWidget(label)
        head = QHBoxLayout()
        head.setSpacing(SPACE_S)
        head.addWidget(self.thumbnail, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(names, 1)
        head.addWidget(self.remove, 0, Qt.AlignmentFlag.AlignTop)
        self._lay_out_picture()
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_S)
        column.setSpacing(SPACE_S)
        column.addLayout(head)
        for part in (self.missing, self.find_button, self._picture):
            column.addWidget(part)

    def _lay_out_picture(self) -> None:
        column = QVBoxLayout(self._picture)
        column.setContentsMargins(SPACE_XS, 0, SPACE_XS, SPACE_XS)
        column.setSpacing(SPACE_S // 2)
        column.addLayout(_rows([(tr("Strength"), self.strength, self.strength.number)]))
        column.addWidget(self.curve)
        column.addWidget(self.words)
        line = QHBoxLayout()
        line.setContentsMargins(0, SPACE_S, 0, 0)
        line.addWidget(self.paint_button)
        line.addWidget(self.masked, 1)
        column.addLayout(line)
        rows: list[tuple[str, QWidget, QWidget]] = [
            (tr("Brush size"), self.brush, self.brush.number),
            (tr("Feather"), self.feather, self.feather.number),
            (tr("Resampling"), self.resamples, self.resamples),
        ]
        grid = _rows(rows)
        grid.setContentsMargins(0, 0, 0, 0)
        self._mask.setLayout(grid)
        first = grid.itemAtPosition(0, 0)
        label = first.widget() if first is not None else None
        self._brush_row = [part for part in (label, self.brush) if part is not None]
        column.addWidget(self._mask)


def _rows(rows: list[tuple[str, QWidget, QWidget]]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(SPACE_M)
    grid.setVerticalSpacing(SPACE_S // 2)
    grid.setColumnStretch(1, 1)
    for row, (text, field, named) in enumerate(rows):
        label = plain_label(text, "quiet")
        label.setMinimumWidth(LABEL_WIDTH - SPACE_M - SPACE_S)
        label.setBuddy(named)
        grid.addWidget(label, row, 0)
        grid.addWidget(field, row, 1)
    return grid


def _icon(image: QImage) -> QIcon:
    """Small images enlarged to squares, large ones reduced smoothly."""
    side = 2 * THUMBNAIL
    enlarged = image.width() <= side
    mode = (
        Qt.TransformationMode.FastTransformation if enlarged else Qt.TransformationMode.SmoothTransformation
    )
    scaled = image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode)
    pixmap = QPixmap.fromImage(scaled)
    pixmap.setDevicePixelRatio(2)
    return QIcon(pixmap)
