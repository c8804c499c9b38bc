"""How the gallery's grid is painted: headings with their counts, thumbnails, stars, and the marks of what is selected."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.gallery.layout import MARGIN, Group
from diffusion_studio.ui.gallery.words import heading
from diffusion_studio.ui.look.theme import RADIUS, TYPE_LARGE, TYPE_SMALL, tokens
from diffusion_studio.ui.pictures.cells import paint_fitted, paint_focus, paint_outline, paint_ring

STAR, STAR_SHADE = QColor(255, 214, 90), QColor(0, 0, 0, 140)  # on any image, in both themes


def paint_heading(painter: QPainter, group: Group, free: tuple[int, int]) -> None:
    """`free`: from where to where there is room for it, in pixels from the left; its count is left out where it does not fit."""
    place = QRect(free[0] + MARGIN, group.top + 6, free[1] - free[0] - 2 * MARGIN, 28)
    font = painter.font()
    font.setPixelSize(TYPE_LARGE)
    font.setWeight(font.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(QColor(tokens().ground_text))
    words = painter.fontMetrics().elidedText(heading(group.name), Qt.TextElideMode.ElideMiddle, place.width())
    painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, words)
    used = painter.fontMetrics().horizontalAdvance(words) + 10
    from_right = painter.layoutDirection() == Qt.LayoutDirection.RightToLeft
    beside = place.adjusted(0, 1, -used, 1) if from_right else place.adjusted(used, 1, 0, 1)
    font.setPixelSize(TYPE_SMALL)
    font.setWeight(font.Weight.Normal)
    painter.setFont(font)
    painter.setPen(QColor(tokens().ground_muted))
    count = plural("{count:,} image", "{count:,} images", group.count)
    if painter.fontMetrics().horizontalAdvance(count) <= beside.width():
        painter.drawText(beside, Qt.AlignmentFlag.AlignVCenter, count)


def paint_cell(
    painter: QPainter,
    rect: QRect,
    pixmap: QPixmap | None,
    *,
    star: bool,
    selected: bool,
    hovered: bool,
    focused: bool,
) -> None:
    """`pixmap`: None while it is on its way, a null one where the file cannot be read."""
    if pixmap is not None and not pixmap.isNull():
        paint_fitted(painter, rect, pixmap)
    else:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens().ground_raised))
        painter.drawRoundedRect(rect, RADIUS, RADIUS)
        if pixmap is not None:
            painter.setPen(QColor(tokens().ground_muted))
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, tr("Unreadable"))
    if star:
        _paint_star(painter, rect)
    if selected:
        paint_ring(painter, rect)
    elif hovered:
        paint_outline(painter, rect)
    if focused:
        paint_focus(painter, rect)


def _paint_star(painter: QPainter, rect: QRect) -> None:
    place = QRect(rect.right() - 21, rect.top() + 4, 18, 18)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(STAR_SHADE)
    painter.drawEllipse(place)
    font = painter.font()
    font.setPixelSize(12)
    painter.setFont(font)
    painter.setPen(STAR)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "★")
