"""The Generate page: the request, the canvas and the latest images, and the generation between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.events import NotSaved
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.requests import BranchFrom, OpenModel, Request, StartFrom, UseSettings
from diffusion_studio.ui.compare.mode import CompareMode
from diffusion_studio.ui.compare.view import CompareView
from diffusion_studio.ui.films.commands import FilmCommands
from diffusion_studio.ui.generate.canvas.caption import Caption
from diffusion_studio.ui.generate.canvas.full_screen import FullScreen
from diffusion_studio.ui.generate.canvas.messages import CanvasMessages
from diffusion_studio.ui.generate.canvas.star import StarCommand
from diffusion_studio.ui.generate.canvas.toolbar import CanvasToolbar, image_tools
from diffusion_studio.ui.generate.commands import GenerateCommands
from diffusion_studio.ui.generate.keep_generating import KeepGenerating
from diffusion_studio.ui.generate.layout import PageLayout
from diffusion_studio.ui.generate.live.mode import LiveMode
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.panel.panel import GenerationPanel
from diffusion_studio.ui.generate.panel.preset_menu import PresetMenu
from diffusion_studio.ui.generate.panel.repeat_note import RepeatNote
from diffusion_studio.ui.generate.pending import Pending
from diffusion_studio.ui.generate.prompt.section import PromptSection
from diffusion_studio.ui.generate.queue.jobs_popover import JobsPopover
from diffusion_studio.ui.generate.queue.queue_runner import QueueRunner
from diffusion_studio.ui.generate.recent import RecentStrip
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.request_memory import RequestMemory
from diffusion_studio.ui.generate.reuse import Reuse, ReuseCommands
from diffusion_studio.ui.generate.running import Generation
from diffusion_studio.ui.generate.save_elsewhere import SaveElsewhere
from diffusion_studio.ui.generate.start.editor import StartEditor
from diffusion_studio.ui.generate.steering import Plan, Steering
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_M
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.canvas_bar import CanvasBar
from diffusion_studio.ui.pictures.canvas_commands import CanvasCommands
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import SavedPictures


class GeneratePage(Page):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.request = GenerationRequest(self)
        self.panel = GenerationPanel(self.request, self)
        self.canvas = Canvas(self)
        self.bar = CanvasBar(self.canvas)
        self.commands = CanvasCommands(context, self.canvas)
        self.strip = RecentStrip(self)
        self.saved = SavedPictures(context, self)
        self.generation = Generation(self)
        self.workers = (self.generation.worker, self.strip.worker)
        self.steering = Steering(self.canvas, self.bar, self.generation)
        self.next_run = NextRun(self.request, self.panel, self.canvas, self.steering)
        self.pending = Pending(context, self.steering, self.next_run)
        self.start = StartEditor(context, self.request, self.canvas, self.steering)
        self.panel.add_section("model", self.start.section)
        self.words = PromptSection(context, self.request)
        self.panel.add_words(self.words)
        self.presets = PresetMenu(context, self.request, self.panel)
        self.panel.form.add_after("model", self.presets)
        self.panel.add_last(self.start.variation)
        self.reuse = Reuse(context, self.request, self.start, self.next_run)
        self.memory = RequestMemory(context, self.request, self.start, self.next_run)
        self.reuse_commands = ReuseCommands(self.reuse, self.commands, self)
        self.queue = QueueRunner(context, self.steering, self.next_run)
        self.jobs = JobsPopover(self.queue, self)
        self.keep = KeepGenerating(context, self.request, self.generation, self.queue, self.next_run, self)
        self.generate_commands = GenerateCommands(self.request, self)
        self.save_elsewhere = SaveElsewhere(context, self)
        self.star = StarCommand(context, self.canvas)
        self.caption = Caption(self.request, self.canvas, self.steering, self.start)
        self.messages = CanvasMessages(self.request, self.canvas, self.steering)
        self.view = PageLayout(context, self, self.panel, self.canvas)
        worker, steering = self.generation.worker, self.steering
        self.compare = CompareMode(
            context, self.request, worker, self.view.middle, lambda: steering.shown_seed
        )
        self.films = FilmCommands(context, self.request, self.canvas, worker, lambda: steering.filmable)
        self.repeats = RepeatNote(self.request, self.generation)
        self.panel.add_section("seed", self.repeats.label)
        self.full_screen = FullScreen(self, self.canvas, self.view.hide_action)
        self.live = LiveMode(context, self)
        self.toolbar = CanvasToolbar(
            image_tools(
                *(self.commands, self.star.action, self.start),
                *(self.compare.action, self.films, self.full_screen.action),
            ),
            self,
        )
        self.view.place(self, self.toolbar, self.steering.timeline, self.strip)
        self._offer_commands()
        self._connect()
        self._show_models()
        self.memory.recall()
        self.panel.form.open(self.view.recall().sections.split())

    # --- what the window asks ---

    @property
    def working(self) -> bool:
        return self.generation.running or self.compare.running

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        own, generate = self.commands, self.generate_commands
        return {
            "File": [*self.start.file_entries, own.save_as, own.reveal],
            "Edit": [own.copy, own.copy_settings, self.star.action],
            "View": [*own.view_entries, None, self.view.hide_action, self.full_screen.action],
            "Generate": [
                *(generate.generate, generate.queue, self.keep.action, self.live.action, generate.jobs, None),
                *(generate.stop, *self.steering.entries, None),
                *(self.compare.action, *self.films.entries, None),
                *(generate.lock, generate.dice, self.words.past_action, None, *own.page_entries),
            ],
            "Mask": self.start.tools.entries,
        }

    def controls(self) -> list[QWidget]:
        below = self.steering.timeline.controls
        panel, tools = self.panel.tab_order(), self.start.tools.bar.controls
        chooser, button = panel.index(self.panel.chooser) + 1, panel.index(self.panel.foot.button)
        panel[button:button] = [*self.start.variation.controls, *self.live.wander.controls]
        panel[chooser:chooser] = [*self.start.section.controls, self.presets]
        return [
            *panel,
            *self.toolbar.controls,
            self.canvas,
            *tools,
            *self.caption.controls,
            *self.bar.controls,
            *below,
            self.strip.view,
        ]

    def toast_floor(self) -> QWidget | None:
        floors = (self.compare.foot, self.bar.lowest, self.steering.timeline)
        return next((part for part in floors if part is not None and part.isVisible()), None)

    def shown_first(self) -> None:
        self.panel.foot.button.setFocus()
        self.panel.curve.wake()
        self.messages.show_empty()
        self.strip.refresh()
        self.queue.wake()
        self._warm_up()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that the canvas does not use move through the steps."""
        if self.canvas.hasFocus() and not self.compare.shown:
            self.steering.timeline.track.keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def save_pending(self) -> Sequence[str]:
        self.queue.close_down()
        return [event.reason for event in self.pending.save_now()]

    def close_down(self) -> None:
        self.keep.close_down()
        self.live.close_down()
        self.panel.foot.close_down()
        self.messages.stop()
        self.queue.close_down()
        self.steering.timeline.stop_playing()
        self.strip.close_down()
        self.memory.remember()
        self.view.remember(self.panel.form.open_sections)

    # --- the generation ---

    def generate(self) -> None:
        """Start with the request as it is now; while one is running, nothing."""
        if self.request.card is None or (self.generation.running and not self.steering.asking):
            return
        try:
            self.start.settle()
            if self.compare.shown:
                self.steering.make_room()
                self.compare.start()
                return
            plan = self.next_run.plan()
        except UserError as error:
            self._context.show_fault(str(error))
            return
        if plan is not None:
            self._begin(plan)

    def _begin(self, plan: Plan) -> None:
        self.repeats.remember(None if plan.rehearsal or plan.settles else plan.settings)
        self.steering.begin(plan)
        self.panel.foot.show_progress(0)
        self.panel.foot.line.setText("")

    def stop(self) -> None:
        """Stop what runs, and ask what to do with it where that is worth asking; else leave the branch or the selection."""
        self.keep.stop()
        self.live.end()
        if self.generation.running:
            if self.queue.waiting:
                self.queue.pause()
            self.steering.stop()
        elif self.compare.shown:
            self.compare.stop()
        else:
            self.next_run.cancel()

    def _on_button(self) -> None:
        """The main button: generate, or queue what is composed while something is generated."""
        if self.generation.running and not self.steering.asking and not self.compare.shown:
            self.add_to_queue()
        elif not self.compare.running:
            self.generate()

    def add_to_queue(self) -> None:
        """Put what is composed at the end of the queue; it starts at once where nothing else runs."""
        if self.request.card is None:
            return
        try:
            self.start.settle()
            self.request.settle_seed()
            self.queue.add(self.request.value())
        except UserError as error:
            self._context.show_fault(str(error))

    def _show_jobs(self) -> None:
        bar = self.panel.foot
        self.jobs.show_at(bar.mapTo(self, QPoint(SPACE_M, 0)))

    def _show_waiting(self) -> None:
        self.panel.foot.show_waiting(self.queue.waiting, failed=self.queue.failed)

    def _begin_queued(self, plan: Plan) -> None:
        self.compare.action.setChecked(False)
        self._begin(plan)

    def _on_progress(self, index: int, total: int, words: str) -> None:
        self.panel.foot.show_progress(index / max(total, 1))
        self.report_work(tr("Generating"), index / max(total, 1))
        self.panel.foot.line.setText(words)
        self.panel.curve.show_progress(index)
        if self.jobs.isVisible():
            self.jobs.show_progress()

    def _on_saved(self, path: Path, picture: Picture) -> None:
        self.strip.add(path, picture.image())
        self._context.saved.emit(path)

    def _on_ended(self, words: str) -> None:
        self.end_work(words)
        self.panel.foot.show_idle()
        self.next_run.show_state()
        self.panel.foot.show_outcome(words)
        self.panel.curve.show_progress(None)
        if not self.steering.live and not self.canvas.pictures:
            self.messages.show_empty()
        self.memory.remember()
        self._context.save_settings()
        self.keep.follow_end()

    def _on_not_saved(self, events: list[NotSaved]) -> None:
        self.save_elsewhere.offer(events, len(self.canvas.pictures))

    # --- other images ---

    def receive(self, request: Request) -> None:
        match request:
            case UseSettings(values):
                self.reuse.use(values)
            case BranchFrom(values):
                self._branch_from(values)
            case OpenModel(name):
                self.reuse.open_model(name)
            case StartFrom(picture):
                self.start.open(picture)

    def _branch_from(self, values: Mapping[str, Any]) -> None:
        if self.working and not self.steering.asking and not self.generation.paused:
            self._context.show_status(tr("Stop the running generation first, then branch"))
        else:
            self.reuse.branch_from(values)

    def _show_opened(self, picture: Picture) -> None:
        self.steering.show_elsewhere(picture)
        if picture.path is not None:
            self._context.show_status(readable(picture.path))

    # --- models and memory ---

    def _show_models(self) -> None:
        self.panel.show_cards(cards.installed())
        self.live.replan()
        self.next_run.show_state()

    def _leave_own(self) -> None:
        """The start picture is gone from the canvas."""
        if self.steering.run is not None:
            self.steering.follow()
        else:
            self.canvas.show_pictures(())
            self.steering.timeline.clear()
            self.messages.show_empty()

    def _on_model(self) -> None:
        if self.isVisible():
            self.messages.show_empty()
            self._warm_up()

    def _warm_up(self) -> None:
        if self.request.card is not None:
            self.generation.warm_up(self.request.value())

    # --- building ---

    def _offer_commands(self) -> None:
        own = self.generate_commands
        self.commands.own_entries = [self.star.action, self.start.commands.use_action]
        split = [own.generate, own.queue, self.keep.action, None, own.jobs]
        self.panel.foot.offer(split, self.steering.hold_action)

    def _on_comparison(self, view: CompareView) -> None:
        """The comparison took the place of the canvas: it has the room of the strip, too."""
        self.strip.hide()
        self.steering.timeline.stop_playing()
        order = [self.panel.foot.button, *view.controls]
        for first, second in zip(order, order[1:], strict=False):
            self.setTabOrder(first, second)

    def _connect(self) -> None:
        panel, generation, own = self.panel, self.generation, self.generate_commands
        panel.foot.button.clicked.connect(self._on_button)
        panel.foot.stop_wanted.connect(self.stop)
        panel.foot.queue_wanted.connect(self._show_jobs)
        self.compare.settings_wanted.connect(lambda values: self.reuse.use(values, lock=False))
        self.next_run.leaving.connect(self.start.settle_if_possible)
        self.steering.asking_changed.connect(panel.foot.ask_to_stop)
        panel.foot.choices.keep_wanted.connect(self.steering.keep)
        panel.foot.choices.finish_wanted.connect(self.steering.finish)
        panel.foot.choices.discard_wanted.connect(self.steering.discard)
        panel.follow_comparison(self.compare)
        self.compare.entered.connect(self._on_comparison)
        self.compare.image_wanted.connect(self.steering.show_elsewhere)
        self.compare.left.connect(self.strip.show)
        self.compare.left.connect(self.next_run.show_state)
        self.compare.left.connect(self.messages.show_empty)
        self.films.room_wanted.connect(self.steering.make_room)
        generation.changed.connect(self.films.follow)
        self.request.model_changed.connect(self._on_model)
        own.generate.triggered.connect(self.generate)
        own.queue.triggered.connect(self.add_to_queue)
        self.keep.generate_wanted.connect(self.generate)
        own.jobs.triggered.connect(self._show_jobs)
        self.queue.changed.connect(self._show_waiting)
        self.queue.plan_wanted.connect(self._begin_queued)
        self.reuse.plan_wanted.connect(self._begin)
        self.reuse.clearing.connect(self.compare.leave)
        own.stop.triggered.connect(self.stop)
        self.live.plan_wanted.connect(self._begin)
        self.caption.reuse.clicked.connect(self.reuse_commands.settings.trigger)
        self.caption.seed.clicked.connect(self.reuse_commands.seed.trigger)
        generation.progressed.connect(self._on_progress)
        generation.saved.connect(lambda index, picture: self._on_saved(picture.path, picture))
        generation.not_saved.connect(self._on_not_saved)
        generation.ended.connect(self._on_ended)
        self.pending.saved.connect(self._on_saved)
        self.pending.not_saved.connect(self._on_not_saved)
        generation.failed.connect(self._context.show_fault)
        generation.runs_on.connect(self._context.device_known)
        generation.remarked.connect(self._context.show_status)
        self.bar.live_wanted.connect(self.messages.show_waiting)
        self.strip.picture_chosen.connect(self.saved.show)
        self.strip.menu_wanted.connect(self.saved.show_menu)
        self.saved.opened.connect(self._show_opened)
        self.saved.settings_wanted.connect(self.reuse.use)
        self.saved.start_wanted.connect(self.start.open)
        self.start.left.connect(self._leave_own)
        self._context.models_changed.connect(self._show_models)
        self._context.outputs_moved.connect(self.strip.refresh)
        self._context.preferences_changed.connect(self._follow_preferences)
        self._follow_preferences()

    def _follow_preferences(self) -> None:
        self.canvas.set_crisp(self._context.preferences.scaling == "crisp")
