"""The few buttons on the canvas: which layer is shown, how large, and the way back to the running generation."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import ground_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_XS
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import EXPLAINED, LAYERS

SHORT = {
    "denoised": tr("Preview"),
    "noisy": tr("Noisy"),
    "noise": tr("Noise"),
    "difference": tr("Change"),
}
SYMBOLS = {"denoised": "x̂₀", "noisy": "xₜ", "noise": "ε̂", "difference": "Δ"}
NARROW, NARROWEST = 700, 440  # pixels of canvas, below which the buttons say less


class CanvasBar(QObject):
    """Keeps three groups of buttons in the corners of a canvas."""

    live_wanted = Signal()

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.layers = {name: ground_button(text, EXPLAINED[name]) for name, text in LAYERS.items()}
        for name, button in self.layers.items():
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, layer=name: canvas.show_layer(layer))  # ends in `_update`
        self.percent = plain_label("100 %")
        self.percent.setToolTip(tr("Screen pixels per pixel of the image"))
        self.fit = ground_button(tr("Fit"), tr("Show everything, as large as the canvas allows (F)"))
        self.fit.clicked.connect(canvas.fit)
        self.live = ground_button(tr("Show progress"), tr("Go back to the images that are being generated"))
        self.live.clicked.connect(self.live_wanted)
        self.tile = ground_button(
            tr("Tile 3×3"), tr("Show the image beside itself, to see whether it has seams")
        )
        self.tile.setCheckable(True)
        self.tile.clicked.connect(canvas.set_tiled)
        self._left = _group(canvas, *self.layers.values())
        self._right = _group(canvas, self.tile, self.percent, self.fit)
        self._top = _group(canvas, self.live)
        self._top.hide()
        canvas.installEventFilter(self)
        canvas.view_changed.connect(self._update)
        self._update()

    @property
    def controls(self) -> list[QWidget]:
        return [*self.layers.values(), self.tile, self.fit, self.live]

    @property
    def lowest(self) -> QWidget:
        """The group in the lower corner, which is there whenever an image is shown."""
        return self._right

    def show_live(self, offered: bool) -> None:
        """Offer the way back to the running generation."""
        self._top.setVisible(offered)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _update(self) -> None:
        canvas = self._canvas
        self._left.setVisible(len(canvas.layers) > 1)
        self._right.setVisible(bool(canvas.pictures))
        for name, button in self.layers.items():
            button.setChecked(name == canvas.layer)
        offered = canvas.tiled or any(picture.seamless for picture in canvas.pictures)
        self.tile.setChecked(canvas.tiled)
        if offered == self.tile.isHidden():
            self.tile.setVisible(offered)
            self._place()
        text = f"{canvas.scale * 100:.0f} %"
        if text != self.percent.text():
            self.percent.setText(text)
            self._place()

    def _name(self) -> None:
        """As much as there is room for."""
        width = self._canvas.width()
        names = LAYERS if width >= NARROW else SHORT if width >= NARROWEST else SYMBOLS
        self.percent.setVisible(width >= NARROWEST)
        self.tile.setText(tr("Tile 3×3") if width >= NARROW else "3×3")
        for name, button in self.layers.items():
            if button.text() != names[name]:
                button.setText(names[name])
                button.setAccessibleName(names[name])

    def _place(self) -> None:
        self._name()
        width, height = self._canvas.width(), self._canvas.height()
        for group in (self._left, self._right, self._top):
            group.adjustSize()
        tall = max(self._left.height(), self._right.height())
        for group in (self._left, self._right):
            group.resize(group.width(), tall)
        bottom = height - tall - SPACE_M
        self._left.move(SPACE_M, bottom)
        self._right.move(width - self._right.width() - SPACE_M, bottom)
        self._top.move((width - self._top.width()) // 2, SPACE_M)


def _group(canvas: Canvas, *parts: QWidget) -> QFrame:
    frame = QFrame(canvas)
    frame.setObjectName("onGround")
    row = QHBoxLayout(frame)
    row.setContentsMargins(SPACE_XS - 1, SPACE_XS - 1, SPACE_XS - 1, SPACE_XS - 1)
    row.setSpacing(2)
    for part in parts:
        row.addWidget(part)
    return frame
