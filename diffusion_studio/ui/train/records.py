"""The trainings on disk as the window shows them, and the jobs that read and change them off its thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from PySide6.QtGui import QImage

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.settings.units import duration
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, read_foreign

DEFAULT_MINUTES = 10.0
STATES = {"running": tr("Training now"), "stopped": tr("Stopped"), "finished": tr("Finished")}


@dataclass(frozen=True, slots=True, eq=False)
class RunRow:
    """What the list shows of a run."""

    name: str
    path: Path
    state: str
    step: int
    seconds: float
    settings: TrainingSettings
    published: str = ""  # the model made of it, where there is one
    samples: QImage = field(default_factory=QImage)

    @property
    def title(self) -> str:
        return self.settings.name or self.name

    @property
    def size(self) -> int:
        return self.settings.size

    @property
    def fraction(self) -> float:
        """How much of the way its settings say is done."""
        if self.settings.steps:
            return self.step / self.settings.steps
        return self.seconds / (60 * (self.settings.minutes or DEFAULT_MINUTES))

    @property
    def words(self) -> str:
        parts = [STATES.get(self.state, "Damaged")]
        if self.state == "stopped":
            parts[0] += f" at {min(self.fraction, 1):.0%}"
        parts += [f"{self.step:,} steps", duration(self.seconds), f"{self.size} × {self.size} pixels"]
        return " · ".join(parts + (["in the model chooser"] if self.published else []))


class RunRecord(NamedTuple):
    """All there is to show of one run: its row in the list, and its reports so far."""

    row: RunRow
    log: list[dict[str, Any]]


def list_rows() -> Generator[tuple[RunRow, ...], None, None]:
    """A job: every run, the latest touched first."""
    from diffusion_studio.training import runs

    yield tuple(read_row(run) for run in runs.list_runs())


def read_row(run: Any) -> RunRow:
    facts = run.facts
    settings, _ = from_dict(TrainingSettings, facts.get("settings", {}))
    step, seconds = int(facts.get("step", 0)), float(facts.get("seconds", 0.0))
    sheets = sorted((run.path / "samples").glob("*.png"))
    return RunRow(
        name=run.name,
        path=run.path,
        state=run.state,
        step=step,
        seconds=seconds,
        settings=settings,
        published=str(facts.get("published", "")),
        samples=_image(sheets[-1]) if sheets else QImage(),
    )


def _image(path: Path) -> QImage:
    """Read here: Qt opens no file whose name is not text, and waits for a pipe."""
    try:
        return QImage.fromData(read_foreign(path, LARGEST_PICTURE))
    except OSError:
        return QImage()


def rename_run(name: str, new: str) -> Generator[None, None, None]:
    from diffusion_studio.training import runs

    runs.rename(runs.find(name), new)
    yield None


def delete_run(name: str) -> Generator[tuple[Path, Path], None, None]:
    from diffusion_studio.training import runs

    run = runs.find(name)
    yield runs.delete(run), run.path


def restore_run(trashed: Path, original: Path) -> Generator[None, None, None]:
    from diffusion_studio.storage.places import restore

    restore(trashed, original)
    yield None


def read_run(path: Path) -> Generator[RunRecord, None, None]:
    """A job: what a run has to show."""
    from diffusion_studio.training import runs

    run = runs.Run(path)
    yield RunRecord(read_row(run), runs.read_log(run))


def free_name(title: str) -> str:
    """The title, with a number where a run or a model of that name is there."""
    from diffusion_studio.training import runs

    for number in range(1, 1000):
        name = title if number == 1 else f"{title} {number}"
        try:
            runs.check_free(name)
        except UserError:
            continue
        return name
    return title


def name_fault(name: str) -> str:
    """Why a new training can not be called this, in a sentence; "" where it can."""
    if not any(letter.isalnum() for letter in name):
        return tr("Give the model a name with at least one letter or digit.")
    if free_name(name) != name:
        return tr(
            "There is a training or a model called “{name}” already: choose another name, or go on with that one.",
            name=name[:60],
        )
    return ""


def mark_interrupted(run: Path) -> None:
    """Have the next start offer to go on with this run."""
    from diffusion_studio.training import runs

    with suppress(UserError):  # the window is going; a run that is left "running" is found as well
        runs.Run(run).note(interrupted=True)


def find_interrupted() -> Generator[RunRow, None, None]:
    """A job: the latest run that the end of the window, or a power cut, broke off. It is told of once."""
    from diffusion_studio.training import runs

    for run in runs.list_runs():
        facts = run.facts
        if run.state == "stopped" and (facts.get("interrupted") or facts.get("state") == "running"):
            with suppress(UserError):  # it is told of again next time
                run.note(state="stopped", interrupted=False)
            yield read_row(run)
            return
