"""The steps of a generation drawn: the track with its ticks, and above it how much each step changed the picture.

A run of a thousand steps that grows many times a second is extended, not redrawn (35 ms each time, measured).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPixmap, QPolygonF

from diffusion_studio.ui.look.theme import SPACE_S, TYPE_SMALL, tokens

SIDE, TOP, FOOT = 12, 19, 22  # room beside, above and below the curve, in pixels
WORDS = 2, 16  # where the words above the curve begin, and how high they are
CLOSEST = 4  # pixels between ticks, below which they are not drawn
SETTLED, CAPTION = "settled", "change from step to step"
LOUDEST = 24.0  # levels of change at the top of the curve, where no step of twenty changes more


@dataclass(frozen=True, slots=True)
class Course:
    """What a track shows: step indices from 0 to `total`."""

    total: int = 0
    first: int = 0  # steps before it are those of another run
    kept: tuple[int, ...] = ()  # can be shown
    changes: Sequence[tuple[int, float]] = ()  # (step, levels by which it changed the picture)
    settled: int | None = None  # from here on the picture hardly changes
    stride: int = 1  # every how many steps one is kept

    @property
    def newest(self) -> int:
        return self.kept[-1] if self.kept else 0

    @property
    def loudest(self) -> float:
        usual = LOUDEST * min(20 / max(self.total, 1), 1)  # the more steps, the less each changes
        return max([usual, *(change for _, change in self.changes)])

    def continues(self, before: Course) -> bool:
        """Whether it is that course with some steps more at its end, and else nothing new."""
        return (
            (self.total, self.first, self.stride, self.settled)
            == (before.total, before.first, before.stride, None)
            and len(before.changes) > 0
            and before.newest >= before.first
            and self.loudest == before.loudest
            and self.changes[: len(before.changes)] == before.changes
        )


@dataclass(frozen=True, slots=True)
class Room:
    """Where things are in a widget of this size."""

    width: int
    height: int
    total: int

    @property
    def left(self) -> float:
        return SIDE

    @property
    def right(self) -> float:
        return self.width - SIDE

    @property
    def ground(self) -> float:
        """Under the curve."""
        return self.height - FOOT

    @property
    def line(self) -> float:
        """The track's."""
        return self.height - FOOT / 2

    def x_of(self, index: float) -> float:
        return SIDE + (self.width - 2 * SIDE) * index / max(self.total, 1)

    def index_at(self, x: float) -> float:
        return (x - SIDE) / max(self.width - 2 * SIDE, 1) * self.total

    def y_of(self, change: float, loudest: float) -> float:
        """Nearly logarithmic, so that small late changes can be distinguished; no change is at the bottom."""
        share = math.log1p(change) / math.log1p(loudest)
        return self.ground - (self.ground - TOP) * min(share, 1.0)


class CourseDrawing:
    """A course as a pixmap of this size."""

    def __init__(self, size: QSize, ratio: float, font: QFont) -> None:
        self.size, self._font = size, font
        self.pixmap = QPixmap(size * ratio)
        self.pixmap.setDevicePixelRatio(ratio)
        self.course: Course | None = None
        self._room = Room(size.width(), size.height(), 0)

    def show(self, course: Course) -> None:
        """Draw it, or of one that has grown what is new."""
        before, self.course = self.course, course
        if before == course:
            return
        self._room = Room(self.size.width(), self.size.height(), course.total)
        grown = before is not None and course.continues(before)
        if not grown:
            self.pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(self.pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not grown:
            self._draw_ground(painter, course)
        self._draw_steps(painter, course, before if grown else None)
        painter.end()

    def _draw_ground(self, painter: QPainter, course: Course) -> None:
        room, border = self._room, QColor(tokens().border)
        settled = room.right if course.settled is None else self._draw_settled(painter, course.settled)
        right = Qt.AlignmentFlag.AlignRight
        if course.kept and not self._write(painter, CAPTION, settled + 60, room.right, right):
            self._write(painter, CAPTION, 0, settled, right)
        painter.setPen(QPen(border, 1))
        painter.drawLine(QPointF(room.left, room.ground), QPointF(room.right, room.ground))
        painter.setPen(QPen(border, 4, c=Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(room.left, room.line), QPointF(room.right, room.line))

    def _draw_steps(self, painter: QPainter, course: Course, before: Course | None) -> None:
        """All steps, or those that have come after `before`."""
        if not course.kept:
            return
        dim, walked = QColor(tokens().muted), QColor(tokens().accent)
        changes = course.changes[max(len(before.changes) - 1, 0) :] if before else course.changes
        newest = before.newest if before else -1
        loudest = course.loudest
        if course.first > 0 and before is None:
            parents = [(index, change) for index, change in changes if index <= course.first]
            self._draw_curve(painter, parents, loudest, dim, 0.45)
            self._draw_line(painter, 0, min(course.first, course.newest), dim, 0.5)
        own = [(index, change) for index, change in changes if index >= course.first]
        self._draw_curve(painter, own, loudest, walked, 0.9)
        if course.newest >= course.first:
            self._draw_line(painter, max(course.first, newest), course.newest, walked, 1)
        self._draw_ticks(painter, course, newest, dim, walked)

    def _draw_line(self, painter: QPainter, first: int, last: int, colour: QColor, strength: float) -> None:
        room, colour = self._room, QColor(colour)
        colour.setAlphaF(strength)
        painter.setPen(QPen(colour, 4, c=Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(room.x_of(first), room.line), QPointF(room.x_of(last), room.line))

    def _draw_ticks(self, painter: QPainter, course: Course, after: int, dim: QColor, walked: QColor) -> None:
        """Below the kept steps; the newest gets its tick when it is known to stay."""
        room = self._room
        if (room.x_of(1) - room.x_of(0)) * course.stride >= CLOSEST:
            for index in course.kept:
                stays = index < course.newest or index == course.total
                if stays and index >= after:
                    painter.setPen(QPen(dim if index < course.first else walked, 1.5))
                    x = room.x_of(index)
                    painter.drawLine(QPointF(x, room.line + 4), QPointF(x, room.line + 8))
        if course.first > 0:  # where a branch leaves its parent
            painter.setPen(QPen(walked, 1.5))
            painter.setBrush(QColor(tokens().panel))
            painter.drawEllipse(QPointF(room.x_of(course.first), room.line), 4, 4)

    def _draw_curve(
        self,
        painter: QPainter,
        changes: Sequence[tuple[int, float]],
        loudest: float,
        colour: QColor,
        strength: float,
    ) -> None:
        if len(changes) < 2:
            return
        room, fill, line = self._room, QColor(colour), QColor(colour)
        points = [QPointF(room.x_of(index), room.y_of(change, loudest)) for index, change in changes]
        fill.setAlphaF(0.10)
        line.setAlphaF(strength)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)  # parts drawn one by one leave no seam
        ends = QPointF(points[0].x(), room.ground), QPointF(points[-1].x(), room.ground)
        painter.drawPolygon(QPolygonF([ends[0], *points, ends[1]]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(line, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))

    def _draw_settled(self, painter: QPainter, settled: int) -> float:
        """A lighter ground from where the picture has settled on; returns where that is."""
        t, room = tokens(), self._room
        x, top = room.x_of(settled), WORDS[0]
        calm = QColor(t.accent)
        calm.setAlphaF(0.07)
        painter.fillRect(QRectF(x, top, room.right - x, room.ground - top), calm)
        painter.setPen(QPen(QColor(t.muted), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(x, top), QPointF(x, room.ground))
        self._write(painter, SETTLED, x, room.right, Qt.AlignmentFlag.AlignLeft)
        return x

    def _write(
        self, painter: QPainter, words: str, left: float, right: float, align: Qt.AlignmentFlag
    ) -> bool:
        """Above the curve between two places, if they fit; whether they do."""
        font = QFont(self._font)
        font.setPixelSize(TYPE_SMALL - 1)
        painter.setFont(font)
        painter.setPen(QColor(tokens().muted))
        place = QRectF(left, WORDS[0], right - left, WORDS[1]).adjusted(SPACE_S - 2, 0, 2 - SPACE_S, 0)
        fits = place.width() >= painter.fontMetrics().horizontalAdvance(words)
        if fits:
            painter.drawText(place, align | Qt.AlignmentFlag.AlignVCenter, words)
        return fits
