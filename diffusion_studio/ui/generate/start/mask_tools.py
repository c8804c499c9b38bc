"""The tools of the mask: brush and eraser with their buttons, menu entries and keys, and the mask over the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.start.brush import Brush
from diffusion_studio.ui.generate.start.brush_bar import BrushBar
from diffusion_studio.ui.generate.start.mask_overlay import MaskOverlay

if TYPE_CHECKING:
    from diffusion_studio.ui.generate.start.mask import Mask
    from diffusion_studio.ui.generate.start.own_picture import OwnPicture

HOW = tr(
    "Paint what is to be drawn anew. Right button: erase · Shift: a rectangle · [ and ]: size · Esc: done"
)
FORMING = tr("This picture is still forming: pause or stop it to paint on it")
KEYS = tr(
    "A mask is painted. Arrow keys move the brush, Space paints, E exchanges brush and eraser, Escape ends."
)
PICK = tr("Click the picture to paint on")


USUAL_STRENGTH = GenerationSettings().strength


class MaskTools(QObject):
    def __init__(self, own: OwnPicture) -> None:
        super().__init__(own)
        self._own = own
        self._described = own.canvas.accessibleDescription()
        self._raised = False  # the strength, by the first stroke
        self._canvas, self._context = own.canvas, own.context
        self.brush = Brush(self._canvas, self._may_paint)
        self.overlay = MaskOverlay(self._canvas, self.brush, self._places)
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

    # --- undo, while the brush is in hand ---

    @property
    def undo_text(self) -> str:
        return "mask change" if self.brush.mask is not None and self.brush.mask.can_undo else ""

    @property
    def redo_text(self) -> str:
        return "mask change" if self.brush.mask is not None and self.brush.mask.can_redo else ""

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

    def take(self, mask: Mask | None) -> None:
        """Paint on this mask from now on."""
        card = self._own.panel.card
        self.brush.grid = card.size if card is not None else 0
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

    def toggle_on_start(self) -> None:
        """The button of the panel: paint on the start picture, or stop painting."""
        if not self.brush.active:
            self._own.view.look()
        self._activate(not self.brush.active, erasing=False)

    def _places(self) -> tuple[Sequence[int], int | None]:
        """Which pictures show the mask: the start picture, others while they form or while the brush is in hand."""
        own, active = self._own, self.brush.active
        if own.view.shown:
            return (0,), 0
        return own.view.masked if active or own.steering.generation.running else (), None

    def _activate(self, on: bool, *, erasing: bool) -> None:
        own, canvas = self._own, self._canvas
        if on and not canvas.pictures:
            own.view.look()
        if on and not canvas.pictures:
            self._follow()
            return
        if on and not self.shown:
            self.show_action.setChecked(True)
        self.take(own.start.mask if own.start is not None else None)
        self.brush.activate(on, erasing=erasing)
        canvas.setAccessibleDescription(KEYS if on else self._described)
        if on:
            canvas.setFocus()
        self._tell_how(on)

    def _tell_how(self, on: bool) -> None:
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
                self._context.undo.push(Change("clear of the mask", lambda: self._bring_back(mask)))

    def _bring_back(self, mask: Mask) -> None:
        """Undo the clearing of a mask that is still in use and still empty."""
        if mask is self.brush.mask and mask.empty:
            self._undo(False)

    def _changed(self) -> None:
        self.show_mask()
        self._fit_strength()
        self._own.show_mask()
        if not self._own.view.shown:
            self._own.view.look()

    def _fit_strength(self) -> None:
        """What is painted is forgotten, unless the user has said how much of it is to be kept."""
        own, mask = self._own, self.brush.mask
        if own.start is None or mask is None or own.chosen:
            return
        strength = own.panel.form.carried.strength
        if not mask.empty and strength == USUAL_STRENGTH:
            self._raised = True
            own.panel.form.carry(strength=1.0)
        elif mask.empty and self._raised and strength == 1:
            self._raised = False
            own.panel.form.carry(strength=USUAL_STRENGTH)

    def _may_paint(self, place: int) -> bool:
        """Make the picture there the one that is painted on; whether a stroke may begin now."""
        own, canvas, generation = self._own, self._canvas, self._own.steering.generation
        if own.view.shown:
            return own.start is not None
        if generation.running and not generation.paused:
            self._context.show_status(FORMING)
            return False
        if len(canvas.pictures) > 1 and canvas.opened is None:
            canvas.open_cell(place)
            self._context.show_status(HOW)
            return False
        picture, card = canvas.pictures[place], own.panel.card
        mask = own.start.mask if own.start is not None and place in own.view.masked else None
        if card is None or not own.start_from(picture, strength=1.0) or own.start is None:
            return False
        self._raised = True
        if mask is not None:  # the outline that was seen stays
            own.start.mask = mask
            self.take(mask)
        self._context.show_status(HOW)
        return picture.size == (card.size, card.size)  # else it is another now: let it be seen first

    def _on_painted(self) -> None:
        self.show_mask()
        self._own.mask_painted()

    def _show(self, shown: bool) -> None:
        self.overlay.shown = shown
        self.overlay.update()
        if self._own.view.shown:
            self._own.view.look()

    def _follow(self) -> None:
        """What can be done now."""
        brush, mask = self.brush, self.brush.mask
        able = bool(self._canvas.pictures) or self._own.start is not None
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
        self._own.section.show_brush(self.brush.size)
        self._own.show_mask()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Escape leaves the brush, unless there is something to stop. How to paint is told on this page only."""
        if self.brush.active and event.type() in (QEvent.Type.Show, QEvent.Type.Hide):
            self._tell_how(event.type() == QEvent.Type.Show)
            self._take_undo()
        if not isinstance(event, QKeyEvent) or event.key() != Qt.Key.Key_Escape or not self.brush.active:
            return False
        if event.type() == QEvent.Type.ShortcutOverride and not self._own.steering.generation.running:
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
            owner, tr("Brush"), "B", tip="Paint what is to be drawn anew; the rest is kept", checkable=True
        )
        self.eraser_action = make_action(
            owner,
            tr("Eraser"),
            "E",
            tip="Take away from what is painted; so does the right button",
            checkable=True,
        )
        self.smaller_action = make_action(owner, tr("Smaller brush"), "[")
        self.larger_action = make_action(owner, tr("Larger brush"), "]")
        self.undo_action = make_action(owner, tr("Undo stroke"), tip="Undo the last change of the mask")
        self.redo_action = make_action(owner, tr("Redo stroke"), tip="Paint that stroke again")
        self.invert_action = make_action(
            owner, tr("Invert mask"), "Ctrl+I", tip="Keep what is painted, draw the rest"
        )
        self.clear_action = make_action(
            owner, tr("Clear mask"), "Ctrl+Backspace", tip="Paint nothing; Undo brings it back"
        )
        self.show_action = make_action(
            owner,
            tr("Show mask"),
            "M",
            tip="Hide the mask to look at the picture, and show it",
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
        brush.painted.connect(self._on_painted)
        brush.ended.connect(self._changed)
        self._canvas.view_changed.connect(self._follow)
        self._own.steering.generation.changed.connect(self.overlay.update)
