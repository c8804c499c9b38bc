"""The head of a comparison: what differs across and down, and in words what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.settings.axes import MOST_CELLS, Axis
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.stamps import Readings, stamp_of
from diffusion_studio.ui.compare.axis_editor import NOTHING, AxisEditor
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S

if TYPE_CHECKING:
    from diffusion_studio.training.runs import Run


class CompareHead(QFrame):
    changed = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compareHead")
        self.across = AxisEditor(tr("Across"), optional=False)
        self.down = AxisEditor(tr("Down"), optional=True)
        self.close_button = IconButton("close", tr("Close"), tr("back to one picture (Esc)"), self)
        self.words = plain_label("", "small")
        self.words.setWordWrap(True)
        self._offered = False
        self._lay_out()
        for editor in (self.across, self.down):
            editor.changed.connect(self._follow)
        self.close_button.clicked.connect(self.closed)

    @property
    def controls(self) -> list[QWidget]:
        return [*self.across.controls, *self.down.controls, self.close_button]

    def axes(self) -> tuple[Axis, Axis | None]:
        """What differs. Raises `UserError` where that is not allowed."""
        across, down = self.across.axis(), self.down.axis()
        assert across is not None
        if down is not None and down.setting == across.setting:
            raise UserError(tr("{label} can differ along one side only.", label=across.label))
        count = len(across.values) * (len(down.values) if down is not None else 1)
        if count > MOST_CELLS:
            raise UserError(
                tr(
                    "{count} pictures are more than the {most_cells} a sheet can have.",
                    count=count,
                    most_cells=MOST_CELLS,
                )
            )
        return across, down

    def offer(self, card: cards.ModelCard | None, settings: GenerationSettings) -> None:
        """Follow the panel: what can differ depends on the model."""
        models = {other.name: other.title for other in cards.installed()}
        checkpoints = _checkpoints()
        for editor in (self.across, self.down):
            editor.offer(card, settings, models, checkpoints)
        if not self._offered:
            self._offered = True
            self.down.setting.show_value("steps")
        self._follow()

    @property
    def count(self) -> int:
        """How many pictures it will be; 0 where it can not be compared."""
        try:
            across, down = self.axes()
        except UserError:
            return 0
        return len(across.values) * (len(down.values) if down is not None else 1)

    def _say(self) -> str:
        try:
            across, down = self.axes()
        except UserError as error:
            return str(error)
        seeds = "seed" in (across.setting, down.setting if down is not None else NOTHING)
        pictures = tr("1 picture") if self.count == 1 else tr("{count} pictures", count=self.count)
        return tr(
            "{pictures} {value}; the other settings are the panel’s. "
            "Click a picture to take its settings, Ctrl+click a second one to compare two.",
            pictures=pictures,
            value="of several seeds" if seeds else "of one seed",
        )

    def _follow(self) -> None:
        self.words.setText(self._say())
        self.changed.emit()

    def _lay_out(self) -> None:
        rows, side = QVBoxLayout(), QVBoxLayout()
        rows.setSpacing(SPACE_S - 2)
        for part in (self.across, self.down, self.words):
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
    """What can be drawn with of trainings: name -> what the user reads."""
    from diffusion_studio.training import runs

    found: dict[str, str] = {}
    for run in runs.list_runs()[:20]:
        stamp = stamp_of((run.path / runs.FACTS, run.path / "checkpoints"))
        found.update(_of_runs.get(run.path, stamp, partial(_checkpoints_of, run)))
    return found


def _checkpoints_of(run: Run) -> dict[str, str]:
    from diffusion_studio.training import runs

    title = str((run.facts.get("settings") or {}).get("name") or run.name)
    steps = [int(path.name) for path in runs.checkpoints(run)]
    return {f"run:{run.name}@{step}": f"{title} at step {step}" for step in steps}
