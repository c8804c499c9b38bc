"""The timeline under the canvas: every step of a generation to go to, play and read, while it runs and after."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.generation.trajectory import StepFacts
from diffusion_studio.language import tr
from diffusion_studio.ui.generate.generations import GenerationRun
from diffusion_studio.ui.generate.timeline.drawing import Course
from diffusion_studio.ui.generate.timeline.figures import StepFigures
from diffusion_studio.ui.generate.timeline.track import TimelineTrack
from diffusion_studio.ui.generate.timeline.words import (
    SETTLED_WORDS,
    changes_of,
    hover_words,
    kept_words,
    settled_at,
)
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.icons import IconButton, icon
from diffusion_studio.ui.look.labels import Line, plain_label
from diffusion_studio.ui.look.texts import shorten
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XS, tokens
from diffusion_studio.ui.pictures.picture import EXPLAINED

PLAYED_IN, FASTEST, SLOWEST = 3000, 17, 200  # milliseconds: for all steps, and for one
NARROW, NARROWEST = (
    560,
    400,
)  # pixels, below which a button shows its icon alone, and two leave it to their keys
LONGEST = 32  # letters of a link


class Timeline(QFrame):
    step_wanted = Signal(int)
    live_wanted = Signal()
    run_wanted = Signal(object)  # GenerationRun
    menu_wanted = Signal(object)  # global position

    def __init__(self, hold: QAction, step: QAction, branch: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("timeline")
        self.run: GenerationRun | None = None
        self._place: int | None = None
        self._links: list[QToolButton] = []
        self._chained: list[GenerationRun] = []
        self._facts: list[StepFacts] = []
        self._changes: list[float | None] = []  # of each of them
        self.track = TimelineTrack(self)
        self.first = IconButton("first", tr("First step"), tr("go to the initial noise (Home)"), self)
        self.back = IconButton("back", tr("Step back"), tr("go to the step before (Left)"), self)
        self.play = IconButton(
            "play", tr("Play"), tr("show the steps one after the other (Space)"), self, icon_on="halt"
        )
        self.forward = IconButton("forward", tr("Step forward"), tr("go to the next step (Right)"), self)
        self.last = IconButton("last", tr("Last step"), tr("go to the newest step (End)"), self)
        self.play.setCheckable(True)
        self.live = text_button(tr("Follow"), tr("Follow the image while it is generated"))
        self.hold = IconButton("hold", tr("Pause"), tr("pause after this step"), self, icon_on="resume")
        self.step = IconButton("step", tr("Single step"), tr("generate one more step, then pause"), self)
        self.branch = text_button(tr("Branch…"), tr("Continue from this step with other settings"))
        follow(self.hold, hold)
        follow(self.step, step)
        follow(self.branch, branch)
        self.readout = StepFigures(self)
        self.sentence = Line(self)
        self.thinned = plain_label("", "small")
        self._chained_box = QWidget(self)
        self._chain = QHBoxLayout(self._chained_box)
        self._playback = QTimer(self, timerType=Qt.TimerType.PreciseTimer)
        self._lay_out()
        self._connect()
        self.clear()

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        transport = [self.first, self.back, self.play, self.forward, self.last]
        return [*transport, self.live, self.hold, self.step, self.branch, self.track, *self._links]

    # --- what is shown ---

    def clear(self) -> None:
        """There is no run: nothing is shown of it."""
        self.run, self._facts, self._changes = None, [], []
        self._show_chain([])
        self.track.show_course(Course())
        self.track.show_index(None)
        self._enable()
        self.hide()

    def show_run(self, run: GenerationRun, place: int | None) -> None:
        """The steps of a run as they are now; the curve is that of one picture, or of all in the mean."""
        facts, kept = run.facts(), run.kept()
        if not kept:
            return
        self.show()
        known = self._changes if (run, place) == (self.run, self._place) else []
        if len(known) < len(facts):
            known = [*known, *changes_of(facts[len(known) :], place)]
        self.run, self._place, self._changes = run, place, known
        self._facts = facts
        total, first = run.trajectory.total, run.first if run.parent is not None else 0
        both = zip(facts, known, strict=True)
        changes = [(fact.index, change) for fact, change in both if change is not None]
        stride = run.trajectory.stride
        self.track.show_course(Course(total, first, kept, changes, settled_at(changes, total), stride))
        self.thinned.setText(kept_words(stride))
        self._enable()

    def show_index(self, index: int | None, *, live: bool) -> None:
        """Mark the step that is on the canvas; None: something else is."""
        self.track.show_index(index)
        self.live.setChecked(live)
        self._read_out()

    def show_layer(self, layer: str) -> None:
        if self.run is not None:
            explained = EXPLAINED[layer]
            sentence = explained.split(". ")[0].rstrip(".") + "."
            if sentence != self.sentence.text():
                self.sentence.setText(sentence)
                self.sentence.setToolTip(explained)

    def show_chain(self, runs: list[GenerationRun]) -> None:
        """Ways back and forth between runs that went on from each other."""
        names = [shorten(run.name, LONGEST) for run in runs] if len(runs) > 1 else []
        if self._chained != runs or [link.text() for link in self._links] != names:
            self._show_chain(runs)
        for link, run in zip(self._links, runs, strict=False):
            link.setChecked(run is self.run)

    def show_running(self, running: bool) -> None:
        self.live.setEnabled(running)
        self.live.setVisible(running or self.width() >= NARROW)

    def stop_playing(self) -> None:
        self.play.setChecked(False)

    # --- playing ---

    def _play(self, on: bool) -> None:
        kept = self.track.course.kept
        if not on or len(kept) < 2:
            self._playback.stop()
            self.play.setChecked(False)
            return
        if self.track.index is None or self.track.index >= kept[-1]:
            self.step_wanted.emit(kept[0])
        self._playback.start(min(max(PLAYED_IN // len(kept), FASTEST), SLOWEST))

    def _play_on(self) -> None:
        kept, index = self.track.course.kept, self.track.index
        after = [step for step in kept if index is not None and step > index]
        if after:
            self.step_wanted.emit(after[0])
        if len(after) < 2:
            self.stop_playing()

    # --- the rest ---

    def _read_out(self) -> None:
        index, kept = self.track.index, self.track.course.kept
        self.readout.show_fact(self._fact(index), self.track.course.total, self._place)
        words = self.readout.text()
        self.track.setAccessibleDescription(
            words or tr("The steps of a generation. Arrow keys go through them.")
        )
        at = index if index is not None else -1
        for button, able in (
            (self.first, kept and at != kept[0]),
            (self.back, kept and at != kept[0]),
            (self.forward, kept and at != kept[-1]),
            (self.last, kept and at != kept[-1]),
        ):
            button.setEnabled(bool(able))

    def _fact(self, index: int | None) -> StepFacts | None:
        if index is None or not self._facts:
            return None
        place = index - self._facts[0].index
        return self._facts[place] if 0 <= place < len(self._facts) else None

    def _hover_words(self, index: int) -> str:
        fact, course = self._fact(index), self.track.course
        if fact is None:
            return ""
        words = hover_words(fact, course.total, self._place)
        settled = course.settled is not None and index >= course.settled
        return f"{words}\n{SETTLED_WORDS}" if settled else words

    def _enable(self) -> None:
        there = self.run is not None
        self.play.setEnabled(there)
        self.track.setEnabled(there)
        self.thinned.setVisible(there)
        self._read_out()

    def _show_chain(self, runs: list[GenerationRun]) -> None:
        while self._chain.count():
            item = self._chain.takeAt(0)
            part = item.widget() if item is not None else None
            if part is not None:
                part.hide()
                part.deleteLater()
        self._links, self._chained = [], list(runs)
        self._chained_box.setVisible(len(runs) > 1)
        for run in runs if len(runs) > 1 else []:
            if self._links:
                self._chain.addWidget(plain_label("▸", "small"))
            link = text_button(
                shorten(run.name, LONGEST), tr("Show this result and its steps: {name}", name=run.name)
            )
            link.setObjectName("link")
            link.setCheckable(True)
            link.clicked.connect(lambda _=False, run=run: self.run_wanted.emit(run))
            self._chain.addWidget(link)
            self._links.append(link)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= NARROW
        for button in (self.first, self.last):
            button.setVisible(self.width() >= NARROWEST)
        self.live.setVisible(self.live.isEnabled() or wide)
        style = Qt.ToolButtonStyle
        self.branch.setToolButtonStyle(style.ToolButtonTextBesideIcon if wide else style.ToolButtonIconOnly)

    def changeEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange:
            self.branch.setIcon(icon("branch", tokens().muted))

    def _connect(self) -> None:
        track = self.track
        track.step_wanted.connect(self._go)
        track.play_wanted.connect(self.play.toggle)
        track.menu_wanted.connect(self.menu_wanted)
        track.words = self._hover_words
        self.first.clicked.connect(lambda: self._go(track.course.kept[0]))
        self.last.clicked.connect(lambda: self._go(track.course.kept[-1]))
        self.back.clicked.connect(lambda: self._move(-1))
        self.forward.clicked.connect(lambda: self._move(1))
        self.play.toggled.connect(self._play)
        self.live.clicked.connect(self.stop_playing)
        self.live.clicked.connect(self.live_wanted)
        self._playback.timeout.connect(self._play_on)

    def _go(self, index: int) -> None:
        self.stop_playing()
        self.step_wanted.emit(index)

    def _move(self, places: int) -> None:
        self.stop_playing()
        self.track.move_by(places)

    def _lay_out(self) -> None:
        self.branch.setIcon(icon("branch", tokens().muted))
        self.live.setCheckable(True)
        self.live.setEnabled(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumSize(240, 124)
        top, foot = QHBoxLayout(), QHBoxLayout()
        top.setSpacing(2)
        for button in (self.first, self.back, self.play, self.forward, self.last):
            top.addWidget(button)
        top.addSpacing(SPACE_S)
        top.addWidget(self.readout, 1)
        for part in (self.live, self.hold, self.step, self.branch):
            top.addWidget(part)
        self._chain.setSpacing(2)
        foot.setSpacing(SPACE_S)
        self._chain.setContentsMargins(0, 0, 0, 0)
        self._chained_box.setMinimumWidth(1)  # in a narrow window its end is cut off
        foot.addWidget(self._chained_box)
        foot.addWidget(self.sentence, 1)
        foot.addWidget(self.thinned)
        foot.setContentsMargins(SPACE_XS, 0, SPACE_XS, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M - 4, SPACE_S - 2, SPACE_M - 4, SPACE_S - 2)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(self.track, 1)
        column.addLayout(foot)


def follow(button: QToolButton, action: QAction) -> None:
    """Make a button one that does what an entry of the menu does, and can when it can."""

    def update() -> None:
        button.setEnabled(action.isEnabled())
        button.setCheckable(action.isCheckable())
        button.setChecked(action.isChecked())
        if not button.text():
            button.setAccessibleName(action.text())
            button.setToolTip(f"{action.text()}: {action.statusTip()} ({action.shortcut().toString()})")

    action.changed.connect(update)
    button.clicked.connect(action.trigger)
    update()
