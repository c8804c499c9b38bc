"""Walk between seeds…: which seeds, how finely, and the film of it, played as its pictures come."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.axes import parse_values
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.films.preview import FilmPreview
from diffusion_studio.ui.films.target import ask_target, format_field, scale_field
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.fields import IntField, name_field
from diffusion_studio.ui.widgets.form import SettingsForm

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.events import MorphEvent
    from diffusion_studio.jobs.film import Film

FRAMES = Option(tr("Pictures"), "how many pictures from one seed to the next", min=1, max=1000)
SHOWN = ("frame_rate", "hold", "scale")  # of a film's settings: the others are about the steps of one picture
FORM_WIDTH = 320
SEEDS = 3  # to begin with
EASILY_READ = 9999


class WalkDialog(QDialog):
    """`settings`: those of the panel; `worker`: the thread that draws."""

    starting = Signal()  # its work is about to wait for that thread

    def __init__(
        self, context: AppContext, worker: Worker, settings: GenerationSettings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Walk between seeds"))
        self._context, self._worker = context, worker
        self._settings = replace(settings, history=(), count=1, until=0, variation_strength=0.0)
        self._job: int | None = None
        self._pictures: list[np.ndarray] = []
        self.seeds = QLineEdit()
        self.dice = IconButton("dice", tr("Random seeds"), tr("as many others, drawn at random"), self)
        self.frames = IntField(FRAMES)
        self.frames.show_value(24)
        self.loop = QCheckBox(tr("Back to the first seed"))
        self.form = SettingsForm(
            FilmSettings,
            fields={"scale": scale_field()},
            skip=[name for name in FilmSettings.__slots__ if name not in SHOWN],
        )
        self.format = format_field()
        self.preview = FilmPreview(tr("The walk as it forms"))
        self.facts = plain_label("", "small")
        self.facts.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setObjectName("thinBar")
        self.start_button = QPushButton(tr("Walk…"))
        self.close_button = QPushButton(tr("Close"))
        self._lay_out()
        self._connect()
        first = settings.seed if settings.seed is not None else _random_seed()
        self.seeds.setText(", ".join(map(str, [first, *(_random_seed() for _ in range(SEEDS - 1))])))
        self.seeds.setCursorPosition(0)
        self.form.show_value(replace(context.settings_file.load("film", FilmSettings), hold=0.0))
        self._follow()

    # --- what it will be ---

    def plan(self) -> tuple[list[int], int, bool]:
        """Seeds, pictures from one to the next, and whether it goes back. Raises `UserError` for what can not be walked."""
        from diffusion_studio.jobs.morph import check

        seeds = [seed for seed in parse_values("seed", self.seeds.text()) if isinstance(seed, int)]
        check(seeds, self.frames.value())
        return seeds, self.frames.value(), self.loop.isChecked()

    def _follow(self) -> None:
        if self._job is not None:
            return
        try:
            seeds, frames, loop = self.plan()
            film = self.form.value()
        except UserError as error:
            self.facts.setText(str(error))
            self.start_button.setEnabled(False)
            return
        total = frames * (len(seeds) if loop else len(seeds) - 1) + (0 if loop else 1)
        seconds = total / film.frame_rate + film.hold
        self.facts.setText(tr("{total} pictures · {seconds:.1f} s", total=total, seconds=seconds))
        self.start_button.setEnabled(True)

    def _draw_seeds(self) -> None:
        count = max(len([part for part in self.seeds.text().split(",") if part.strip()]), 2)
        self.seeds.setText(", ".join(str(_random_seed()) for _ in range(count)))

    # --- walking ---

    def _start(self) -> None:
        try:
            seeds, frames, loop = self.plan()
        except UserError as error:
            self.facts.setText(str(error))
            return
        suggested = f"{self._settings.model}-{seeds[0]}-walk"
        target = ask_target(self, tr("Save the walk as"), suggested, self.format.value())
        if target is None:
            return
        from diffusion_studio.jobs.morph import morph

        self.starting.emit()
        self._pictures = []
        job = morph(self._settings, seeds, frames=frames, loop=loop, path=target, film=self.form.value())
        self._job = self._worker.submit(job)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.close_button.setText(tr("Stop"))
        self._enable(False)

    def _enable(self, idle: bool) -> None:
        for part in (
            self.seeds,
            self.dice,
            self.frames,
            self.loop,
            self.form,
            self.format,
            self.start_button,
        ):
            part.setEnabled(idle)

    def _on_event(self, job: int, event: MorphEvent) -> None:
        if job != self._job:
            return
        from diffusion_studio import events

        match event:
            case events.Preview():
                if not self._pictures:
                    self.preview.show_picture(event.denoised[0])
            case events.MorphStarted(total=total):
                self.bar.setRange(0, total)
            case events.MorphImage():
                self._pictures.append(event.picture)
                self.bar.setValue(event.index + 1)
                self.preview.show_picture(event.picture)
                self.facts.setText(tr("Picture {index} of {total}", index=event.index + 1, total=event.total))
            case events.FilmProgress():
                self.facts.setText(tr("Writing the film…"))
            case events.Status(text=text):
                self.facts.setText(text)
            case events.FilmSaved():
                self.facts.setText(tr("Saved to {path}", path=readable(event.path)))
                self._context.show_status(tr("Film saved to {path}", path=readable(event.path)))
            case events.Saved() | events.NotSaved() | events.Finished():
                pass
            case _:
                events.assert_never(event)

    def _on_failed(self, job: int, sentence: str) -> None:
        if job == self._job:
            self.facts.setText(sentence)

    def _on_ended(self, job: int) -> None:
        if job != self._job:
            return
        self._job = None
        self._enable(True)
        self.bar.hide()
        self.close_button.setText(tr("Close"))
        self.preview.play(self._film())

    def _film(self) -> Film | None:
        """What has been drawn."""
        from diffusion_studio.jobs.film import of_pictures

        return of_pictures(self._pictures, replace(self.form.value(), scale=1)) if self._pictures else None

    def _stop(self) -> None:
        """Give up what is being drawn; else close."""
        if self._job is not None:
            self._worker.cancel(self._job)
        else:
            self.reject()

    def done(self, result: int) -> None:
        if self._job is not None:
            self._worker.cancel(self._job)
        super().done(result)

    # --- building ---

    def _connect(self) -> None:
        self.seeds.textChanged.connect(self._follow)
        self.frames.changed.connect(self._follow)
        self.loop.toggled.connect(self._follow)
        self.form.changed.connect(self._follow)
        self.dice.clicked.connect(self._draw_seeds)
        self.start_button.clicked.connect(self._start)
        self.close_button.clicked.connect(self._stop)
        self._worker.reported.connect(self._on_event)
        self._worker.job_failed.connect(self._on_failed)
        self._worker.job_ended.connect(self._on_ended)

    def _lay_out(self) -> None:
        name_field(self.frames, FRAMES)
        self.seeds.setAccessibleName(tr("Seeds"))
        self.seeds.setToolTip(
            tr("Whole numbers with commas between them; the walk goes from one to the next")
        )
        self.loop.setToolTip(tr("End where it began, so that the film can go round and round"))
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Pictures drawn"))
        self.bar.setFixedHeight(6)
        self.bar.hide()
        self.start_button.setProperty("primary", True)
        self.start_button.setDefault(True)
        self.preview.show_words(
            tr("The noise is turned little by little from one seed to the next, and drawn each time.")
        )
        self.facts.setMinimumHeight(36)
        self.facts.setAlignment(Qt.AlignmentFlag.AlignTop)
        seeds = QHBoxLayout()
        seeds.setSpacing(SPACE_XS)
        seeds.addWidget(self.seeds, 1)
        seeds.addWidget(self.dice)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_M)
        grid.setVerticalSpacing(SPACE_S // 2)
        grid.setColumnMinimumWidth(0, 96)
        grid.setColumnStretch(1, 1)
        for row, (text, part) in enumerate(
            (("Seeds", None), ("Pictures", self.frames), ("", self.loop), ("Format", self.format))
        ):
            grid.addWidget(plain_label(text, "quiet"), row, 0)
            if part is None:
                grid.addLayout(seeds, row, 1)
            else:
                grid.addWidget(part, row, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_S)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.start_button)
        right = QVBoxLayout()
        right.setSpacing(SPACE_S // 2)
        right.addLayout(grid)
        right.addWidget(self.form)
        right.addSpacing(SPACE_S)
        right.addWidget(self.facts)
        right.addWidget(self.bar)
        right.addStretch(1)
        right.addLayout(buttons)
        side = QWidget()
        side.setFixedWidth(FORM_WIDTH)
        right.setContentsMargins(0, 0, 0, 0)
        side.setLayout(right)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        whole.setSpacing(SPACE_L)
        whole.addWidget(self.preview, 1)
        whole.addWidget(side)


def _random_seed() -> int:
    return random.SystemRandom().randint(0, EASILY_READ)
