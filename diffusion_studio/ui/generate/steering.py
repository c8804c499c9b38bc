"""What runs on the Generate page, and which step of which run is on the canvas: begun, paused, scrubbed, stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.page import fill_menu
from diffusion_studio.ui.generate.generations import GenerationRun, Runs
from diffusion_studio.ui.generate.running import Generation
from diffusion_studio.ui.generate.timeline.timeline import Timeline
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.canvas_bar import CanvasBar
from diffusion_studio.ui.pictures.picture import Picture

MARK_EVERY = 0.25  # seconds; drawing the timeline with every picture cost a small run more than painting the picture did
SHORT = 2.0  # seconds a run takes in all, below which stopping it is no loss to ask about


@dataclass(frozen=True, slots=True)
class Plan:
    """What the main button begins."""

    settings: GenerationSettings
    start: Start | None = None
    parent: GenerationRun | None = None
    step: int = 0  # of the parent's
    origin: str = ""
    save: bool = True
    settles: bool = False  # the image of a live one in full quality: that one is seen until it is there
    rehearsal: bool = False  # it generates a saved image again, to branch from one of its steps


class Steering(QObject):
    branch_wanted = Signal(object, int, object)  # GenerationRun, step, places of pictures or None for all
    begun = Signal()
    asking_changed = Signal(bool)  # whether a stopped run waits for a decision
    selection_wanted = Signal(object)  # GenerationRun, stopped early so that one can select what to finish
    put_aside = Signal(object)  # tuple of Picture: stopped and not decided, to be saved as they are
    discarded = Signal(object)  # tuple of Picture: discarded by the user

    def __init__(self, canvas: Canvas, bar: CanvasBar, generation: Generation) -> None:
        super().__init__(generation)
        self._canvas, self._bar, self.generation = canvas, bar, generation
        self.runs = Runs()
        self.run: GenerationRun | None = None  # whose steps the timeline shows
        self._current: GenerationRun | None = None  # the one that was begun last
        self._plan: Plan | None = None
        self.live: tuple[Picture, ...] = ()  # the newest pictures of the current run
        self.index: int | None = None  # the step looked at; None: the newest, as it comes
        self.elsewhere = False  # the canvas shows a picture that is no step
        self._marked_at = 0.0
        self._asking = False  # what to do with a stopped run
        self._view: tuple[int | None, str] = (None, "")  # place and layer the timeline shows
        self.hold_action = make_action(
            canvas, tr("Pause"), "Ctrl+P", tip=tr("Pause after this step"), checkable=True
        )
        self.step_action = make_action(
            canvas, tr("Single step"), "Ctrl+.", tip=tr("Generate one more step, then pause")
        )
        self.branch_action = make_action(
            canvas,
            tr("Branch from this step…"),
            "Ctrl+B",
            tip=tr("Continue from the step shown with other settings"),
        )
        self.branch_one_action = make_action(
            canvas,
            tr("Branch this image only…"),
            tip=tr("Continue from the step shown with the selected image only"),
        )
        self.step_action.setAutoRepeat(True)
        self.timeline = Timeline(self.hold_action, self.step_action, self.branch_action)
        self._connect()
        self._follow_state()

    @property
    def entries(self) -> list[QAction | None]:
        """For the menu Generate."""
        return [self.hold_action, self.step_action, None, self.branch_action, self.branch_one_action]

    # --- the run ---

    def begin(self, plan: Plan) -> None:
        """Start what is planned; a run that is held is saved as it is."""
        self.make_way()
        self.timeline.stop_playing()
        self.live, self.index, self.elsewhere, self._plan = (), None, False, plan
        self._current = self.run = GenerationRun(Trajectory(), plan.parent, plan.step, plan.origin)
        self.runs.add(self.run)
        self._bar.show_live(False)
        self.timeline.show_index(None, live=True)
        self.begun.emit()
        self.generation.start(plan.settings, trajectory=self.run.trajectory, start=plan.start, save=plan.save)

    def stop(self) -> None:
        """Hold the run and ask what to do with it; the second time, or where little is lost, discard it."""
        generation = self.generation
        if self._asking or not self.live or generation.expected < SHORT or self._rehearses:
            self.discard()
        elif generation.running:
            self._asking = True
            generation.pause()
            self.asking_changed.emit(True)

    def discard(self) -> None:
        """End the run; what it had generated is offered to whoever can bring it back."""
        lost = self.live if self.generation.running and not self._rehearses and not self.settles else ()
        self.generation.stop()
        if lost:
            self.discarded.emit(lost)

    def make_way(self) -> None:
        """Before something else takes its place: a held run is saved as it is shown, never dropped."""
        pending = self.pending
        if self.generation.running:
            self.generation.stop()
        if pending:
            self.put_aside.emit(pending)

    @property
    def shown_seed(self) -> int | None:
        """The seed of the image on the canvas; None where there is none that says."""
        pictures = self._canvas.pictures
        subject = self._canvas.chosen or (pictures[0] if pictures else None)
        return subject.settings.seed if subject is not None and subject.settings is not None else None

    @property
    def filmable(self) -> Trajectory | None:
        """The steps of the image on the canvas, once its generation has ended; None where there are none."""
        run = self.run
        if run is None or run.newest < 0 or self.elsewhere or self.generation.running:
            return None
        return run.trajectory

    def make_room(self) -> None:
        """Before other work on the same thread: a held run would keep it waiting without end; a running one is waited for."""
        if self.generation.paused:
            self.make_way()

    @property
    def pending(self) -> tuple[Picture, ...]:
        """The images of a run that is held, paused or for a decision; they are nowhere but here."""
        return self.live if self.generation.paused and not self._rehearses and not self.settles else ()

    @property
    def unsaved(self) -> tuple[Picture, ...]:
        """What would be lost if the window closed now: what is pending, and a run worth asking about on its way."""
        worth = self.generation.running and self.generation.expected >= SHORT
        return self.live if worth and not self._rehearses and not self.settles else self.pending

    @property
    def settles(self) -> bool:
        """Whether what runs is the image of a live one in full quality."""
        return self.generation.running and self.plan_settles

    @property
    def plan_settles(self) -> bool:
        """The same of what was begun last, running or not."""
        return self._plan is not None and self._plan.settles

    @property
    def _rehearses(self) -> bool:
        return self._plan is not None and self._plan.rehearsal

    @property
    def asking(self) -> bool:
        """Whether a stopped run waits for a decision."""
        return self._asking

    def keep(self) -> None:
        self._asked()
        self.generation.keep()

    def finish(self) -> None:
        self._asked()
        self.generation.resume()

    def toggle_pause(self) -> None:
        if self.generation.paused:
            self._asked()
            self.generation.resume()
        else:
            self.generation.pause()

    def single_step(self) -> None:
        self._asked()
        self.generation.single_step()

    def _asked(self) -> None:
        if self._asking:
            self._asking = False
            self.asking_changed.emit(False)

    # --- what is looked at ---

    def look_at(self, index: int) -> None:
        """Show a step; at the newest one, follow what comes."""
        if self.run is None:
            return
        at_newest = index >= self.run.newest
        self.index = None if at_newest and self.run is self._current else index
        self._show()

    def follow(self) -> None:
        """Back to what forms, or was finished last."""
        if self._current is not None:
            self.run, self.index = self._current, None
            self._show()

    def look_at_run(self, run: GenerationRun) -> None:
        """Show the result of a run in memory."""
        self.run, self.index = run, None if run is self._current else run.newest
        self._show()
        if run.early and not self.generation.running:
            self.selection_wanted.emit(run)

    def show_elsewhere(self, picture: Picture) -> None:
        """Show a picture that is no step of a run."""
        self.timeline.stop_playing()
        self.elsewhere = True
        self._bar.show_live(self.generation.running)
        self._canvas.show_pictures([picture])
        self.timeline.show_index(None, live=False)
        self._follow_state()

    def _show(self) -> None:
        run = self.run
        if run is None:
            return
        self.elsewhere = False
        self._bar.show_live(False)
        if self.index is None:
            if self.live:
                self._canvas.show_pictures(self.live)
        else:
            self._canvas.show_pictures(run.pictures(self.index))
        self._mark()

    def _mark(self) -> None:
        """Bring the timeline up to what is shown."""
        run = self.run
        if run is None:
            return
        self.timeline.show_run(run, self._place)
        shown = run.newest if self.index is None else run.nearest(self.index)
        live = self.index is None and self.generation.running
        self.timeline.show_index(None if self.elsewhere or shown < 0 else shown, live=live)
        self.timeline.show_layer(self._canvas.layer)
        self.timeline.show_chain(self.runs.chain(run))
        self._follow_state()

    @property
    def _place(self) -> int | None:
        """The picture of the batch that is looked at more closely."""
        canvas = self._canvas
        return canvas.opened if canvas.opened is not None else canvas.selected

    # --- what the generation says ---

    def _on_preview(self, pictures: tuple[Picture, ...]) -> None:
        self.live = pictures
        forms = self.settles and self.generation.step[0] < self.generation.step[1]
        if not forms and self.run is self._current and self.index is None and not self.elsewhere:
            self._canvas.show_pictures(pictures)
        now = time.monotonic()
        if self.run is self._current and (now - self._marked_at >= MARK_EVERY or self.generation.paused):
            self._marked_at = now
            self._mark()

    def _on_saved(self, index: int, picture: Picture) -> None:
        if not 0 <= index < len(self.live):
            return
        done = replace(self.live[index], path=picture.path, settings=picture.settings)
        self.live = (*self.live[:index], done, *self.live[index + 1 :])
        run = self._current
        if run is not None and picture.path is not None:
            run.saved[index] = picture.path
            run.forget_views()
            if self.run is run and self.index is None and not self.elsewhere:
                self._canvas.show_pictures(self.live)

    def _on_ended(self, words: str) -> None:
        self._asked()
        run, plan = self._current, self._plan
        self._bar.show_live(False)
        if run is None or plan is None:
            return
        run.forget_views()
        if self.run is run:
            self._mark()
        if plan.rehearsal:
            if run.newest > 0 and (run.at_end or run.newest == plan.settings.until):
                self.index = run.nearest(run.newest // 2)
                self._show()
                self.branch_wanted.emit(run, self.index, None)
        elif not plan.save and self.generation.stopped_at is not None and run.newest >= 0:
            run.early = True
            self.selection_wanted.emit(run)

    def _on_held(self) -> None:
        """It is paused: the timeline shows how far it came."""
        if self.run is not None and self.run is self._current:
            self._mark()

    def _follow_state(self) -> None:
        generation = self.generation
        self.hold_action.setEnabled(generation.running)
        self.hold_action.setText(tr("Resume") if generation.paused else tr("Pause"))
        self.hold_action.setStatusTip(
            tr("Continue generating")
            if generation.paused
            else tr("Pause after this step, with the model loaded")
        )
        self.hold_action.setChecked(generation.paused)
        self.step_action.setEnabled(generation.running)
        self.timeline.show_running(generation.running)
        shown = self.run is not None and self.run.newest >= 0 and not self.elsewhere
        able = shown and (generation.paused or not generation.running)
        self.branch_action.setEnabled(able)
        self.branch_one_action.setEnabled(able and self._place is not None and len(self._canvas.pictures) > 1)

    def _branch(self, alone: bool) -> None:
        run = self.run
        if run is None or run.newest < 0:
            return
        place = self._place if alone or self._canvas.opened is not None else None
        index = run.newest if self.index is None else run.nearest(self.index)
        owner, places = run.owner(index, None if place is None else [place])
        self.make_way()
        self.branch_wanted.emit(owner, index, None if len(places) == owner.count else tuple(places))

    def _show_menu(self, position: QPoint) -> None:
        menu = QMenu(self.timeline)
        fill_menu(
            menu, [self.branch_action, self.branch_one_action, None, self.hold_action, self.step_action]
        )
        menu.exec(position)
        menu.deleteLater()

    def _connect(self) -> None:
        generation, timeline = self.generation, self.timeline
        generation.previewed.connect(self._on_preview)
        generation.saved.connect(self._on_saved)
        generation.ended.connect(self._on_ended)
        generation.changed.connect(self._follow_state)
        generation.held.connect(self._on_held)
        self.hold_action.triggered.connect(self.toggle_pause)
        self.step_action.triggered.connect(self.single_step)
        self.branch_action.triggered.connect(lambda: self._branch(False))
        self.branch_one_action.triggered.connect(lambda: self._branch(True))
        timeline.step_wanted.connect(self.look_at)
        timeline.live_wanted.connect(self.follow)
        timeline.run_wanted.connect(self.look_at_run)
        timeline.menu_wanted.connect(self._show_menu)
        self._bar.live_wanted.connect(self.follow)
        self._canvas.view_changed.connect(self._follow_canvas)

    def _follow_canvas(self) -> None:
        """Another picture of the batch, or another layer."""
        view = self._place, self._canvas.layer
        if view != self._view and self.run is not None and not self.elsewhere and self.run.newest >= 0:
            self._view = view
            self._mark()
