"""What the main button goes on from: nothing, a step of a run to branch off, or the chosen pictures of a batch held early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.generations import Run
from diffusion_studio.ui.generate.panel import GenerationPanel
from diffusion_studio.ui.generate.steering import Plan, Steering
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.ticks import Ticks

USUAL = "Generate", "Draw the picture (Ctrl+Enter)"
CHANGE = tr("Seed and settings are the parent’s until the branch is left. Press Branch to generate it.")
SAME = tr("Change any setting, then Branch. Unchanged, it repeats the parent’s image.")
FOLLOWED = ("model", "count")  # settings a branch takes from its parent


@dataclass(frozen=True, slots=True)
class Before:
    """The panel before a branch; `seed` is the state of its seed field."""

    settings: GenerationSettings
    seed: tuple[int | None, bool, bool]


class GoingOn(QObject):
    """Shows the note on the panel, the ticks on the canvas and the name of the button, and makes the plan for it."""

    dropped = Signal(object, object)  # Run whose previews were left without a choice, tuple of Picture

    def __init__(
        self,
        panel: GenerationPanel,
        canvas: Canvas,
        steering: Steering,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """`settle`: has the panel's settings name all they depend on; raises `UserError`."""
        super().__init__(steering)
        self._settle = settle
        self._panel, self._canvas, self._steering = panel, canvas, steering
        self.ticks = Ticks(canvas)
        self._parent: Run | None = None  # in memory, to branch off or to finish
        self._step = 0
        self._places: tuple[int, ...] | None = None  # of the parent's pictures; None: all
        self._before: Before | None = None  # what the panel showed before the branch
        self._unchanged: GenerationSettings | None = None  # the form of the branch as it began
        steering.branch_wanted.connect(self.branch)
        steering.chosen_from.connect(self.choose)
        steering.begun.connect(self._on_begun)
        self.ticks.changed.connect(self.tell)
        panel.changed.connect(self._follow)
        panel.note.closed.connect(self.cancel)
        panel.note.changed.connect(self.ticks.choose)
        canvas.view_changed.connect(self._show_ticks)

    # --- what the button is to do ---

    def branch(self, run: Run, step: int, places: tuple[int, ...] | None) -> None:
        """Make the panel that of a branch of a run at a step, for some of its pictures or all."""
        self.ticks.end()
        before = self._before or self._shown()
        self._panel.show_value(replace(run.settings, history=(), until=0))
        self._panel.show_past((run.settings, step))
        self._unchanged = self._panel.form.value()
        self._parent, self._step, self._places, self._before = run, step, places, before
        self.tell()

    def choose(self, run: Run) -> None:
        """Ask which pictures of a batch that stopped early are to be finished."""
        self._parent, self._step = run, run.newest
        if run.count > 1:
            self.ticks.ask(run.count)
        self.tell()

    @property
    def previews(self) -> tuple[Picture, ...]:
        """The images of a batch that stopped early, while one is to choose which to finish."""
        run = self._parent
        return run.pictures(run.newest) if self.ticks.asking and run is not None and run.newest >= 0 else ()

    def cancel(self) -> bool:
        """Go back to drawing new pictures; whether there was anything to cancel."""
        if self.ticks.asking:
            run, previews = self._parent, self.previews
            self.ticks.end()
            if run is not None and previews:
                self.dropped.emit(run, previews)
        elif self._panel.past is not None:
            self._leave_branch()
        else:
            return False
        self._parent, self._places = None, None
        self.tell()
        return True

    def _leave_branch(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._panel.show_value(before.settings)
            self._panel.seed.restore(before.seed)
        else:
            self._panel.show_past(None)

    @property
    def before(self) -> Before | None:
        """What the panel goes back to when the branch is left; None where none is being made."""
        return self._before if self._panel.past is not None else None

    def plan(self) -> Plan | None:
        """What the button begins; None: nothing is chosen. Raises `UserError` where the form has a fault."""
        if self.ticks.asking:
            return self._plan_to_finish()
        self._panel.seed.draw_unless_locked()
        settings = self._panel.value()
        save = not settings.until or settings.count == 1
        past, run = self._panel.past, self._find()
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

    def _find(self) -> Run | None:
        """The run in memory whose walk the form goes on from."""
        past = self._panel.past
        if past is None:
            return None
        runs = [self._parent] if self._parent is not None else reversed(self._steering.runs.all)
        for run in runs:
            known = run.settings == past[0] and run.count > 0 and run.first <= past[1] <= run.newest
            if known and run.settings.count == self._panel.form.fields["count"].value():
                return run
        return None

    def _shown(self) -> Before | None:
        try:
            self._settle()
            return Before(self._panel.value(), self._panel.seed.state)
        except UserError:
            return None

    # --- how it is shown ---

    def _on_begun(self) -> None:
        """The form stays that of the branch; what was chosen is on its way."""
        if self.ticks.asking:
            self.ticks.end()
            self._parent, self._places = None, None
            self.tell()

    def _follow(self) -> None:
        """The settings changed: another picture's may have come, with another past or none."""
        past = self._panel.past
        if self._parent is not None and not self.ticks.asking and past != (self._parent.settings, self._step):
            self._parent, self._places, self._before = None, None, None
        self.tell()

    def tell(self) -> None:
        panel, past = self._panel, self._panel.past
        for name in FOLLOWED:
            panel.form.enable(name, past is None or self._parent is None)
        if self.ticks.asking:
            self._tell_choices()
        elif past is not None:
            self._tell_branch(past)
        else:
            panel.note.hide()
            panel.button.name(*USUAL)
        panel.button.setEnabled(panel.card is not None and (not self.ticks.asking or bool(self.ticks.chosen)))

    def _tell_choices(self) -> None:
        panel, chosen, count = self._panel, len(self.ticks.chosen), len(self.ticks.ticks)
        panel.note.tell(
            tr("{count} pictures stand at step {step}", count=count, step=self._step),
            tr("Tick the promising ones on the canvas, then press Finish. Nothing of them is saved yet."),
            choices=True,
        )
        name = (
            tr("Finish {chosen} of {count}", chosen=chosen, count=count)
            if chosen
            else tr("Finish the ticked")
        )
        panel.button.name(name, tr("Draw the ticked pictures to their end (Ctrl+Enter)"))

    def _tell_branch(self, past: tuple[GenerationSettings, int]) -> None:
        parent, step = past
        if self._parent is None:
            self._panel.note.tell(tr("Branch of seed {seed} at step {step}", seed=parent.seed, step=step))
        else:
            title = tr("Branching from step {step} of seed {seed}", step=step, seed=parent.seed)
            if self._places is not None:
                title += f", {pictures_words(self._places, self._parent.count)}"
            self._panel.note.tell(title, SAME if self._same() else CHANGE)
        self._panel.button.name("Branch", tr("Go on from that step with these settings (Ctrl+Enter)"))

    def _same(self) -> bool:
        try:
            return self._panel.form.value() == self._unchanged
        except UserError:
            return False

    def _show_ticks(self) -> None:
        """Ticks lie on the pictures they are about, and on no others."""
        if self.ticks.asking:
            self.ticks.show(not self._steering.elsewhere and self._steering.run is self._parent)


def pictures_words(places: tuple[int, ...], count: int) -> str:
    """“picture 3 of 16”."""
    if len(places) == 1:
        return f"picture {places[0] + 1} of {count}"
    return tr("{count} of {count2} pictures", count=len(places), count2=count)
