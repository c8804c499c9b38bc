"""The line under the head of a run: what was reached, and what can be done next."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.recipes import EXPECTED, NOISE, SHAPES
from diffusion_studio.ui.look.buttons import PushButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_S, SPACE_XS
from diffusion_studio.ui.train.records import RunRow

Do = Callable[[], None]
RESUME = tr("Resume")
LONGER = (tr("Train longer…"), tr("Resume this run with more time"))  # of one that has had all its time
USE = (tr("Use in Generate"), tr("Select this model on the Generate page"))
SMOOTH = (
    tr("Model smoothing…"),
    tr("Choose how long an average of its weights the model is, by its samples"),
)
SAVE = (tr("Save as model"), tr("Save the newest checkpoint as a model, to generate with"))


class Outcome(QFrame):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("outcome")
        self.sentence = plain_label("")
        self.sentence.setWordWrap(True)
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACE_L, SPACE_XS, SPACE_L, SPACE_XS)
        self._row.setSpacing(SPACE_S)
        self._row.addWidget(self.sentence, 1)
        self.hide()

    def show_outcome(self, sentence: str, *actions: tuple[str, str, Do], obvious: bool = True) -> None:
        """`actions`: (name, explanation, what it does); the first is the `obvious` one, unless that is elsewhere."""
        self.sentence.setText(sentence)
        self.sentence.setAccessibleName(sentence)
        for button in self.buttons:
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        for name, explanation, do in actions:
            button = PushButton(name)
            button.setAccessibleName(name)
            button.setToolTip(explanation)
            button.setProperty("primary", obvious and not self.buttons)
            button.clicked.connect(lambda _=False, do=do: do())
            self._row.addWidget(button)
            self.buttons.append(button)
        self.show()

    def show_busy(self, sentence: str) -> None:
        """What was asked for is being done."""
        self.sentence.setText(sentence)
        for button in self.buttons:
            button.setEnabled(False)

    def show_run(self, row: RunRow, fault: str, *, resume: Do, save: Do, use: Do, smooth: Do) -> None:
        """A run that is not being trained; `fault` is why its training failed, in a sentence, or ""."""
        if fault:
            self.show_failed(row, fault, resume, save)
        elif row.state == "finished" and row.published:
            self.show_finished(row, resume, use, smooth)
        elif row.step:
            self.show_stopped(row, resume, save, smooth)

    def show_paused(self, step: int, use: Do) -> None:
        """There is one Resume, in the head, which is the obvious thing to do."""
        words = tr("Paused at step {step:,}. You can generate with this checkpoint now.", step=step)
        self.show_outcome(words, (*USE, use), obvious=False)

    def show_stopped(self, row: RunRow, resume: Do, save: Do, smooth: Do) -> None:
        self.show_outcome(
            tr("Stopped {progress}: expect {what}.", progress=row.progress, what=EXPECTED[row.reached]),
            (RESUME, tr("Train on from where it stopped"), resume),
            (*SAVE, save),
            *_smoothing(row, smooth),
        )

    def show_finished(self, row: RunRow, resume: Do, use: Do, smooth: Do) -> None:
        """Only a model that has learned enough is presented as ready."""
        more = _smoothing(row, smooth)
        longer = (*LONGER, resume)
        facts = {"title": row.title, "steps": row.step, "what": EXPECTED[row.reached]}
        if row.reached in (NOISE, SHAPES):
            words = tr(
                "Too short: after {steps:,} steps expect {what}. Train longer to improve “{title}”.", **facts
            )
            self.show_outcome(words, longer, (*USE, use), *more)
        else:
            words = tr("“{title}” is ready after {steps:,} steps: expect {what}.", **facts)
            self.show_outcome(words, (*USE, use), longer, *more)

    def show_failed(self, row: RunRow, fault: str, resume: Do, save: Do) -> None:
        """`fault` is a sentence; what the last checkpoint holds can still be used."""
        if not row.step:
            self.show_outcome(tr("Training failed before its first checkpoint. {fault}", fault=fault))
            return
        self.show_outcome(
            tr(
                "Training failed. {fault} The checkpoint of step {step:,} is kept.",
                fault=fault,
                step=row.step,
            ),
            (RESUME, tr("Train on from the last checkpoint"), resume),
            (*SAVE, save),
        )


def _smoothing(row: RunRow, smooth: Do) -> list[tuple[str, str, Do]]:
    """Only of a run that kept what an average of another length is made from."""
    return [(*SMOOTH, smooth)] if row.smoothing else []
