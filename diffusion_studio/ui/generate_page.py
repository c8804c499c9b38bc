"""The Generate page: settings, canvas and latest pictures, and the generation that runs between them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from .. import cards
from ..errors import UserError
from ..folders import models_dir
from ..settings import GenerationSettings, from_dict, to_dict
from . import picture_commands as commands
from .canvas import Canvas
from .canvas_bar import CanvasBar
from .canvas_commands import CanvasCommands
from .generation import Generation
from .page import Page
from .page import action as make_action
from .panel import GenerationPanel
from .pictures import Picture
from .recent import RecentStrip
from .saved_pictures import SavedPictures
from .studio import Studio
from .texts import readable

PATIENCE = 200  # milliseconds without a first picture before the canvas says what it waits for
SECTION = "generation"


class GeneratePage(Page):
    def __init__(self, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self.panel = GenerationPanel(self)
        self.canvas = Canvas(self)
        self.bar = CanvasBar(self.canvas)
        self.commands = CanvasCommands(studio, self.canvas)
        self.strip = RecentStrip(self)
        self.saved = SavedPictures(studio, self)
        self.generation = Generation(self)
        self.workers = (self.generation.worker, self.strip.worker)
        self.below = QSplitter(
            Qt.Orientation.Vertical, self
        )  # the canvas, and room for what belongs under it
        self._live: tuple[Picture, ...] = ()
        self._elsewhere = False  # the user looks at another picture while one forms
        self._waits_for = ""
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE)
        self._lay_out()
        self._make_actions()
        self._connect()
        self._show_models()
        self._recall()

    # --- what the window asks ---

    @property
    def working(self) -> bool:
        return self.generation.running

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        own = self.commands
        return {
            "File": [own.save_as, own.reveal],
            "Edit": [own.copy, own.copy_settings],
            "View": own.view_entries,
            "Generate": [
                *(self.generate_action, self.stop_action, None, self.lock_action, self.dice_action, None),
                *own.page_entries,
            ],
        }

    def controls(self) -> list[QWidget]:
        return [*self.panel.tab_order(), self.canvas, *self.bar.controls, self.strip.view]

    def shown_first(self) -> None:
        self.panel.button.setFocus()
        self.panel.curve.wake()
        self._show_empty()
        self.strip.refresh()
        self._warm_up()

    def close_down(self) -> None:
        self._patience.stop()
        self.strip.close_down()
        self._remember()

    # --- the generation ---

    def generate(self) -> None:
        """Start with the settings as they stand now; while one is running, nothing."""
        if self.generation.running or self.panel.card is None:
            return
        self.panel.seed.draw_unless_locked()
        try:
            settings = self.panel.value()
        except UserError as error:
            self._studio.tell_fault(str(error))
            return
        self._elsewhere, self._live, self._waits_for = False, (), "Getting ready…"
        self.panel.button.show_progress(0)
        self.panel.line.setText("")
        self.stop_action.setEnabled(True)
        self._patience.start()
        self.generation.start(settings)

    def stop(self) -> None:
        self.generation.stop()

    def _on_button(self) -> None:
        self.stop() if self.generation.running else self.generate()

    def _on_preview(self, pictures: tuple[Picture, ...]) -> None:
        self._patience.stop()
        self._live = pictures
        if not self._elsewhere:
            self.canvas.show_pictures(pictures)

    def _on_progress(self, index: int, total: int, words: str) -> None:
        self.panel.button.show_progress(index / max(total, 1))
        self.panel.line.setText(words)
        self.panel.curve.show_progress(index)

    def _on_waiting(self, words: str) -> None:
        self._waits_for = words
        if not self._live and not self._patience.isActive():
            self._say_waiting()

    def _say_waiting(self) -> None:
        if self.generation.running and not self._live and not self._elsewhere:
            self.canvas.show_message(
                self._waits_for, "The first picture after a start takes a few seconds longer."
            )

    def _on_saved(self, index: int, picture: Picture) -> None:
        assert picture.path is not None
        self.strip.add(picture.path, picture.image())
        self._studio.saved.emit(picture.path)
        if 0 <= index < len(self._live):
            layers = {**self._live[index].layers, **picture.layers}
            done = replace(
                self._live[index], layers=layers, path=picture.path, settings=picture.settings, _images={}
            )
            self._live = (*self._live[:index], done, *self._live[index + 1 :])
            if not self._elsewhere:
                self.canvas.show_pictures(self._live)

    def _on_ended(self, words: str) -> None:
        self._patience.stop()
        self.panel.button.show_idle()
        self.panel.line.setText(words)
        self.panel.curve.show_progress(None)
        self.stop_action.setEnabled(False)
        self.bar.show_live(False)
        if not self._live and not self.canvas.pictures:
            self._show_empty()
        self._remember()
        self._studio.save_memory()

    def _on_not_saved(self, events: list[Any]) -> None:
        count = "A picture" if len(events) == 1 else f"{len(events)} pictures"
        self._studio.tell_fault(
            f"{count} could not be saved. {events[0].reason}",
            "\n".join(event.reason for event in events),
            action="Save elsewhere…",
            do=lambda: self._save_elsewhere(events),
        )

    def _save_elsewhere(self, events: list[Any]) -> None:
        folder = commands.ask_folder(self)
        if folder is not None:
            self._studio.run(
                _save_in(folder, events), lambda path: self._studio.told.emit(f"Saved to {readable(path)}")
            )

    # --- other pictures ---

    def _use(self, values: Mapping[str, Any]) -> None:
        """Take these settings into the form; the others stay."""
        settings, refused = from_dict(GenerationSettings, {**to_dict(self.panel.value()), **values})
        self.panel.show_value(settings)
        if refused:
            self._studio.told.emit(" ".join(refused))

    def _use_shown(self, *names: str) -> None:
        """Take these settings of the picture on the canvas."""
        subject = self.commands.subject
        if subject is not None and subject.settings is not None:
            self._use({name: getattr(subject.settings, name) for name in names})

    def _show_opened(self, picture: Picture) -> None:
        self._elsewhere = self.generation.running
        self.bar.show_live(self._elsewhere)
        self.canvas.show_pictures([picture])
        if picture.path is not None:
            self._studio.told.emit(readable(picture.path))

    def _back_to_live(self) -> None:
        self._elsewhere = False
        self.bar.show_live(False)
        if self._live:
            self.canvas.show_pictures(self._live)
        else:
            self._say_waiting()

    # --- models and memory ---

    def _show_models(self) -> None:
        self.panel.show_cards(cards.installed())
        self.panel.button.setEnabled(self.panel.card is not None)

    def _recall(self) -> None:
        settings = self._studio.memory.recall(SECTION, GenerationSettings)
        if self.panel.card is not None and settings == GenerationSettings():
            settings = cards.find("").defaults()  # a first start
        self.panel.show_value(settings)

    def _remember(self) -> None:
        try:
            settings = self.panel.value()
        except UserError:
            return
        self._studio.memory.keep(
            SECTION, settings if self.panel.seed.locked else replace(settings, seed=None)
        )

    def _show_empty(self) -> None:
        card = self.panel.card
        if self.generation.running or self.canvas.pictures:
            return
        if card is None:
            self.canvas.show_message(
                "No model is installed", f"Put a model's folder into {readable(models_dir())}"
            )
        else:
            faint = QImage(str(card.samples)) if card.samples else None
            self.canvas.show_message(
                "Your picture will form here",
                f"{card.title} draws pictures like these. Press Generate.",
                faint,
            )

    def _on_model(self) -> None:
        self.panel.button.setEnabled(self.panel.card is not None)
        if self.isVisible():
            self._show_empty()
            self._warm_up()

    def _warm_up(self) -> None:
        if self.panel.card is not None:
            self.generation.warm_up(self.panel.value())

    # --- building ---

    def _lay_out(self) -> None:
        self.below.addWidget(self.canvas)
        self.below.setChildrenCollapsible(False)
        self.below.setStretchFactor(0, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.panel)
        row.addWidget(self.below, 1)
        row.addWidget(self.strip)

    def _make_actions(self) -> None:
        self.generate_action = make_action(
            self, "Generate", "Ctrl+Return or Ctrl+Enter", tip="Draw the picture"
        )
        self.stop_action = make_action(self, "Stop", "Esc", tip="Stop after the current step")
        self.lock_action = make_action(self, "Lock seed", "Ctrl+L", tip="Keep the seed", checkable=True)
        self.dice_action = make_action(self, "New seed", "Ctrl+D", tip="Draw another random seed")
        self.stop_action.setEnabled(False)
        self.settings_action = make_action(
            self, "Use these settings", "Ctrl+U", tip="Draw with what drew this picture"
        )
        self.seed_action = make_action(self, "Use seed", "Ctrl+Shift+U", tip="Keep the seed of this picture")
        self.settings_action.setEnabled(False)
        self.seed_action.setEnabled(False)
        self.commands.page_entries = [self.settings_action, self.seed_action]

    def _connect(self) -> None:
        panel, generation = self.panel, self.generation
        panel.button.clicked.connect(self._on_button)
        panel.model_changed.connect(self._on_model)
        self.generate_action.triggered.connect(self.generate)
        self.stop_action.triggered.connect(self.stop)
        self.lock_action.toggled.connect(panel.seed.lock.setChecked)
        panel.seed.lock.toggled.connect(self.lock_action.setChecked)
        self.dice_action.triggered.connect(panel.seed.draw)
        self.settings_action.triggered.connect(lambda: self._use_shown(*to_dict(GenerationSettings())))
        self.seed_action.triggered.connect(lambda: self._use_shown("seed"))
        generation.waiting.connect(self._on_waiting)
        generation.previewed.connect(self._on_preview)
        generation.progressed.connect(self._on_progress)
        generation.saved.connect(self._on_saved)
        generation.not_saved.connect(self._on_not_saved)
        generation.ended.connect(self._on_ended)
        generation.failed.connect(self._studio.tell_fault)
        generation.runs_on.connect(self._studio.device_known)
        self._patience.timeout.connect(self._say_waiting)
        self.bar.live_wanted.connect(self._back_to_live)
        self.strip.picture_chosen.connect(self.saved.show)
        self.strip.menu_wanted.connect(self.saved.show_menu)
        self.saved.opened.connect(self._show_opened)
        self.saved.settings_wanted.connect(self._use)
        self._studio.models_changed.connect(self._show_models)
        self._studio.preferences_changed.connect(self._follow_preferences)
        self._follow_preferences()

    def _follow_preferences(self) -> None:
        self.canvas.set_crisp(self._studio.preferences.scaling == "crisp")


def _save_in(folder: Path, events: list[Any]) -> Generator[Path, None, None]:
    """A job: write pictures that the outputs folder did not take."""
    from ..outputs import save

    for event in events:
        save(event.picture, event.settings, facts={}, folder=folder)
    yield folder
