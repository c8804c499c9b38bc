"""The Generate page: settings, canvas and latest pictures, and the generation that runs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QImage, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QWidget

from diffusion_studio.errors import UserError, not_saved
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.generation import STEERING, GenerationSettings
from diffusion_studio.settings.options import from_dict, to_dict
from diffusion_studio.storage.places import models_dir
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.requests import BranchFrom, OpenModel, Request, StartFrom, UseSettings
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.compare.mode import CompareMode
from diffusion_studio.ui.films.commands import FilmCommands
from diffusion_studio.ui.generate.caption import Caption
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.panel import GenerationPanel
from diffusion_studio.ui.generate.pending import Pending
from diffusion_studio.ui.generate.recent import RecentStrip
from diffusion_studio.ui.generate.request import USUAL, GenerationRequest
from diffusion_studio.ui.generate.running import Generation
from diffusion_studio.ui.generate.start.editor import StartEditor
from diffusion_studio.ui.generate.steering import Plan, Steering
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.canvas_bar import CanvasBar
from diffusion_studio.ui.pictures.canvas_commands import CanvasCommands
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import SavedPictures, save_in

EXPIRES = 12_000  # milliseconds that the outcome of a run is shown
PATIENCE = 200  # milliseconds without a first picture before the canvas says what it waits for
SECTION = "generation"
AGAIN = (
    "Generated in its place in a batch of {rows}, for the same pixels. Change a setting to generate it alone."
)
EVERY = tuple(f.name for f in fields(GenerationSettings))


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
        # the canvas, and room for what belongs under it
        self.below = QSplitter(Qt.Orientation.Vertical, self)
        self.steering = Steering(self.canvas, self.bar, self.generation)
        self.next_run = NextRun(self.request, self.panel, self.canvas, self.steering)
        self.pending = Pending(context, self.steering, self.next_run)
        self.start = StartEditor(context, self.request, self.canvas, self.steering)
        self.panel.add_section("model", self.start.section)
        self.panel.add_last(self.start.variation)
        self.bar.add_tool(self.start.tools.bar.entry)
        self.caption = Caption(self.request, self.canvas, self.steering, self.start)
        self.middle = QStackedWidget(self)  # the canvas, or a comparison in its place
        self.compare = CompareMode(
            context, self.request, self.panel, self.steering, self.next_run, self.middle, self.strip
        )
        self.films = FilmCommands(context, self.request, self.canvas, self.steering)
        self._waits_for = ""
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE)
        self._expiry = QTimer(self, singleShot=True, interval=EXPIRES)
        self._expiry.timeout.connect(lambda: self.panel.line.setText(""))
        self._last: GenerationSettings | None = None  # what was generated last
        self._lay_out()
        self._make_actions()
        self._connect()
        self._show_models()
        self._recall()

    # --- what the window asks ---

    @property
    def working(self) -> bool:
        return self.generation.running or self.compare.running

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        own = self.commands
        return {
            "File": [*self.start.file_entries, own.save_as, own.reveal],
            "Edit": [own.copy, own.copy_settings],
            "View": own.view_entries,
            "Generate": [
                *(self.generate_action, self.stop_action, *self.steering.entries, None),
                *(self.compare.action, *self.films.entries, None),
                *(self.lock_action, self.dice_action, None, *own.page_entries),
            ],
            "Mask": self.start.tools.entries,
        }

    def controls(self) -> list[QWidget]:
        below = self.steering.timeline.controls
        panel, tools = self.panel.tab_order(), self.start.tools.bar.controls
        chooser, button = panel.index(self.panel.chooser) + 1, panel.index(self.panel.button)
        panel[button:button] = self.start.variation.controls
        panel[chooser:chooser] = self.start.section.controls
        return [*panel, self.canvas, *tools, *self.bar.controls, *below, self.strip.view]

    def shown_first(self) -> None:
        self.panel.button.setFocus()
        self.panel.curve.wake()
        self._show_empty()
        self.strip.refresh()
        self._warm_up()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the canvas makes nothing of goes through the steps."""
        if self.canvas.hasFocus() and not self.compare.shown:
            self.steering.timeline.track.keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def save_pending(self) -> Sequence[str]:
        return [event.reason for event in self.pending.save_now()]

    def close_down(self) -> None:
        self._patience.stop()
        self._expiry.stop()
        self.steering.timeline.stop_playing()
        self.strip.close_down()
        self._remember()

    # --- the generation ---

    def generate(self) -> None:
        """Start with the settings as they stand now; while one is running, nothing."""
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
        self._waits_for = tr("Getting ready…")
        self._expiry.stop()
        self._last = None if plan.rehearsal else plan.settings
        self.steering.begin(plan)
        self.panel.button.show_progress(0)
        self.panel.line.setText("")
        self._patience.start()

    def stop(self) -> None:
        """Stop what runs, and ask what to do with it where that is worth asking; else leave what Generate goes on from."""
        if self.generation.running:
            self.steering.stop()
        elif self.compare.shown:
            self.compare.stop()
        else:
            self.next_run.cancel()

    def _on_button(self) -> None:
        self.stop() if self.working else self.generate()

    def _on_progress(self, index: int, total: int, words: str) -> None:
        self.panel.button.show_progress(index / max(total, 1))
        self.report_work(tr("Generating"), index / max(total, 1))
        self.panel.line.setText(words)
        self.panel.curve.show_progress(index)

    def _on_waiting(self, words: str) -> None:
        self._waits_for = words
        if not self.steering.live and not self._patience.isActive():
            self._say_waiting()

    def _say_waiting(self) -> None:
        if self.generation.running and not self.steering.live and not self.steering.elsewhere:
            self.canvas.show_message(
                self._waits_for, tr("The first picture after a start takes a few seconds longer.")
            )

    def _on_saved(self, index: int, picture: Picture) -> None:
        assert picture.path is not None
        self.strip.add(picture.path, picture.image())
        self._context.saved.emit(picture.path)

    def _on_put_aside(self, path: Path, picture: Picture) -> None:
        self.strip.add(path, picture.image())
        self._context.saved.emit(path)

    def _on_ended(self, words: str) -> None:
        self._patience.stop()
        self.end_work(words)
        self.panel.button.show_idle()
        self.panel.line.setText(words)
        self._expiry.start()
        self._show_repeats()
        self.panel.curve.show_progress(None)
        if not self.steering.live and not self.canvas.pictures:
            self._show_empty()
        self._remember()
        self._context.save_settings()

    def _on_not_saved(self, events: list[Any]) -> None:
        reasons = [event.reason for event in events]
        self._context.show_fault(
            not_saved(
                reasons,
                max(len(events), len(self.canvas.pictures)),
                [f"seed {event.settings.seed}" for event in events],
            ),
            "\n".join(reasons),
            action="Save elsewhere…",
            do=lambda: self._save_elsewhere(events),
        )

    def _save_elsewhere(self, events: list[Any]) -> None:
        folder = commands.ask_folder(self)
        if folder is not None:
            self._context.run(save_in(folder, events), self._saved_elsewhere)

    def _saved_elsewhere(self, event: Any) -> None:
        if isinstance(event, list):  # what failed again can be saved elsewhere again
            self._on_not_saved(event)
        else:
            self._context.show_status(tr("Saved to {event}", event=readable(event)))

    # --- other pictures ---

    def receive(self, request: Request) -> None:
        match request:
            case UseSettings(values):
                self.use(values)
            case BranchFrom(values):
                self.branch_from(values)
            case OpenModel(name):
                self.open_model(name)
            case StartFrom(picture):
                self.start.open(picture)

    def use(self, values: Mapping[str, Any], *, lock: bool = True) -> None:
        """Take these settings into the form; the others stay, but for those that are about another picture.

        A seed that is among them is locked, unless it comes only with its image (`lock`): then it is used once.
        """
        if not values:
            return
        if set(values) == {"seed"}:
            self.request.lock_seed(values["seed"])
            return
        self.start.settle_if_possible()
        before = self.request.state
        if self.next_run.before is not None:
            self.next_run.cancel()
        settings, refused = self._complete(values)
        self.request.show(settings, lock=None if "seed" in values and lock else self.request.locked)
        if "seed" in values and not lock and settings.seed is not None:
            self.request.use_seed_once(settings.seed)
        self._context.undo.push(Change(tr("reuse of settings"), lambda: self.request.restore(before)))
        if refused:
            self._context.show_status(" ".join(refused))
        elif self.request.value().batch:
            rows = len(batch_rows.rows(settings))
            self._context.show_status(tr(AGAIN, rows=rows))

    def branch_from(self, values: Mapping[str, Any]) -> None:
        """Open a branch of a saved image: it is generated again for its steps, and nothing is saved before Branch is pressed."""
        if values.get("seed") is None:
            self._context.show_fault(
                tr("This image does not record its seed, so it cannot be branched from.")
            )
            return
        if self.working and not self.steering.asking and not self.generation.paused:
            self._context.show_status(tr("Stop the running generation first, then branch"))
            return
        settings, _ = self._complete(values)
        self.compare.action.setChecked(False)
        self.next_run.cancel()
        self._begin(Plan(replace(settings, count=1), save=False, rehearsal=True))
        self._context.show_status(tr("Generating the image again for its steps. Nothing is saved."))

    def open_model(self, name: str) -> None:
        """Generate with this model from a clean state: what was set up for another one is undone with Undo."""
        self.start.settle_if_possible()
        before = self.request.state
        self.compare.action.setChecked(False)
        self.next_run.cancel()
        self.request.clear()
        self.request.choose_model(name)
        if before.settings.source or before.locked:
            self._context.done(
                tr("Start image, mask and locked seed were put aside."),
                Change(tr("change of model"), lambda: self.request.restore(before)),
            )

    def _complete(self, values: Mapping[str, Any]) -> tuple[GenerationSettings, list[str]]:
        """These settings, with the panel's where they name none, but nothing that is about the panel's own picture."""
        shown = to_dict(replace(self.request.value(), history=(), batch=""))
        shown.update({name: getattr(USUAL, name) for name in STEERING})
        return from_dict(GenerationSettings, {**shown, **values})

    def _on_put_aside_picture(self, left: GenerationSettings) -> None:
        """Another model of another size was chosen."""
        card = self.request.card
        if card is None:
            return
        if left.source:
            what = tr("Start image and mask") if left.mask else tr("Start image")
        else:
            what = tr("Variation")
        steered = {name: getattr(left, name) for name in STEERING}
        plain = {name: getattr(USUAL, name) for name in STEERING}
        sentence = tr(
            "{what} put aside: {title} generates {pixels} images.",
            what=what,
            title=card.title,
            pixels=card.pixels(),
        )
        change = Change(
            tr("putting aside of the start image") if left.source else tr("putting aside of the variation"),
            lambda: self.request.change(**steered),
            lambda: self.request.change(**plain),
        )
        self._context.done(sentence, change)

    def _show_repeats(self) -> None:
        """Say so where Generate would make the image that it made last."""
        try:
            value = self.request.value()
        except UserError:
            value = None
        same = self.request.locked and value == self._last and not self.generation.running
        self.panel.show_repeats(same)

    def _use_shown(self, *names: str) -> None:
        """Take these settings of the picture on the canvas."""
        subject = self.commands.subject
        if subject is not None and subject.settings is not None:
            self.use({name: getattr(subject.settings, name) for name in names})

    def _show_opened(self, picture: Picture) -> None:
        self.steering.show_elsewhere(picture)
        if picture.path is not None:
            self._context.show_status(readable(picture.path))

    # --- models and memory ---

    def _show_models(self) -> None:
        self.panel.show_cards(cards.installed())
        self.next_run.show_state()

    def _recall(self) -> None:
        settings = self._context.settings_file.load(SECTION, GenerationSettings)
        if self.request.card is not None and settings == USUAL:
            settings = cards.find("").defaults()  # a first start
        self.request.show(settings)

    def _remember(self) -> None:
        """A branch is over with the window: what is kept is the panel before it."""
        try:
            self.start.settle()
        except UserError:
            return
        kept = self.next_run.before or self.request.state
        settings = kept.settings if kept.locked else replace(kept.settings, seed=None)
        self._context.settings_file.store(SECTION, settings)

    def _show_empty(self) -> None:
        card = self.request.card
        if self.generation.running or self.canvas.pictures:
            return
        if card is None:
            self.canvas.show_message(
                tr("No model is installed"),
                tr("Put a model's folder into {models_dir}", models_dir=readable(models_dir())),
            )
        else:
            faint = QImage.fromData(card.sample_sheet()) if card.samples else None
            self.canvas.show_message(
                tr("Ready to generate"),
                tr("Examples from {title}", title=card.title),
                faint,
            )

    def _leave_own(self) -> None:
        """The start picture is gone from the canvas."""
        if self.steering.run is not None:
            self.steering.follow()
        else:
            self.canvas.show_pictures(())
            self.steering.timeline.clear()
            self._show_empty()

    def _on_model(self) -> None:
        if self.isVisible():
            self._show_empty()
            self._warm_up()

    def _warm_up(self) -> None:
        if self.request.card is not None:
            self.generation.warm_up(self.request.value())

    # --- building ---

    def _lay_out(self) -> None:
        self.below.addWidget(self.canvas)
        self.below.addWidget(self.steering.timeline)
        self.below.setChildrenCollapsible(False)
        self.below.setStretchFactor(0, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.panel)
        self.middle.addWidget(self.below)
        row.addWidget(self.middle, 1)
        row.addWidget(self.strip)

    def _make_actions(self) -> None:
        self.generate_action = make_action(
            self, tr("Generate"), "Ctrl+Return or Ctrl+Enter", tip="Draw the picture"
        )
        self.stop_action = make_action(
            self, tr("Stop"), "Esc", tip="Stop after the current step; again: discard"
        )
        self.lock_action = make_action(self, tr("Lock seed"), "Ctrl+L", tip="Keep the seed", checkable=True)
        self.dice_action = make_action(self, tr("New seed"), "Ctrl+D", tip="Draw another random seed")
        self.settings_action = make_action(
            self, tr("Use these settings"), "Ctrl+U", tip="Draw with what drew this picture"
        )
        self.seed_action = make_action(
            self, tr("Use seed"), "Ctrl+Shift+U", tip="Keep the seed of this picture"
        )
        self.settings_action.setEnabled(False)
        self.seed_action.setEnabled(False)
        self.commands.page_entries = [self.settings_action, self.seed_action]
        self.commands.own_entries = [self.start.start_action]

    def _connect(self) -> None:
        panel, generation = self.panel, self.generation
        panel.button.clicked.connect(self._on_button)
        self.compare.settings_wanted.connect(lambda values: self.use(values, lock=False))
        self.request.put_aside.connect(self._on_put_aside_picture)
        self.next_run.leaving.connect(self.start.settle_if_possible)
        self.steering.asking_changed.connect(panel.ask_to_stop)
        panel.choices.keep_wanted.connect(self.steering.keep)
        panel.choices.finish_wanted.connect(self.steering.finish)
        panel.choices.discard_wanted.connect(self.steering.discard)
        self.compare.left.connect(self._show_empty)
        self.request.model_changed.connect(self._on_model)
        self.generate_action.triggered.connect(self.generate)
        self.stop_action.triggered.connect(self.stop)
        self.lock_action.triggered.connect(self.request.lock)
        self.request.changed.connect(lambda: self.lock_action.setChecked(self.request.locked))
        self.dice_action.triggered.connect(self.request.draw_seed)
        self.settings_action.triggered.connect(lambda: self._use_shown(*EVERY))
        self.seed_action.triggered.connect(lambda: self._use_shown("seed"))
        generation.waiting.connect(self._on_waiting)
        generation.previewed.connect(lambda _: self._patience.stop())
        generation.progressed.connect(self._on_progress)
        generation.saved.connect(self._on_saved)
        generation.not_saved.connect(self._on_not_saved)
        generation.ended.connect(self._on_ended)
        self.request.changed.connect(self._show_repeats)
        self.compare.ended.connect(self._expiry.start)
        self.pending.saved.connect(self._on_put_aside)
        self.pending.not_saved.connect(self._on_not_saved)
        generation.failed.connect(self._context.show_fault)
        generation.runs_on.connect(self._context.device_known)
        self._patience.timeout.connect(self._say_waiting)
        self.bar.live_wanted.connect(self._say_waiting)
        self.strip.picture_chosen.connect(self.saved.show)
        self.strip.menu_wanted.connect(self.saved.show_menu)
        self.saved.opened.connect(self._show_opened)
        self.saved.settings_wanted.connect(self.use)
        self.saved.start_wanted.connect(self.start.open)
        self.start.left.connect(self._leave_own)
        self._context.models_changed.connect(self._show_models)
        self._context.outputs_moved.connect(self.strip.refresh)
        self._context.preferences_changed.connect(self._follow_preferences)
        self._follow_preferences()

    def _follow_preferences(self) -> None:
        self.canvas.set_crisp(self._context.preferences.scaling == "crisp")
