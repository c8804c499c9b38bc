"""The tools of the mask: brush and eraser with their buttons, menu entries and keys, and the mask over the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.start.brush import Brush
from diffusion_studio.ui.generate.start.brush_bar import BrushBar
from diffusion_studio.ui.generate.start.mask_overlay import MaskOverlay
from diffusion_studio.ui.pictures.canvas import Canvas

if TYPE_CHECKING:  # it brings numpy, which the empty window does without
    from diffusion_studio.ui.generate.start.mask import Mask

HOW = tr("Paint the area to regenerate. Right button: erase · Shift: rectangle · [ and ]: size · Esc: done")
KEYS = tr("Painting a mask. Arrow keys move the brush, Space paints, E switches to the eraser, Escape ends.")
PICK = tr("Click the image to paint on")


class MaskTools(QObject):
    starting = Signal()  # the brush is about to be taken: now is the time for something to paint on
    mask_changed = Signal()  # by a whole stroke, or by an entry of the menu
    mask_shown = Signal()  # or hidden

    def __init__(
        self,
        context: AppContext,
        canvas: Canvas,
        may_paint: Callable[[int], bool],
        places: Callable[[], tuple[Sequence[int], int | None]],
    ) -> None:
        """`may_paint`: as `Brush` asks; `places`: as `MaskOverlay` asks."""
        super().__init__(canvas)
        self._described = canvas.accessibleDescription()
        self._canvas, self._context = canvas, context
        self._generating = False
        self.brush = Brush(canvas, may_paint)
        self.overlay = MaskOverlay(canvas, self.brush, places)
        self._make_actions()
        bar = {
            "brush": self.brush_action,
            "eraser": self.eraser_action,
            "undo": self.undo_action,
            "redo": self.redo_action,
            "invert": self.invert_action,
            "clear": self.clear_action,
            "eye": self.show_action,
        }
        self.bar = BrushBar(self._canvas, self.brush, bar)
        self._connect()
        self._canvas.installEventFilter(self)
        self._follow()

    # --- undo, while the brush is in use ---

    @property
    def undo_text(self) -> str:
        return tr("mask change") if self.brush.mask is not None and self.brush.mask.can_undo else ""

    @property
    def redo_text(self) -> str:
        return tr("mask change") if self.brush.mask is not None and self.brush.mask.can_redo else ""

    def undo(self) -> None:
        self._undo(False)

    def redo(self) -> None:
        self._undo(True)

    @property
    def entries(self) -> list[QAction | None]:
        """For a menu of their own."""
        return [
            *(self.brush_action, self.eraser_action, None, self.smaller_action, self.larger_action, None),
            *(self.invert_action, self.clear_action, None, self.show_action),
        ]

    @property
    def shown(self) -> bool:
        """Whether the mask is seen, or hidden to look at the picture."""
        return self.overlay.shown

    def take(self, mask: Mask | None, size: int) -> None:
        """Paint on this mask from now on, of an image of `size` pixels a side."""
        self.brush.grid = size
        if mask is not self.brush.mask:
            self.brush.mask = mask
            self.show_mask()

    def show_mask(self) -> None:
        mask = self.brush.mask
        if mask is None:
            self.overlay.show_mask(None, None)
        else:
            self.overlay.show_mask(mask.values, mask.soft())
        self._follow()

    def toggle(self) -> None:
        """Take the brush, or put it away."""
        self._activate(not self.brush.active, erasing=False)

    def follow_generation(self, running: bool) -> None:
        """A generation began, paused or ended: the mask is on the images it makes, and Escape stops it first."""
        self._generating = running
        self.overlay.update()

    def _activate(self, on: bool, *, erasing: bool) -> None:
        canvas = self._canvas
        if on:
            self.starting.emit()
        if on and not canvas.pictures:
            self._follow()
            return
        if on and not self.shown:
            self.show_action.setChecked(True)
        self.brush.activate(on, erasing=erasing)
        canvas.setAccessibleDescription(KEYS if on else self._described)
        if on:
            canvas.setFocus()
        self._show_how(on)

    def _show_how(self, on: bool) -> None:
        choice = len(self._canvas.pictures) > 1 and self._canvas.opened is None
        self._context.show_status((PICK if choice else HOW) if on else "")

    def _undo(self, forward: bool) -> None:
        mask = self.brush.mask
        if mask is not None and not self.brush.painting:
            mask.redo() if forward else mask.undo()
            self._changed()

    def _change(self, *, invert: bool) -> None:
        mask = self.brush.mask
        if mask is not None and not self.brush.painting:
            mask.invert() if invert else mask.clear()
            self._changed()
            if not self.brush.active:  # else the brush undoes it
                self._context.undo.push(Change(tr("clearing of the mask"), lambda: self._bring_back(mask)))

    def _bring_back(self, mask: Mask) -> None:
        """Undo the clearing of a mask that is still in use and still empty."""
        if mask is self.brush.mask and mask.empty:
            self._undo(False)

    def _changed(self) -> None:
        self.show_mask()
        self.mask_changed.emit()

    def _show(self, shown: bool) -> None:
        self.overlay.shown = shown
        self.overlay.update()
        self.mask_shown.emit()

    def _follow(self) -> None:
        """What can be done now."""
        brush, mask = self.brush, self.brush.mask
        able = bool(self._canvas.pictures) or mask is not None
        for entry, on in ((self.brush_action, not brush.erasing), (self.eraser_action, brush.erasing)):
            entry.setEnabled(able)
            entry.setChecked(brush.active and on)
        self.smaller_action.setEnabled(brush.active and brush.size > 1)
        self.larger_action.setEnabled(brush.active)
        self.undo_action.setEnabled(mask is not None and mask.can_undo)
        self.redo_action.setEnabled(mask is not None and mask.can_redo)
        self.invert_action.setEnabled(mask is not None and brush.active)
        self.clear_action.setEnabled(mask is not None and not mask.empty)
        self.show_action.setEnabled(mask is not None and not mask.empty)
        self._take_undo()

    def _take_undo(self) -> None:
        """Undo and Redo of the window are about the mask while one paints."""
        stack = self._context.undo
        stack.take_in_hand(self if self.brush.active and self._canvas.isVisible() else None)
        stack.changed.emit()

    def _on_brush(self) -> None:
        self._follow()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Escape leaves the brush, unless there is something to stop. How to paint is said on this page only."""
        if self.brush.active and event.type() in (QEvent.Type.Show, QEvent.Type.Hide):
            self._show_how(event.type() == QEvent.Type.Show)
            self._take_undo()
        if not isinstance(event, QKeyEvent) or event.key() != Qt.Key.Key_Escape or not self.brush.active:
            return False
        if event.type() == QEvent.Type.ShortcutOverride and not self._generating:
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress:
            self._activate(False, erasing=False)
            return True
        return False

    # --- building ---

    def _make_actions(self) -> None:
        owner: QWidget = self._canvas
        self.brush_action = make_action(
            owner, tr("Brush"), "B", tip=tr("Paint the area to regenerate; the rest is kept"), checkable=True
        )
        self.eraser_action = make_action(
            owner,
            tr("Eraser"),
            "E",
            tip=tr("Erase mask; so does the right button"),
            checkable=True,
        )
        self.smaller_action = make_action(owner, tr("Smaller brush"), "[")
        self.larger_action = make_action(owner, tr("Larger brush"), "]")
        self.undo_action = make_action(owner, tr("Undo stroke"), tip=tr("Undo the last change of the mask"))
        self.redo_action = make_action(owner, tr("Redo stroke"), tip=tr("Repeat the stroke that was undone"))
        self.invert_action = make_action(
            owner, tr("Invert mask"), "Ctrl+I", tip=tr("Keep what is painted and regenerate the rest")
        )
        self.clear_action = make_action(
            owner, tr("Clear mask"), "Ctrl+Backspace", tip=tr("Remove the whole mask; Undo brings it back")
        )
        self.show_action = make_action(
            owner,
            tr("Show mask"),
            "M",
            tip=tr("Hide the mask to see the image, or show it"),
            checkable=True,
        )
        self.show_action.setChecked(True)
        for entry in (self.smaller_action, self.larger_action, self.undo_action, self.redo_action):
            entry.setAutoRepeat(True)

    def _connect(self) -> None:
        brush = self.brush
        self.brush_action.triggered.connect(
            lambda: self._activate(brush.erasing or not brush.active, erasing=False)
        )
        self.eraser_action.triggered.connect(lambda: self._activate(True, erasing=not brush.erasing))
        self.smaller_action.triggered.connect(lambda: brush.resize(brush.size - 1))
        self.larger_action.triggered.connect(lambda: brush.resize(brush.size + 1))
        self.undo_action.triggered.connect(lambda: self._undo(False))
        self.redo_action.triggered.connect(lambda: self._undo(True))
        self.invert_action.triggered.connect(lambda: self._change(invert=True))
        self.clear_action.triggered.connect(lambda: self._change(invert=False))
        self.show_action.toggled.connect(self._show)
        brush.changed.connect(self._on_brush)
        brush.painted.connect(self.show_mask)
        brush.ended.connect(self._changed)
        self._canvas.view_changed.connect(self._follow)
