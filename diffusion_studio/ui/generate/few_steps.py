"""“Stop at step k, then choose”: a batch drawn only so far that one sees which pictures are worth finishing."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.widgets.fields import IntField

SHARE = 0.3  # of the steps, to begin with: coarse shapes can be told


class FewSteps(QWidget):
    """There for more than one picture, and where a number was given."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.check = QCheckBox(tr("Stop at step"))
        self.check.setAccessibleName(tr("Stop at step"))
        self.check.setToolTip(
            tr(
                "Draw all pictures only so far, tick the promising ones on the canvas, and finish those alone."
            )
        )
        self.number = IntField(options(GenerationSettings)["until"])
        self.number.setMinimum(1)
        self.number.setAccessibleName(tr("Stop at step, number"))
        self.number.setToolTip(tr("The step to stop at. A third of the way, coarse shapes can be told."))
        self.number.setEnabled(False)
        # by the user or a picture, however few steps there are just now; 0: a share of the steps
        self._wanted = 0
        around = QHBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        # hidden by itself: the form shows and hides this widget with the row above it
        self._inner = QWidget()
        around.addWidget(self._inner)
        row = QHBoxLayout(self._inner)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(self.check)
        row.addWidget(self.number)
        row.addWidget(plain_label(tr("then choose"), "quiet"))
        row.addStretch(1)
        self.check.toggled.connect(self._toggle)
        self.number.changed.connect(self._take)

    @property
    def controls(self) -> list[QWidget]:
        return [self.check, self.number]

    def value(self, steps: int) -> int:
        """0: to the end."""
        return self.number.value() if self.check.isChecked() and self.number.value() < steps else 0

    def show_value(self, until: int) -> None:
        self.check.setChecked(until > 0)
        self.number.setMaximum(max(self.number.maximum(), until))
        self.number.setValue(until or self.number.value())
        self._wanted = until

    def show_batch(self, count: int, steps: int) -> None:
        """Follow the other settings."""
        self._inner.setVisible(count > 1 or self.check.isChecked())
        wanted, most = self._wanted, max(steps - 1, 1)
        self.number.setMaximum(most)
        if not self.number.hasFocus():
            self.number.setValue(min(wanted or max(round(SHARE * steps), 1), most))
        self._wanted = wanted

    def _take(self) -> None:
        self._wanted = self.number.value()
        self.changed.emit()

    def _toggle(self, on: bool) -> None:
        self.number.setEnabled(on)
        self.changed.emit()
