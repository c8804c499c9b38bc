"""What the seeds at the corners of the square look like: their images in a few steps, whenever the window has nothing to do."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImage

from diffusion_studio.errors import UserError
from diffusion_studio.events import SeedImage
from diffusion_studio.models.fast import MOST_STEPS, is_fast
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.live.live import Live
from diffusion_studio.ui.generate.live.wander import Wander
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.pictures.picture import Picture

RESTS = 400  # milliseconds without a change; longer than it takes Live to begin the image in full quality
KEPT = 64  # images


class CornerImages(QObject):
    """Gives the square an image of each of its corners, of the request's other values; whatever is generated comes first."""

    def __init__(self, request: GenerationRequest, live: Live, steering: Steering, wander: Wander) -> None:
        super().__init__(wander)
        self._request, self._live, self._steering, self._wander = request, live, steering, wander
        self._worker = steering.generation.worker
        self._known: dict[GenerationSettings, QImage | None] = {}  # None: it cannot be generated
        self._digest = ""  # of the weights that made them
        self._job: int | None = None
        self._asked: list[GenerationSettings] = []
        self._seeds: tuple[int | None, ...] = ()  # whose images are shown
        self._rest = QTimer(self, singleShot=True, interval=RESTS)
        self._rest.timeout.connect(self._ask)
        request.changed.connect(self.follow)
        live.changed.connect(self.follow)
        wander.fold.toggled.connect(self.follow)
        steering.begun.connect(self.end)
        self._worker.idle.connect(self.follow)
        self._worker.reported.connect(self._on_event)
        self._worker.job_failed.connect(self._on_failed)
        self._worker.job_ended.connect(self._on_ended)

    @property
    def running(self) -> bool:
        return self._job is not None

    def follow(self) -> None:
        """Once nothing changes any more, show what is known of the corners and ask for the rest.

        A hand that drags is not kept waiting: nothing is put together but for seeds that changed.
        """
        if not self._wander.fold.isChecked():
            self._rest.stop()
            return
        if self._wander.seeds != self._seeds:
            self._show()
        self._rest.start()

    def end(self) -> None:
        """Leave nothing running; what is missing is asked for once there is nothing else to do."""
        self._rest.stop()
        if self._job is not None:
            job, self._job = self._job, None
            self._worker.cancel(job)

    def _wanted(self) -> list[GenerationSettings | None]:
        """The image of each corner; None where there is none to be seen."""
        plan, request = self._live.plan, self._request
        if plan is not None and plan.card.digest != self._digest:
            self._digest = plan.card.digest
            self._known.clear()
        seen = self._wander.fold.isChecked() and self._wander.isVisible()
        if not seen or plan is None or not plan.able or request.past is not None:
            return [None] * 4
        if plan.card.prompted and plan.seconds is None:
            return [None] * 4  # it may well take a minute
        try:
            settings = plan.settings(replace(request.value(), blend=""))
        except UserError:
            return [None] * 4
        # these need not follow a hand
        steps = plan.card.defaults().steps if is_fast(plan.card) else MOST_STEPS
        settings = replace(settings, steps=steps)
        return [None if seed is None else replace(settings, seed=seed) for seed in self._wander.seeds]

    def _show(self) -> list[GenerationSettings | None]:
        wanted, self._seeds = self._wanted(), self._wander.seeds
        self._wander.pad.show_images([self._known.get(each) if each else None for each in wanted])
        return wanted

    def _ask(self) -> None:
        wanted = self._show()
        if self._worker.busy:
            return  # it says when it is idle
        if self._live.running:  # the image in full quality is about to be asked for
            self._rest.start()
            return
        self._asked = [each for each in wanted if each is not None and each not in self._known]
        if self._asked:
            from diffusion_studio.jobs.live import images

            self._job = self._worker.submit(images(self._asked))

    def _on_event(self, job: int, event: object) -> None:
        if job != self._job or not isinstance(event, SeedImage):
            return
        while len(self._known) >= KEPT:
            del self._known[next(iter(self._known))]
        self._known[self._asked[event.number]] = Picture({"denoised": event.picture}).image()
        self._show()

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        """Generate would say the same; here its seed stays."""
        if job == self._job:
            self._known |= {each: None for each in self._asked if each not in self._known}

    def _on_ended(self, job: int) -> None:
        if job == self._job:
            self._job = None
