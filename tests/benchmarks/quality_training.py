"""How good a model becomes in the same minutes: our trainer against lucidrains' `Trainer`, side by side on the same pictures.

    python tests/benchmarks/quality_training.py FOLDER [--held-out FOLDER] [--minutes 10] [--slice 60] [--count 500] [--size 32]

Both train in this process, in turns of `--slice` seconds, so that whatever else the machine does hits both; each has the same
minutes of its own. Then both generate `--count` images, measured against held-out ones by packaging/starter/measures.py:
KID, KID16 and nearest-image ratio with their intervals. Any folder will do: without `--held-out`, every fifth of its images is
held out of both trainings. Neither is told the classes.

Ours: the settings nobody touches (batch, model size, learning rate, schedule, EMA), and the sampler its card recommends.
The peer: as its own documentation has it, with about as many parameters: v-prediction and the sigmoid schedule, Adam at its
default rate 1e-4 (--peer-rate; its example says 8e-5), batch 32, mirroring, EMA 0.995 every 10 steps, no gradient accumulation
(which would halve its steps), mixed precision as it offers it (amp) in bfloat16, its own data loader; DDIM, 50 and 250 steps.
Its best result counts. peers.py says how it is installed; it needs accelerate as well (pip install --no-deps accelerate).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[2] / "packaging" / "starter"))
sys.path.insert(0, str(Path(__file__).parents[2]))

from diffusion_studio.machine import malloc

malloc.keep()  # before torch starts a thread; both sides have the good of it

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402

from tests.benchmarks.peers import stand_in  # noqa: E402
from tests.benchmarks.study import divide  # noqa: E402

BATCH = 50  # pictures drawn at once
STEPS_A_CALL = 4  # of the peer between two looks at the clock


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--held-out", type=Path, help="images of the same kind; else every fifth of the folder's"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each")
    parser.add_argument("--slice", type=float, default=60.0, help="seconds of a turn")
    parser.add_argument("--count", type=int, default=500, help="pictures drawn by each")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flip", action=argparse.BooleanOptionalAction, default=True, help="for both")
    parser.add_argument("--peer-rate", type=float, default=1e-4, help="its learning rate")
    parser.add_argument("--peer-levels", type=int, nargs="*", default=[1, 2, 4, 8], help="its dim_mults")
    parser.add_argument("--peer-steps", type=int, nargs="*", default=[50, 250], help="its sampling steps")
    parser.add_argument("--out", type=Path, help="folder for a sheet of each one's pictures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    with tempfile.TemporaryDirectory() as place:
        os.environ["DIFFUSION_STUDIO_HOME"] = str(Path(place, "home"))
        options.learn = options.folder
        if options.held_out is None:
            options.learn, options.held_out = divide(options.folder, Path(place, "set"))
        ours = Ours(options)
        peer = Peer(options, ours.parameters(), Path(place, "peer"))
        take_turns((ours, peer), options)
        figures = compare(ours, peer, options)
    print(json.dumps(figures, indent=1))


class Ours:
    def __init__(self, options: argparse.Namespace) -> None:
        from diffusion_studio.settings.training import TrainingSettings

        self.settings = TrainingSettings(
            folder=str(options.learn),
            name="Ours",
            size=options.size,
            minutes=options.minutes,
            classes=False,
            flip=options.flip,
            sample_every=0.0,
            seed=options.seed,
        )
        self.job = self.begin()
        self.steps, self.spent = 0, 0.0

    def begin(self) -> Iterator[Any]:
        from diffusion_studio.jobs import train as jobs
        from diffusion_studio.training_events import TrainingStarted

        job = jobs.train(self.settings)
        for event in job:  # reads the pictures, which the peer does as it goes
            if isinstance(event, TrainingStarted):
                break
        return job

    def parameters(self) -> int:
        from diffusion_studio.training.estimate import count_parameters
        from diffusion_studio.training.step.architectures import shape_for

        return count_parameters(shape_for(self.settings.size, self.settings.model_size))

    def train(self, seconds: float) -> None:
        """The job's own clock stands still between two turns, and ends it after its minutes."""
        from diffusion_studio.training_events import Loss

        begun = time.perf_counter()
        for event in self.job:
            if isinstance(event, Loss):
                self.steps = event.step
            if time.perf_counter() - begun >= seconds:
                break
        self.spent += time.perf_counter() - begun

    def draw(self, count: int) -> Iterator[tuple[str, np.ndarray]]:
        from dataclasses import replace

        from diffusion_studio.generation.opening import open_model
        from diffusion_studio.models import cards

        for _ in self.job:  # the rest, which is no training: the last save, and the model
            pass
        card = cards.find("ours")
        model, base, parts = open_model(card), card.defaults(), []
        for start in range(0, count, BATCH):
            *_, last = model.previews(replace(base, seed=start, count=min(BATCH, count - start)))
            parts.append(last.denoised.transpose(0, 3, 1, 2))
        yield f"{base.sampler} {base.steps}", np.concatenate(parts)


class Peer:
    def __init__(self, options: argparse.Namespace, parameters: int, place: Path) -> None:
        module = lucidrains()
        self.width, network = like(module, parameters, options.peer_levels)
        self.size = sum(weight.numel() for weight in network.parameters())
        self.options = options
        diffusion = module.GaussianDiffusion(
            network, image_size=options.size, timesteps=1000, sampling_timesteps=250
        )
        self.trainer = module.Trainer(
            diffusion,
            str(options.learn),
            train_batch_size=32,
            train_lr=options.peer_rate,
            train_num_steps=0,
            gradient_accumulate_every=1,
            augment_horizontal_flip=options.flip,
            ema_decay=0.995,
            save_and_sample_every=10**9,
            results_folder=str(place),
            amp=True,
            mixed_precision_type="bf16",
            calculate_fid=False,
        )
        self.spent = 0.0
        self.advance(1)  # starts its loader's processes and warms up; not counted

    @property
    def steps(self) -> int:
        return int(self.trainer.step)

    def advance(self, steps: int) -> None:
        self.trainer.train_num_steps = self.trainer.step + steps
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            self.trainer.train()

    def train(self, seconds: float) -> None:
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            self.advance(STEPS_A_CALL)
        self.spent += time.perf_counter() - begun

    def draw(self, count: int) -> Iterator[tuple[str, np.ndarray]]:
        model = self.trainer.ema.ema_model.eval()
        for steps in self.options.peer_steps:
            model.sampling_timesteps, model.is_ddim_sampling = steps, steps < model.num_timesteps
            torch.manual_seed(self.options.seed)
            parts = []
            for start in range(0, count, BATCH):
                with torch.inference_mode():
                    drawn = model.sample(batch_size=min(BATCH, count - start))
                parts.append((drawn.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())
            yield f"{'DDIM' if model.is_ddim_sampling else 'DDPM'} {steps}", np.concatenate(parts)


def lucidrains() -> Any:
    """Its module, over a stand-in for the few names it takes of torchvision."""
    stand_in("torchvision", "torchvision.transforms", "torchvision.utils")
    stand_in("pytorch_fid", "pytorch_fid.inception", "pytorch_fid.fid_score")
    transforms = sys.modules["torchvision.transforms"]
    if not hasattr(transforms, "__file__"):
        for kind in (Compose, Lambda, Resize, CenterCrop, RandomHorizontalFlip, ToTensor):
            setattr(transforms, kind.__name__, kind)
        sys.modules["torchvision"].transforms = transforms  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import denoising_diffusion_pytorch.denoising_diffusion_pytorch as module
    bar = module.tqdm
    module.tqdm = lambda *given, **named: bar(*given, **{**named, "disable": True})
    return module


def like(module: Any, parameters: int, levels: list[int]) -> tuple[int, torch.nn.Module]:
    """Its network of the width that gives about as many parameters."""

    def size(width: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in module.Unet(width, dim_mults=tuple(levels)).parameters())

    width = min(range(16, 129, 2), key=lambda width: abs(size(width) - parameters))
    return width, module.Unet(width, dim_mults=tuple(levels))


class Compose:
    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def __call__(self, image: Any) -> Any:
        for part in self.parts:
            image = part(image)
        return image


class Lambda(Compose):
    def __init__(self, function: Any) -> None:
        super().__init__([function])


class Resize:
    """To height and width; of a single number, the shorter side to that."""

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        if isinstance(self.size, int):
            scale = self.size / min(image.size)
            wanted = (max(self.size, round(image.width * scale)), max(self.size, round(image.height * scale)))
        else:
            wanted = (self.size[1], self.size[0])
        return image if wanted == image.size else image.resize(wanted, Image.Resampling.BILINEAR)


class CenterCrop:
    def __init__(self, size: int | tuple[int, int]) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        self.size = (width, height)

    def __call__(self, image: Image.Image) -> Image.Image:
        return image if image.size == self.size else ImageOps.fit(image, self.size)


class RandomHorizontalFlip:
    def __call__(self, image: Image.Image) -> Image.Image:
        return ImageOps.mirror(image) if torch.rand(1) < 0.5 else image


class ToTensor:
    def __call__(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def take_turns(sides: tuple[Any, ...], options: argparse.Namespace) -> None:
    total = 60 * options.minutes
    while any(side.spent < total - 1 for side in sides):
        for side in sides:
            left = min(options.slice, total - side.spent)
            if left > 1:
                side.train(left)
                name, done = type(side).__name__, side.spent / 60
                print(f"{name}: {done:.1f} minutes, {side.steps} steps", file=sys.stderr, flush=True)


def compare(ours: Ours, peer: Peer, options: argparse.Namespace) -> dict[str, Any]:
    from measures import Judge, read

    judge = Judge(read(options.learn, options.size), read(options.held_out, options.size))
    floor = judge.floor()
    rows = {}
    for side in (ours, peer):
        for way, drawn in side.draw(options.count):
            name = f"{type(side).__name__.lower()}, {way}"
            rows[name] = judge(drawn).to_dict()
            print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
            if options.out is not None:
                keep_sheet(drawn, options.out / f"{name.replace(', ', '-').replace(' ', '-')}.png")
    best = min(row["kid16"][0] for name, row in rows.items() if name.startswith("peer"))
    own = next(row["kid16"][0] for name, row in rows.items() if name.startswith("ours"))
    return {
        "minutes_each": options.minutes,
        "threads": options.threads,
        "pictures_drawn": options.count,
        "parameters": {"ours": ours.parameters(), "peer": peer.size, "peer_width": peer.width},
        "steps": {"ours": ours.steps, "peer": peer.steps},
        "seconds": {"ours": round(ours.spent), "peer": round(peer.spent)},
        "training_images": floor.to_dict(),
        "results": rows,
        "kid16_of_ours_over_peer": round(own / best, 3),
    }


def keep_sheet(drawn: np.ndarray, path: Path) -> None:
    from diffusion_studio.training.sample_pictures import sheet

    path.parent.mkdir(parents=True, exist_ok=True)
    page = Image.fromarray(sheet(drawn[:64].transpose(0, 2, 3, 1)))
    page.resize((page.width * 4, page.height * 4), Image.Resampling.NEAREST).save(path)


if __name__ == "__main__":
    main()
