"""What an autoencoder makes of a few images before and after it is adapted to them, until there are samples to show."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XS, TYPE_LARGE, tokens
from diffusion_studio.ui.pictures import viewport
from diffusion_studio.ui.pictures.cells import paint_image
from diffusion_studio.ui.pictures.picture import to_image

ROWS = (tr("Image"), tr("Before"), tr("Now"))


class AutoencoderView(QWidget):
    """Three rows: images, and what becomes of them when they are encoded and decoded, before and now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setToolTip(
            tooltip(
                tr(
                    "The network learns in the latents of this autoencoder, so its images cannot be sharper than the last row."
                )
            )
        )
        self.title = ""
        self._crisp_wanted = True
        self._rows: tuple[np.ndarray, ...] = ()
        self._images: list[QImage] = []
        self._grid = viewport.Grid(1, 1, 1, 1, 0)

    def sizeHint(self) -> QSize:
        return QSize(640, 560)

    @property
    def known(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._rows)

    def show_rows(self, rows: tuple[np.ndarray, np.ndarray, np.ndarray], before: float, now: float) -> None:
        """`rows`: (N, H, W, 3 or 4) uint8 as they are, encoded and decoded before, and now; PSNR in dB before and now."""
        self.title = tr("Autoencoder · {before:.1f} → {now:.1f} dB", before=before, now=now)
        self.setAccessibleName(self.title)
        self.setAccessibleDescription(", ".join(ROWS))
        self._rows = rows
        count, height, width = rows[0].shape[:3]
        self._grid = viewport.Grid(len(rows) * count, width, height, count, SPACE_XS)
        self._images = [to_image(image) for row in rows for image in row]
        self.update()

    def forget(self) -> None:
        self._rows, self.title = (), ""

    def set_crisp(self, crisp: bool) -> None:
        """Whether small images show their pixels as squares."""
        self._crisp_wanted = crisp
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(tokens().ground))
        if self._rows:
            self._paint_rows(painter)
        painter.end()

    def _paint_rows(self, painter: QPainter) -> None:
        heading = QFont(self.font())
        heading.setPixelSize(TYPE_LARGE)
        heading.setWeight(QFont.Weight.DemiBold)
        top = QFontMetrics(heading).height() + 2 * SPACE_M
        left = max(self.fontMetrics().horizontalAdvance(name) for name in ROWS) + SPACE_M
        crisp = self._crisp_wanted and max(self._grid.width, self._grid.height) <= viewport.SMALL
        # the words on the left have as much room on the right, so that images are in the middle
        room = QRectF(self.rect()).adjusted(left + SPACE_S, top, -left - SPACE_S, -SPACE_M)
        scale = viewport.fit_scale(self._grid, (room.width(), room.height()), crisp=crisp)
        if scale < 1:
            crisp = False
            scale = viewport.fit_scale(self._grid, (room.width(), room.height()), crisp=crisp)
        view = viewport.centred(self._grid, (room.width(), room.height()), scale)
        corner = room.topLeft() + QPointF(view.x, view.y)
        painter.setFont(heading)
        painter.setPen(QColor(tokens().ground_text))
        title = QRect(0, round(corner.y()) - top, self.width(), top)
        painter.drawText(title, Qt.AlignmentFlag.AlignCenter, self.title)
        painter.setFont(self.font())
        painter.setPen(QColor(tokens().ground_muted))
        for index, image in enumerate(self._images):
            x, y, width, height = self._grid.cell(index, scale)
            area = QRectF(corner.x() + x, corner.y() + y, width, height)
            if index % self._grid.columns == 0:
                beside = QRectF(corner.x() - left, area.y(), left - SPACE_M, height)
                flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                painter.drawText(beside, flags, ROWS[index // self._grid.columns])
            paint_image(painter, area, image, crisp=crisp)
