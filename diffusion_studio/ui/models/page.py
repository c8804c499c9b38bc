"""The Models page: what is installed, the card of each model, and ways to bring models in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.text.requirements import DOWNLOAD, missing
from diffusion_studio.settings.options import check, option
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import ask_question
from diffusion_studio.ui.base.file_dialogs import MODELS, choose_folder, open_file
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.requests import (
    FineTune,
    InstallTextExtra,
    MakeFast,
    OpenModel,
    Request,
    ShowModel,
)
from diffusion_studio.ui.base.trashing import Moved, from_trash, to_trash
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line, readable
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_XL
from diffusion_studio.ui.models import jobs
from diffusion_studio.ui.models.activity import Activity
from diffusion_studio.ui.models.background import ModelTasks
from diffusion_studio.ui.models.browser import ModelBrowser
from diffusion_studio.ui.models.card import ModelView
from diffusion_studio.ui.models.drop import dropped_model
from diffusion_studio.ui.models.export_dialog import ExportDialog
from diffusion_studio.ui.models.fast_dialog import FastDialog
from diffusion_studio.ui.models.import_dialog import ImportDialog
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.rows import SORTS
from diffusion_studio.ui.pictures.commands import open_folder
from diffusion_studio.ui.widgets.drop import FileDrop

if TYPE_CHECKING:
    from diffusion_studio.models.import_sources import CachedModel


SECTION = "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsView:
    """How the page was left."""

    sort: str = option("name", choices=SORTS, label=tr("Order"), help=tr("of the models"))

    def __post_init__(self) -> None:
        check(self)


def _place_of(card: ModelCard) -> Path:
    """The folder of a model's files, which are elsewhere where it is only listed."""
    source = card.path if card.text is None else card.text.source
    return source if source.is_dir() else source.parent


class ModelsPage(Page):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.browser = ModelBrowser(self)
        self.card = ModelView(self)
        self.activity = Activity(self)
        self.tasks = ModelTasks(context, self.activity, self)
        self.workers = (self.tasks.worker,)
        self.drop = FileDrop(self, lambda data: None if self.working else dropped_model(data))
        self._pages = QStackedWidget(self)
        self._shown = False
        self._import: ImportDialog | None = None
        self._wanted = ""  # the model to select as soon as it is listed
        self._lay_out()
        self._make_actions()
        self._connect()
        self.browser.sort_by(context.settings_file.load(SECTION, ModelsView).sort)

    # --- what the window asks ---

    @property
    def working(self) -> bool:
        return self.tasks.busy

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return {"Models": self._entries}

    def controls(self) -> list[QWidget]:
        return [*self.browser.controls(), *self.card.controls, *self.activity.controls]

    def close_down(self) -> None:
        self._context.settings_file.store(SECTION, ModelsView(sort=self.browser.sort.value()))

    def shown_first(self) -> None:
        self._shown = True
        self.card.recommended.curve.wake()
        self.browser.view.setFocus()
        self.refresh()

    def receive(self, request: Request) -> None:
        if isinstance(request, ShowModel):
            self.refresh(request.name)
        elif isinstance(request, InstallTextExtra):
            self.tasks.install_text_extra(request.then)

    def refuse_drop(self, paths: Sequence[Path]) -> str:
        if self.working:
            return tr("Another model is being worked on. Wait for it, or cancel it first.")
        if len(paths) > 1:
            return tr(
                "{count} items were dropped. Drop one model at a time: its folder, or a zip of it.",
                count=len(paths),
            )
        return super().refuse_drop(paths)

    def refresh(self, select: str = "") -> None:
        """Read the models again, off the window's thread; `select` names the one to show then."""
        self._wanted = select or self._wanted
        if self._shown:
            self._context.run(jobs.list_models(), self._show)
            self._context.run(jobs.list_damaged(), self.browser.damaged.show_folders)

    # --- what is shown ---

    @property
    def selected(self) -> ModelRow | None:
        return self.browser.selected_row

    def _show(self, rows: tuple[ModelRow, ...]) -> None:
        wanted, self._wanted = self._wanted, ""
        self.browser.show_rows(rows, wanted)
        self.browser.fit(self.window().width())
        self._pages.setCurrentIndex(0 if rows else 1)

    def _follow(self) -> None:
        row = self.selected
        others = [other for other in self.browser.rows.installed if other is not row]
        self.card.show_row(row, others)
        self._follow_tasks()

    def _follow_tasks(self) -> None:
        self.card.show_busy(self.working)
        for part in (self.browser.tile, self._empty_import, self._import_action):
            part.setEnabled(not self.working)

    def _changed(self, card: ModelCard) -> None:
        """A model is new, or was changed: everyone shows it."""
        self._wanted = card.name
        self._context.models_changed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.browser.fit(self.window().width())

    # --- what is done ---

    def do(self, name: str) -> None:
        """One of the card's `ACTIONS`, with the selected model."""
        row = self.selected
        if row is not None:
            self._acts[name](row.card)

    def import_from(self, source: Path) -> None:
        if not self.working:
            self.tasks.import_model(source)

    def ask_import(self) -> None:
        dialog = ImportDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.selected.connect(self.import_from)
        self._import = dialog
        dialog.finished.connect(self._forget_dialog)
        dialog.open()
        self._context.run(jobs.find_in_cache(), self._show_found)

    def _forget_dialog(self) -> None:
        self._import = None

    def _show_found(self, found: tuple[Path, tuple[CachedModel, ...]]) -> None:
        if self._import is not None:
            self._import.show_found(*found)

    def _export(self, card: ModelCard) -> None:
        dialog = ExportDialog(card, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.requested.connect(lambda request: self.tasks.export(card, request))
        dialog.open()

    def _rename(self, title: str) -> None:
        row = self.selected
        if row is None or title == row.card.title:
            return
        name, before = row.card.name, row.card.title

        def call(new: str) -> None:
            self._context.run(jobs.rename(name, new), self._changed)

        def renamed(changed: ModelCard) -> None:
            self._changed(changed)
            change = Change(tr("rename of the model"), lambda: call(before), lambda: call(title))
            self._context.done(tr("Renamed to “{title}”.", title=title), change)

        self._context.run(jobs.rename(name, title), renamed)

    def _make_default(self, card: ModelCard) -> None:
        self._context.run(jobs.make_default(card.name), self._changed)

    def _delete(self, card: ModelCard) -> None:
        self._context.run(jobs.delete(card), self._on_trashed)

    def _on_trashed(self, trashed: jobs.TrashedModel) -> None:
        self._context.models_changed.emit()
        change = Change(tr("delete of the model"), lambda: self._restore(trashed))
        self._context.done(tr("“{title}” moved to trash.", title=trashed.title), change)

    def _delete_folder(self, folder: Path) -> None:
        """Move a folder that is no model to the trash, with a way back."""

        def moved(result: Moved) -> None:
            if result.fault:
                self._context.show_fault(result.fault)
                return
            self.refresh()
            change = Change(tr("delete of the folder"), lambda: bring_back(result))
            words = tr("“{name}” moved to trash.", name=one_line(readable(folder.name)))
            self._context.done(words, change)

        def bring_back(result: Moved) -> None:
            self._context.run(from_trash(result.pairs), lambda _: self.refresh())

        self._context.run(to_trash([folder]), moved)

    def _restore(self, trashed: jobs.TrashedModel) -> None:
        self._context.run(jobs.restore_model(trashed), self._on_restored)

    def _on_restored(self, name: str) -> None:
        self._wanted = name
        self._context.models_changed.emit()

    def _make_samples(self) -> None:
        if self.selected is not None:
            self.tasks.make_samples(self.selected.card)

    def _save_recommended(self, values: Mapping[str, Any] | None) -> None:
        if self.selected is not None:
            self._context.run(jobs.save_recommended(self.selected.card.name, values), self._changed)

    def _offer_text_extra(self, again: Callable[[], None]) -> None:
        """Ask whether to install what text models need; then do again what asked for it."""
        agreed = ask_question(
            self,
            tr("This model needs more packages. Install them now?"),
            tr(
                "Models that generate from prompts need diffusers, transformers and a few more packages: about {size} to "
                "download, into this program's own environment. Everything else works without them.",
                size=DOWNLOAD,
            ),
            accept=tr("Install"),
        )
        if agreed:
            self.tasks.install_text_extra(again)

    def _locate(self, card: ModelCard, before: Path) -> None:
        """Ask where the files of a model are now that was moved."""
        if not ask_question(
            self, tr("“{title}” was moved", title=card.title), card.remarks[0], accept=tr("Choose its place…")
        ):
            return
        title = tr("Where is it now?")
        place = (
            open_file(self, title, (tr("Models (*.safetensors)"), "All files (*)"), place=MODELS)
            if before.suffix
            else choose_folder(self, title, place=MODELS)
        )
        if place is not None:
            self._context.run(jobs.locate(card.name, place), self._changed)

    def _use(self, card: ModelCard) -> None:
        if card.text is not None and card.text.fault:
            self._locate(card, card.text.source)
            return
        if card.text is not None and missing():
            self._offer_text_extra(lambda: self._use(card))
            return
        self._context.go_to("generate", OpenModel(card.name))

    def _tune(self, card: ModelCard) -> None:
        """Open the Train page to fine-tune this model; the folder is the user's to choose."""
        self._context.go_to("train", FineTune(card, [row.card for row in self.browser.rows.installed]))

    def _make_fast(self, card: ModelCard) -> None:
        """Ask how, and open the Train page on the distillation."""
        dialog = FastDialog(card, [row.card for row in self.browser.rows.installed], self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.requested.connect(lambda settings: self._context.go_to("train", MakeFast(settings, card.size)))
        dialog.open()

    # --- building ---

    def _make_actions(self) -> None:
        self._acts: dict[str, Callable[[ModelCard], None]] = {
            "use": self._use,
            "tune": self._tune,
            "fast": self._make_fast,
            "export": self._export,
            "default": self._make_default,
            "duplicate": self.tasks.duplicate,
            "verify": self.tasks.verify,
            "folder": lambda card: open_folder(_place_of(card)),
            "delete": self._delete,
        }
        tip = tr("Import a model: a folder, a zip, a .safetensors file, or one in the hub's cache")
        self._import_action = make_action(self, tr("Import…"), "Ctrl+I", tip=tip)
        self._import_action.triggered.connect(self.ask_import)
        own = self.card.actions_by_name
        self._entries: list[QAction | None] = [
            *(own["use"], own["tune"], own["fast"], None, self._import_action, own["export"], None),
            *(own["default"], own["rename"], own["duplicate"], own["verify"], own["folder"], None),
            own["delete"],
        ]

    def _connect(self) -> None:
        self.browser.selected.connect(self._follow)
        self.browser.opened.connect(lambda: self.do("use"))
        self.browser.import_wanted.connect(self.ask_import)
        self.browser.damaged.trash_wanted.connect(self._delete_folder)
        self.card.wanted.connect(self.do)
        self.card.renamed.connect(self._rename)
        self.card.samples_wanted.connect(self._make_samples)
        self.card.recommended.saved.connect(self._save_recommended)
        self.drop.dropped.connect(self.import_from)
        self.drop.hovered.connect(self.browser.tile.show_held)
        self._empty_import.clicked.connect(self.ask_import)
        self.activity.cancel.clicked.connect(self.tasks.cancel)
        self.tasks.changed.connect(self._follow_tasks)
        self.tasks.model_changed.connect(self._changed)
        self.tasks.text_extra_wanted.connect(self._offer_text_extra)
        self._context.models_changed.connect(self.refresh)

    def _lay_out(self) -> None:
        self._pages.addWidget(self.card)
        self._pages.addWidget(self._make_empty())
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self._pages, 1)
        right.addWidget(self.activity)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.browser)
        row.addLayout(right, 1)

    def _make_empty(self) -> QWidget:
        """What will be here, and the way to begin."""
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.setContentsMargins(SPACE_XL, 0, SPACE_XL, 0)
        column.setSpacing(SPACE_M)
        self._empty_import: QPushButton = push_button(
            tr("Import a model…"),
            tr("Choose a model: a folder, a zip, a .safetensors file, or one in the hub's cache"),
        )
        self._empty_import.setProperty("primary", True)
        column.addStretch(1)
        for part in (
            plain_label(tr("No models yet"), "heading"),
            plain_label(tr("Train a model on your own images, or import one."), "quiet"),
        ):
            part.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            part.setWordWrap(True)
            column.addWidget(part)
        column.addWidget(self._empty_import, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        return empty
