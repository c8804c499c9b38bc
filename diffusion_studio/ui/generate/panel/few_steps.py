"""“Preview at step k”: a batch generated only so far that one sees which images are worth finishing."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.widgets.fields import IntField

SHARE = 0.3  # of the steps, to begin with: coarse shapes are visible by then


class FewSteps(QWidget):
    """Shown for more than one image, and where a step was given. Shows and changes `until` of the request."""

    def __init__(self, request: GenerationRequest, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._request = request
        self._showing = False
        self.check = QCheckBox(tr("Preview at step"))
        self.check.setAccessibleName(tr("Preview at step"))
        self.check.setToolTip(
            tr("Generate all images up to this step, select the promising ones, and finish only those.")
        )
        self.number = IntField(options(GenerationSettings)["until"])
        self.number.setMinimum(1)
        self.number.setAccessibleName(tr("Preview at step, number"))
        self.number.setToolTip(tr("A third of the way, coarse shapes are visible."))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(self.check)
        row.addWidget(self.number)
        row.addWidget(plain_label(tr("then select"), "quiet"))
        row.addStretch(1)
        self.check.toggled.connect(self._change)
        self.number.changed.connect(self._change)
        request.changed.connect(self._follow)
        self._follow()

    @property
    def controls(self) -> list[QWidget]:
        return [self.check, self.number]

    def _follow(self) -> None:
        settings = self._request.settings
        self._showing = True
        most = max(settings.steps - 1, 1)
        self.check.setChecked(settings.until > 0)
        self.number.setEnabled(settings.until > 0)
        self.number.setMaximum(most)
        if not self.number.hasFocus():
            wanted = settings.until or max(round(SHARE * settings.steps), 1)
            self.number.setValue(min(wanted, most))
        self.setVisible(settings.count > 1 or settings.until > 0)
        self._showing = False

    def _change(self) -> None:
        if not self._showing:
            self._request.change(until=self.number.value() if self.check.isChecked() else 0)
