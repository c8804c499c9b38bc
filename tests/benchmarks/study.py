"""Which training setting makes better images for the same work: sets of images × levers × seeds, one after the other.

    python tests/benchmarks/study.py OUT --set avatars=FOLDER:32 --set portraits=FOLDER:64 [--minutes 10] [--seeds 3]
    python tests/benchmarks/study.py OUT --table

Every fifth image of a folder is held out of all trainings and is what results are measured against (packaging/starter/measures.py
says how, and which packages that needs). Each lever changes one thing of what *Good* chooses for a training from nothing;
"together" is all that `--together` names.

Work, not time: before a trial, steps of its settings and of those of "as it is" are taken in turns, and the medians of their
processor time say how many steps the lever has in `--minutes` of `--cores` cores that nobody else uses (OUT/steps.json).
Processor time leaves out waiting for others, and what others do to the caches hits both: so a study is fair on a busy machine,
at whatever priority, and its figures hold for a quiet one. Resumable: what is finished is kept in OUT/results.jsonl, and a
training that was cut off is resumed bit for bit from its last checkpoint:

    nice -n 19 python tests/benchmarks/study.py OUT --threads 1 --set … > OUT/log 2>&1 &

Its figures belong into tests/benchmarks/README.md, with the machine they are from.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[2] / "packaging" / "starter"))
sys.path.insert(0, str(Path(__file__).parents[2]))

HELD_OUT_EVERY = 5
WAYS: Mapping[str, Mapping[str, Any]] = {
    "recommended": {},
    "without autoguidance": {"autoguidance": 1.0},
    "autoguidance 2": {"autoguidance": 2.0},
    "2M, trailing, 20": {"sampler": "dpmpp_2m", "spacing": "trailing", "steps": 20},
}
MOST = 10_000, 800  # images of the learned and of the held-out ones that results are measured against
PATCHED_ROUNDS = 40
ROUNDS = 12  # steps of each side that are timed, after one that warms up
BASELINE = "as it is"
# What takes no time of a step. Measured, it was between 0.72 and 1.09 of the baseline's on a machine that swings.
FREE = {"timestep_sampling", "weighting", "learning_rate", "decay", "ema"}
LEVERS: Mapping[str, Mapping[str, Any]] = {
    BASELINE: {},
    "from Drawings 64": {"start_from": "drawings-64"},
    "pixels": {"space": "pixels"},
    "logit-normal, from Drawings 64": {"timestep_sampling": "logit_normal", "start_from": "drawings-64"},
    "logit-normal, uncertainty": {"timestep_sampling": "logit_normal", "weighting": "uncertainty"},
    "haar": {"space": "haar"},
    "haar2": {"space": "haar2"},
    "uncertainty": {"weighting": "uncertainty"},
    "sigmoid": {"weighting": "sigmoid"},
    "even": {"weighting": "none"},
    "logit-normal": {"timestep_sampling": "logit_normal"},
    "flow": {"schedule": "flow", "prediction": "flow_prediction"},
    "flow, logit-normal": {
        "schedule": "flow",
        "prediction": "flow_prediction",
        "timestep_sampling": "logit_normal",
    },
    "epsilon": {"prediction": "epsilon"},
    "batch 16": {"batch": 16},
    "batch 64": {"batch": 64},
    "half the rate": {"learning_rate": 1e-3},
    "twice the rate": {"learning_rate": 4e-3},
    "medium": {"model_size": "medium"},
    "EMA 0.999": {"ema": 0.999},
    "adamw": {"optimizer": "adamw"},
    "cosine": {"decay": "cosine"},
    "inverse root": {"decay": "inverse_sqrt"},
    "patches": {"patches": True},
    "haar, patches": {"space": "haar", "patches": True},
    "augment": {"augment": 0.12},
    "haar, augment": {"space": "haar", "augment": 0.12},
}


@dataclass(frozen=True)
class Trial:
    images: str  # the set's name
    lever: str
    seed: int
    minutes: float

    @property
    def run(self) -> str:
        words = f"{self.images} {self.lever} {self.seed} {self.minutes:g}m"
        return "-".join(words.replace(",", "").replace("+", "").replace(":", "").replace(".", "_").split())

    def is_in(self, row: Mapping[str, Any]) -> bool:
        return all(row.get(name) == value for name, value in vars(self).items())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", action="append", default=[], help="NAME=FOLDER:SIZE", dest="sets")
    parser.add_argument("--minutes", type=float, default=10.0, help="of work, for each trial")
    parser.add_argument("--cores", type=int, default=2, help="that these minutes are of")
    parser.add_argument(
        "--threads", type=int, default=0, help="to compute with; 0: as many as there are cores"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=500, help="images generated for each trial")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS), help="of generating")
    parser.add_argument("--levers", nargs="*", default=list(LEVERS), choices=list(LEVERS))
    parser.add_argument("--together", nargs="*", default=[], choices=list(LEVERS), help="levers to combine")
    parser.add_argument("--table", action="store_true", help="only show what is known so far")
    options = parser.parse_args()
    if not options.table:
        os.environ["DIFFUSION_STUDIO_HOME"] = str(options.out.absolute() / "home")
        options.out.mkdir(parents=True, exist_ok=True)
        if options.threads:
            os.environ["OMP_NUM_THREADS"] = str(options.threads)  # read when torch is loaded
        carry_out(options)
    print("\n".join(table(read_results(options.out))))


def carry_out(options: argparse.Namespace) -> None:
    from measures import Judge, read

    from diffusion_studio.settings.training import LEAST_PATCHED

    known = read_results(options.out)
    levers = {name: LEVERS[name] for name in options.levers}
    if options.together:
        levers["together: " + " + ".join(options.together)] = {
            key: value for name in options.together for key, value in LEVERS[name].items()
        }
    for text in options.sets:
        name, _, rest = text.partition("=")
        folder, _, size = rest.rpartition(":")
        learned, held_out = divide(Path(folder), options.out / "sets" / name)
        trials = [
            Trial(name, lever, seed, options.minutes)
            for seed in range(options.seeds)
            for lever, changes in levers.items()
            if int(size) >= LEAST_PATCHED or not changes.get("patches")
        ]
        trials = [trial for trial in trials if not any(trial.is_in(row) for row in known)]
        if not trials:
            continue
        judge = Judge(
            *(
                some_of(read(place, int(size)), most)
                for place, most in zip((learned, held_out), MOST, strict=True)
            )
        )
        print(f"{name}: training images {judge.floor()}", flush=True)
        for trial in trials:
            settings = good(learned, int(size), levers[trial.lever])
            seconds = step_seconds(options.out, name, trial.lever, settings)
            steps = round(60 * options.minutes * options.cores / seconds)
            row = measure(trial, train(trial, settings, steps), judge, options)
            row |= {"step_seconds": round(seconds / options.cores, 4)}
            row |= {"images_per_second": round(row["batch"] * options.cores / seconds, 1)}
            with (options.out / "results.jsonl").open("a", encoding="utf-8") as results:
                results.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


def good(folder: Path, size: int, changes: Mapping[str, Any]) -> Any:
    """The `TrainingSettings` of *Good* for these images, from nothing but for the lever's changes; how long is the study's."""
    from diffusion_studio.settings.recipes import applied
    from diffusion_studio.settings.training import SCRATCH, TrainingSettings

    asked = TrainingSettings(**{"folder": str(folder), "size": size, "start_from": SCRATCH, **changes})
    return replace(applied("good", asked, given={*changes, "steps"}), sample_every=0.0)


def some_of(pictures: Any, most: int) -> Any:
    """At most so many images, evenly chosen and without their classes: no lever is about these, and they take long to judge."""
    from diffusion_studio.training.images import Pictures

    rows = [len(pictures) * row // most for row in range(most)] if len(pictures) > most else slice(None)
    return Pictures(pictures.images[rows], pictures.labels[rows], (), [])


def step_seconds(out: Path, images: str, lever: str, settings: Any) -> float:
    """Processor seconds of a step with these settings: those of the baseline, times the ratio of the two in turns.

    Both are kept, so that every trial of a set has the same minutes, whenever it is begun.
    """
    path = out / "steps.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    own = known.setdefault(images, {})
    usual = good(Path(settings.folder), settings.size, {})
    if {name for name, value in asdict(settings).items() if value != getattr(usual, name)} <= FREE:
        lever = BASELINE
    if lever not in own:
        base, this = (1.0, 1.0) if lever == BASELINE and own else time_in_turns(usual, settings)
        if lever == BASELINE:
            this = base
        own.setdefault(BASELINE, {"seconds": base})
        own[lever] = {"seconds": own[BASELINE]["seconds"] * this / base, "ratio": this / base}
        stage = path.with_suffix(".part")
        stage.write_text(json.dumps(known, indent=1))
        stage.replace(path)
    return float(own[lever]["seconds"])


def time_in_turns(*sides: Any) -> list[float]:
    """Median processor seconds of a training step of each of some settings, one step of each after the other."""
    from diffusion_studio.machine.devices import choose_precision
    from diffusion_studio.training.estimate import choose_batch, count_pictures, noise_pictures
    from diffusion_studio.training.provenance import begin
    from diffusion_studio.training.starting import with_start
    from diffusion_studio.training.step.trainer import Trainer

    precision = choose_precision("auto", "cpu")
    patched = any(settings.patches for settings in sides)  # whose steps are of several sizes
    with ExitStack() as stack:
        trainers = []
        for asked in sides:
            settings, _ = with_start(replace(asked, name="study", seed=0))
            pictures = noise_pictures(settings, count_pictures(settings)[1])
            settings, network, origin = begin(settings, pictures)
            settings = replace(
                settings, batch=settings.batch or choose_batch(origin.config, "cpu", precision)
            )
            trainer = Trainer(
                settings,
                pictures,
                device="cpu",
                precision=precision,
                network=network,
                schedule=origin.schedule,
            )
            trainers.append(stack.enter_context(closing(trainer)))
        times: list[list[float]] = [[] for _ in trainers]
        for turn in range((PATCHED_ROUNDS if patched else ROUNDS) + 1):
            for trainer, own in zip(trainers, times, strict=True):
                begun = time.process_time()
                trainer.step(0.0)
                if turn:
                    own.append(time.process_time() - begun)
    return [mean(own) if patched else median(own) for own in times]


def divide(folder: Path, target: Path) -> tuple[Path, Path]:
    """Copies of a folder's images to learn from, and of every fifth that is held out, whole or not at all."""
    from diffusion_studio.pictures.folder_listing import find_pictures

    if not target.is_dir():
        stage = target.with_name(target.name + ".part")
        shutil.rmtree(stage, ignore_errors=True)
        for number, (path, label) in enumerate(sorted(find_pictures(folder))):
            place = stage / ("held-out" if number % HELD_OUT_EVERY == 0 else "learned") / (label or "")
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / f"{number:07d}{path.suffix}")
        stage.rename(target)
    return target / "learned", target / "held-out"


def train(trial: Trial, settings: Any, steps: int) -> dict[str, Any]:
    """The trial's model, trained to its end, from where it was cut off where it was begun before."""
    from diffusion_studio.errors import UserError
    from diffusion_studio.jobs.train import train as job
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.training.records import log, runs
    from diffusion_studio.training_events import Loss

    try:
        run = runs.find(trial.run)
        events = iter(()) if run.state == "finished" else job(TrainingSettings(), resume=trial.run)
    except UserError:
        events = job(replace(settings, name=trial.run, seed=trial.seed, steps=steps))
    for event in events:
        if isinstance(event, Loss) and event.validation is not None:
            print(f"{trial.run}: step {event.step}, validation {event.validation:.4f}", flush=True)
    run = runs.find(trial.run)
    return {
        "steps": run.facts["step"],
        "batch": run.facts["settings"]["batch"],
        "validation": log.last_losses(run.path).get("validation"),
    }


def measure(trial: Trial, trained: dict[str, Any], judge: Any, options: argparse.Namespace) -> dict[str, Any]:
    from measures import generate

    from diffusion_studio.generation.opening import close_models, open_model
    from diffusion_studio.models import cards
    from diffusion_studio.training.records import runs

    card = cards.find(runs.find(trial.run).facts["published"])
    model, base, results = open_model(card), card.defaults(), {}
    for name in options.ways:
        settings = replace(base, **{"guidance": 1.0, **WAYS[name]})
        results[name] = judge(*generate(model, settings, options.count)).to_dict()
    close_models()
    return {
        "images": trial.images,
        "lever": trial.lever,
        "seed": trial.seed,
        "minutes": trial.minutes,
        **trained,
        "quality": results,
    }


def read_results(out: Path) -> list[dict[str, Any]]:
    path = out / "results.jsonl"
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue  # cut off in the middle of the line
    return rows


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Markdown: for each set, lever and way of generating the mean over seeds, ± how well they say it (95%).

    "of as it is": KID16 over that of the baseline of the same seed, generated in its first way: mean (range).
    """
    trials: dict[tuple[str, float, str], dict[int, dict[str, Any]]] = {}
    for row in rows:
        trials.setdefault((row["images"], row["minutes"], row["lever"]), {})[row["seed"]] = row
    yield "| set | minutes | lever | way | seeds | images/s | KID16 | of as it is | KID | nearest-image ratio | validation |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for (images, minutes, lever), own in trials.items():
        usual = trials.get((images, minutes, BASELINE), {})
        losses = [row["validation"] for row in own.values() if row.get("validation") is not None]
        loss = f"{mean(losses):.4f}" if losses else "–"
        speed = mean(row["images_per_second"] for row in own.values())
        for way in dict.fromkeys(way for row in own.values() for way in row["quality"]):
            found = {seed: row["quality"][way] for seed, row in own.items() if way in row["quality"]}
            kid16, kid, ratio = (
                spread([one[name][0] for one in found.values()]) for name in ("kid16", "kid", "ratio")
            )
            shares = [
                one["kid16"][0] / first_kid16(usual[seed]) for seed, one in found.items() if seed in usual
            ]
            share = f"{mean(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})" if shares else "–"
            yield (
                f"| {images} | {minutes:g} | {lever} | {way} | {len(found)} | {speed:.0f} "
                f"| {kid16} | {share} | {kid} | {ratio} | {loss} |"
            )


def first_kid16(row: Mapping[str, Any]) -> float:
    return float(next(iter(row["quality"].values()))["kid16"][0])


def spread(values: list[float]) -> str:
    digits = 2 if abs(mean(values)) < 10 else 0
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    student = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}.get(len(values), 2.0)
    return f"{mean(values):.{digits}f} ± {student * stdev(values) / len(values) ** 0.5:.{digits}f}"


if __name__ == "__main__":
    main()
