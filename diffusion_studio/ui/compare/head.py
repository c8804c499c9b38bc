"""The head of a comparison: what its columns and rows are, and in words what that makes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.axes import MOST_CELLS, Axis
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.stamps import Readings, stamp_of
from diffusion_studio.training.records.run import Run
from diffusion_studio.ui.compare.axis_editor import NOTHING, AxisEditor
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S


class CompareHead(QFrame):
    changed = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compareHead")
        self.columns = AxisEditor(tr("Columns"), optional=False)
        self.rows = AxisEditor(tr("Rows"), optional=True)
        self.close_button = IconButton("close", tr("Close"), tr("back to the canvas (Esc)"), self)
        self.summary = plain_label("", "small")
        self.summary.setWordWrap(True)
        self._offered = False
        self._lay_out()
        for editor in (self.columns, self.rows):
            editor.changed.connect(self._follow)
        self.close_button.clicked.connect(self.closed)

    @property
    def controls(self) -> list[QWidget]:
        return [*self.columns.controls, *self.rows.controls, self.close_button]

    def axes(self) -> tuple[Axis, Axis | None]:
        """Columns and rows. Raises `UserError` for values that are not allowed."""
        columns, rows = self.columns.axis(), self.rows.axis()
        assert columns is not None
        if rows is not None and rows.setting == columns.setting:
            raise UserError(
                tr(
                    "Columns and rows both vary {label}. Choose another setting for one of them.",
                    label=columns.label,
                )
            )
        count = len(columns.values) * (len(rows.values) if rows is not None else 1)
        if count > MOST_CELLS:
            raise UserError(
                tr(
                    "{count} images are more than the {most_cells} a comparison can have.",
                    count=count,
                    most_cells=MOST_CELLS,
                )
            )
        return columns, rows

    def offer(self, card: ModelCard | None, settings: GenerationSettings) -> None:
        """Offer what has an effect with the model and the settings of the request."""
        models = {other.name: other.title for other in cards.installed()}
        checkpoints = _checkpoints()
        for editor in (self.columns, self.rows):
            editor.offer(card, settings, models, checkpoints)
        if not self._offered:
            self._offered = True
            self.rows.setting.show_value("steps")
        self._follow()

    @property
    def count(self) -> int:
        """The number of images; 0 where the axes are not possible."""
        try:
            columns, rows = self.axes()
        except UserError:
            return 0
        return len(columns.values) * (len(rows.values) if rows is not None else 1)

    def _summarise(self) -> str:
        try:
            columns, rows = self.axes()
        except UserError as error:
            return str(error)
        settings = (columns.setting, rows.setting if rows is not None else NOTHING)
        images = plural("{count} image", "{count} images", self.count)
        made = (
            tr("{images} of several seeds; all other settings as in the panel.", images=images)
            if "seed" in settings
            else tr("{images} of one seed; all other settings as in the panel.", images=images)
        )
        return " ".join((made, tr("Click an image to apply its settings, Ctrl+click two to compare them.")))

    def _follow(self) -> None:
        self.summary.setText(self._summarise())
        self.changed.emit()

    def _lay_out(self) -> None:
        rows, side = QVBoxLayout(), QVBoxLayout()
        rows.setSpacing(SPACE_S - 2)
        for part in (self.columns, self.rows, self.summary):
            rows.addWidget(part)
        side.addWidget(self.close_button)
        side.addStretch(1)
        around = QHBoxLayout(self)
        around.setContentsMargins(SPACE_L, SPACE_M, SPACE_S, SPACE_S)
        around.setSpacing(SPACE_S)
        around.addLayout(rows, 1)
        around.addLayout(side)


_of_runs: Readings[dict[str, str]] = Readings()  # by the run's folder: followed at every change in the panel


def _checkpoints() -> Mapping[str, str]:
    """The checkpoints of runs that can generate: name -> what people read."""
    from diffusion_studio.training.records import runs
    from diffusion_studio.training.records.run import FACTS

    found: dict[str, str] = {}
    for run in runs.list_runs()[:20]:
        stamp = stamp_of((run.path / FACTS, run.path / "checkpoints"))
        found.update(_of_runs.get(run.path, stamp, partial(_checkpoints_of, run)))
    return found


def _checkpoints_of(run: Run) -> dict[str, str]:
    from diffusion_studio.training.records import checkpoints

    title = str((run.facts.get("settings") or {}).get("name") or run.name)
    steps = [int(path.name) for path in checkpoints.newest_first(run.path)]
    return {f"run:{run.name}@{step}": tr("{title} at step {step}", title=title, step=step) for step in steps}
