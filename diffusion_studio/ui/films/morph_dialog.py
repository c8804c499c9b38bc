"""Morph between seeds: which seeds, how finely, the images as they come, and then the film to save."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio import events
from diffusion_studio.errors import UserError
from diffusion_studio.events import FilmEvent, FilmProgress, FilmSaved, MorphEvent, MorphStarted, assert_never
from diffusion_studio.jobs.film import Film, of_pictures
from diffusion_studio.language import plural, tr
from diffusion_studio.models import cards
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import ask_question
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.films.morph_form import MorphForm
from diffusion_studio.ui.films.preview import FilmPreview
from diffusion_studio.ui.films.target import ask_target
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_S

if TYPE_CHECKING:
    import numpy as np

FORM_WIDTH = 320


class MorphDialog(QDialog):
    """`settings`: those of the panel; `worker`: the thread that generates.

    Rendering asks for no file: the images are shown as they come, played, and saved once there is something to save.
    """

    starting = Signal()  # its work is about to wait for that thread

    def __init__(
        self, context: AppContext, worker: Worker, settings: GenerationSettings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Morph between seeds"))
        self._context, self._worker = context, worker
        self._settings = replace(settings, history=(), count=1, until=0, variation_strength=0.0)
        self._job: int | None = None
        self._saving: int | None = None
        self._started: MorphStarted | None = None
        self._pictures: list[np.ndarray] = []
        self._saved = True  # whether what was rendered is in a file
        self._failed = False  # whether rendering ended with a fault, which is shown
        self.form = MorphForm(
            settings.seed,
            context.settings_file.load("film", FilmSettings),
            prompt=settings.prompt if _prompted(settings) else None,
        )
        self.preview = FilmPreview(tr("The morph as it is rendered"))
        self.facts = plain_label("", "small")
        self.facts.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setObjectName("thinBar")
        self.render_button = push_button(tr("Render"), tr("Generate the images; nothing is saved yet"))
        self.save_button = push_button(tr("Save film…"), tr("Save the rendered images as a film"))
        self.close_button = push_button(tr("Close"), tr("Close this window"))
        self._lay_out()
        self._connect()
        self._follow()

    # --- what it will be ---

    def _follow(self) -> None:
        if self._busy:
            return
        try:
            seeds, frames, loop = self.form.plan()
            film = self.form.film()
        except UserError as error:
            self.facts.setText(str(error))
            self._enable()
            self.render_button.setEnabled(False)
            return
        total = frames * (len(seeds) if loop else len(seeds) - 1) + (0 if loop else 1)
        seconds = total / film.frame_rate + film.hold
        images = plural("{count} image", "{count} images", total)
        self.facts.setText(tr("{images} · {seconds:.1f} s", images=images, seconds=seconds))
        self._enable()

    def _play(self) -> None:
        """What was rendered, as the film's settings are now."""
        if not self._busy:
            self.preview.play(self._film(scale=1))

    def _film(self, scale: int | None = None) -> Film | None:
        try:
            film = self.form.film()
        except UserError:
            return None  # said below the form
        if scale is not None:
            film = replace(film, scale=scale)
        return of_pictures(self._pictures, film) if self._pictures else None

    # --- rendering ---

    @property
    def _busy(self) -> bool:
        return self._job is not None or self._saving is not None

    def _render(self) -> None:
        try:
            seeds, frames, loop = self.form.plan()
        except UserError as error:
            self.facts.setText(str(error))
            return
        from diffusion_studio.jobs.morph import morph

        how: Mapping[str, Any] = {"frames": frames, "loop": loop, "prompts": self.form.prompts()}
        self._ask_about_unsaved(lambda: self._begin(morph(self._settings, seeds, **how)))

    def _begin(self, job: object) -> None:
        self.starting.emit()
        self._pictures, self._started, self._saved, self._failed = [], None, True, False
        self._job = self._worker.submit(job)  # type: ignore[arg-type]
        self._show_busy(tr("Stop"))

    def _show_busy(self, close: str) -> None:
        self.bar.setRange(0, 0)
        self.bar.show()
        self.close_button.setText(close)
        self._enable()

    def _enable(self) -> None:
        idle = not self._busy
        self.form.setEnabled(idle)
        self.render_button.setEnabled(idle)
        self.save_button.setEnabled(idle and bool(self._pictures))
        first = self.save_button if self._pictures and not self._saved else self.render_button
        for button in (self.render_button, self.save_button):
            button.setProperty("primary", button is first)
            button.style().unpolish(button)
            button.style().polish(button)
        first.setDefault(True)

    def _on_event(self, job: int, event: MorphEvent) -> None:
        if job != self._job:
            return
        match event:
            case events.Preview():
                if not self._pictures:
                    self.preview.show_picture(event.denoised[0])
            case events.MorphStarted(total=total):
                self._started = event
                self.bar.setRange(0, total)
            case events.MorphImage():
                self._pictures.append(event.picture)
                self._saved = False
                self.bar.setValue(event.index + 1)
                self.preview.show_picture(event.picture)
                self.facts.setText(tr("Image {index} of {total}", index=event.index + 1, total=event.total))
            case events.Status(text=text):
                self.facts.setText(text)
            case events.Saved() | events.NotSaved() | events.Finished():
                pass
            case events.FilmProgress() | events.FilmSaved():
                pass  # of a morph that is given a file at once, on the command line
            case _:
                events.assert_never(event)

    def _on_failed(self, job: int, sentence: str) -> None:
        if job == self._job:
            self._failed = True
            self.facts.setText(sentence)

    def _on_ended(self, job: int) -> None:
        if job != self._job:
            return
        self._job = None
        self._show_idle()
        self._play()
        if not self._failed and (film := self._film()) is not None:
            self._show_unsaved(film)

    def _show_unsaved(self, film: Film) -> None:
        images = plural("{count} image", "{count} images", len(self._pictures))
        self.facts.setText(
            tr("{images} · {seconds:.1f} s · not saved yet", images=images, seconds=film.seconds)
        )
        self.save_button.setFocus()

    def _show_idle(self) -> None:
        self.bar.hide()
        self.close_button.setText(tr("Close"))
        self._enable()

    # --- saving ---

    def _save(self) -> None:
        if not self._pictures or self._started is None:
            return
        try:
            film = self.form.film()
        except UserError as error:
            self.facts.setText(str(error))
            return
        suggested = f"{self._settings.model}-{self._started.seeds[0]}-morph"
        target = ask_target(self, tr("Save film"), suggested, self.form.format.value())
        if target is None:
            return
        from diffusion_studio.jobs.morph import save_film

        job = save_film(self._pictures, self._started, target, film)
        self._saving = self._context.run(job, self._on_saving)
        self.facts.setText(tr("Saving the film…"))
        self._show_busy(tr("Cancel"))

    def _on_saving(self, event: FilmEvent) -> None:
        match event:
            case FilmProgress(done=done, total=total):
                self.bar.setRange(0, total)
                self.bar.setValue(done)
            case FilmSaved(path=path):
                self._saved = True
                self.facts.setText(tr("Saved to {path}", path=readable(path)))
                self._context.show_status(tr("Film saved to {path}", path=readable(path)))
            case _:
                assert_never(event)

    def _on_saving_failed(self, job: int, sentence: str) -> None:
        if job == self._saving:
            self.facts.setText(sentence)

    def _on_saving_ended(self, job: int) -> None:
        if job == self._saving:
            self._saving = None
            self._show_idle()

    # --- leaving ---

    def _stop(self) -> None:
        """End what runs, and keep what was rendered; else close."""
        if self._job is not None:
            self._worker.cancel(self._job)
        elif self._saving is not None:
            self._context.background.cancel(self._saving)
        else:
            self.reject()

    def reject(self) -> None:
        self._ask_about_unsaved(super().reject)

    def _ask_about_unsaved(self, then: Callable[[], object]) -> None:
        """Rendered images that are in no file are discarded only when asked to."""
        if self._saved or not self._pictures:
            then()
            return
        if ask_question(
            self,
            tr("Discard the rendered images?"),
            tr("They have not been saved as a film yet."),
            accept=tr("Discard"),
            danger=True,
        ):
            self._saved = True
            then()

    def done(self, result: int) -> None:
        if self._job is not None:
            self._worker.cancel(self._job)
        if self._saving is not None:
            self._context.background.cancel(self._saving)
        super().done(result)

    # --- building ---

    def _connect(self) -> None:
        self.form.plan_changed.connect(self._follow)
        self.form.film_changed.connect(self._follow)
        self.form.film_changed.connect(self._play)
        self.render_button.clicked.connect(self._render)
        self.save_button.clicked.connect(self._save)
        self.close_button.clicked.connect(self._stop)
        self._worker.reported.connect(self._on_event)
        self._worker.job_failed.connect(self._on_failed)
        self._worker.job_ended.connect(self._on_ended)
        self._context.background.job_failed.connect(self._on_saving_failed)
        self._context.background.job_ended.connect(self._on_saving_ended)

    def _lay_out(self) -> None:
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Images rendered"))
        self.bar.setFixedHeight(6)
        self.bar.hide()
        self.preview.show_words(
            tr("The noise changes gradually from one seed to the next. Press Render to see the images.")
        )
        self.facts.setMinimumHeight(36)
        self.facts.setAlignment(Qt.AlignmentFlag.AlignTop)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_S)
        buttons.addStretch(1)
        for button in (self.close_button, self.save_button, self.render_button):
            buttons.addWidget(button)
        right = QVBoxLayout()
        right.setSpacing(SPACE_S)
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


def _prompted(settings: GenerationSettings) -> bool:
    with suppress(UserError):
        return cards.find(settings.model).prompted
    return False
