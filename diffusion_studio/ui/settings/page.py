"""The Settings page: categories at the left, and what is chosen in each; everything is in force, and kept, at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.settings.options import options
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.preferences import Preferences
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import first_upper
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_XL, comfortable, tokens
from diffusion_studio.ui.settings.saving_section import SavingSection
from diffusion_studio.ui.settings.shortcuts_section import ShortcutsSection
from diffusion_studio.ui.settings.storage_section import StorageSection
from diffusion_studio.ui.widgets.form import SettingsForm

LIST_WIDTH, COLUMN, WIDE_COLUMN, ROW = 200, 560, 800, 36  # pixels; the wide column on a wide screen
APPEARANCE, PERFORMANCE, SAVING, NOTIFICATIONS, SHORTCUTS, STORAGE = range(6)
CATEGORIES = (
    ("appearance", tr("Appearance")),
    ("performance", tr("Performance")),
    ("save", tr("Saving")),
    ("bell", tr("Notifications")),
    ("keyboard", tr("Shortcuts")),
    ("storage", tr("Storage")),
)  # icon, name
PREFERENCES = {
    APPEARANCE: ("theme", "scale", "scaling", "reduced_motion"),
    PERFORMANCE: ("device", "precision", "threads", "previews"),
    SAVING: ("metadata", "quality"),
    NOTIFICATIONS: ("notifications",),
}


class SettingsPage(Page):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.forms = {place: _form(shown, context.preferences) for place, shown in PREFERENCES.items()}
        self.saving = SavingSection(context)
        self.shortcuts = ShortcutsSection(context)
        self.storage = StorageSection(context)
        self.list = QListWidget()
        self.list.setObjectName("settingsList")
        self.list.setFixedWidth(LIST_WIDTH)
        self.list.setIconSize(QSize(18, 18))
        self.list.setAccessibleName(tr("Categories"))
        self.list.setAccessibleDescription(tr("The categories of settings"))
        for _, name in CATEGORIES:
            item = QListWidgetItem(name)
            item.setSizeHint(QSize(0, ROW))
            self.list.addItem(item)
        self.stack = QStackedWidget()
        for place in range(len(CATEGORIES)):
            self.stack.addWidget(_scrolling(self._body(place)))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.list)
        row.addWidget(self.stack, 1)
        for form in self.forms.values():
            form.changed.connect(lambda form=form: self._apply(form))
        self.list.currentRowChanged.connect(self._show_category)
        context.preferences_changed.connect(self._follow)
        context.theme.changed.connect(self._draw)
        self._draw()
        self.list.setCurrentRow(APPEARANCE)

    def controls(self) -> list[QWidget]:
        return [self.list]

    def show_category(self, place: int) -> None:
        """One of `APPEARANCE` to `STORAGE`."""
        self.list.setCurrentRow(place)

    def _show_category(self, place: int) -> None:
        self.stack.setCurrentIndex(place)
        if place == SHORTCUTS:
            self.shortcuts.refresh()
        elif place == STORAGE:
            self.storage.refresh()

    def _body(self, place: int) -> QWidget:
        body = QWidget()
        body.setMaximumWidth((WIDE_COLUMN if comfortable() else COLUMN) + 2 * SPACE_XL)
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_L)
        column.addWidget(plain_label(CATEGORIES[place][1], "title"))
        for title, part in self._parts(place):
            if title:
                column.addWidget(plain_label(title, "heading"))
            column.addWidget(part, 1 if part is self.shortcuts else 0)
        if place != SHORTCUTS:  # whose table takes all the height there is
            column.addStretch(1)
        return body

    def _parts(self, place: int) -> Sequence[tuple[str, QWidget]]:
        if place == SAVING:
            return ((tr("New images"), self.saving), (tr("Save as"), self.forms[SAVING]))
        if place == SHORTCUTS:
            return (("", self.shortcuts),)
        return (("", self.storage),) if place == STORAGE else (("", self.forms[place]),)

    def _apply(self, form: SettingsForm) -> None:
        values = {name: field.value() for name, field in form.fields.items()}
        if any(getattr(self._context.preferences, name) != value for name, value in values.items()):
            self._context.change_preferences(**values)

    def _follow(self) -> None:
        for form in self.forms.values():
            if form.value() != self._context.preferences:
                form.show_value(self._context.preferences)

    def _draw(self) -> None:
        for place, (name, _) in enumerate(CATEGORIES):
            drawn: QIcon = icon(name, tokens().muted, size=18)
            self.list.item(place).setIcon(drawn)


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
    for name in form.fields:
        explanation = plain_label(first_upper(options(Preferences)[name].help), "small")
        explanation.setWordWrap(True)
        form.add_below(name, explanation, column=1)
    threads = form.fields.get("threads")
    if threads is not None:
        threads.setSpecialValueText(tr("Automatic"))
    form.show_value(preferences)
    return form
