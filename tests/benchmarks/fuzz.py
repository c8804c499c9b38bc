"""Does anything wrong in a file of a stranger crash, hang or eat memory? Model folders, pictures and what pictures say.

    python tests/benchmarks/fuzz.py [--models 10000] [--pictures 10000] [--blocks 5000] [--seed 1]

Each kind runs in a process of its own, so that a crash is seen and its memory is its own. Allowed are a result and a `UserError`
whose sentence can be printed; 2 s of processor time for each; 512 MB for all that a process needs, torch or Qt included.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
SECONDS, MEGABYTES = 2.0, 512


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind, count in (("models", 10_000), ("pictures", 10_000), ("blocks", 5_000)):
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with tempfile.TemporaryDirectory() as folder:
            print(
                json.dumps(
                    measure(KINDS[options.child](Path(folder), getattr(options, options.child), options.seed))
                )
            )
        return
    fine = True
    for kind in KINDS:
        count = str(getattr(options, kind))
        words = [sys.executable, __file__, "--child", kind, f"--{kind}", count, "--seed", str(options.seed)]
        fine &= report(kind, subprocess.run(words, capture_output=True, text=True))
    sys.exit(not fine)


def measure(attempts: Iterator[Callable[[], None]]) -> dict[str, float]:
    from diffusion_studio.errors import UserError

    read = refused = 0
    longest = 0.0
    for attempt in attempts:
        begun = time.process_time()
        try:
            attempt()
            read += 1
        except UserError as error:
            str(error).encode()
            refused += 1
        longest = max(longest, time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"read": read, "refused": refused, "longest": longest, "peak": peak}


def report(kind: str, done: subprocess.CompletedProcess[str]) -> bool:
    if done.returncode:
        print(f"{kind}: ended with {done.returncode}\n{done.stderr[-2000:]}", flush=True)
        return False
    said = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{kind:<9} {said['read'] + said['refused']:>6,} changed: {said['read']:,} read, {said['refused']:,} refused in a "
        f"sentence; the longest took {said['longest']:.3f} s, the process {said['peak']:.0f} MB at most",
        flush=True,
    )
    return bool(said["longest"] <= SECONDS and said["peak"] <= MEGABYTES)


def models(folder: Path, count: int, seed: int) -> Iterator[Callable[[], None]]:
    from diffusion_studio.models.cards import read_card
    from diffusion_studio.models.folder import read_model
    from diffusion_studio.models.wording import architecture, training
    from tests.model_folders import save
    from tests.mutations import mutated_models

    model = save(folder / "model", num_class_embeds=4)

    def attempt() -> None:
        card = read_card(model)
        card.defaults()
        architecture(card)
        training(card)
        read_model(model)

    for _ in mutated_models(model, count, seed):
        yield attempt


def pictures(folder: Path, count: int, seed: int) -> Iterator[Callable[[], None]]:
    """Read with all they say, decoded, and as the thumbnails of the gallery are."""
    import numpy as np

    from diffusion_studio.pictures import reading
    from diffusion_studio.pictures import writing as outputs
    from diffusion_studio.settings.generation import GenerationSettings
    from diffusion_studio.ui.pictures.thumbnails import read_thumbnail
    from tests.mutations import mutate_picture

    path, dice = folder / "x.png", random.Random(seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    outputs.export(
        pixels, path, settings=GenerationSettings(model="faces", seed=7), facts={"model_title": "Faces"}
    )
    whole = path.read_bytes()

    def attempt() -> None:
        read_thumbnail(path, 256)
        reading.read(path).pixels()

    for _ in range(count):
        path.write_bytes(mutate_picture(whole, dice))
        yield attempt


def blocks(folder: Path, count: int, seed: int) -> Iterator[Callable[[], None]]:
    """Our own block, and the line of parameters that all programs read."""
    from diffusion_studio.errors import UserError
    from diffusion_studio.pictures import metadata
    from diffusion_studio.settings.generation import GenerationSettings
    from tests.mutations import mutate_block, mutate_text

    dice, settings = random.Random(seed), GenerationSettings(model="faces", seed=7, class_label="hat")
    facts = {"model_title": "Faces", "width": 32, "height": 24, "batch": {"seed": 7, "count": 2, "index": 0}}
    block, line = metadata.block(settings, facts), metadata.parameters_line(settings, facts)

    def attempt() -> None:
        found = metadata.parse_block(wrong)
        metadata.parse_line(wrong_line)
        if isinstance(found, str):
            raise UserError(found)

    for _ in range(count):
        wrong, wrong_line = mutate_block(block, dice), mutate_text(line, dice)
        yield attempt


KINDS: dict[str, Callable[[Path, int, int], Iterator[Callable[[], None]]]] = {
    "models": models,
    "pictures": pictures,
    "blocks": blocks,
}

if __name__ == "__main__":
    main()
