"""The dialog before a model is made fast: in how many steps the result is to generate, and how long that may take."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard, folded
from diffusion_studio.settings.distillation import DEFAULT_MINUTES, DistilSettings
from diffusion_studio.ui.base.file_dialogs import TRAINING, choose_folder
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.widgets.form import SettingsForm

SHARE_OF_SCREEN = 0.9
LEAST_ROOM = 160  # pixels of its rows
SHOWN = ("name", "student_steps", "minutes", "folder")


class FastDialog(QDialog):
    requested = Signal(object)  # DistilSettings

    def __init__(self, card: ModelCard, installed: Sequence[ModelCard], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Make it fast"))
        self.setMinimumWidth(520)
        self._taken = {folded(text) for other in installed for text in (other.title, other.name)}
        self.form = SettingsForm(
            DistilSettings, self, skip={"model", "steps", "sample_every", "autosave", "device"}
        )
        self.form.show_options(
            {
                *SHOWN,
                *({"guidance"} if card.null_class is not None else set()),
                *("method", "targets", "generated", "batch", "learning_rate", "seed", "precision"),
            }
        )
        self.form.show_value(
            DistilSettings(
                model=card.name,
                name=self._free_name(card),
                minutes=DEFAULT_MINUTES,
                guidance=card.defaults().guidance if card.null_class is not None else 0.0,
            )
        )
        self.form.fields["folder"].setPlaceholderText(tr("Those of its run, or images it generates"))
        self.choose = push_button(tr("Choose a folder…"), tr("Choose the images the model was trained on"))
        beside = QWidget()
        row = QHBoxLayout(beside)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(self.choose)
        self.form.add_below("folder", beside)
        self.about = plain_label(
            tr(
                "A second model learns to generate in one to eight steps what this one does in twenty. Without a folder, it "
                "learns from the images of the run that made this model, or from images this model generates first."
            ),
            "small",
        )
        self.fault = plain_label("")
        for label in (self.about, self.fault):
            label.setWordWrap(True)
        self.accept_button = push_button(tr("Start"), tr("Open the Train page and begin"))
        self.accept_button.setProperty("primary", True)
        self.accept_button.setDefault(True)
        self.cancel = push_button(tr("Cancel"), tr("Begin nothing"))
        self._lay_out(card)
        self.form.changed.connect(self._follow)
        self.choose.clicked.connect(self._choose)
        self.accept_button.clicked.connect(self._accept)
        self.cancel.clicked.connect(self.reject)
        self._follow()
        self._fit()

    def _free_name(self, card: ModelCard) -> str:
        base = tr("{title} fast", title=card.title[:60])
        names = (base, *(f"{base} {number}" for number in range(2, 1000)))
        return next((name for name in names if folded(name) not in self._taken), base)

    def _follow(self) -> None:
        fault = self._fault()
        self.fault.setText(fault)
        self.fault.setVisible(bool(fault))
        self.accept_button.setEnabled(not fault)

    def _fault(self) -> str:
        """Why it cannot begin like this; "" where it can."""
        try:
            settings = self.form.value()
        except UserError as error:
            return str(error)
        if not settings.name.strip():
            return tr("Give the fast model a name.")
        taken = folded(settings.name) in self._taken
        return (
            tr("Another model is called “{title}”; choose another name.", title=settings.name)
            if taken
            else ""
        )

    def _choose(self) -> None:
        folder = choose_folder(self, tr("Choose a folder of images"), place=TRAINING)
        if folder is not None:
            self.form.fields["folder"].show_value(str(folder))

    def _accept(self) -> None:
        self.requested.emit(self.form.value())
        self.accept()

    def _fit(self) -> None:
        """As high as its rows, or as the screen allows; the rest is scrolled to."""
        form, rest = self.form.sizeHint().height(), self.sizeHint().height() - self.area.sizeHint().height()
        room = round(SHARE_OF_SCREEN * self.screen().availableGeometry().height())
        parent = self.parentWidget()
        if parent is not None:
            room = min(room, parent.window().height())
        self.area.setMinimumHeight(min(form, max(room - rest, LEAST_ROOM)))
        self.adjustSize()

    def _lay_out(self, card: ModelCard) -> None:
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(self.form)
        self.form.more.toggled.connect(lambda _: QTimer.singleShot(0, self, self._fit))
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_M)
        heading = plain_label(tr("Make {title} fast", title=card.title), "heading")
        heading.setWordWrap(True)
        column.addWidget(heading)
        column.addWidget(self.about)
        column.addSpacing(SPACE_L - SPACE_M)
        column.addWidget(self.area, 1)
        column.addWidget(self.fault)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addStretch(1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.accept_button)
        column.addLayout(foot)
