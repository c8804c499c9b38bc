"""How finished images are saved: format, embedded settings, names with an example, and the folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.saving import TOKENS, SavingSettings, file_name
from diffusion_studio.storage.places import outputs_dir, usual_outputs_dir
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import OUTPUTS, choose_folder
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S
from diffusion_studio.ui.widgets.form import LABEL_WIDTH, SettingsForm

SECTION = "outputs"
EXAMPLE = GenerationSettings(model="pixel-avatars-32", seed=7)
HINTS = ", ".join(f"{{{name}}}" for name in TOKENS)


class SavingSection(QWidget):
    """Every change that is allowed is kept at once; a pattern that is not says why, and the one before stays in force."""

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.saving: SavingSettings = context.settings_file.load(SECTION, SavingSettings)
        self.form = SettingsForm(SavingSettings, skip=("folder",))
        self.example = plain_label("", "small")
        self.example.setWordWrap(True)
        self.tokens = plain_label(HINTS, "small")
        self.tokens.setWordWrap(True)
        self.form.fields["pattern"].setPlaceholderText(SavingSettings().pattern)
        self.form.fields["pattern"].setToolTip(
            "\n".join(f"{{{name}}}: {words}" for name, words in TOKENS.items())
        )
        self.where = ElidedLabel("")
        self.choose = push_button(tr("Choose…"), tr("Save finished images in another folder"))
        self.usual = push_button(tr("Reset"), tr("Save finished images in the usual folder again"))
        self._lay_out()
        self.form.show_value(self.saving)
        self.form.changed.connect(self._apply)
        self.choose.clicked.connect(self._choose)
        self.usual.clicked.connect(lambda: self.keep(folder=""))
        self._follow()

    def keep(self, **values: object) -> None:
        """Apply and store these."""
        self.form.carry(**values)

    def _apply(self) -> None:
        try:
            saving = self.form.value()
        except UserError as error:
            self.example.setText(str(error))
            return
        if saving != self.saving:
            moved = saving.folder != self.saving.folder
            self.saving = saving
            self._context.settings_file.store(SECTION, saving)
            self._context.save_settings(self._context.outputs_moved.emit if moved else None)
        self._follow()

    def _follow(self) -> None:
        saving = self.saving
        self.form.enable("quality", saving.format in ("jpeg", "webp"))
        now = datetime.now()
        name = file_name(saving.pattern, EXAMPLE, {}, now) + saving.ending
        self.example.setText(tr("For example: {now:%Y-%m-%d}/{name}", now=now, name=name))
        folder = Path(saving.folder) if saving.folder else usual_outputs_dir()
        self.where.setText(readable(folder))
        self.usual.setVisible(bool(saving.folder))

    def _choose(self) -> None:
        chosen = choose_folder(self, tr("Save finished images in"), place=OUTPUTS, begin=outputs_dir())
        if chosen is not None:
            self.keep(folder="" if chosen == usual_outputs_dir() else str(chosen))

    def _lay_out(self) -> None:
        self.form.add_below("pattern", self._below_pattern())
        label = plain_label(tr("Folder"), "quiet")
        label.setMinimumWidth(LABEL_WIDTH)
        label.setBuddy(self.choose)
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        row.addWidget(label)
        row.addSpacing(SPACE_M - SPACE_S)
        row.addWidget(self.where, 1)
        row.addWidget(self.usual)
        row.addWidget(self.choose)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(self.form)
        column.addLayout(row)

    def _below_pattern(self) -> QWidget:
        below = QWidget()
        column = QVBoxLayout(below)
        column.setContentsMargins(LABEL_WIDTH + SPACE_M, 0, 0, SPACE_S // 2)
        column.setSpacing(0)
        column.addWidget(self.example)
        column.addWidget(self.tokens)
        return below
