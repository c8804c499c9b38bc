"""The Settings page: how the window looks, and where things are kept."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.options import options
from diffusion_studio.storage.places import config_dir, models_dir, outputs_dir
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.preferences import Preferences
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.pictures.commands import open_folder
from diffusion_studio.ui.settings.saving_section import SavingSection
from diffusion_studio.ui.widgets.form import SettingsForm

FOLDERS = {
    "Pictures": (outputs_dir, "Every finished picture is saved here, in a folder for each day"),
    "Models": (models_dir, "Your own models; a diffusers folder put here appears in the chooser"),
    "Preferences": (config_dir, "What this window remembers"),
}
COLUMN = 560
SECTIONS = {"Look": ("theme", "scaling"), "Save as": ("metadata", "quality")}


class SettingsPage(Page):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.forms = {name: _form(shown, context.preferences) for name, shown in SECTIONS.items()}
        self.buttons: dict[str, QPushButton] = {}
        self.saving = SavingSection(context)
        self._where: dict[str, ElidedLabel] = {}
        body = QWidget()
        body.setMaximumWidth(COLUMN)
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_L)
        column.addWidget(plain_label(tr("Settings"), "title"))
        parts: dict[str, QWidget] = {"Look": self.forms["Look"], "New pictures": self.saving, **self.forms}
        for name, part in parts.items():
            column.addWidget(plain_label(name, "heading"))
            column.addWidget(part)
            column.addSpacing(SPACE_S)
        for form in self.forms.values():
            form.changed.connect(lambda form=form: self._apply(form))
        column.addWidget(plain_label(tr("Folders"), "heading"))
        column.addLayout(self._folders())
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(_scrolling(body))
        body.setMinimumWidth(COLUMN)
        context.outputs_moved.connect(self._show_folders)
        context.preferences_changed.connect(self._follow)

    def _folders(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_M)
        grid.setVerticalSpacing(SPACE_S)
        grid.setColumnStretch(1, 1)
        for row, (name, (where, explanation)) in enumerate(FOLDERS.items()):
            label = plain_label(name, "quiet")
            label.setMinimumWidth(96)
            label.setToolTip(explanation)
            button = QPushButton(tr("Open"))
            button.setAccessibleName(tr("Open"))
            button.setAccessibleDescription(f"{name}: {explanation}")
            button.setToolTip(
                tr("{explanation}. Show this folder in the file manager.", explanation=explanation)
            )
            button.clicked.connect(lambda _=False, folder=where: self._open(folder()))
            label.setBuddy(button)
            grid.addWidget(label, row, 0)
            self._where[name] = ElidedLabel(readable(where()))
            grid.addWidget(self._where[name], row, 1)
            grid.addWidget(button, row, 2)
            self.buttons[name] = button
        return grid

    def _show_folders(self) -> None:
        for name, (where, _) in FOLDERS.items():
            self._where[name].setText(readable(where()))

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._context.show_fault(
                tr("The folder {folder} can not be made.", folder=readable(folder)), str(error)
            )
            return
        open_folder(folder)

    def _apply(self, form: SettingsForm) -> None:
        values = {name: field.value() for name, field in form.fields.items()}
        if any(getattr(self._context.preferences, name) != value for name, value in values.items()):
            self._context.change_preferences(**values)

    def _follow(self) -> None:
        for form in self.forms.values():
            if form.value() != self._context.preferences:
                form.show_value(self._context.preferences)


def _scrolling(body: QWidget) -> QScrollArea:
    """For small windows."""
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    area.setWidgetResizable(True)
    area.setWidget(body)
    return area


def _form(shown: Collection[str], preferences: Preferences) -> SettingsForm:
    """A form of some of the preferences."""
    form = SettingsForm(Preferences, skip=[name for name in options(Preferences) if name not in shown])
    form.show_value(preferences)
    return form
