"""What the main button does next: generate, branch from a step of a run, or finish the selected previews of a batch."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from diffusion_studio.language import plural, tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.generations import GenerationRun
from diffusion_studio.ui.generate.panel.panel import GenerationPanel
from diffusion_studio.ui.generate.request import Branch, GenerationRequest, RequestState
from diffusion_studio.ui.generate.steering import Plan, Steering
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.ticks import Ticks

USUAL = tr("Generate"), tr("Generate an image (Ctrl+Enter)")
CHANGE = tr("The settings are those of the original until you leave the branch. Press Branch to generate it.")
SAME = tr("Change any setting, then Branch. Unchanged, it repeats the original image.")
FOLLOWED = ("model", "count")  # settings a branch takes from its parent


class NextRun(QObject):
    """Shows the note on the panel, the ticks on the canvas and the name of the button, and makes the plan for it."""

    leaving = Signal()  # the request is about to become that of a branch
    dropped = Signal(
        object, object
    )  # GenerationRun whose previews were left without a selection, tuple of Picture

    def __init__(
        self, request: GenerationRequest, panel: GenerationPanel, canvas: Canvas, steering: Steering
    ) -> None:
        super().__init__(steering)
        self._request, self._panel, self._canvas, self._steering = request, panel, canvas, steering
        self.ticks = Ticks(canvas)
        self._parent: GenerationRun | None = None  # in memory, to branch from or to finish
        self._step = 0
        self._places: tuple[int, ...] | None = None  # of the parent's images; None: all
        self._before: RequestState | None = None  # the request before the branch
        self._unchanged: GenerationSettings | None = None  # the settings of the branch as it began
        steering.branch_wanted.connect(self.branch)
        steering.selection_wanted.connect(self.select)
        steering.begun.connect(self._on_begun)
        self.ticks.changed.connect(self.show_state)
        request.changed.connect(self._follow)
        request.model_changed.connect(self.show_state)
        panel.note.closed.connect(self.cancel)
        panel.note.changed.connect(self.ticks.choose)
        canvas.view_changed.connect(self._show_ticks)

    # --- what the button is to do ---

    def branch(self, run: GenerationRun, step: int, places: tuple[int, ...] | None) -> None:
        """Make the request that of a branch of a run at a step, for some of its images or all."""
        self.ticks.end()
        if self._before is None:
            self.leaving.emit()
        before = self._before or self._request.state
        self._request.branch_from(run.settings, step)
        self._unchanged = self._request.settings
        self._parent, self._step, self._places, self._before = run, step, places, before
        self.show_state()

    def select(self, run: GenerationRun) -> None:
        """Ask which images of a batch that stopped early are to be finished."""
        self._parent, self._step = run, run.newest
        if run.count > 1:
            self.ticks.ask(run.count)
        self.show_state()

    @property
    def previews(self) -> tuple[Picture, ...]:
        """The images of a batch that stopped early, while one is to select which to finish."""
        run = self._parent
        return run.pictures(run.newest) if self.ticks.asking and run is not None and run.newest >= 0 else ()

    def cancel(self) -> bool:
        """Go back to generating new images; whether there was anything to cancel."""
        if self.ticks.asking:
            run, previews = self._parent, self.previews
            self.ticks.end()
            if run is not None and previews:
                self.dropped.emit(run, previews)
        elif self._request.past is not None:
            self._leave_branch()
        else:
            return False
        self._parent, self._places = None, None
        self.show_state()
        return True

    def _leave_branch(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._request.restore(before)
        else:
            self._request.leave_branch()

    @property
    def before(self) -> RequestState | None:
        """What the request goes back to when the branch is left; None where none is being made."""
        return self._before if self._request.past is not None else None

    def plan(self) -> Plan | None:
        """What the button begins; None: nothing is selected. Raises `UserError` where the request is not possible."""
        if self.ticks.asking:
            return self._plan_to_finish()
        self._request.settle_seed()
        settings = self._request.value()
        save = not settings.until or settings.count == 1
        past, run = self._request.past, self._find()
        if past is None or run is None:
            return Plan(settings, save=save)
        start = run.trajectory.at(past[1], self._places)
        return Plan(settings, start, run, past[1], "branch", save)

    def _plan_to_finish(self) -> Plan | None:
        run, places = self._parent, self.ticks.chosen
        if run is None or not places:
            return None
        settings = replace(run.settings, until=0)
        start = run.trajectory.at(self._step, places)
        return Plan(settings, start, run, self._step, "chosen")

    def _find(self) -> GenerationRun | None:
        """The run in memory from which the request branches."""
        past = self._request.past
        if past is None:
            return None
        runs = [self._parent] if self._parent is not None else reversed(self._steering.runs.all)
        for run in runs:
            known = run.settings == past[0] and run.count > 0 and run.first <= past[1] <= run.newest
            if known and run.settings.count == self._request.settings.count:
                return run
        return None

    # --- how it is shown ---

    def _on_begun(self) -> None:
        """The panel stays that of the branch; what was selected is on its way."""
        if self.ticks.asking:
            self.ticks.end()
            self._parent, self._places = None, None
            self.show_state()

    def _follow(self) -> None:
        """The settings changed: another image's may have come, with another past or none."""
        past = self._request.past
        if self._parent is not None and not self.ticks.asking and past != (self._parent.settings, self._step):
            self._parent, self._places, self._before = None, None, None
        self.show_state()

    def show_state(self) -> None:
        panel, past = self._panel, self._request.past
        followed = () if past is None or self._parent is None else FOLLOWED
        panel.form.disable("branch", followed)
        if self.ticks.asking:
            self._show_selection()
        elif past is not None:
            self._show_branch(past)
        else:
            panel.note.hide()
            panel.foot.name(*USUAL)
        able = self._request.card is not None and (not self.ticks.asking or bool(self.ticks.chosen))
        panel.foot.button.setEnabled(able or panel.foot.running)

    def _show_selection(self) -> None:
        panel, chosen, count = self._panel, len(self.ticks.chosen), len(self.ticks.ticks)
        panel.note.show_note(
            plural(
                "{count} preview at step {step}.", "{count} previews at step {step}.", count, step=self._step
            ),
            tr("Select the ones to finish. Not saved yet."),
            choices=True,
        )
        name = (
            tr("Finish {chosen} of {count}", chosen=chosen, count=count) if chosen else tr("Finish selected")
        )
        panel.foot.name(name, tr("Finish the selected images (Ctrl+Enter)"))

    def _show_branch(self, past: Branch) -> None:
        parent, step = past
        if self._parent is None:
            self._panel.note.show_note(
                tr("Branch of seed {seed} at step {step}", seed=parent.seed, step=step)
            )
        else:
            title = tr("Branching from step {step} of seed {seed}", step=step, seed=parent.seed)
            if self._places is not None:
                title += f", {places_words(self._places, self._parent.count)}"
            same = replace(self._request.settings, until=0) == self._unchanged
            self._panel.note.show_note(title, SAME if same else CHANGE)
        self._panel.foot.name(tr("Branch"), tr("Continue from that step with these settings (Ctrl+Enter)"))

    def _show_ticks(self) -> None:
        """Ticks lie on the images they are about, and on no others."""
        if self.ticks.asking:
            self.ticks.show(not self._steering.elsewhere and self._steering.run is self._parent)


def places_words(places: tuple[int, ...], count: int) -> str:
    """“image 3 of 16”."""
    if len(places) == 1:
        return tr("image {place} of {count}", place=places[0] + 1, count=count)
    return tr("{some} of {count} images", some=len(places), count=count)
