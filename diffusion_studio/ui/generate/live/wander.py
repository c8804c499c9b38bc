"""The fold of the panel for wandering between four seeds: their corners, the square between them, and the place to keep."""

from __future__ import annotations

from random import SystemRandom

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.blend import Blend, read_blend
from diffusion_studio.settings.options import LARGEST_SEED
from diffusion_studio.ui.generate.live.pad import Pad
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.widgets.form import Disclosure

SENTENCE = tr("Each corner is the image of a seed; in between, their noises are mixed.")
NAMES = (tr("top left"), tr("top right"), tr("bottom left"), tr("bottom right"))
LOCKED = tr("New corners leaves its seed as it is")
LOCK = 24  # pixels of a square button


class Wander(QWidget):
    """Shows and changes `blend` of the request; the first corner is the request's own seed."""

    keep_wanted = Signal()  # generate what is at the place and save it

    def __init__(self, request: GenerationRequest, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._request = request
        self._others: tuple[int, int, int] | None = (
            None  # seeds of the corners that the request does not name
        )
        self._shown: tuple[int | None, ...] = ()  # the seeds that are named
        self.fold = Disclosure(tr("Wander"), tr("move between the images of four seeds"), self)
        self.pad = Pad(self)
        self.locks = [self._lock(name) for name in NAMES]
        self.redraw = push_button(
            tr("New corners"), tr("Choose other seeds for the corners that are not locked")
        )
        self.keep = push_button(tr("Keep"), tr("Generate the image at this place and save it"))
        self.clear = push_button(tr("Clear"), tr("Use the seed alone again"))
        self._body = QWidget(self)
        self._lay_out()
        self._body.hide()
        self.fold.toggled.connect(self._body.setVisible)
        self.fold.toggled.connect(self._follow)
        self.pad.moved.connect(self._move)
        self.redraw.clicked.connect(self.draw_corners)
        self.keep.clicked.connect(self.keep_wanted)
        self.clear.clicked.connect(lambda: request.change(blend=""))
        request.changed.connect(self._follow)
        self._follow()

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        return [self.fold, *self.locks[:2], self.pad, *self.locks[2:], self.redraw, self.keep, self.clear]

    @property
    def seeds(self) -> tuple[int | None, int, int, int]:
        """Of the corners, row by row; the first is None where the request's seed is yet to be drawn."""
        return (self._request.settings.seed, *self._corners())

    def draw_corners(self) -> None:
        """Other seeds for the corners that are not locked; the place stays."""
        draw = SystemRandom().randint
        first, *others = (lock.isChecked() for lock in self.locks)
        known = self._corners()
        second, third, fourth = (
            seed if kept else draw(0, LARGEST_SEED) for seed, kept in zip(known, others, strict=True)
        )
        self._others = second, third, fourth
        if not first:
            self._request.lock_seed(draw(0, LARGEST_SEED))
        self._move(*self.pad.place)

    def _corners(self) -> tuple[int, int, int]:
        if self._others is None:
            draw = SystemRandom().randint
            self._others = draw(0, LARGEST_SEED), draw(0, LARGEST_SEED), draw(0, LARGEST_SEED)
        return self._others

    def _move(self, across: float, down: float) -> None:
        if not self._request.locked:
            self._request.lock(True)  # a place between seeds of which one changes by itself is none
        self._request.change(blend=str(Blend(self._corners(), across, down)))

    def _follow(self) -> None:
        """Show the request's place; where there is one, it is seen."""
        settings = self._request.settings
        blend = read_blend(settings.blend)
        if blend is not None:
            self._others = blend.others
            if not self.fold.isChecked():
                self.fold.setChecked(True)
        self.keep.setEnabled(blend is not None)
        self.clear.setEnabled(blend is not None)
        if not self.fold.isChecked():
            return
        if self.seeds != self._shown:  # not at every movement of the dot
            self._shown = self.seeds
            self._name_corners()
        self.pad.show_place(*((0.0, 0.0) if blend is None else (blend.across, blend.down)))

    def _name_corners(self) -> None:
        first, *others = self._shown
        self.pad.show_corners((tr("Seed") if first is None else str(first), *map(str, others)))
        for lock, corner, seed in zip(self.locks, NAMES, self._shown, strict=True):
            said = tr("Lock the corner {corner}: {explanation}", corner=corner, explanation=LOCKED)
            lock.setToolTip(tooltip(said if seed is None else f"{said} ({tr('seed {seed}', seed=seed)})"))

    def _lock(self, corner: str) -> IconButton:
        button = IconButton(
            "unlock",
            tr("Lock the corner {corner}", corner=corner),
            LOCKED,
            self,
            icon_on="lock",
        )
        button.setCheckable(True)
        button.setFixedSize(LOCK, LOCK)
        return button

    def _lay_out(self) -> None:
        sentence = plain_label(SENTENCE, "small")
        sentence.setWordWrap(True)
        square = QGridLayout()
        square.setSpacing(2)
        top, bottom = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        for lock, (row, side) in zip(self.locks, ((0, 0), (0, 2), (1, 0), (1, 2)), strict=True):
            square.addWidget(lock, row, side, bottom if row else top)
        square.addWidget(self.pad, 0, 1, 2, 1)
        square.setColumnStretch(1, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_S)
        buttons.addWidget(self.redraw)
        buttons.addStretch(1)
        for button in (self.clear, self.keep):
            buttons.addWidget(button)
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, SPACE_S)
        body.setSpacing(SPACE_S)
        body.addWidget(sentence)
        body.addLayout(square)
        body.addLayout(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(self.fold)
        column.addWidget(self._body)
