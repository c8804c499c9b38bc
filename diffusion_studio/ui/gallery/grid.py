"""The gallery's grid: any number of pictures under headings, of which only those on screen are painted and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QRect, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDrag,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QToolTip, QWidget

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.layout import GAP, MARGIN, GalleryLayout
from diffusion_studio.ui.gallery.listing import Arranged
from diffusion_studio.ui.gallery.thumbs import GalleryThumbs
from diffusion_studio.ui.gallery.words import entry_words, heading
from diffusion_studio.ui.look.texts import file_url, tooltip
from diffusion_studio.ui.look.theme import RADIUS, TYPE_LARGE, TYPE_SMALL, tokens
from diffusion_studio.ui.pictures.cells import paint_fitted

CELLS = {"Small": 72, "Medium": 112, "Large": 176}


class GalleryGrid(QAbstractScrollArea):
    """Chosen pictures are told by their paths, so that they stay chosen when the list changes."""

    chosen_changed = Signal()
    opened = Signal(object)  # Path
    menu_wanted = Signal(object)  # global position

    def __init__(self, thumbs: GalleryThumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("galleryGrid")
        self.setAccessibleName(tr("Pictures"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setMouseTracking(True)
        self.thumbs = thumbs
        self.entries: list[Entry] = []
        self.cell = CELLS["Medium"]
        self.chosen: set[Path] = set()
        self.current: int | None = None
        self._anchor = 0
        self._runs: list[tuple[str, int]] = []
        self._hover: int | None = None
        self._pressed: QPoint | None = None
        self._clicked: Path | None = None  # by the last click, whatever lies under the pointer since
        self._places: Mapping[Path, int] = {}
        self.layout_ = GalleryLayout([], 1, self.cell)
        thumbs.came.connect(self._on_thumb)

    # --- what is shown ---

    def show_arranged(self, arranged: Arranged) -> None:
        anchor, before = self._anchor_on_screen(), self.entries
        self.entries, self._places, self._runs = arranged.entries, arranged.places, arranged.runs
        self.current = self._same(before, self.current)
        self._anchor = self._same(before, self._anchor) or 0
        self._hover = None
        gone = self.chosen - self._places.keys()
        self._arrange(anchor)
        if gone:
            self.chosen -= gone
            self.chosen_changed.emit()

    def _same(self, before: list[Entry], place: int | None) -> int | None:
        """Where a picture of the list before is now; of one that is gone, the place it had: keys go on from there."""
        if place is None or place >= len(before) or not self.entries:
            return None
        return self._places.get(before[place].path, min(place, len(self.entries) - 1))

    def show_cell(self, size: str) -> None:
        anchor = self._anchor_on_screen()
        self.cell = CELLS[size]
        self._arrange(anchor)

    def chosen_entries(self) -> list[Entry]:
        """In the order of the grid."""
        if len(self.chosen) == len(self.entries):
            return list(self.entries)
        return [self.entries[place] for place in sorted(self._places[path] for path in self.chosen)]

    def choose(self, index: int, *, add: bool = False, stretch: bool = False) -> None:
        """One picture; with `add` one more or less, with `stretch` all from the last one chosen by itself."""
        path = self.entries[index].path
        if stretch:
            low, high = sorted((self._anchor, index))
            self.chosen = {entry.path for entry in self.entries[low : high + 1]}
        elif add:
            self.chosen ^= {path}
            self._anchor = index
        else:
            self.chosen, self._anchor = {path}, index
        self.current = index
        self.setAccessibleDescription(
            tr(
                "{entry_words}, {index} of {count}",
                entry_words=entry_words(self.entries[index]),
                index=index + 1,
                count=len(self.entries),
            )
        )
        self._reveal(index)
        self.viewport().update()
        self.chosen_changed.emit()

    def walk(self, index: int) -> None:
        """Go to a picture without choosing it: Ctrl+Space does."""
        self.current = index
        self._reveal(index)
        self.viewport().update()

    def choose_all(self) -> None:
        self.chosen = set(self._places)
        self.viewport().update()
        self.chosen_changed.emit()

    def choose_none(self) -> None:
        self.chosen = set()
        self.viewport().update()
        self.chosen_changed.emit()

    def _anchor_on_screen(self) -> tuple[Path, int] | None:
        """A picture on screen and how far below the upper edge it stands: the one last chosen, else the first."""
        top, height = self.verticalScrollBar().value(), self.viewport().height()
        if top == 0:
            return None  # at the top it stays at the top: that is where new pictures come
        on_screen = self.layout_.visible(top, top + height)
        place = self.current if self.current in on_screen else next(iter(on_screen), None)
        if place is None or place >= len(self.entries):
            return None
        return self.entries[place].path, self.layout_.rect(place).top() - top

    def _arrange(self, anchor: tuple[Path, int] | None = None) -> None:
        """Lay out anew; the anchor stays where it is on screen."""
        self.layout_ = GalleryLayout(self._runs, self.viewport().width(), self.cell)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self.layout_.height - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(self.cell // 2)
        if anchor is not None and anchor[0] in self._places:
            bar.setValue(self.layout_.rect(self._places[anchor[0]]).top() - anchor[1])
        self.viewport().update()

    def _reveal(self, index: int) -> None:
        rect, bar = self.layout_.rect(index), self.verticalScrollBar()
        if rect.top() - GAP < bar.value():
            bar.setValue(rect.top() - MARGIN)
        elif rect.bottom() + GAP > bar.value() + self.viewport().height():
            bar.setValue(rect.bottom() + MARGIN - self.viewport().height())

    def _on_thumb(self, path: Path) -> None:
        place = self._places.get(path)
        if place is not None:
            self.viewport().update(self._on_screen(place))

    def _on_screen(self, index: int) -> QRect:
        return (
            self.layout_.rect(index).translated(0, -self.verticalScrollBar().value()).adjusted(-4, -4, 4, 4)
        )

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(event.rect(), QColor(tokens().ground))
        top = self.verticalScrollBar().value()
        area = event.rect().translated(0, top)
        painter.translate(0, -top)
        self._paint_headings(painter, area)
        for index in self.layout_.visible(area.top() - self.cell, area.bottom()):
            if self.layout_.rect(index).adjusted(-4, -4, 4, 4).intersects(area):
                self._paint_cell(painter, index)
        painter.end()
        on_screen = self.layout_.visible(top, top + self.viewport().height())
        self.thumbs.want(self.entries[index].path for index in on_screen)

    def _paint_headings(self, painter: QPainter, area: QRect) -> None:
        font = self.font()
        for group in self.layout_.headings(area.top(), area.bottom()):
            place = QRect(MARGIN, group.top + 6, self.viewport().width() - 2 * MARGIN, 28)
            font.setPixelSize(TYPE_LARGE - 1)
            font.setWeight(font.Weight.DemiBold)
            painter.setFont(font)
            painter.setPen(QColor(tokens().ground_text))
            words = heading(group.name)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, words)
            left = painter.fontMetrics().horizontalAdvance(words) + 10
            font.setPixelSize(TYPE_SMALL)
            font.setWeight(font.Weight.Normal)
            painter.setFont(font)
            painter.setPen(QColor(tokens().ground_muted))
            count = tr("1 picture") if group.count == 1 else tr("{count:,} pictures", count=group.count)
            painter.drawText(place.adjusted(left, 1, 0, 1), Qt.AlignmentFlag.AlignVCenter, count)

    def _paint_cell(self, painter: QPainter, index: int) -> None:
        t, entry, rect = tokens(), self.entries[index], self.layout_.rect(index)
        chosen = entry.path in self.chosen
        painter.setPen(Qt.PenStyle.NoPen)
        if chosen or index == self._hover:
            painter.setBrush(QColor(t.accent if chosen else t.border))
            painter.drawRoundedRect(rect.adjusted(-3, -3, 3, 3), RADIUS, RADIUS)
        pixmap = self.thumbs.get(entry.path)
        if pixmap is not None and not pixmap.isNull():
            paint_fitted(painter, rect, pixmap)
        else:
            painter.setBrush(QColor(t.hover))
            painter.drawRoundedRect(rect, RADIUS, RADIUS)
            if pixmap is not None:
                painter.setPen(QColor(t.muted))
                painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, "unreadable")
        if entry.star:
            self._paint_star(painter, rect)
        if index == self.current and self.hasFocus() and (not chosen or len(self.chosen) > 1):
            painter.setPen(QPen(QColor(t.raised if chosen else t.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect.adjusted(-2, -2, 2, 2), RADIUS, RADIUS)

    def _paint_star(self, painter: QPainter, rect: QRect) -> None:
        place = QRect(rect.right() - 21, rect.top() + 3, 18, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 120))
        painter.drawEllipse(place)
        font = self.font()
        font.setPixelSize(12)
        painter.setFont(font)
        painter.setPen(QColor(255, 214, 90))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "★")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(self._anchor_on_screen())

    # --- pointer and keys ---

    def _at(self, position: QPoint) -> int | None:
        return self.layout_.at(position.x(), position.y() + self.verticalScrollBar().value())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        position = event.position().toPoint()
        index = self._at(position)
        self._pressed = position if index is not None else None
        self._clicked = self.entries[index].path if index is not None else None
        modifiers = event.modifiers()
        add = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        stretch = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        if index is None:
            if not add and not stretch:
                self.choose_none()
        elif self.entries[index].path not in self.chosen or add or stretch:
            self.choose(index, add=add, stretch=stretch)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        index = self._at(event.position().toPoint())
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        left = event.button() == Qt.MouseButton.LeftButton
        if self._pressed is not None and index is not None and plain and left and len(self.chosen) > 1:
            self.choose(index)  # a plain click among several chooses the one
        self._pressed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._clicked is not None:
            self.opened.emit(self._clicked)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position().toPoint()
        if self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            if (position - self._pressed).manhattanLength() >= QApplication.startDragDistance():
                self._pressed = None
                self._drag()
            return
        hover = self._at(position)
        if hover != self._hover:
            for index in (self._hover, hover):
                if index is not None and index < len(self.entries):
                    self.viewport().update(self._on_screen(index))
            self._hover = hover

    def _drag(self) -> None:
        data = QMimeData()
        data.setUrls([file_url(entry.path) for entry in self.chosen_entries()])
        drag = QDrag(self)
        drag.setMimeData(data)
        pixmap = self.thumbs.get(self.chosen_entries()[0].path)
        if pixmap is not None and not pixmap.isNull():
            drag.setPixmap(pixmap.scaled(96, 96, Qt.AspectRatioMode.KeepAspectRatio))
        drag.exec(Qt.DropAction.CopyAction)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        index = self._at(event.pos()) if event.reason() == QContextMenuEvent.Reason.Mouse else self.current
        if index is not None and self.entries[index].path not in self.chosen:
            self.choose(index)
        if self.chosen:
            self.menu_wanted.emit(event.globalPos())

    def viewportEvent(self, event) -> bool:  # type: ignore[no-untyped-def]
        if event.type() == event.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self._at(event.pos())
            words = tooltip(entry_words(self.entries[index])) if index is not None else ""
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return bool(super().viewportEvent(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, stretch = Qt.Key(event.key()), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        add = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        step = STEPS.get(key)
        if step is not None and self.entries:
            self._go(step, stretch, add)
        elif key == Qt.Key.Key_Space and add and self.current is not None:
            self.choose(self.current, add=True)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.current is not None:
            self.opened.emit(self.entries[self.current].path)
        else:
            super().keyPressEvent(event)

    def _go(self, step: Callable[[GalleryGrid, int], int], stretch: bool, add: bool) -> None:
        place = 0 if self.current is None else step(self, self.current)
        if add and not stretch:
            self.walk(place)
        else:
            self.choose(place, stretch=stretch)

    def page(self, index: int, down: int) -> int:
        rows = max(1, self.viewport().height() // (self.cell + GAP))
        for _ in range(rows):
            index = self.layout_.beside(index, 0, down)
        return index


STEPS: dict[Qt.Key, Callable[[GalleryGrid, int], int]] = {
    Qt.Key.Key_Left: lambda grid, index: grid.layout_.beside(index, -1, 0),
    Qt.Key.Key_Right: lambda grid, index: grid.layout_.beside(index, 1, 0),
    Qt.Key.Key_Up: lambda grid, index: grid.layout_.beside(index, 0, -1),
    Qt.Key.Key_Down: lambda grid, index: grid.layout_.beside(index, 0, 1),
    Qt.Key.Key_Home: lambda grid, index: 0,
    Qt.Key.Key_End: lambda grid, index: len(grid.entries) - 1,
    Qt.Key.Key_PageUp: lambda grid, index: grid.page(index, -1),
    Qt.Key.Key_PageDown: lambda grid, index: grid.page(index, 1),
}
