"""What the same minutes give: this version, an earlier one and lucidrains' `Trainer`, each alone, as its users run it.

    node tests/benchmarks/make-figures.mjs FIGURES
    python tests/benchmarks/equal_minutes.py OUT --set FIGURES/figures --part new-32 [--first FOLDER] [--broad MODEL]
    python tests/benchmarks/equal_minutes.py OUT --table

One call does one part: it trains, generates `--count` images with what the model's card recommends, and adds a line to
OUT/results.jsonl. Parts, and their minutes and images:

    first-S, new-S, broad-S, lucidrains-S      10 minutes, 2,400 images of S pixels: the earlier version, this one from nothing,
                                               from the broad starter, and the peer
    few-first-S, few-new-S, few-broad-S        20 minutes, 100 images
    pixels-S, latents-S                        60 minutes, 2,400 images; pixels are seen as the recipe has it, from 64 up in
                                               Haar bands; latents are of the shipped autoencoder, adapted

What was cut off is resumed by the same call; with `--slice 10` a call trains so many minutes at most. Every set is divided by
chance, the same way each time, and scaled once, so that all sides read the same pixels; nobody is told classes. `--with` adds
options to the training, `--label` names that in the table. "others" is how many cores other programs used meanwhile: more than
0.2, and the row is worth little. measures.py and peers.py say which packages the judging and the peer need.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "packaging" / "starter"))
sys.path.insert(0, str(ROOT))

MANY, FEW, HELD_OUT = 2400, 100, 800  # images
AT_ONCE = 50  # images of a call of `generate`
ENOUGH = 30.0  # seconds that a training may take to save once it is asked to stop
USUAL_MINUTES = {"few": 20.0, "pixels": 60.0, "latents": 60.0}  # 10 otherwise
RECIPE = ("--recipe", "good")


@dataclass(frozen=True)
class Part:
    """`way` is who trains and from what; `few` with 100 images."""

    name: str
    way: str
    size: int
    few: bool

    @staticmethod
    def named(name: str) -> Part:
        words = name.split("-")
        few, size = words[0] == "few", words[-1]
        way = "-".join(words[few:-1])
        if way not in WAYS or not size.isdecimal():
            raise SystemExit(
                f"There is no part {name}: ways are {', '.join(WAYS)}, as in new-32 and few-new-32."
            )
        return Part(name, way, int(size), few)

    @property
    def minutes(self) -> float:
        return USUAL_MINUTES.get("few" if self.few else self.way, 10.0)

    @property
    def images(self) -> int:
        return FEW if self.few else MANY


WAYS: Mapping[str, Sequence[str]] = {  # options of the training
    "first": (),
    "new": (*RECIPE, "--from", "scratch"),
    "broad": RECIPE,
    "pixels": (*RECIPE, "--from", "scratch"),
    "latents": (*RECIPE, "--from", "scratch", "--space", "latents"),
    "lucidrains": (),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", type=Path, help="folder of images; its sub-folders are no classes here")
    parser.add_argument("--part", action="append", default=[], dest="parts")
    parser.add_argument("--first", type=Path, help="folder of the earlier version, with its own .venv")
    parser.add_argument("--broad", default="drawings-64", help="the installed model that broad-S starts from")
    parser.add_argument("--minutes", type=float, help="in place of the part's own")
    parser.add_argument("--slice", type=float, help="minutes of training of this call")
    parser.add_argument("--count", type=int, default=500, help="images generated and judged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as each program takes by itself")
    parser.add_argument("--with", default="", dest="extra", help="further options of the training, quoted")
    parser.add_argument("--label", default="", help="what --with is called in the table")
    parser.add_argument("--peer-steps", type=int, nargs="*", default=[50], help="of DDIM, for lucidrains")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.out = options.out.absolute()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    for name in options.parts:
        carry_out(Part.named(name), options)
    if options.table or not options.parts:
        print("\n".join(table(read_rows(options.out))))


def carry_out(part: Part, options: argparse.Namespace) -> None:
    if options.set is None:
        raise SystemExit("--set FOLDER says which images to learn from.")
    minutes = options.minutes or part.minutes
    facts = {
        "set": options.set.name,
        "part": part.name,
        "label": options.label,
        "minutes": minutes,
        "seed": options.seed,
    }
    if any(all(row.get(key) == value for key, value in facts.items()) for row in read_rows(options.out)):
        print(f"{part.name} is done already.")
        return
    learned, held_out = divided(options.set, options.out / "sets", part.size, part.images)
    name = "-".join(
        filter(None, [options.set.name, part.name, options.label, f"{minutes:g}m", str(options.seed)])
    )
    name = name.replace(".", "_").replace(" ", "-")
    side = Peer if part.way == "lucidrains" else Program
    program = side(part, name, learned, minutes, options)
    trained = program.train()
    if trained is None:
        print(f"{part.name}: the slice is over; call again to train on.")
        return
    for way, place in program.generate():
        row = {
            **facts,
            **trained,
            "size": part.size,
            "way": way,
            **judged(place, learned, held_out, part.size),
        }
        row |= {"threads": options.threads or os.cpu_count(), "images": len(list(learned.iterdir()))}
        with (options.out / "results.jsonl").open("a", encoding="utf-8") as results:
            results.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def divided(folder: Path, target: Path, size: int, images: int) -> tuple[Path, Path]:
    """Folders of `images` images to learn from and of 800 that are held out, at `size`, the same ones each time."""
    import numpy as np
    from PIL import Image

    from diffusion_studio.pictures.decoding import open_picture
    from diffusion_studio.pictures.fitting import fit
    from diffusion_studio.pictures.folder_listing import find_pictures

    place = target / f"{folder.name}-{images}-{size}"
    if not place.is_dir():
        found = sorted(path for path, _ in find_pictures(folder))
        chosen = np.random.default_rng(0).permutation(len(found))
        held_out = min(HELD_OUT, len(found) // 4)
        stage = place.with_name(place.name + ".part")
        for kind, rows in (
            ("held-out", chosen[:held_out]),
            ("learned", chosen[held_out : held_out + images]),
        ):
            (stage / kind).mkdir(parents=True, exist_ok=True)
            for row in rows:
                pixels = fit(open_picture(found[row], least=size).image, size)
                Image.fromarray(pixels.transpose(1, 2, 0)).save(stage / kind / f"{row:05d}.png")
        stage.rename(place)
    return place / "learned", place / "held-out"


class Program:
    """This version or an earlier one, by its command line, with a home of its own."""

    def __init__(
        self, part: Part, name: str, learned: Path, minutes: float, options: argparse.Namespace
    ) -> None:
        self.part, self.name, self.learned, self.minutes, self.options = part, name, learned, minutes, options
        first = part.way == "first"
        if first and options.first is None:
            raise SystemExit("--first FOLDER says where the earlier version is.")
        self.root = options.first.absolute() if first else ROOT
        self.python = str(self.root / ".venv" / "bin" / "python") if first else sys.executable
        self.home = options.out / "home" / ("first" if first else "now")
        self.images = options.out / "images" / name

    def call(self, *words: str) -> list[str]:
        return [self.python, "-m", "diffusion_studio", *words]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DIFFUSION_STUDIO_HOME": str(self.home), "PYTHONPATH": str(self.root)}

    @property
    def model(self) -> Path | None:
        """The folder of the finished model."""
        found = [path.parent for path in self.home.rglob("model_index.json") if path.parent.name == self.name]
        return found[0] if found else None

    def train(self) -> dict[str, Any] | None:
        """What is known of the training, once it is finished; None where the slice ended before it."""
        watch = self.home / f"{self.name}.json"  # what others used, over all calls
        if self.model is None:
            self.home.mkdir(parents=True, exist_ok=True)
            begun = any(path.parent.name == self.name for path in self.home.rglob("run.json"))
            words = (
                ["--resume", self.name] if begun else [str(self.learned), "--name", self.name, *self.asked()]
            )
            with Others() as others:
                self.run(self.call("train", *words), self.options.slice)
            add_up(watch, others)
        if self.model is None:
            return None
        trained = json.loads((self.model / "card.json").read_text(encoding="utf-8"))["trained"]
        return {
            "steps": trained["steps"],
            "seconds": trained["seconds"],
            "batch": trained["settings"].get("batch"),
            "space": trained["settings"].get("space", "pixels"),
            "others": round(used(watch), 2),
        }

    def asked(self) -> list[str]:
        words = [*WAYS[self.part.way], "--size", str(self.part.size), "--minutes", f"{self.minutes:g}"]
        if self.part.way == "broad":
            words += ["--from", self.options.broad]
        own = shlex.split(self.options.extra) if self.part.way != "first" else []
        return [*words, "--no-classes", "--sample-every", "0", "--seed", str(self.options.seed), *own]

    def run(self, words: Sequence[str], minutes: float | None = None) -> None:
        """Raises SystemExit where it fails; asks it to stop after so many minutes."""
        process = subprocess.Popen(words, cwd=self.home, env=self.environment, stdout=subprocess.DEVNULL)
        try:
            process.wait(None if minutes is None else 60 * minutes)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait()
            return
        except BaseException:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENOUGH)
            raise
        if process.returncode:
            raise SystemExit(f"{shlex.join(words)} ended with {process.returncode}.")

    def generate(self) -> Iterator[tuple[str, Path]]:
        self.images.mkdir(parents=True, exist_ok=True)
        model = self.model
        assert model is not None
        while (done := len(list(self.images.rglob("*.png")))) < self.options.count:
            count = min(AT_ONCE - done % AT_ONCE, self.options.count - done)
            how = ["--count", str(count), "--seed", str(done), "--out", str(self.images)]
            self.run(
                self.call(
                    "generate",
                    "--model",
                    model.name,
                    *how,
                    "--format",
                    "png",
                    "--name-pattern",
                    "{seed}-{index}",
                )
            )
        recommended = json.loads((model / "card.json").read_text(encoding="utf-8"))["recommended"]
        yield f"{recommended['sampler']} {recommended['steps']}", self.images


class Peer:
    """lucidrains' `Trainer` as its documentation has it, with about as many parameters as ours."""

    def __init__(
        self, part: Part, name: str, learned: Path, minutes: float, options: argparse.Namespace
    ) -> None:
        self.part, self.minutes, self.options = part, minutes, options
        self.images = options.out / "images" / name
        self.learned, self.place = learned, options.out / "peer" / name
        self.side: Any = None

    def train(self) -> dict[str, Any] | None:
        import torch

        from diffusion_studio.training.estimate import count_parameters
        from diffusion_studio.training.step.architectures import shape_for
        from tests.benchmarks.quality_training import Peer as Trainer

        torch.manual_seed(self.options.seed)
        settings = argparse.Namespace(
            learn=self.learned,
            size=self.part.size,
            seed=self.options.seed,
            flip=True,
            peer_rate=1e-4,
            peer_levels=[1, 2, 4, 8],
            peer_steps=self.options.peer_steps,
        )
        self.place.mkdir(parents=True, exist_ok=True)
        self.side = Trainer(settings, count_parameters(shape_for(self.part.size, "small")), self.place)
        with Others() as others:
            self.side.train(60 * self.minutes)
        return {
            "steps": self.side.steps,
            "seconds": round(self.side.spent),
            "batch": 32,
            "space": "pixels",
            "others": round(others.seconds / others.wall, 2),
        }

    def generate(self) -> Iterator[tuple[str, Path]]:
        from PIL import Image

        for way, drawn in self.side.draw(self.options.count):
            place = self.images / way.replace(" ", "-")
            place.mkdir(parents=True, exist_ok=True)
            for number, image in enumerate(drawn.transpose(0, 2, 3, 1)):
                Image.fromarray(image).save(place / f"{number:05d}.png")
            yield way, place


class Others:
    """Seconds of processor time that were not this program's or its children's, and of the clock, while it is entered."""

    def __enter__(self) -> Others:
        self.before = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        wall, whole, own = (now - then for now, then in zip(self._now(), self.before, strict=True))
        self.wall, self.seconds = max(wall, 1e-9), max(whole - own, 0.0)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        import psutil

        times = psutil.cpu_times()
        whole = times.user + times.system + getattr(times, "nice", 0.0)
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.monotonic(), whole, sum(one.ru_utime + one.ru_stime for one in usage)


def add_up(path: Path, others: Others) -> None:
    known = json.loads(path.read_text()) if path.is_file() else [0.0, 0.0]
    path.write_text(json.dumps([known[0] + others.seconds, known[1] + others.wall]))


def used(path: Path) -> float:
    seconds, wall = json.loads(path.read_text()) if path.is_file() else (0.0, 1.0)
    return float(seconds / wall)


def judged(images: Path, learned: Path, held_out: Path, size: int) -> dict[str, Any]:
    from measures import Judge, read

    from tests.benchmarks.quality_training import keep_sheet

    drawn = read(images, size).images
    keep_sheet(drawn, images.parents[1] / "sheets" / f"{images.name}.png")
    quality = Judge(read(learned, size), read(held_out, size))(drawn)
    return {"count": len(drawn), **quality.to_dict()}


def read_rows(out: Path) -> list[dict[str, Any]]:
    path, rows = out / "results.jsonl", []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with suppress(ValueError):  # cut off in the middle
            rows.append(json.loads(line))
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown; "of the first": KID16 as a share of the earlier version's with the same images, size and minutes."""
    yield "| set | part | minutes | steps | KID16 | KID | nearest-image ratio | of the first | generated with | others |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    keys = ("set", "size", "images", "minutes")
    for row in sorted(rows, key=lambda row: [str(row[key]) for key in keys]):
        same = [other for other in rows if all(other[key] == row[key] for key in keys)]
        first = [other["kid16"][0] for other in same if "first" in other["part"]]
        share = f"{row['kid16'][0] / first[0]:.2f}" if first else "–"
        part = f"{row['part']}, {row['label']}" if row["label"] else row["part"]
        figures = " | ".join(
            f"{row[name][0]:.{digits}f} ± {row[name][1]:.{digits}f}" for name, digits in SHOWN
        )
        yield (
            f"| {row['set']} | {part} | {row['minutes']:g} | {row['steps']} | {figures} | {share} | {row['way']} | "
            f"{row['others']:g} |"
        )


SHOWN = (("kid16", 1), ("kid", 0), ("ratio", 2))


if __name__ == "__main__":
    main()
