"""SIGKILL a training at random moments, some of them inside a save, and compare every resume with the uninterrupted run.

    python tests/benchmarks/kill_training.py --kills 50 --in-saves 15

Prints how many kills hit a save, how many checkpoints were lost, and how many resumes were bit-equal; exits 1 unless all were.
torch is loaded once; every training is a fork of this process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).parents[2]))

SAVE_EVERY = 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--in-saves", type=int, default=15, help="how many of them at least inside a save")
    parser.add_argument("--steps", type=int, default=120, help="length of the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="the figures alone, as one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["DIFFUSION_STUDIO_HOME"] = str(Path(place, "home"))
        figures = Trial(Path(place), options).carry_out()
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{key}: {value}" for key, value in figures.items())
    )
    return 0 if figures["lost"] == 0 and figures["resumed_equal"] == figures["kills"] else 1


class Trial:
    def __init__(self, place: Path, options: argparse.Namespace) -> None:
        import torch  # here, before the forks, so that none of them loads it again

        import diffusion_studio.training.loop  # noqa: F401
        from diffusion_studio.settings.training import TrainingSettings

        torch.set_num_threads(1)
        self.options, self.random = options, random.Random(options.seed)
        self.settings = TrainingSettings(
            folder=str(self.pictures(place / "pictures")),
            name="reference",
            size=8,
            batch=2,
            steps=options.steps,
            autosave_steps=SAVE_EVERY,
            sample_every=0.0,
            seed=1,
            precision="bfloat16",
        )
        self.begun = time.monotonic()

    @staticmethod
    def pictures(folder: Path) -> Path:
        import numpy as np
        from PIL import Image

        folder.mkdir(parents=True)
        for number in range(12):
            picture = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / f"{number}.png")
        return folder

    def carry_out(self) -> dict[str, float]:
        reference, times = self.reference()
        figures = {
            "kills": 0,
            "in_saves": 0,
            "progressed": 0,
            "resumed_equal": 0,
            "lost": 0,
            "finished_equal": 0,
            "runs": 0,
        }
        name, before = None, 0
        while figures["kills"] < self.options.kills:
            if name is None:
                figures["runs"] += 1
                name, before = f"killed-{figures['runs']}", 0
            inside = figures["in_saves"] < self.options.in_saves
            killed, hit = self.run_and_kill(name, inside, times)
            if killed:
                figures["kills"] += 1
                figures["in_saves"] += hit
            step, digest = self.newest(name)
            whole = step >= before and (step == 0 or digest == reference[step])
            if killed:
                figures["resumed_equal"] += whole
                figures["lost"] += step < before
                figures["progressed"] += step > before
            if step == self.options.steps:
                figures["finished_equal"] += digest == reference[self.options.steps]
                name = None
            before = step
        if name is not None:  # the last one, to its end
            self.wait(self.start(name))
            step, digest = self.newest(name)
            figures["finished_equal"] += (
                step == self.options.steps and digest == reference[self.options.steps]
            )
        figures["resumed_equal"] *= figures["finished_equal"] == figures["runs"]
        return {**figures, "seconds": round(time.monotonic() - self.begun, 1)}

    def reference(self) -> tuple[dict[int, str], tuple[float, float]]:
        """The hash of every checkpoint of an uninterrupted run, its seconds to the first save, and from there to the last."""
        from diffusion_studio.training import loop
        from diffusion_studio.training_events import CheckpointSaved

        reading, writing = os.pipe()
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            found, times = {}, []
            for event in loop.train(self.settings):
                if isinstance(event, CheckpointSaved):
                    found[event.step] = digest_of(event.path)
                    times.append(time.monotonic())
            os.write(writing, json.dumps([found, [times[0] - begun, times[-1] - times[0]]]).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            found, times = json.loads(pipe.read())
        self.wait(child)
        return {int(step): digest for step, digest in found.items()}, times

    def start(self, name: str) -> int:
        from diffusion_studio.storage.places import runs_dir

        child = os.fork()
        if child:
            return child
        code = 1
        try:
            from dataclasses import replace

            from diffusion_studio.training import loop

            known = (runs_dir() / name / "run.json").exists()
            job = loop.train(replace(self.settings, name=name), resume=name if known else None)
            for _ in job:
                pass
            code = 0
        finally:
            os._exit(code)

    def run_and_kill(self, name: str, inside: bool, times: tuple[float, float]) -> tuple[bool, bool]:
        """(whether it was killed and had not ended by itself, whether a save was cut short)."""
        from diffusion_studio.storage.places import runs_dir

        checkpoints = runs_dir() / name / "checkpoints"
        child = self.start(name)
        wait = time.monotonic() + times[0] + self.random.uniform(-0.1, 0.3) * times[1]
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() >= wait and (not inside or stages(checkpoints)):
                if inside:
                    time.sleep(self.random.uniform(0, 0.003))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return True, bool(stages(checkpoints))
            if not inside:
                time.sleep(0.001)
        return False, False

    def newest(self, name: str) -> tuple[int, str]:
        from diffusion_studio.storage.places import runs_dir
        from diffusion_studio.training.records import checkpoints, runs

        if not (runs_dir() / name / "run.json").exists():
            return 0, ""  # killed before there was a run
        checkpoint, _ = checkpoints.newest_verified(runs.find(name).path)
        return (int(checkpoint.name), digest_of(checkpoint)) if checkpoint else (0, "")

    @staticmethod
    def wait(child: int) -> None:
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"A training that nobody killed ended with status {status}.")


def stages(checkpoints: Path) -> list[str]:
    """What a save has begun and not finished."""
    try:
        return [entry.name for entry in os.scandir(checkpoints) if entry.name.endswith((".part", ".old"))]
    except FileNotFoundError:
        return []


def digest_of(checkpoint: Path) -> str:
    return json.loads((checkpoint / "manifest.json").read_text())["state.safetensors"]["sha256"]


if __name__ == "__main__":
    sys.exit(main())
