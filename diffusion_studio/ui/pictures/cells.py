"""One image in its cell: fitted, over a checkerboard where it is transparent, with the ring of a selection around it."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPainterPath, QPen, QPixmap, QTransform

from diffusion_studio.ui.look.theme import RADIUS, tokens

CHECK = 8  # pixels of a square of the checkerboard
CHECKS = ("#d9d9d9", "#f4f4f4")  # the same in both themes: what is seen through must not change with them
RING, HAIRLINE = 2, 1
ROOM = RING + HAIRLINE + 1  # pixels around a cell that its ring may need


def fitted_rect(place: QRect, picture: QPixmap | QImage) -> QRect:
    """The largest rectangle of the image's shape in the middle of `place`."""
    size = picture.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
    target = QRect(0, 0, size.width(), size.height())
    target.moveCenter(place.center())
    return target


def paint_fitted(painter: QPainter, place: QRect, picture: QPixmap | QImage) -> None:
    """As large as fits, in the middle; pixels stay squares where the image is enlarged."""
    target = fitted_rect(place, picture)
    enlarged = target.width() >= picture.width()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
    if picture.hasAlphaChannel():
        paint_checkerboard(painter, QRectF(target))
    if isinstance(picture, QPixmap):
        painter.drawPixmap(target, picture)
    else:
        painter.drawImage(target, picture)


def paint_image(painter: QPainter, area: QRectF, image: QImage, *, crisp: bool, scale: float = 1.0) -> None:
    """An image that fills `area`; `scale`: device pixels per unit of the painter, for the size of the squares behind it."""
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not crisp)
    if image.hasAlphaChannel():
        paint_checkerboard(painter, area, scale)
    painter.drawImage(area, image)


def paint_tiled(painter: QPainter, tile: QRectF, image: QImage, *, crisp: bool, scale: float = 1.0) -> None:
    """An image three times across and down, with `tile` the one in the middle; smooth pixels blend over the edges, too."""
    area = tiled_rect(tile)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not crisp)
    if image.hasAlphaChannel():
        paint_checkerboard(painter, area, scale)
    brush = QBrush(image)
    brush.setTransform(QTransform.fromScale(tile.width() / image.width(), tile.height() / image.height()))
    painter.setBrushOrigin(area.topLeft())
    painter.fillRect(area, brush)
    painter.restore()


def tiled_rect(tile: QRectF) -> QRectF:
    """What nine tiles cover, with `tile` in the middle of them."""
    width, height = tile.width(), tile.height()
    return tile.adjusted(-width, -height, width, height)


def paint_part(
    painter: QPainter, area: QRectF, sheet: QImage, part: QRect, *, radius: float = RADIUS
) -> None:
    """One image of a sheet, with round corners; pixels stay squares where it is enlarged."""
    outline = QPainterPath()
    outline.addRoundedRect(area, radius, radius)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, area.width() < part.width())
    painter.setClipPath(outline, Qt.ClipOperation.IntersectClip)
    if sheet.hasAlphaChannel():
        paint_checkerboard(painter, area)
    painter.drawImage(area, sheet, QRectF(part))
    painter.restore()


def paint_checkerboard(painter: QPainter, area: QRectF, scale: float = 1.0) -> None:
    """What shows through a transparent image."""
    brush = QBrush(_checks(max(round(CHECK * scale), 1)))
    painter.save()
    painter.setBrushOrigin(area.topLeft())
    painter.fillRect(area, brush)
    painter.restore()


def paint_ring(
    painter: QPainter,
    area: QRect | QRectF,
    *,
    radius: float = RADIUS,
    scale: float = 1.0,
    on_ground: bool = True,
) -> None:
    """The mark of what is selected: a bright ring of 2 px around `area`, and a light hairline outside it.

    `on_ground`: whether it lies on the dark ground of images, or on a panel.
    """
    t, area = tokens(), QRectF(area)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    ring, hair = RING * scale, HAIRLINE * scale
    painter.setPen(QPen(QColor(t.ground_accent if on_ground else t.ring), ring))
    painter.drawRoundedRect(_grown(area, ring / 2), radius, radius)
    painter.setPen(QPen(QColor(t.ground_text if on_ground else t.ring_line), hair))
    painter.drawRoundedRect(_grown(area, ring + hair / 2), radius + 1, radius + 1)


def paint_outline(painter: QPainter, area: QRect | QRectF, *, radius: float = RADIUS) -> None:
    """The quiet mark of what is under the pointer."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(tokens().ground_muted), 1))
    painter.drawRoundedRect(_grown(QRectF(area), 1.5), radius, radius)


def paint_focus(painter: QPainter, area: QRect | QRectF, *, radius: float = RADIUS) -> None:
    """Where the keyboard is, whether that is selected or not: dashes inside the cell."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    inside = _grown(QRectF(area), -1.5)
    painter.setPen(QPen(QColor(tokens().ground), 1))
    painter.drawRoundedRect(inside, radius, radius)
    painter.setPen(QPen(QColor(tokens().ground_text), 1, Qt.PenStyle.DashLine))
    painter.drawRoundedRect(inside, radius, radius)


def _grown(area: QRectF, by: float) -> QRectF:
    return area.adjusted(-by, -by, by, by)


@lru_cache(maxsize=8)
def _checks(side: int) -> QImage:
    """Two by two squares of `side` pixels, to fill an area with."""
    image = QImage(2 * side, 2 * side, QImage.Format.Format_RGB32)
    image.fill(QColor(CHECKS[0]))
    painter = QPainter(image)
    for corner in (QPointF(side, 0), QPointF(0, side)):
        painter.fillRect(QRectF(corner.x(), corner.y(), side, side), QColor(CHECKS[1]))
    painter.end()
    return image
