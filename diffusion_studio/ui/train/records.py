"""The runs on disk as the window shows them, and the jobs that read and change them off its thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from PySide6.QtGui import QImage

from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.recipes import expected
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.settings.units import duration
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, read_foreign
from diffusion_studio.training.records.run import Run
from diffusion_studio.ui.train.words import STATES


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
    smoothing: bool = False  # whether the length of its average can be chosen
    autoencoder: tuple[float, float] | None = (
        None  # PSNR in dB before it was adapted to the images, and after
    )
    samples: QImage = field(default_factory=QImage)

    @property
    def title(self) -> str:
        return self.settings.name or self.name

    @property
    def size(self) -> int:
        return self.settings.size

    @property
    def fraction(self) -> float:
        """How much of what its settings ask for is done."""
        return self.settings.fraction_done(self.step, self.seconds)

    @property
    def reached(self) -> str:
        """What the model generates by now: a key of `EXPECTED`."""
        return expected(self.settings, self.step)

    @property
    def progress(self) -> str:
        """“at step 320 of 1,000”, “at step 320, 45% of the time”."""
        if self.settings.steps:
            return tr("at step {step:,} of {steps:,}", step=self.step, steps=self.settings.steps)
        return tr("at step {step:,}, {share:.0%} of the time", step=self.step, share=min(self.fraction, 1))

    @property
    def words(self) -> str:
        state = STATES.get(self.state, tr("Damaged"))
        if self.state == "stopped":
            state = tr("{state} at {share:.0%}", state=state, share=min(self.fraction, 1))
        steps = plural("{count:,} step", "{count:,} steps", self.step)
        words = [state, steps, duration(self.seconds), f"{self.size} × {self.size}"]
        if self.autoencoder is not None:
            before, now = self.autoencoder
            words.append(tr("autoencoder {before:.1f} → {now:.1f} dB", before=before, now=now))
        return " · ".join(words)


class RunRecord(NamedTuple):
    """One run: its row in the list, and its reports so far."""

    row: RunRow
    log: list[dict[str, Any]]


def list_rows() -> Generator[tuple[RunRow, ...], None, None]:
    """A job: every run, the latest touched first."""
    from diffusion_studio.training.records import runs

    yield tuple(read_row(run) for run in runs.list_runs())


def read_row(run: Run) -> RunRow:
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
        smoothing=settings.posthoc_ema and any(run.path.glob("snapshots/*.safetensors")),
        autoencoder=(said["psnr_before"], said["psnr"]) if (said := facts.get("autoencoder")) else None,
        samples=_image(sheets[-1]) if sheets else QImage(),
    )


def _image(path: Path) -> QImage:
    """Not read by Qt, which opens no file whose name is not text, and waits for a pipe."""
    try:
        return QImage.fromData(read_foreign(path, LARGEST_PICTURE))
    except OSError:
        return QImage()


def rename_run(name: str, new: str) -> Generator[None, None, None]:
    from diffusion_studio.training.records import runs

    runs.rename(runs.find(name), new)
    yield None


def delete_run(name: str) -> Generator[tuple[Path, Path], None, None]:
    from diffusion_studio.training.records import runs

    run = runs.find(name)
    yield runs.delete(run), run.path


def restore_run(trashed: Path, original: Path) -> Generator[None, None, None]:
    from diffusion_studio.storage.places import restore

    restore(trashed, original)
    yield None


def read_run(path: Path) -> Generator[RunRecord, None, None]:
    """A job: one run."""
    from diffusion_studio.training.records import log
    from diffusion_studio.training.records.run import Run

    run = Run(path)
    yield RunRecord(read_row(run), log.read(run.path))


def free_name(title: str) -> str:
    """The title, with a number where that name is taken."""
    from diffusion_studio.training.records import runs

    for number in range(1, 1000):
        name = title if number == 1 else f"{title} {number}"
        try:
            runs.check_free(name)
        except UserError:
            continue
        return name
    return title


def name_fault(name: str) -> str:
    """Why a new run cannot have this name, in a sentence; "" where it can."""
    if not any(letter.isalnum() for letter in name):
        return tr("Give the model a name with at least one letter or digit.")
    if free_name(name) != name:
        return tr(
            "“{name}” is the name of another run or model. Choose another name, or resume that run.",
            name=name[:60],
        )
    return ""


def mark_interrupted(run: Path) -> None:
    """Let the next start offer to resume this run."""
    from diffusion_studio.training.records.run import Run

    with suppress(UserError):  # the window closes; a run left "running" is found as well
        Run(run).note(interrupted=True)


def find_interrupted() -> Generator[RunRow, None, None]:
    """A job: the latest run that was interrupted when the window closed or the power failed. It is reported once."""
    from diffusion_studio.training.records import runs

    for run in runs.list_runs():
        facts = run.facts
        if run.state == "stopped" and (facts.get("interrupted") or facts.get("state") == "running"):
            with suppress(UserError):  # it is reported again next time
                run.note(state="stopped", interrupted=False)
            yield read_row(run)
            return
