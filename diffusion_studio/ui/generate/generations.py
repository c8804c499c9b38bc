"""Generations in memory: the steps of each, and from which step of which other one it branched."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from diffusion_studio.generation.trajectory import BUDGET, StepFacts, Trajectory
from diffusion_studio.language import tr
from diffusion_studio.pictures.step_views import StepViews
from diffusion_studio.settings.branches import single
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.look.texts import one_line, shorten
from diffusion_studio.ui.pictures.picture import Picture, Views

KEPT = 3  # runs in memory at most; their steps together stay near one run's budget
LONGEST_WORDS = 60  # letters of a prompt in a line
RECENT_STEPS = 24  # whose images are kept ready for scrubbing


class GenerationRun:
    """One generation. Its steps before `first` are its parent's; an index means the same step in both."""

    def __init__(
        self, trajectory: Trajectory, parent: GenerationRun | None = None, step: int = 0, origin: str = ""
    ) -> None:
        self.trajectory = trajectory
        self.parent, self.step = parent, step  # where it left its parent
        self.origin = origin  # "branch" or "chosen", in one word
        self.saved: dict[int, Path] = {}  # place in the batch -> file of the last step
        self.early = False  # it was stopped so that one can select which images to finish
        self._views: OrderedDict[int, tuple[Picture, ...]] = OrderedDict()
        self._own: dict[int, GenerationSettings] = {}
        self._before: list[StepFacts] = []  # of the parent's steps

    @property
    def settings(self) -> GenerationSettings:
        return self.trajectory.settings

    @property
    def count(self) -> int:
        return len(self.trajectory.pictures)

    @property
    def first(self) -> int:
        """The index of the first step that is its own."""
        return self.trajectory.first

    @property
    def newest(self) -> int:
        """The index of the last step so far; -1: none yet."""
        return self.first + len(self.trajectory) - 1 if len(self.trajectory) else -1

    @property
    def at_end(self) -> bool:
        return len(self.trajectory) > 0 and self.newest == self.trajectory.total

    @property
    def name(self) -> str:
        """What tells it from the others, for the chain of runs."""
        if self.parent is None:
            return tr("seed {seed}", seed=self.settings.seed)
        if self.origin == "chosen":
            return tr("{count} selected at step {step}", count=self.count, step=self.step)
        changes = difference(self.parent.settings, self.settings)
        return tr("step {step} ▸ {changes}", step=self.step, changes=changes)

    def facts(self) -> list[StepFacts]:
        """Of every step from the first noise on, as far as it is in memory."""
        own = self.trajectory.facts()
        if self.parent is None or not own:
            return own
        if not self._before:
            places = self.places_in_parent()
            self._before = [
                fact if fact.change is None else fact._replace(change=fact.change[places])
                for fact in self.parent.facts()
                if fact.index <= own[0].index
            ]
        before = self._before
        if before and own[0].change is None:  # the way to where it leaves is its parent's
            own[0] = own[0]._replace(change=before[-1].change)
        return before[:-1] + own

    def kept(self) -> tuple[int, ...]:
        own = self.trajectory.kept()
        if self.parent is None or not own:
            return own
        return tuple(index for index in self.parent.kept() if index < own[0]) + own

    def places_in_parent(self) -> list[int]:
        """Where its pictures are in the parent's batch."""
        assert self.parent is not None
        whole = self.parent.trajectory.pictures
        return [whole.index(picture) for picture in self.trajectory.pictures]

    def owner(self, index: int, places: list[int] | None = None) -> tuple[GenerationRun, list[int]]:
        """The run a step really belongs to, and the places of these pictures (none: all) in it."""
        places = list(range(self.count)) if places is None else places
        if self.parent is None or index >= self.first:
            return self, places
        above = self.places_in_parent()
        return self.parent.owner(index, [above[place] for place in places])

    def nearest(self, index: int) -> int:
        """The kept step nearest to an index."""
        return min(self.kept(), key=lambda kept: abs(kept - index))

    def pictures(self, index: int) -> tuple[Picture, ...]:
        """All pictures as they were at the kept step nearest to `index`."""
        index = self.nearest(index)
        if index in self._views:
            self._views.move_to_end(index)
            return self._views[index]
        run, places = self.owner(index)
        views = StepViews(lambda name: run.trajectory.view(index, name)[places])
        result = tuple(self._picture(run, index, views, place, there) for place, there in enumerate(places))
        if self.at_end or index < self.newest:  # a step that is not the newest changes only in its difference
            self._views[index] = result
        while len(self._views) > RECENT_STEPS:
            self._views.popitem(last=False)
        return result

    def forget_views(self) -> None:
        """What was shown may look different now: the end it is compared to has come, or its files."""
        self._views.clear()
        self._before = []

    def own_settings(self, index: int, place: int) -> GenerationSettings:
        """What draws a picture again as it was at a step of this run."""
        if place not in self._own:
            self._own[place] = single(self.settings, self.trajectory.pictures[place])
        return replace(self._own[place], until=0 if index >= self.trajectory.total else index)

    def _picture(self, run: GenerationRun, index: int, views: StepViews, place: int, there: int) -> Picture:
        path = self.saved.get(place) if run is self and index == self.newest else None
        return Picture(Views(views, place), path=path, settings=run.own_settings(index, there))


class Runs:
    """The last few runs, the newest last."""

    def __init__(self) -> None:
        self.all: list[GenerationRun] = []

    def add(self, run: GenerationRun) -> None:
        """Keep a run that begins now, and forget old ones: its own steps may come to need as much as all of theirs."""
        while len(self.all) >= KEPT or (self.all and self.size > BUDGET and self.all != [run.parent]):
            self._drop(next(old for old in self.all if old is not run.parent))
        self.all.append(run)

    @property
    def size(self) -> int:
        """Bytes of all their steps."""
        return sum(run.trajectory.size for run in self.all)

    def chain(self, run: GenerationRun) -> list[GenerationRun]:
        """The ancestors of a run in memory, itself, and what went on from it last: first to last."""
        chain = [run]
        while chain[0].parent is not None:
            chain.insert(0, chain[0].parent)
        while children := [other for other in self.all if other.parent is chain[-1]]:
            chain.append(children[-1])
        return chain

    def _drop(self, gone: GenerationRun) -> None:
        self.all.remove(gone)
        for run in self.all:
            if run.parent is gone:
                run.parent = None
                run.forget_views()


def difference(parent: GenerationSettings, child: GenerationSettings) -> str:
    """In what a branch differs, in a few words."""
    names = (
        *("prompt", "negative", "loras", "seed", "sampler", "spacing", "class_label", "guidance", "eta"),
        *("steps", "churn", "clipping", "clip_skip", "blend"),
    )
    changed = [name for name in names if getattr(parent, name) != getattr(child, name)]
    if not changed:
        return tr("unchanged")
    words = [setting_words(name, getattr(child, name)) for name in changed[:2]]
    return ", ".join(words) + (", …" if len(changed) > 2 else "")


def setting_words(name: str, value: object) -> str:
    """“guidance 3”, or what the choice is called."""
    if name == "loras" and isinstance(value, tuple):
        return "LoRA " + (", ".join(f"{lora.name} {lora.weight:g}" for lora in value) or tr("none"))
    option = options(GenerationSettings)[name]
    if name == "blend":
        return tr("a blend of four seeds") if value else tr("no blend")
    if option.lines:
        words = f"“{shorten(one_line(str(value)), LONGEST_WORDS)}”" if value else tr("none")
        return words if name == "prompt" and value else f"{option.label.lower()} {words}"
    if option.choices is not None:
        return option.choices.get(str(value), str(value))
    shown = tr("any") if value == "" else value
    return tr("{setting} {value}", setting=option.label.lower(), value=shown)
