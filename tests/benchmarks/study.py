"""Which training setting makes better images in the same minutes: sets of images × levers × seeds, one after the other.

    python tests/benchmarks/study.py OUT --set avatars=FOLDER:32 --set portraits=FOLDER:64 [--minutes 10] [--seeds 3]
    python tests/benchmarks/study.py OUT --table

Every fifth image of a folder is held out of all trainings and is what results are measured against (packaging/starter/measures.py
says how, and which packages that needs). Each lever changes one thing of the settings nobody touches; "together" is all that
`--together` names. Resumable: what is finished is kept in OUT/results.jsonl; a training that was cut off is resumed bit for bit
from its last checkpoint, and its minutes count training alone. Run it with nothing else on the machine, `nice` and for hours:

    nice python tests/benchmarks/study.py OUT --set … > OUT/log 2>&1 &

Its figures belong into tests/benchmarks/README.md, with the machine they are from.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[2] / "packaging" / "starter"))
sys.path.insert(0, str(Path(__file__).parents[2]))

HELD_OUT_EVERY = 5
LEVERS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
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
    "half the rate": {"learning_rate": 5e-4},
    "twice the rate": {"learning_rate": 2e-3},
    "medium": {"model_size": "medium"},
    "EMA 0.999": {"ema": 0.999},
}


@dataclass(frozen=True)
class Trial:
    images: str  # the set's name
    lever: str
    seed: int

    @property
    def run(self) -> str:
        return "-".join(f"{self.images} {self.lever} {self.seed}".replace(",", "").replace(".", "").split())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", action="append", default=[], help="NAME=FOLDER:SIZE", dest="sets")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each trial")
    parser.add_argument(
        "--steps", type=int, default=0, help="instead of minutes, for a machine that is not quiet"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=500, help="images generated for each trial")
    parser.add_argument("--levers", nargs="*", default=list(LEVERS), choices=list(LEVERS))
    parser.add_argument("--together", nargs="*", default=[], choices=list(LEVERS), help="levers to combine")
    parser.add_argument("--table", action="store_true", help="only show what is known so far")
    options = parser.parse_args()
    if not options.table:
        os.environ["DIFFUSION_STUDIO_HOME"] = str(options.out.absolute() / "home")
        carry_out(options)
    print("\n".join(table(read_results(options.out))))


def carry_out(options: argparse.Namespace) -> None:
    from measures import Judge, read

    known = {(row["images"], row["lever"], row["seed"]) for row in read_results(options.out)}
    levers = {name: LEVERS[name] for name in options.levers}
    if options.together:
        levers["together: " + " + ".join(options.together)] = {
            key: value for name in options.together for key, value in LEVERS[name].items()
        }
    for text in options.sets:
        name, _, rest = text.partition("=")
        folder, _, size = rest.rpartition(":")
        learned, held_out = divide(Path(folder), options.out / "sets" / name)
        trials = [Trial(name, lever, seed) for seed in range(options.seeds) for lever in levers]
        trials = [trial for trial in trials if (trial.images, trial.lever, trial.seed) not in known]
        if not trials:
            continue
        judge = Judge(read(learned, int(size)), read(held_out, int(size)))
        print(f"{name}: training images {judge.floor()}", flush=True)
        for trial in trials:
            row = measure(
                trial, train(trial, learned, int(size), levers[trial.lever], options), judge, options
            )
            with (options.out / "results.jsonl").open("a", encoding="utf-8") as results:
                results.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


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


def train(
    trial: Trial, folder: Path, size: int, changes: Mapping[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    """The trial's model, trained to its end, from where it was cut off where it was begun before."""
    from diffusion_studio.errors import UserError
    from diffusion_studio.events import Loss
    from diffusion_studio.jobs.train import train as job
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.training.records import runs

    end = {"steps": options.steps} if options.steps else {"minutes": options.minutes}
    settings = TrainingSettings(
        folder=str(folder), name=trial.run, size=size, seed=trial.seed, sample_every=0.0, **end, **changes
    )
    try:
        run = runs.find(trial.run)
        events = iter(()) if run.state == "finished" else job(TrainingSettings(), resume=trial.run)
    except UserError:
        events = job(settings)
    for event in events:
        if isinstance(event, Loss) and event.validation is not None:
            print(f"{trial.run}: step {event.step}, validation {event.validation:.4f}", flush=True)
    facts = runs.find(trial.run).facts
    return {"steps": facts["step"], "seconds": round(facts["seconds"]), "batch": facts["settings"]["batch"]}


def measure(trial: Trial, trained: dict[str, Any], judge: Any, options: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import replace

    from measures import generate

    from diffusion_studio.generation.opening import close_models, open_model
    from diffusion_studio.models import cards
    from diffusion_studio.training.records import runs

    card = cards.find(runs.find(trial.run).facts["published"])
    model, base, results = open_model(card), card.defaults(), {}
    for name, changes in (
        ("recommended", {}),
        ("2M, trailing, 20", {"sampler": "dpmpp_2m", "spacing": "trailing", "steps": 20}),
    ):
        results[name] = judge(
            *generate(model, replace(base, guidance=1.0, **changes), options.count)
        ).to_dict()
    close_models()
    return {
        "images": trial.images,
        "lever": trial.lever,
        "seed": trial.seed,
        **trained,
        "images_per_second": round(trained["steps"] * trained["batch"] / max(trained["seconds"], 1), 1),
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
    """Markdown: for each set and lever the mean over seeds of the better sampler, ± half of what the seeds differ by (95%)."""
    yield "| set | lever | seeds | images/s | KID16 | KID | nearest-image ratio |"
    yield "|---|---|---|---|---|---|---|"
    for key in dict.fromkeys((row["images"], row["lever"]) for row in rows):
        own = [row for row in rows if (row["images"], row["lever"]) == key]
        best = [min(row["quality"].values(), key=lambda way: way["kid16"][0]) for row in own]
        cells = [spread([way[name][0] for way in best]) for name in ("kid16", "kid", "ratio")]
        speed = mean(row["images_per_second"] for row in own)
        yield f"| {key[0]} | {key[1]} | {len(own)} | {speed:.0f} | {' | '.join(cells)} |"


def spread(values: list[float]) -> str:
    digits = 2 if abs(mean(values)) < 10 else 0
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    student = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}.get(len(values), 2.0)
    return f"{mean(values):.{digits}f} ± {student * stdev(values) / len(values) ** 0.5:.{digits}f}"


if __name__ == "__main__":
    main()
