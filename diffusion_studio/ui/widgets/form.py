"""A form made from a settings dataclass: one row per option, the rare ones under "More"."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.options import Option, options, to_dict, value_types
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import first_upper
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, tokens
from diffusion_studio.ui.widgets.fields import focusable, make_field, name_field

LABEL_WIDTH = 100


class SettingsForm(QWidget):
    """Reads and shows settings of one kind. `fields` brings own controls for some options, `wide` ones take a
    row of their own under their label, `skip` leaves options out."""

    changed = Signal()

    def __init__(
        self,
        kind: type,
        parent: QWidget | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        wide: Collection[str] = (),
        skip: Collection[str] = (),
    ) -> None:
        super().__init__(parent)
        self.kind = kind
        self.fields: dict[str, Any] = {}
        self._labels: dict[str, QLabel] = {}
        self._below: dict[str, QWidget] = {}
        self._wide = wide
        self._rest = kind()  # the options without a row
        self._usual, self._rare = QWidget(self), QWidget(self)
        self.more = Disclosure(tr("More"), tr("settings that rarely need a change"), self)
        self.more.toggled.connect(self._rare.setVisible)
        for name, option in options(kind).items():
            if name not in skip:
                field = (fields or {}).get(name) or make_field(name, option, value_types(kind)[name][0])
                self._add_row(name, option, field)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        for part in (self._usual, self.more, self._rare):
            column.addWidget(part)
        self._rare.hide()
        self.more.setVisible(
            any(option.more for name, option in options(kind).items() if name in self.fields)
        )
        self.show_value(self._rest)

    def value(self) -> Any:
        """The settings in the form. Raises `UserError` where a text is not allowed."""
        values = {name: field.value() for name, field in self.fields.items()}
        return self.kind(**{**to_dict(self._rest), **values})

    def show_value(self, settings: Any, keep: Collection[str] = ()) -> None:
        """Show these settings, but leave the options to `keep` unchanged."""
        self._rest = settings
        blocked = self.blockSignals(True)
        for name, field in self.fields.items():
            if name not in keep:
                field.show_value(getattr(settings, name))
        self.blockSignals(blocked)
        self.changed.emit()

    @property
    def carried(self) -> Any:
        """Settings that hold the options without a row as they are in force."""
        return self._rest

    def carry(self, **values: Any) -> None:
        """Change options without a row."""
        self._rest = replace(self._rest, **values)
        self.changed.emit()

    def show_options(self, shown: Collection[str]) -> None:
        """Show only these options; the others keep their values."""
        for name in self.fields:
            for part in (self._labels.get(name), self.fields[name], self._below.get(name)):
                if part is not None:
                    part.setVisible(name in shown)

    def add_below(self, name: str, widget: QWidget, *, column: int = 0) -> None:
        """Place a widget under the row of an option from this column on, to be shown and hidden with it."""
        grid = self._grid(options(self.kind)[name])
        place: Any = grid.getItemPosition(grid.indexOf(self.fields[name]))
        grid.addWidget(widget, place[0] + 1, column, 1, 2 - column)
        self._below[name] = widget

    def enable(self, name: str, enabled: bool) -> None:
        """Grey an option that the other settings make idle."""
        self.fields[name].setEnabled(enabled)
        self._labels[name].setEnabled(enabled)

    @property
    def label_width(self) -> int:
        """Of the column of labels, in pixels, for rows beside the form to line up with."""
        return max((label.sizeHint().width() for label in self._labels.values()), default=0)

    def tab_order(self) -> list[QWidget]:
        """Every control from top to bottom."""
        usual: list[QWidget] = []
        rare: list[QWidget] = []
        for name, field in self.fields.items():
            (rare if options(self.kind)[name].more else usual).extend(focusable(field))
        return [*usual, self.more, *rare]

    def _add_row(self, name: str, option: Option, field: Any) -> None:
        grid = self._grid(option)
        row = grid.rowCount() + 2  # the rows between are for `add_below` and for wide fields
        label = plain_label(option.label, "quiet")
        label.setMinimumWidth(LABEL_WIDTH)
        label.setBuddy(focusable(field)[0])
        label.setToolTip(first_upper(option.help))
        name_field(field, option)
        grid.addWidget(label, row, 0)
        if name in self._wide:
            grid.addWidget(field, row + 1, 0, 1, 2)
        else:
            grid.addWidget(field, row, 1)
        field.changed.connect(self.changed)
        self.fields[name], self._labels[name] = field, label

    def _grid(self, option: Option) -> QGridLayout:
        holder = self._rare if option.more else self._usual
        grid = holder.layout()
        if not isinstance(grid, QGridLayout):
            grid = QGridLayout(holder)
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setHorizontalSpacing(SPACE_M)
            grid.setVerticalSpacing(SPACE_S)
            grid.setColumnStretch(1, 1)
        return grid


class Disclosure(ToolButton):
    """A line that opens and closes what is under it."""

    def __init__(self, name: str, explanation: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("disclosure")
        self.setText(name)
        self.setAccessibleName(name)
        self.setToolTip(first_upper(explanation))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(14, 14))
        self.setCheckable(True)
        self.toggled.connect(self._draw)
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        self.setIcon(icon("chevron-down" if self.isChecked() else "chevron-right", tokens().muted, size=14))
