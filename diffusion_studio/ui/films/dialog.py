"""Export film: the steps of a generation, previewed as they will be filmed, with the size of the file."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.errors import UserError
from diffusion_studio.events import FilmEvent, FilmProgress, FilmSaved, assert_never
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.jobs.film import Film, film, guess_bytes, of_trajectory
from diffusion_studio.language import plural, tr
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.options import options
from diffusion_studio.settings.units import size as size_text
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.films.preview import FilmPreview
from diffusion_studio.ui.films.target import ask_target, format_field, scale_field
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.widgets.fields import IntField
from diffusion_studio.ui.widgets.form import SettingsForm

SECTION = "film"
PATIENCE = 300  # milliseconds after a change before the size is estimated
FORM_WIDTH = 300


class FilmDialog(QDialog):
    """`picture`: which of the batch to begin with, counted from 1; 0: all."""

    def __init__(
        self, context: AppContext, trajectory: Trajectory, parent: QWidget | None = None, *, picture: int = 0
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Export film"))
        self._context, self._trajectory = context, trajectory
        self._job: int | None = None
        self._over = False  # closed: events that still come no longer count
        count = len(trajectory.pictures)
        which = IntField(options(FilmSettings)["picture"])
        which.setRange(0, count)
        which.setSpecialValueText(tr("All, as a grid"))
        skip = ("picture",) if count == 1 else ()
        self.form = SettingsForm(FilmSettings, fields={"picture": which, "scale": scale_field()}, skip=skip)
        self.format = format_field()
        self.preview = FilmPreview(tr("Preview of the film"))
        self.facts = plain_label("", "small")
        self.facts.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setObjectName("thinBar")
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Frames saved"))
        self.export_button = push_button(tr("Export…"), tr("Choose where to save the film"))
        self.export_button.setProperty("primary", True)
        self.export_button.setDefault(True)
        self.close_button = push_button(tr("Close"), tr("Close this window"))
        self._wait = QTimer(self, singleShot=True, interval=PATIENCE)
        self._lay_out()
        self._connect()
        remembered: FilmSettings = context.settings_file.load(SECTION, FilmSettings)
        self.form.show_value(replace(remembered, picture=min(picture, count) if count > 1 else 0))

    # --- what it will be ---

    def _follow(self) -> None:
        film = self._film(scale=1)
        self.preview.play(film)
        self.export_button.setEnabled(film is not None and self._job is None)
        self._wait.start()

    def _film(self, scale: int | None = None) -> Film | None:
        try:
            film: FilmSettings = self.form.value()
            shown = film if scale is None else replace(film, scale=scale)
            return of_trajectory(self._trajectory, shown)
        except UserError as error:
            self.facts.setText(str(error))
            return None

    def _estimate_size(self) -> None:
        film = self._film()
        if film is not None:
            self.facts.setText(facts_words(film))
            job = _estimate(film, self.format.value())
            self._context.run(job, lambda size: self._show_size(film, size))

    def _show_size(self, film: Film, size: int | None) -> None:
        if size is not None and not self._over:
            self.facts.setText(
                tr(
                    "{facts_words} · about {size}",
                    facts_words=facts_words(film),
                    size=size_text(size),
                )
            )

    # --- saving it ---

    def _export(self) -> None:
        try:
            settings = self.form.value()
        except UserError as error:
            self.facts.setText(str(error))
            return
        made = self._trajectory.settings
        target = ask_target(self, tr("Export film"), f"{made.model}-{made.seed}-film", self.format.value())
        if target is None:
            return
        self._context.settings_file.store(SECTION, replace(settings, picture=0))
        self._begin(self._context.run(film(self._trajectory, target, settings), self._on_event))

    def _begin(self, job: int) -> None:
        self._job = job
        self.form.setEnabled(False)
        self.format.setEnabled(False)
        self.export_button.setEnabled(False)
        self.close_button.setText(tr("Cancel"))
        self.bar.setValue(0)
        self.bar.show()

    def _on_event(self, event: FilmEvent) -> None:
        if self._over:
            return
        match event:
            case FilmProgress(done=done, total=total):
                self.bar.setMaximum(total)
                self.bar.setValue(done)
            case FilmSaved(path=path):
                self._context.show_status(tr("Film saved to {path}", path=readable(path)))
                self.accept()
            case _:
                assert_never(event)

    def _on_failed(self, job: int, sentence: str) -> None:
        if job == self._job:
            self.facts.setText(sentence)

    def _on_ended(self, job: int) -> None:
        if job == self._job:
            self._job = None
            self.form.setEnabled(True)
            self.format.setEnabled(True)
            self.export_button.setEnabled(True)
            self.close_button.setText(tr("Close"))
            self.bar.hide()

    def _cancel(self) -> None:
        """Cancel what is being saved; else close."""
        if self._job is not None:
            self._context.background.cancel(self._job)
        else:
            self.reject()

    def done(self, result: int) -> None:
        self._wait.stop()
        self._over = True
        if self._job is not None:
            self._context.background.cancel(self._job)
        super().done(result)

    # --- building ---

    def _connect(self) -> None:
        self.form.changed.connect(self._follow)
        self.format.changed.connect(self._wait.start)
        self._wait.timeout.connect(self._estimate_size)
        self.export_button.clicked.connect(self._export)
        self.close_button.clicked.connect(self._cancel)
        self._context.background.job_failed.connect(self._on_failed)
        self._context.background.job_ended.connect(self._on_ended)

    def _lay_out(self) -> None:
        right = QVBoxLayout()
        right.setSpacing(SPACE_S)
        right.addWidget(self.form)
        row = QHBoxLayout()
        label = plain_label(tr("Format"), "quiet")
        label.setBuddy(self.format)
        label.setMinimumWidth(self.form.label_width)
        row.setSpacing(SPACE_M)
        row.addWidget(label)
        row.addWidget(self.format, 1)
        right.addLayout(row)
        right.addSpacing(SPACE_S)
        right.addWidget(self.facts)
        right.addWidget(self.bar)
        right.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_S)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.export_button)
        right.addLayout(buttons)
        side = QWidget()
        side.setFixedWidth(FORM_WIDTH)
        side.setLayout(right)
        right.setContentsMargins(0, 0, 0, 0)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        policy.setVerticalPolicy(QSizePolicy.Policy.Fixed)
        self.bar.setSizePolicy(policy)
        self.bar.setFixedHeight(6)
        self.bar.hide()
        self.facts.setMinimumHeight(36)
        self.facts.setAlignment(Qt.AlignmentFlag.AlignTop)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        whole.setSpacing(SPACE_L)
        whole.addWidget(self.preview, 1)
        whole.addWidget(side)


def facts_words(film: Film) -> str:
    """“101 frames · 5.5 s · 640 × 640 px”."""
    width, height = film.size
    return tr(
        "{frames} · {seconds:.1f} s · {width} × {height} px",
        frames=plural("{count} frame", "{count} frames", len(film.ticks)),
        seconds=film.seconds,
        width=width,
        height=height,
    )


def _estimate(film: Film, ending: str) -> Generator[int | None, None, None]:
    """A job: the estimated size of the file in bytes; None where it cannot be written."""
    try:
        yield guess_bytes(film, ending)
    except UserError:
        yield None  # said when it is to be saved
