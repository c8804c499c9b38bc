"""The Train page: from a folder of images to a model of one's own, in three steps: Images, Recipe, Run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.distillation import DistilSettings
from diffusion_studio.settings.training import DEFAULT_MINUTES, TrainingSettings
from diffusion_studio.storage.places import resource
from diffusion_studio.training_events import DataDiffers, Loss, TrainingStarted
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import TRAINING, choose_folder
from diffusion_studio.ui.base.requests import CutSprites, FineTune, MakeFast, Request, ResumeRun
from diffusion_studio.ui.generate.running import hardware_words
from diffusion_studio.ui.train.actions import TrainActions
from diffusion_studio.ui.train.forecast import Forecast
from diffusion_studio.ui.train.images.folder import FolderView, title_of
from diffusion_studio.ui.train.images.sheets import SpriteCutting
from diffusion_studio.ui.train.publishing import Publishing
from diffusion_studio.ui.train.questions import (
    is_there,
    may_discard,
    may_use_changed,
    more_minutes,
    new_location,
)
from diffusion_studio.ui.train.recipe import RecipeView
from diffusion_studio.ui.train.records import (
    RunRow,
    free_name,
    mark_interrupted,
    name_fault,
    read_run,
)
from diffusion_studio.ui.train.run_view import RunView
from diffusion_studio.ui.train.runs import RunsView
from diffusion_studio.ui.train.session import TrainingSession
from diffusion_studio.ui.train.shown_run import ShownRun
from diffusion_studio.ui.train.smoothing.smoothing import Smoothing
from diffusion_studio.ui.train.steps import IMAGES, RECIPE, RUN, RUNS, STEPS, Steps
from diffusion_studio.ui.train.words import ended
from diffusion_studio.ui.widgets.drop import DropPage

SECTION = "training"
SAMPLES = "samples/pixel-avatars"


class TrainPage(DropPage):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.images = FolderView(self)
        self.recipe = RecipeView(self)
        self.run_view = RunView(context, self)
        self.runs = RunsView(context, self)
        self.session = TrainingSession(self)
        self.publishing = Publishing(context, self)
        self.smoothing = Smoothing(context, self)
        self.cutting = SpriteCutting(context, self)
        self.workers = (
            self.session.worker,
            self.images.worker,
            self.publishing.worker,
            self.smoothing.worker,
            self.run_view.samples.nearest.worker,
        )
        self.steps = Steps((self.images, self.recipe, self.run_view, self.runs), self)
        self.forecast = Forecast(context, self.recipe, self.images, self.session, self)
        self.shown = ShownRun(context, self.run_view, self.session, self.publishing, self.smoothing, self)
        self._fault = ""  # why the training ended
        self._discarding = False
        self._differs = ""  # why resuming was refused, until the user was asked
        self._resumed: tuple[TrainingSettings, str, RunRow | None] = (TrainingSettings(), "", None)
        self.entries = TrainActions(self, STEPS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.steps)
        self._connect()
        self.recipe.show_value(context.settings_file.load(SECTION, TrainingSettings))
        self._follow_preferences()

    # --- what the window asks ---

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return self.entries.entries()

    @property
    def working(self) -> bool:
        return self.session.running or self.publishing.worker.busy or self.smoothing.working

    def controls(self) -> list[QWidget]:
        """The steps, then what each shows."""
        return [
            *self.steps.buttons,
            *self.images.controls(),
            *self.recipe.tab_order(),
            *self.run_view.controls(),
            *self.runs.controls(),
        ]

    def toast_floor(self) -> QWidget | None:
        sliders = (self.recipe.noise.slider, self.run_view.samples.film)
        return next((slider for slider in sliders if slider.isVisible()), None)

    def shown_first(self) -> None:
        self.images.invitation.choose.setFocus()
        self.forecast.begin()
        self.runs.refresh()

    def receive(self, request: Request) -> None:
        match request:
            case FineTune(card, cards):
                if self.working:
                    self._context.show_status(tr("A training is running. Stop it before you start another."))
                else:
                    self.recipe.start_from(card, list(cards))
                    self.show_step(RECIPE if self.images.folder is not None else IMAGES)
            case MakeFast(settings, size):
                if self.working:
                    self._context.show_status(tr("A training is running. Stop it before you start another."))
                else:
                    self._begin(settings, settings.name, size=size)
            case CutSprites(path, sheet):
                if self.working:
                    self._context.show_status(tr("A training is running. Stop it before you start another."))
                else:
                    self.cutting.cut(path, [sheet], self.images.folder)
            case ResumeRun(path):
                self._context.run(read_run(path), lambda record: self.resume(record.row))

    def close_down(self) -> None:
        self.forecast.close_down()
        self.run_view.samples.close_down()
        self._remember()

    # --- the images ---

    def choose_folder(self) -> None:
        folder = choose_folder(self, tr("Choose a folder of images"), place=TRAINING)
        if folder is not None:
            self.open_folder(folder)

    def open_folder(self, folder: Path) -> None:
        """Check a folder, to train on its images."""
        if not self.session.running:
            self.show_step(IMAGES)
            self.forecast.forget_report()
            self.images.scan(folder, self.forecast.settings)

    def _show_folder(self, folder: Path | None) -> None:
        """The folder that sprites were cut into, or the one before; None: there was none."""
        if folder is not None:
            self.open_folder(folder)
        elif not self.session.running:
            self.images.show_invitation()

    def _cut_sheets(self) -> None:
        folder = self.images.folder
        if folder is not None and not self.session.running:
            self.cutting.cut(folder, self.images.report.report["sheets"], folder)

    def _train_at(self, side: int) -> None:
        """The size that the report offers for pixel art."""
        self.recipe.form.fields["size"].show_value(side)
        self.show_step(RECIPE)

    def _on_checked(self, report: Mapping[str, Any]) -> None:
        folder = self.images.folder
        first = self.forecast.take_report(report)
        if not report["usable"]:
            self.recipe.forget_folder()
        elif first and folder is not None:
            self.recipe.show_folder(folder, free_name(title_of(folder)))
        if first and self.steps.current == IMAGES:
            (self.images.next if report["usable"] else self.images.nothing.back).setFocus()

    def _remember(self) -> None:
        settings = self.forecast.settings
        self._context.settings_file.store(SECTION, replace(settings, folder="", name="", start_from=""))

    # --- the training ---

    def train(self) -> None:
        """Start with the settings as they are now, unless a training is running."""
        if self.session.running or not self.recipe.train_button.isEnabled():
            return
        try:
            settings = self.recipe.value()
        except UserError as error:
            self._context.show_fault(str(error))
            return
        fault = name_fault(settings.name)
        if fault:
            self._context.show_fault(fault)
            self.show_step(RECIPE)
            self.recipe.form.fields["name"].setFocus()
            return
        self._remember()
        self._context.save_settings()
        self._begin(settings, settings.name)

    def resume(self, row: RunRow) -> None:
        """Train on with a run; one that has had all its time is given more."""
        if self.session.running:
            return
        minutes = 0.0
        if row.fraction >= 1:
            more = more_minutes(self, DEFAULT_MINUTES)
            if more is None:
                return
            minutes = row.seconds / 60 + more
        folder = ""
        if not is_there(row.settings.folder):
            place = new_location(self, row.title, row.settings.folder)
            if place is None:
                return
            folder = str(place)
        self.recipe.show_run(row.settings)
        self._begin(TrainingSettings(minutes=minutes, folder=folder), row.title, row)

    def discard(self) -> None:
        """Stop and delete, after asking; the trash keeps it."""
        if may_discard(self, self.shown.title) and self.session.running:
            self._discarding = True
            self.session.stop()

    def _begin(
        self,
        settings: TrainingSettings | DistilSettings,
        title: str,
        row: RunRow | None = None,
        *,
        size: int = 0,
        changed_data: bool = False,
    ) -> None:
        self._discarding, self._differs, self._fault = False, "", ""
        if isinstance(settings, TrainingSettings):
            size = row.size if row is not None else settings.size
            self._resumed = (settings, title, row)
        self.forecast.training_begins()
        self.shown.begin(title, row, size)
        self.show_step(RUN)
        self.session.start(settings, resume=row.name if row is not None else None, changed_data=changed_data)

    def _on_differs(self, event: DataDiffers) -> None:
        """The job fails next: the question is asked once it has ended, in place of the fault."""
        self._differs = event.text

    def _on_failed(self, sentence: str, details: str) -> None:
        self._fault = sentence
        if not self._differs:
            self._context.show_fault(sentence, details)

    def _on_started(self, event: TrainingStarted) -> None:
        self._context.device_known.emit(hardware_words(event.device, event.precision, 0))
        self.runs.show_busy(event.run.name)
        self.shown.start(event, self.forecast.settings.sample_every)

    def _on_progress(self, event: Loss) -> None:
        self.report_work(tr("Training “{title}”", title=self.shown.title), event.fraction)

    def _on_state(self) -> None:
        state = self.session.state
        self.recipe.show_running(state != "idle")
        self.images.allow_change(state == "idle")
        self.entries.follow(state, at_run=self.steps.current == RUN)

    def _toggle_pause(self) -> None:
        self.session.resume() if self.session.state == "paused" else self.session.pause()

    def _on_ended(self, outcome: str) -> None:
        self._show_ended(outcome)
        differs, self._differs = self._differs, ""
        if differs and outcome == "failed" and may_use_changed(self, differs):
            self._begin(*self._resumed, changed_data=True)

    def _show_ended(self, outcome: str) -> None:
        self.end_work(ended(outcome, self.shown.title))
        self.runs.show_busy("")
        run = self.session.run
        if outcome == "interrupted" and run is not None:
            mark_interrupted(run)
            return  # the window is closing
        if self._discarding and run is not None:
            self.show_step(RUNS)
            self.runs.remove(run.name)
            return
        if run is not None:
            fault = self._fault if outcome == "failed" else ""
            self._context.run(read_run(run), lambda record: self.shown.show_outcome(record.row, fault))
            self.recipe.show_name(free_name(self.shown.title))  # another run is another model
        self.forecast.training_ended()
        self.runs.refresh()

    # --- the result ---

    def _show_row(self, row: RunRow) -> None:
        self.shown.show_row(row)
        self.show_step(RUN)

    # --- building ---

    def show_step(self, number: int) -> None:
        self.steps.show_step(number)
        self.entries.follow(self.session.state, at_run=number == RUN)
        if number == RUNS:
            self.runs.refresh()

    def _connect(self) -> None:
        session, images, context = self.session, self.images, self._context
        images.folder_wanted.connect(self.choose_folder)
        images.samples_wanted.connect(lambda: self.open_folder(resource(SAMPLES)))
        images.continue_wanted.connect(lambda: self.show_step(RECIPE))
        images.checked.connect(self._on_checked)
        images.report.size_wanted.connect(self._train_at)
        images.report.cut_wanted.connect(self._cut_sheets)
        self.cutting.folder_wanted.connect(self._show_folder)
        images.cancelled.connect(self.recipe.forget_folder)
        images.failed.connect(context.show_fault)
        images.picture_shown.connect(self.recipe.noise.show_picture)
        self.recipe.train_wanted.connect(self.train)
        session.started.connect(self._on_started)
        session.progressed.connect(self._on_progress)
        session.changed.connect(self._on_state)
        session.ended.connect(self._on_ended)
        session.failed.connect(self._on_failed)
        session.differs.connect(self._on_differs)
        self.run_view.pause_wanted.connect(self._toggle_pause)
        self.run_view.stop_wanted.connect(session.stop)
        self.run_view.discard_wanted.connect(self.discard)
        self.publishing.published.connect(lambda name, title: self.runs.refresh())
        self.shown.resume_wanted.connect(self.resume)
        self.steps.chosen.connect(self.show_step)
        self.folder_dropped.connect(self.open_folder)
        self.folder_hovers.connect(images.invitation.glow)
        for button in (self.runs.begin, self.run_view.begin_button):
            button.clicked.connect(lambda: self.show_step(IMAGES))
        self.runs.resume_wanted.connect(self.resume)
        self.runs.show_wanted.connect(self._show_row)
        self.runs.save_wanted.connect(self._save_row)
        self.runs.use_wanted.connect(self.publishing.use)
        self.entries.folder.triggered.connect(self.choose_folder)
        self.entries.train.triggered.connect(self.train)
        self.entries.pause.triggered.connect(self._toggle_pause)
        self.entries.stop.triggered.connect(session.stop)
        self.entries.step_wanted.connect(self.show_step)
        context.preferences_changed.connect(self._follow_preferences)

    def _save_row(self, row: RunRow) -> None:
        if not self.session.running:
            self._show_row(row)
            self.shown.row = row
        self.publishing.publish(row.name, row.title)

    def _follow_preferences(self) -> None:
        crisp = self._context.preferences.scaling == "crisp"
        self.run_view.samples.set_crisp(crisp)
        self.recipe.noise.canvas.set_crisp(crisp)
