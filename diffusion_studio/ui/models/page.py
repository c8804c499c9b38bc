"""The Models page: what is installed, each model in full, and ways in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.requests import FineTune, OpenModel, Request, ShowModel
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import PANEL_WIDTH, SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.models import jobs
from diffusion_studio.ui.models.activity import Activity
from diffusion_studio.ui.models.background import ModelErrands
from diffusion_studio.ui.models.card import ModelView
from diffusion_studio.ui.models.drop import ModelDropPage
from diffusion_studio.ui.models.export_dialog import ExportDialog
from diffusion_studio.ui.models.import_dialog import ImportDialog
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.list import ROW, ModelRows, make_list
from diffusion_studio.ui.pictures.commands import open_folder


class ModelsPage(ModelDropPage):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.rows = ModelRows(self)
        self.view = make_list(self.rows, self)
        self.card = ModelView(self)
        self.activity = Activity(self)
        self.errands = ModelErrands(context, self.activity, self)
        self.workers = (self.errands.worker,)
        self.bring = QPushButton(tr("Import…"))
        self.bring.setAccessibleName(tr("Import…"))
        self.bring.setToolTip(
            tr("Bring in a model that diffusers saved: a folder, a zip, or from the hub's cache")
        )
        self._pages = QStackedWidget(self)
        self._awake = False
        self._import: ImportDialog | None = None
        self._wanted = ""  # the model to choose as soon as it is listed
        self._lay_out()
        self._make_actions()
        self._connect()

    # --- what the window asks ---

    @property
    def working(self) -> bool:
        return self.errands.worker.busy

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return {"Models": self._entries}

    def controls(self) -> list[QWidget]:
        return [self.view, self.bring, *self.card.controls, *self.activity.controls]

    def shown_first(self) -> None:
        self._awake = True
        self.card.recommended.curve.wake()
        self.view.setFocus()
        self.refresh()

    def refresh(self, choose: str = "") -> None:
        """Read the models anew, off the window's thread; `choose` names the one to show then."""
        self._wanted = choose or self._wanted
        if self._awake:
            self._context.run(jobs.list_models(), self._show)

    # --- the list ---

    @property
    def chosen(self) -> ModelRow | None:
        return self.view.currentIndex().data(ROW)

    def _show(self, rows: tuple[ModelRow, ...]) -> None:
        kept = self._wanted or (self.chosen.card.name if self.chosen else "")
        place = self.view.currentIndex().row()
        self._wanted = ""
        self.rows.show_rows(rows)
        found = self.rows.row_of(kept)
        if found is None:  # it was deleted: the one that took its place
            found = (
                next((k for k, row in enumerate(rows) if row.default), 0)
                if place < 0
                else min(place, len(rows) - 1)
            )
        if rows:
            self.view.setCurrentIndex(self.rows.index(found))
        self._pages.setCurrentIndex(0 if rows else 1)
        self._follow()

    def _follow(self) -> None:
        row = self.chosen
        if row is not None:
            self.card.show_row(row)
            self.card.show_busy(self.working)
        for name, entry in self._by_name.items():
            entry.setEnabled(row is not None and self.card.buttons[name].isEnabled())
        self.bring.setEnabled(not self.working)

    def _changed(self, card: ModelCard) -> None:
        """A model came, or became another: everyone shows it."""
        self._wanted = card.name
        self._context.models_changed.emit()

    # --- what is done ---

    def do(self, name: str) -> None:
        """One of `model_card.ACTIONS`, with the chosen model."""
        row = self.chosen
        if row is not None:
            self._acts[name](row.card)

    def import_from(self, source: Path) -> None:
        if not self.working:
            self.errands.bring_in(source)

    def ask_import(self) -> None:
        dialog = ImportDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.chosen.connect(self.import_from)
        self._import = dialog
        dialog.finished.connect(self._forget_dialog)
        dialog.open()
        self._context.run(jobs.find_in_cache(), self._show_found)

    def _forget_dialog(self) -> None:
        self._import = None

    def _show_found(self, found: Any) -> None:
        if self._import is not None:
            self._import.show_found(*found)

    def _export(self, card: ModelCard) -> None:
        dialog = ExportDialog(card, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wished.connect(lambda wish: self.errands.give_away(card, wish))
        dialog.open()

    def _rename(self, card: ModelCard) -> None:
        title, agreed = QInputDialog.getText(self, "Rename", tr("Title of the model:"), text=card.title)
        if agreed and title.strip() != card.title:
            before = card.title

            def call(title: str) -> None:
                self._context.run(jobs.rename(card.name, title), self._changed)

            def renamed(changed: ModelCard) -> None:
                self._changed(changed)
                self._context.undo.push(
                    Change("rename of the model", lambda: call(before), lambda: call(title))
                )

            self._context.run(jobs.rename(card.name, title), renamed)

    def _make_default(self, card: ModelCard) -> None:
        self._context.run(jobs.make_default(card.name), self._changed)

    def _delete(self, card: ModelCard) -> None:
        self._context.run(jobs.delete(card), self._on_trashed)

    def _on_trashed(self, trashed: jobs.Trashed) -> None:
        self._context.models_changed.emit()
        change = self._context.undo.push(Change("delete of the model", lambda: self._bring_back(trashed)))
        self.activity.end(
            tr("“{title}” moved to trash.", title=trashed.title),
            action="Undo",
            tip="Bring the model back",
            do=lambda: self._context.undo.take_back(change),
        )

    def _bring_back(self, trashed: jobs.Trashed) -> None:
        self.activity.hide()
        self._context.run(jobs.bring_back(trashed), self._on_back)

    def _on_back(self, name: str) -> None:
        self._wanted = name
        self._context.models_changed.emit()

    def _draw_samples(self) -> None:
        if self.chosen is not None:
            self.errands.draw_samples(self.chosen.card)

    def _keep(self, values: Mapping[str, Any] | None) -> None:
        if self.chosen is not None:
            self._context.run(jobs.keep_recommended(self.chosen.card.name, values), self._changed)

    def _generate(self, card: ModelCard) -> None:
        self._context.go_to("generate", OpenModel(card.name))

    def _tune(self, card: ModelCard) -> None:
        """Open the Train page to fine-tune this model; the folder is the user's to choose."""
        self._context.go_to("train", FineTune(card, [row.card for row in self.rows.rows]))

    def receive(self, request: Request) -> None:
        if isinstance(request, ShowModel):
            self.refresh(request.name)

    # --- building ---

    def _make_actions(self) -> None:
        self._acts: dict[str, Callable[[ModelCard], None]] = {
            "generate": self._generate,
            "tune": self._tune,
            "export": self._export,
            "default": self._make_default,
            "rename": self._rename,
            "duplicate": self.errands.duplicate,
            "verify": self.errands.verify,
            "folder": lambda card: open_folder(card.path),
            "delete": self._delete,
        }
        keys = {"rename": "F2", "delete": "Del", "export": "Ctrl+E", "generate": "Ctrl+Return or Ctrl+Enter"}
        self._by_name = {
            name: make_action(self, button.text(), keys.get(name, ""), tip=button.toolTip())
            for name, button in self.card.buttons.items()
        }
        for name, entry in self._by_name.items():
            entry.triggered.connect(lambda _=False, name=name: self.do(name))
        bring = make_action(self, tr("Import…"), "Ctrl+I", tip=self.bring.toolTip())
        bring.triggered.connect(self.ask_import)
        own = self._by_name
        self._entries: list[QAction | None] = [
            *(own["generate"], own["tune"], None, bring, own["export"], None),
            *(
                own["default"],
                own["rename"],
                own["duplicate"],
                own["verify"],
                own["folder"],
                None,
                own["delete"],
            ),
        ]

    def _connect(self) -> None:
        self.view.selectionModel().currentChanged.connect(lambda *_: self._follow())
        self.view.activated.connect(lambda _: self.do("generate"))
        self.card.wanted.connect(self.do)
        self.card.samples_wanted.connect(self._draw_samples)
        self.card.recommended.kept.connect(self._keep)
        self.model_dropped.connect(self.import_from)
        self.bring.clicked.connect(self.ask_import)
        self._empty_bring.clicked.connect(self.ask_import)
        self.activity.cancel.clicked.connect(self.errands.cancel)
        self.errands.changed.connect(self._follow)
        self.errands.model_changed.connect(self._changed)
        self._context.models_changed.connect(self.refresh)

    def _lay_out(self) -> None:
        panel = QFrame()
        panel.setObjectName("panel")
        panel.setFixedWidth(PANEL_WIDTH)
        column = QVBoxLayout(panel)
        column.setContentsMargins(SPACE_M, SPACE_L, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_M)
        heading = plain_label(tr("Models"), "heading")
        heading.setContentsMargins(SPACE_S, 0, 0, 0)
        heading.setBuddy(self.view)
        hint = plain_label(tr("Drop a model's folder or zip here"), "small")
        hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(heading)
        column.addWidget(self.view, 1)
        column.addWidget(hint)
        column.addWidget(self.bring)
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
        row.addWidget(panel)
        row.addLayout(right, 1)

    def _make_empty(self) -> QWidget:
        """What will be here, and the way to begin."""
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.setContentsMargins(SPACE_XL, 0, SPACE_XL, 0)
        column.setSpacing(SPACE_M)
        self._empty_bring = QPushButton(tr("Import a model…"))
        self._empty_bring.setAccessibleName(tr("Import a model…"))
        self._empty_bring.setToolTip(self.bring.toolTip())
        self._empty_bring.setProperty("primary", True)
        column.addStretch(1)
        for part in (
            plain_label(tr("No model is installed"), "heading"),
            plain_label(
                tr("Train one on pictures of your own, or import one that diffusers saved."), "quiet"
            ),
        ):
            part.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(part)
        column.addWidget(self._empty_bring, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        return empty
