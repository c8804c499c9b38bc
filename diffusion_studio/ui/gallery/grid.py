"""The gallery's grid: any number of images under headings, of which only those on screen are painted and loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QPoint, QRect, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDrag,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QToolTip, QWidget

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.layout import GAP, HEADING, MARGIN, GalleryLayout
from diffusion_studio.ui.gallery.listing import Arranged
from diffusion_studio.ui.gallery.painting import paint_cell, paint_heading
from diffusion_studio.ui.gallery.selection import Selection
from diffusion_studio.ui.gallery.thumbs import GalleryThumbs
from diffusion_studio.ui.gallery.words import entry_words
from diffusion_studio.ui.look.texts import file_url, tooltip
from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.cells import ROOM

SMALLEST, USUAL, LARGEST = 64, 112, 256  # pixels of a cell's side
COMFORTABLE = 160  # on a wide screen
DRAGGED = 96


class GalleryGrid(QAbstractScrollArea):
    opened = Signal(object)  # Path
    menu_wanted = Signal(object)  # global position
    laid_out = Signal()  # other images, another size: everything is at another place now

    def __init__(self, thumbs: GalleryThumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("galleryGrid")
        self.setAccessibleName(tr("Images"))
        self.setAccessibleDescription(tr("Arrow keys select an image, Return opens it full screen"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setMouseTracking(True)
        self.thumbs = thumbs
        self.entries: list[Entry] = []
        self.cell = USUAL
        self.selection = Selection(self)
        self.layout_ = GalleryLayout([], 1, self.cell)
        self._runs: list[tuple[str, int]] = []
        self._bar = QRect()  # that floats over the upper edge, in the viewport
        self._hover: int | None = None
        self._pressed: QPoint | None = None
        self._clicked: Path | None = None  # by the last click, whatever lies under the pointer since
        thumbs.came.connect(self._on_thumb)
        self.selection.changed.connect(self._on_selection)

    # --- what is shown ---

    def show_arranged(self, arranged: Arranged) -> None:
        anchor = self._anchor_on_screen()
        self.entries, self._runs, self._hover = arranged.entries, arranged.runs, None
        self.selection.blockSignals(True)
        before = self.selection.paths
        self.selection.follow(arranged.entries, arranged.places)
        self.selection.blockSignals(False)
        self._arrange(anchor)
        if self.selection.paths != before:
            self.selection.changed.emit()

    def show_cell(self, side: int) -> None:
        anchor = self._anchor_on_screen()
        self.cell = min(max(side, SMALLEST), LARGEST)
        self._arrange(anchor)

    def cover_head(self, bar: QRect) -> None:
        """A bar floats over the upper edge: what keys lead to is scrolled below it, and headings end beside it."""
        self._bar = bar
        self.viewport().update()

    def select(self, index: int, *, add: bool = False, stretch: bool = False) -> None:
        """See `Selection.select`; the image is scrolled into view."""
        self.selection.select(index, add=add, stretch=stretch)
        self._reveal(index)

    def _on_selection(self) -> None:
        index = self.selection.current
        if index is not None and index < len(self.entries):
            self.setAccessibleDescription(
                tr(
                    "{image}, {index} of {count}",
                    image=entry_words(self.entries[index]),
                    index=index + 1,
                    count=len(self.entries),
                )
            )
        self.viewport().update()

    def _anchor_on_screen(self) -> tuple[Path, int] | None:
        """An image on screen and how far below the upper edge it is: the current one, else the first."""
        top, height = self.verticalScrollBar().value(), self.viewport().height()
        if top == 0:
            return None  # at the top it stays at the top: that is where new images come
        on_screen = self.layout_.visible(top, top + height)
        current = self.selection.current
        place = current if current in on_screen else next(iter(on_screen), None)
        if place is None or place >= len(self.entries):
            return None
        return self.entries[place].path, self.layout_.rect(place).top() - top

    def _arrange(self, anchor: tuple[Path, int] | None = None) -> None:
        """Lay out again; the anchor stays where it is on screen."""
        self.layout_ = GalleryLayout(self._runs, self.viewport().width(), self.cell)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self.layout_.height - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(self.layout_.cell // 2)
        places = self.selection.places
        if anchor is not None and anchor[0] in places:
            bar.setValue(self.layout_.rect(places[anchor[0]]).top() - anchor[1])
        self.viewport().update()
        self.laid_out.emit()

    def _reveal(self, index: int) -> None:
        rect, bar = self.layout_.rect(index), self.verticalScrollBar()
        if rect.top() - GAP - self._bar.height() < bar.value():
            bar.setValue(rect.top() - MARGIN - self._bar.height())
        elif rect.bottom() + GAP > bar.value() + self.viewport().height():
            bar.setValue(rect.bottom() + MARGIN - self.viewport().height())

    def _on_thumb(self, path: Path) -> None:
        place = self.selection.places.get(path)
        if place is not None:
            self.viewport().update(self._on_screen(place))

    def _on_screen(self, index: int) -> QRect:
        return _with_ring(self.layout_.rect(index).translated(0, -self.verticalScrollBar().value()))

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(event.rect(), QColor(tokens().ground))
        top = self.verticalScrollBar().value()
        area = event.rect().translated(0, top)
        painter.translate(0, -top)
        for group in self.layout_.headings(area.top(), area.bottom()):
            paint_heading(painter, group, self._free(group.top - top))
        painter.setFont(self.font())
        for index in self.layout_.visible(area.top() - self.layout_.cell, area.bottom()):
            if _with_ring(self.layout_.rect(index)).intersects(area):
                self._paint_cell(painter, index)
        painter.end()
        on_screen = self.layout_.visible(top, top + self.viewport().height())
        self.thumbs.want(self.entries[index].path for index in on_screen)

    def _free(self, y: int) -> tuple[int, int]:
        """From where to where a heading at this height of the viewport is not under the bar, in pixels from the left."""
        width, bar = self.viewport().width(), self._bar
        if bar.isEmpty() or not y < bar.bottom() or not y + HEADING > bar.top():
            return 0, width
        return (0, bar.left()) if bar.center().x() > width // 2 else (bar.right(), width)

    def _paint_cell(self, painter: QPainter, index: int) -> None:
        entry, selection = self.entries[index], self.selection
        selected = entry.path in selection.paths
        alone = selected and len(selection.paths) == 1
        paint_cell(
            painter,
            self.layout_.rect(index),
            self.thumbs.get(entry.path),
            star=entry.star,
            selected=selected,
            hovered=index == self._hover,
            focused=index == selection.current and self.hasFocus() and not alone,
        )

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
                self.selection.clear()
        elif self.entries[index].path not in self.selection.paths or add or stretch:
            self.select(index, add=add, stretch=stretch)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        index = self._at(event.position().toPoint())
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        left = event.button() == Qt.MouseButton.LeftButton
        several = len(self.selection.paths) > 1
        if self._pressed is not None and index is not None and plain and left and several:
            self.select(index)  # a plain click among several selects the one
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
        selected = self.selection.ordered()
        data = QMimeData()
        data.setUrls([file_url(entry.path) for entry in selected])
        drag = QDrag(self)
        drag.setMimeData(data)
        pixmap = self.thumbs.get(selected[0].path)
        if pixmap is not None and not pixmap.isNull():
            drag.setPixmap(pixmap.scaled(DRAGGED, DRAGGED, Qt.AspectRatioMode.KeepAspectRatio))
        drag.exec(Qt.DropAction.CopyAction)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_mouse = event.reason() == QContextMenuEvent.Reason.Mouse
        index = self._at(event.pos()) if by_mouse else self.selection.current
        if index is not None and self.entries[index].path not in self.selection.paths:
            self.select(index)
        if self.selection.paths:
            self.menu_wanted.emit(event.globalPos())

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self._at(event.pos())
            words = tooltip(entry_words(self.entries[index])) if index is not None else ""
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return bool(super().viewportEvent(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, stretch = Qt.Key(event.key()), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        add = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        step, current = STEPS.get(key), self.selection.current
        if step is not None and self.entries:
            self._move(step, stretch, add)
        elif key == Qt.Key.Key_Space and add and current is not None:
            self.select(current, add=True)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and current is not None:
            self.opened.emit(self.entries[current].path)
        elif key == Qt.Key.Key_Escape and self.selection.paths:
            self.selection.clear()
        else:
            super().keyPressEvent(event)

    def _move(self, step: Callable[[GalleryGrid, int], int], stretch: bool, add: bool) -> None:
        current = self.selection.current
        place = 0 if current is None else step(self, current)
        if add and not stretch:
            self.selection.move_to(place)
            self._reveal(place)
            self.viewport().update()
        else:
            self.select(place, stretch=stretch)

    def page(self, index: int, down: int) -> int:
        rows = max(1, self.viewport().height() // (self.layout_.cell + GAP))
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


def _with_ring(rect: QRect) -> QRect:
    return rect.adjusted(-ROOM, -ROOM, ROOM, ROOM)
