"""The form of a training's settings, in groups that open and close."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.options import options, to_dict, value_types
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import first_upper
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S
from diffusion_studio.ui.widgets.fields import ChoiceField, IntField, focusable, make_field, name_field
from diffusion_studio.ui.widgets.form import Disclosure

SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # sides a network halves well
NO_VALUE = {  # what 0 means, where it is no number
    "minutes": tr("by steps"),
    "steps": tr("by time"),
    "batch": tr("automatic"),
    "learning_rate": tr("automatic"),
    "min_snr": tr("off"),
    "polish": tr("none"),
    "clip_norm": tr("off"),
    "autosave_steps": tr("by time"),
    "sample_every": tr("none"),
    "snapshots": tr("none"),
}
OTHERS = tr("Learning")
GROUPS: Mapping[str, tuple[str, ...]] = {  # the first is always open; options of no group are in `OTHERS`
    tr("Model"): ("name", "start_from", "size", "model_size", "space"),
    tr("Length"): ("minutes", "steps"),
    tr("Images"): ("fit", "flip", "classes", "label_dropout", "validation"),
    OTHERS: (
        "batch",
        "optimizer",
        "learning_rate",
        "warmup",
        "decay",
        "ema",
        "posthoc_ema",
        "clip_norm",
        "seed",
    ),
    tr("Noise"): (
        "schedule",
        "prediction",
        "timesteps",
        "timestep_sampling",
        "weighting",
        "min_snr",
        "polish",
    ),
    tr("Saving and samples"): ("autosave", "autosave_steps", "sample_every", "snapshots"),
    tr("Hardware"): ("device", "precision"),
}


class TrainingForm(QWidget):
    """Reads and shows `TrainingSettings`; the folder has no row here."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        known = options(TrainingSettings)
        own: dict[str, Any] = {
            "size": SizeField(known["size"]),
            "start_from": ChoiceField(known["start_from"]),
            "steps": IntField(known["steps"]),
        }
        self.fields: dict[str, Any] = {}
        self.groups: list[Disclosure] = []
        self._labels: dict[str, QLabel] = {}
        self._kept = TrainingSettings()  # the folder
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        width = max(plain_label(option.label, "quiet").sizeHint().width() for option in known.values())
        for title, names in grouped().items():
            rows = QWidget()
            grid = QGridLayout(rows)
            grid.setContentsMargins(0, 0, 0, SPACE_S)
            grid.setHorizontalSpacing(SPACE_M)
            grid.setVerticalSpacing(SPACE_S)
            grid.setColumnStretch(1, 1)
            grid.setColumnMinimumWidth(0, width)
            for name in names:
                option = known[name]
                field = own.get(name) or make_field(name, option, value_types(TrainingSettings)[name][0])
                label = plain_label(option.label, "quiet")
                label.setBuddy(focusable(field)[0])
                label.setToolTip(first_upper(option.help))
                name_field(field, option)
                grid.addWidget(label, grid.rowCount(), 0)
                grid.addWidget(field, grid.rowCount() - 1, 1)
                field.changed.connect(self.changed)
                self.fields[name], self._labels[name] = field, label
            if column.count():
                heading = Disclosure(title, tr("show or hide these settings"), self)
                heading.toggled.connect(rows.setVisible)
                rows.hide()
                self.groups.append(heading)
                column.addWidget(heading)
            column.addWidget(rows)
        for name, words in NO_VALUE.items():
            self.fields[name].setSpecialValueText(words)
        self.show_value(self._kept)

    def value(self) -> TrainingSettings:
        """The settings in the form. Raises `UserError` where they are not allowed together."""
        values = {name: field.value() for name, field in self.fields.items()}
        return TrainingSettings(**{**to_dict(self._kept), **values})

    def show_value(self, settings: TrainingSettings, keep: Collection[str] = ()) -> None:
        """Show these settings, except those to `keep`."""
        self._kept = settings
        blocked = self.blockSignals(True)
        for name, field in self.fields.items():
            if name not in keep:
                field.show_value(getattr(settings, name))
        self.blockSignals(blocked)
        self.changed.emit()

    def enable(self, name: str, enabled: bool) -> None:
        """Grey an option that the other settings make idle."""
        self.fields[name].setEnabled(enabled)
        self._labels[name].setEnabled(enabled)

    def tab_order(self) -> list[QWidget]:
        """Every control from top to bottom."""
        first, *others = grouped().values()
        result = [part for name in first for part in focusable(self.fields[name])]
        for heading, names in zip(self.groups, others, strict=True):
            result += [heading, *(part for name in names for part in focusable(self.fields[name]))]
        return result


def grouped() -> dict[str, list[str]]:
    """Every option but the folder, by the group it is in."""
    result = {title: list(names) for title, names in GROUPS.items()}
    placed = {name for names in result.values() for name in names}
    result[OTHERS] += [name for name in options(TrainingSettings) if name not in placed | {"folder"}]
    return result


class SizeField(ChoiceField):
    """The side of the images: a number chosen from those that train well."""

    def show_choices(self, choices: Mapping[str, str]) -> None:
        super().show_choices({str(side): tr("{side} × {side} pixels", side=side) for side in SIZES})

    def value(self) -> int:  # type: ignore[override]
        return int(self.currentData() or 0)

    def show_value(self, value: int) -> None:  # type: ignore[override]
        """A side of an earlier run that is not among the usual ones is added to them."""
        if self.findData(str(value)) < 0:
            self.addItem(tr("{side} × {side} pixels", side=value), str(value))
        self.setCurrentIndex(self.findData(str(value)))
