"""Live: while a control moves, the image is generated again with the newest values; when the hand rests, in full quality.

The image in full quality is a generation like any other, except that it is not saved: Generate then generates and saves the
same one, since the seed that was seen is the next one to be used.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.events import LiveFrame
from diffusion_studio.language import plural, tr
from diffusion_studio.models.fast import LivePlan, is_fast, live_plan
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import check, option, with_values
from diffusion_studio.settings.units import duration
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.start.editor import StartEditor
from diffusion_studio.ui.generate.steering import Plan, Steering
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture

if TYPE_CHECKING:
    from diffusion_studio.jobs.live import NewestRequest

SECTION = "live"
RESTS = 250  # milliseconds without a change after which the hand rests
TYPED = 300  # the same for words, of which half a one means something else
SAID_EVERY = 0.25  # seconds between words about the rate
SMOOTH = 0.2  # share of the newest time in the rate that is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """What is remembered of it from one start to the next."""

    on: bool = option(False, label=tr("Live"), help=tr("whether the image follows the controls"))

    def __post_init__(self) -> None:
        check(self)


WORDS = {"prompt", "negative"}
BY_BRUSH = {"mask"}  # a stroke asks by itself
FIELDS = tuple(item.name for item in fields(GenerationSettings))


def _same(one: GenerationSettings, other: GenerationSettings | None, but: set[str]) -> bool:
    """Whether they differ in nothing, or in these settings alone."""
    return other is not None and all(
        getattr(one, name) == getattr(other, name) for name in FIELDS if name not in but
    )


class Live(QObject):
    changed = Signal()  # whether it is on or able, or what it says
    plan_wanted = Signal(object)  # Plan of the image in full quality

    def __init__(
        self,
        context: AppContext,
        request: GenerationRequest,
        canvas: Canvas,
        steering: Steering,
        start: StartEditor,
        page: QWidget,
    ) -> None:
        super().__init__(page)
        self._context, self._request, self._canvas = context, request, canvas
        self._steering, self._start, self._page = steering, start, page
        self._worker = steering.generation.worker
        self._requests: NewestRequest | None = None
        self._job: int | None = None
        self._wanted: GenerationSettings | None = None  # what was asked for last, by the panel's values
        self._given: Picture | None = None  # the last image that was shown
        self._number = 0  # of it
        self._fixing = False  # its own change of the request is under way
        self._seconds: float | None = None  # an image takes, as it is shown
        self._said_at = 0.0
        self.blocked = False  # a comparison has the place of the canvas
        self.plan: LivePlan | None = None
        self.action = make_action(page, tr("Live"), "Ctrl+Shift+L", checkable=True)
        self._rest = QTimer(self, singleShot=True, interval=RESTS)
        self._typing = QTimer(self, singleShot=True, interval=TYPED)
        self._connect()
        self.action.setChecked(context.settings_file.load(SECTION, LiveSettings).on)
        self.replan()

    # --- what it says ---

    @property
    def on(self) -> bool:
        """Whether an image follows what is changed now."""
        return self.action.isChecked() and self.action.isEnabled() and not self.blocked

    @property
    def running(self) -> bool:
        """Whether anything is generated or waited for."""
        return self._job is not None or self._rest.isActive() or self._typing.isActive()

    @property
    def showing(self) -> bool:
        """Whether the canvas shows one of its images."""
        pictures = self._canvas.pictures
        return self._given is not None and bool(pictures) and pictures[0] is self._given

    @property
    def rate(self) -> float | None:
        """Images a second to expect; None where nothing was measured yet."""
        seconds = self._seconds or (self.plan.seconds if self.plan is not None else None)
        return 1 / seconds if seconds else None

    @property
    def words(self) -> str:
        """“Live · 27 images/s”."""
        rate = self.rate
        if rate is None or not self.action.isEnabled():
            return tr("Live")
        shown = f"{rate:.0f}" if rate >= 9.5 else f"{rate:.1f}"
        return tr("Live · {rate} images/s", rate=shown)

    @property
    def too_slow(self) -> bool:
        """Whether a fast companion is what is missing."""
        plan = self.plan
        return plan is not None and not plan.able and not is_fast(plan.card) and not plan.card.prompted

    def replan(self) -> None:
        """Another model, or another time of its steps."""
        card = self._request.card
        self.plan = None if card is None else live_plan(card, self._request.cards)
        self._seconds = None
        able = self.plan is not None and self.plan.able and self._request.past is None
        self.action.setEnabled(able)
        self.action.setStatusTip(self._explanation())
        self.changed.emit()

    def _explanation(self) -> str:
        card, plan = self._request.card, self.plan
        if card is None or plan is None:
            return tr("There is no model to generate with")
        if self._request.past is not None:
            return tr("A branch is generated when Branch is pressed")
        if not plan.able:
            taken = duration(plan.seconds or 0)
            return tr(
                "{title} takes {taken} for an image here, too long to follow", title=card.title, taken=taken
            )
        steps = plural("{count} step", "{count} steps", plan.steps)
        if plan.card.name != card.name:
            return tr(
                "Generate again while a control moves, with {title} in {steps}",
                title=plan.card.title,
                steps=steps,
            )
        return tr("Generate again while a control moves, in {steps}", steps=steps)

    # --- following the hand ---

    def follow(self) -> None:
        """The request changed: ask for its image, and for the one in full quality once it rests."""
        able = self.plan is not None and self.plan.able and self._request.past is None
        if able != self.action.isEnabled():
            self.replan()
        wanted = self._now()
        if wanted is None or self._fixing or _same(wanted, self._wanted, BY_BRUSH):
            return
        if self._fix_seed():
            wanted = self._now() or wanted
        before, self._wanted = self._wanted, wanted
        self._rest.start()
        if _same(wanted, before, WORDS):
            self._typing.start()
            return
        self._typing.stop()
        self._ask()

    def _begin_early(self) -> None:
        """Have the image generated while the window shows what changed. A start image is known only after that."""
        if not self._request.settings.source:
            self.follow()

    def follow_brush(self) -> None:
        """A stroke changed the mask of the start image."""
        wanted = self._now()
        if wanted is not None and wanted.source and not self._fixing:
            self._fix_seed()
            self._wanted = self._now()
            self._rest.start()
            self._ask()

    def _now(self) -> GenerationSettings | None:
        """One image of what the panel asks for; None where nothing is to follow."""
        request = self._request
        if not self.on or not self._page.isVisible() or request.card is None or request.past is not None:
            return None
        try:
            return with_values(request.value(), count=1, batch="", until=0)
        except UserError:
            return None

    def _fix_seed(self) -> bool:
        """Use next the seed that is seen, whether it is locked or not; whether that changed anything."""
        request = self._request
        if request.locked or (request.fresh and request.settings.seed is not None):
            return False
        self._fixing = True
        if request.settings.seed is None:
            request.draw_seed()
        else:
            request.use_seed_once(request.settings.seed)
        self._fixing = False
        return True

    def _ask(self) -> None:
        generation, wanted, plan = self._steering.generation, self._wanted, self.plan
        if wanted is None or plan is None:
            return
        if generation.running:
            if not self._steering.settles:
                return  # the user's own comes first
            generation.stop(quietly=True)
        from diffusion_studio.jobs.live import NewestRequest, live

        if self._requests is None or self._requests.closed:
            self._requests = NewestRequest(after=self._number)
        source, mask = self._start.live_images if wanted.source else (None, None)
        self._requests.put(plan.settings(wanted), source=source, mask=mask)
        if self._job is None:
            self._job = self._worker.submit(live(self._requests))

    def _settle(self) -> None:
        """The hand rests: the image in full quality."""
        held = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if self._typing.isActive() or (held and self._page.window().isActiveWindow()):
            self._rest.start()
            return
        self.end()
        if self._now() is None or self._steering.generation.running:
            return
        try:
            self._start.settle()
            settings = with_values(self._request.value(), count=1, batch="", until=0)
        except UserError as error:
            self._context.show_fault(str(error))
            return
        self._wanted = settings
        self.plan_wanted.emit(Plan(settings, save=False, settles=True))

    def end(self) -> None:
        """Leave nothing running."""
        self._rest.stop()
        self._typing.stop()
        if self._requests is not None:
            self._number = max(self._number, self._requests.number)
            self._requests.close()
            self._requests = None
        if self._job is not None:
            job, self._job = self._job, None
            self._worker.cancel(job)

    # --- what comes ---

    def _on_event(self, job: int, event: object) -> None:
        if job != self._job or not isinstance(event, LiveFrame) or event.number <= self._number:
            return
        self._number = event.number
        picture = Picture({"denoised": event.picture}, settings=event.settings)
        showing, self._given = self.showing, picture
        if self._start.view.shown:
            self._start.view.answer(picture)
        elif showing:
            self._canvas.show_pictures([picture])
        else:
            self._steering.show_elsewhere(picture)
        known = self._seconds or event.seconds
        self._seconds = (1 - SMOOTH) * known + SMOOTH * event.seconds
        now = time.monotonic()
        if now - self._said_at > SAID_EVERY:
            self._said_at = now
            self.changed.emit()

    def _on_ended(self, job: int) -> None:
        if job != self._job:
            return
        self._job = None
        if self._requests is not None and self._requests.waits:  # it came as the job was ending
            from diffusion_studio.jobs.live import live

            self._job = self._worker.submit(live(self._requests))

    def _on_failed(self, job: int) -> None:
        """What cannot be generated is said once, not at every movement."""
        if job == self._job:
            self.action.setChecked(False)

    def _on_timed(self) -> None:
        """A step of some model has been timed."""
        if not self.running:
            self.replan()

    # --- switching ---

    def _toggle(self, on: bool) -> None:
        self._context.settings_file.store(SECTION, LiveSettings(on=on))
        if on:
            self._wanted = None
            self.follow()
        else:
            self.end()
        self.changed.emit()

    def _on_model(self) -> None:
        self.end()
        self._wanted = None
        self.replan()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Hide:
            self.end()
        return False

    def _on_begun(self) -> None:
        """Another generation takes the canvas."""
        self.end()

    def _connect(self) -> None:
        worker, steering = self._worker, self._steering
        worker.reported.connect(self._on_event)
        worker.job_failed.connect(self._on_failed)
        worker.job_ended.connect(self._on_ended)
        steering.begun.connect(self._on_begun)
        steering.generation.timed.connect(self._on_timed)
        self._request.model_changed.connect(self._on_model)
        self._request.changing.connect(self._begin_early)
        self._request.changed.connect(self.follow)
        self._start.tools.brush.painted.connect(self.follow_brush)
        self._start.tools.mask_changed.connect(self.follow_brush)
        self._rest.timeout.connect(self._settle)
        self._typing.timeout.connect(self._ask)
        self.action.toggled.connect(self._toggle)
        self._page.installEventFilter(self)
