"""One training run: its folder, and what run.json says of it.

runs/NAME/run.json       the settings, what the run began from, and what became of it
runs/NAME/log.jsonl      its reports (`log`)
runs/NAME/checkpoints/   its saved states (`checkpoints`)
runs/NAME/autoencoder.png   images, and what its autoencoder made of them before and after it was adapted
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage import own_files
from diffusion_studio.storage.processes import is_running
from diffusion_studio.training.records import checkpoints

FACTS = "run.json"
COMPARISON = "autoencoder.png"
STATES = ("running", "stopped", "finished", "unknown")


@dataclass(frozen=True)
class Run:
    """One run's folder. `facts` is run.json: settings, state ("running", "stopped", "finished"), step, seconds."""

    path: Path
    record: Mapping[str, Any] = field(default_factory=dict, compare=False)  # remembered in this process

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def facts(self) -> dict[str, Any]:
        """What can be understood of run.json, each value of the type it has to be."""
        return self._read()[0]

    @property
    def damage(self) -> str:
        """What of run.json cannot be read or understood, as a sentence; "" where all of it can."""
        return self._read()[1]

    @property
    def step(self) -> int:
        return int(self.facts.get("step", 0))

    @property
    def state(self) -> str:
        """ "running" only while a living process trains it; one that was killed is "stopped"; "damaged" where it is not known."""
        facts, damage = self._read()
        state = facts.get("state", "damaged" if damage else "unknown")
        return "stopped" if state == "running" and not is_running(facts.get("process")) else state

    def note(self, **facts: object) -> None:
        """Merge `facts` into run.json, while nobody else changes it.

        A damaged one is set aside, and what it said taken from `record` or the newest checkpoint. Raises `UserError` where
        it cannot be read, or the run is gone.
        """
        own_files.change(
            self.path / FACTS,
            lambda said: self._merged(said, facts),
            mend=self._known,
            create=bool(self.record),
        )

    def remembered(self) -> Run:
        """The run with what its checkpoints keep of it, for the time it is being trained: its files may come to harm."""
        return replace(self, record=self.durable_facts())

    def save_checkpoint(self, step: int, tensors: bytes, state: Mapping[str, Any]) -> Path:
        """Write a checkpoint that also holds what a damaged run.json is made again from. See `checkpoints.save`."""
        return checkpoints.save(self.path, step, tensors, {**state, "record": self.durable_facts()})

    def durable_facts(self) -> dict[str, Any]:
        """What a damaged run.json is made again from: kept in every checkpoint, where its hash guards it."""
        facts = self.facts
        if not {"settings", "origin"} <= set(facts):
            with suppress(UserError):
                facts = {**self._known(), **facts}
        return {name: facts[name] for name in ("id", "settings", "origin", "exact") if name in facts}

    def _read(self) -> tuple[dict[str, Any], str]:
        try:
            said = own_files.load(self.path / FACTS)
        except FileNotFoundError:
            return {}, f"{self.path / FACTS} is missing."
        except UserError as error:
            return {}, str(error)
        wrong = _wrong(said)
        fault = f"{self.path / FACTS} is damaged: {', '.join(wrong)} cannot be understood." if wrong else ""
        return {name: value for name, value in said.items() if name not in wrong}, fault

    def _merged(self, said: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        lost = [name for name in _wrong(said) if name in facts]
        if lost:
            own_files.keep_copy(self.path / FACTS, f"{', '.join(lost)} in {self.path / FACTS} is damaged.")
        return {**self.record, **said, **facts}

    def _known(self) -> dict[str, Any]:
        """What is remembered of the run, here or in its newest whole checkpoint. Raises `UserError` where nothing is."""
        if self.record:
            return dict(self.record)
        for path in checkpoints.newest_first(self.path):
            state = checkpoints.read_state(path) if checkpoints.verified(path) else {}
            if isinstance(state.get("record"), dict):
                return {**state["record"], "step": state["step"], "seconds": state["seconds"]}
        raise UserError(
            tr(
                "{path} is damaged, and no checkpoint of the run holds a copy of it. It is left as it is.",
                path=self.path / FACTS,
            )
        )


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "id": lambda value: isinstance(value, str),
    "settings": lambda value: isinstance(value, dict),
    "origin": lambda value: isinstance(value, dict),
    "exact": lambda value: isinstance(value, dict),
    "state": lambda value: value in STATES,
    "step": lambda value: type(value) is int and value >= 0,
    "seconds": lambda value: type(value) in (int, float) and 0 <= value < float("inf"),
    "published": lambda value: isinstance(value, str),
    "autoencoder": lambda value: (
        isinstance(value, dict) and all(type(value.get(name)) is float for name in ("psnr_before", "psnr"))
    ),
}


def _wrong(said: Mapping[str, Any]) -> list[str]:
    """The names of the values that are not what they have to be."""
    return [name for name, fits in KINDS.items() if name in said and not fits(said[name])]
