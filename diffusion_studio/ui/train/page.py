"""The Train page: from a folder of pictures to a model of one's own; choices at the left of what they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.settings.units import duration
from diffusion_studio.storage.places import resource
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import TRAINING, choose_folder
from diffusion_studio.ui.base.requests import FineTune, Request, ResumeRun
from diffusion_studio.ui.generate.running import hardware_words
from diffusion_studio.ui.train.actions import TrainActions
from diffusion_studio.ui.train.choices import TrainingPanel
from diffusion_studio.ui.train.folder import FolderView, title_of
from diffusion_studio.ui.train.moved_folder import is_there, may_use_changed, new_location
from diffusion_studio.ui.train.noise import NoiseView
from diffusion_studio.ui.train.outlook import Outlook
from diffusion_studio.ui.train.progress import ProgressView
from diffusion_studio.ui.train.questions import may_discard, more_minutes
from diffusion_studio.ui.train.records import (
    DEFAULT_MINUTES,
    RunRecord,
    RunRow,
    free_name,
    mark_interrupted,
    name_fault,
    read_run,
)
from diffusion_studio.ui.train.result import Result
from diffusion_studio.ui.train.runs import RunsView
from diffusion_studio.ui.train.session import Sitting
from diffusion_studio.ui.train.tabs import PICTURES, PROGRESS, RUNS, TABS, Tabs
from diffusion_studio.ui.widgets.drop import DropPage

SECTION = "training"
SAMPLES = "samples/pixel-avatars"


class TrainPage(DropPage):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.panel = TrainingPanel(self)
        self.pictures = FolderView(self)
        self.noise = NoiseView(self)
        self.progress = ProgressView(context, self)
        self.runs = RunsView(context, self)
        self.sitting = Sitting(self)
        self.result = Result(context, self)
        self.workers = (
            self.sitting.worker,
            self.pictures.worker,
            self.result.worker,
            self.progress.samples.nearest.worker,
        )
        self.tabs = Tabs(TABS, (self.pictures, self.noise, self.progress, self.runs), self)
        self.outlook = Outlook(context, self.panel, self.pictures, self.noise, self.sitting, self)
        self._title, self._size = "", 0
        self._discarding = False
        self._differs = ""  # why a resume was refused, until the user was asked
        self._resumed: tuple[TrainingSettings, str, RunRow | None] = (TrainingSettings(), "", None)
        self.entries = TrainActions(self, TABS)
        self._lay_out()
        self._connect()
        self.panel.show_value(context.settings_file.load(SECTION, TrainingSettings))
        self._follow_preferences()

    # --- what the window asks ---

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return self.entries.entries()

    @property
    def working(self) -> bool:
        return self.sitting.running or self.result.worker.busy

    def controls(self) -> list[QWidget]:
        """The choices, then each tab with what it shows."""
        folder = self.pictures
        shown = [folder.invitation.choose, folder.invitation.samples, folder.cancel_button, folder.grid]
        noise = [self.noise.canvas, self.noise.slider]
        runs = [*self.runs.controls, self.runs.view]
        return [*self.panel.tab_order(), *self.tabs.buttons, *shown, *noise, *self.progress.controls(), *runs]

    def shown_first(self) -> None:
        self.pictures.invitation.choose.setFocus()
        self.outlook.begin()
        self.runs.refresh()

    def close_down(self) -> None:
        self.outlook.close_down()
        self.progress.samples.close_down()
        self._remember()

    # --- the folder ---

    def choose_folder(self) -> None:
        folder = choose_folder(self, tr("Choose a folder of images"), place=TRAINING)
        if folder is not None:
            self.open_folder(folder)

    def open_folder(self, folder: Path) -> None:
        """Look through a folder, to learn from its pictures."""
        if not self.sitting.running:
            self.show_tab(PICTURES)
            self.outlook.forget_report()
            self.pictures.scan(folder, self.outlook.choices)

    def _on_checked(self, report: Mapping[str, Any]) -> None:
        folder = self.pictures.folder
        first = self.outlook.take_report(report)
        if first and folder is not None:
            self.panel.show_folder(folder, free_name(title_of(folder)))
        self.panel.button.setEnabled(bool(report["usable"]))
        if first:
            self.panel.button.setFocus()

    def _remember(self) -> None:
        settings = self.outlook.choices
        self._context.settings_file.store(SECTION, replace(settings, folder="", name="", start_from=""))

    # --- the training ---

    def train(self) -> None:
        """Start with the choices as they stand now; while one is running, nothing."""
        if self.sitting.running or not self.panel.button.isEnabled():
            return
        try:
            settings = self.panel.value()
        except UserError as error:
            self._context.show_fault(str(error))
            return
        fault = name_fault(settings.name)
        if fault:
            self._context.show_fault(fault)
            self.panel.form.fields["name"].setFocus()
            return
        self._remember()
        self._context.save_settings()
        self._begin(settings, settings.name)

    def receive(self, request: Request) -> None:
        match request:
            case FineTune(card, cards):
                if self.working:
                    self._context.show_status(tr("A training is running. Stop it before you start another."))
                else:
                    self.panel.start_from(card, list(cards))
            case ResumeRun(path):
                self._context.run(read_run(path), lambda record: self.resume(record.row))

    def resume(self, row: RunRow) -> None:
        """Go on with a run; one that has had all its time is given more."""
        if self.sitting.running:
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
        self.panel.show_run(row.settings)
        self._begin(TrainingSettings(minutes=minutes, folder=folder), row.title, row)

    def _begin(
        self,
        settings: TrainingSettings,
        title: str,
        row: RunRow | None = None,
        *,
        changed_data: bool = False,
    ) -> None:
        self._title, self._discarding, self._differs = title, False, ""
        self._resumed = (settings, title, row)
        self.outlook.training_begins()
        self.progress.outcome.hide()
        self._size = row.size if row is not None else settings.size
        self.progress.begin(title, None, self._size)
        self.panel.line.setText(tr("Getting ready…"))
        self.show_tab(PROGRESS)
        self.sitting.start(settings, resume=row.name if row is not None else None, changed_data=changed_data)

    def _on_differs(self, event: Any) -> None:
        """The job fails next: instead of the fault the question is shown, once it has ended."""
        self._differs = event.text

    def _on_failed(self, sentence: str, details: str) -> None:
        if not self._differs:
            self._context.show_fault(sentence, details)

    def _on_started(self, event: Any) -> None:
        self._context.device_known.emit(hardware_words(event.device, event.precision, 0))
        self.runs.show_busy(event.run.name)
        self.progress.begin(self._title, event.run, self._size)
        self._context.run(read_run(event.run), lambda record: self.progress.add_before(record.log))

    def _show_run(self, record: RunRecord) -> None:
        self.progress.begin(record.row.title, record.row.path, record.row.size)
        self.progress.add_before(record.log)

    def _on_waiting(self, words: str) -> None:
        if self.sitting.state == "running":
            self.panel.line.setText(words)

    def _on_progress(self, event: Any) -> None:
        self.progress.add(event)
        self.panel.button.show_progress(event.fraction)
        self.report_work(tr("Training {title}", title=self._title), event.fraction)
        if self.sitting.state == "running":
            left = duration(event.time_left)
            self.panel.line.setText(
                tr(
                    "{fraction:.0%} · {pictures_per_second:,.0f} pictures/s · {left} left",
                    fraction=event.fraction,
                    pictures_per_second=event.pictures_per_second,
                    left=left,
                )
            )

    def _on_state(self) -> None:
        state = self.sitting.state
        self.panel.show_running(state)
        self.entries.follow(state)
        if state == "stopping":
            self.panel.line.setText(tr("Finishing the step and saving…"))
        elif state == "paused":
            self.panel.line.setText(tr("Finishing the step…"))
        elif state == "running":
            self.progress.outcome.hide()

    def _on_held(self) -> None:
        self.panel.line.setText(tr("Paused; everything stays loaded"))
        self.progress.outcome.tell_paused(self.sitting.go_on, self._try_it)

    def _toggle_pause(self) -> None:
        self.sitting.go_on() if self.sitting.state == "paused" else self.sitting.pause()

    def _on_button(self) -> None:
        self.sitting.stop() if self.sitting.running else self.train()

    def discard(self) -> None:
        """Stop and throw away, after asking; the trash gives it back."""
        if may_discard(self, self._title) and self.sitting.running:
            self._discarding = True
            self.sitting.stop()

    def _on_ended(self, outcome: str) -> None:
        self._show_ended(outcome)
        differs, self._differs = self._differs, ""
        if differs and outcome == "failed" and may_use_changed(self, differs):
            self._begin(*self._resumed, changed_data=True)

    def _show_ended(self, outcome: str) -> None:
        self.end_work(tr("Training “{title}” is done.", title=self._title) if outcome == "finished" else "")
        self.panel.line.setText("")
        self.runs.show_busy("")
        name = self.sitting.run.name if self.sitting.run is not None else ""
        if outcome == "interrupted" and self.sitting.run is not None:
            mark_interrupted(self.sitting.run)
            return  # the window is closing
        if self._discarding and name:
            self.show_tab(RUNS)
            self.runs.remove(name)
            return
        if outcome == "stopped" and name:
            self.progress.outcome.tell_stopped(
                lambda: self._resume_name(name), lambda: self.result.publish(name, self._title)
            )
        if name:
            self.panel.show_name(free_name(self._title))  # another training is another model
        self.outlook.renew()
        self.runs.refresh()

    def _resume_name(self, name: str) -> None:
        row = next((row for row in self.runs.model.rows if row.name == name), None)
        if row is not None:
            self.resume(row)

    # --- the result ---

    def _try_it(self) -> None:
        if self.sitting.run is not None:
            self.result.publish(self.sitting.run.name, self._title, then_generate=True)

    def _on_published(self, name: str, title: str) -> None:
        self.runs.refresh()
        if self.sitting.state != "paused":
            self.progress.outcome.tell_ready(title, lambda: self.result.generate_with(name))

    def _show_row(self, row: RunRow) -> None:
        if not self.sitting.running:
            self.progress.outcome.hide()
            self._context.run(read_run(row.path), self._show_run)
        self.show_tab(PROGRESS)

    # --- building ---

    def show_tab(self, number: int) -> None:
        self.tabs.show_tab(number)
        if number == RUNS:
            self.runs.refresh()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.panel)
        row.addWidget(self.tabs, 1)

    def _connect(self) -> None:
        panel, sitting, pictures, context = self.panel, self.sitting, self.pictures, self._context
        panel.folder_wanted.connect(self.choose_folder)
        panel.button.clicked.connect(self._on_button)
        panel.pause.clicked.connect(self._toggle_pause)
        panel.discard.clicked.connect(self.discard)
        pictures.folder_wanted.connect(self.choose_folder)
        pictures.samples_wanted.connect(lambda: self.open_folder(resource(SAMPLES)))
        pictures.checked.connect(self._on_checked)
        pictures.failed.connect(context.show_fault)
        pictures.picture_shown.connect(self.noise.show_picture)
        sitting.waiting.connect(self._on_waiting)
        sitting.started.connect(self._on_started)
        sitting.progressed.connect(self._on_progress)
        sitting.sampled.connect(self.progress.samples.add)
        sitting.warned.connect(self.progress.warn)
        sitting.published.connect(lambda event: self.result.told(event.name, self._title))
        sitting.estimated.connect(panel.show_estimate)
        sitting.measuring.connect(panel.say_cost)
        sitting.changed.connect(self._on_state)
        sitting.held.connect(self._on_held)
        sitting.ended.connect(self._on_ended)
        sitting.failed.connect(self._on_failed)
        sitting.differs.connect(self._on_differs)
        self.result.published.connect(self._on_published)
        self.tabs.chosen.connect(self.show_tab)
        self.folder_dropped.connect(self.open_folder)
        self.folder_hovers.connect(pictures.invitation.glow)
        self.runs.resume_wanted.connect(self.resume)
        self.runs.show_wanted.connect(self._show_row)
        self.runs.publish_wanted.connect(lambda row: self.result.publish(row.name, row.title))
        self.entries.folder.triggered.connect(self.choose_folder)
        self.entries.train.triggered.connect(self.train)
        self.entries.pause.triggered.connect(self._toggle_pause)
        self.entries.stop.triggered.connect(sitting.stop)
        self.entries.tab_wanted.connect(self.show_tab)
        context.preferences_changed.connect(self._follow_preferences)

    def _follow_preferences(self) -> None:
        crisp = self._context.preferences.scaling == "crisp"
        self.progress.samples.set_crisp(crisp)
        self.noise.canvas.set_crisp(crisp)
