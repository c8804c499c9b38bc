"""How good a model is with the samplers one might choose, against held-out images of the kind it learned from.

    python packaging/starter/evaluate.py pixel-avatars-32 OUT/learn OUT/held-out [--count 500] [--reference 200]
    python packaging/starter/evaluate.py … --samplers dpmpp_2m unipc dpmpp_2m_sde --spacings trailing karras --steps 10 20 50

`measures.py` beside this says what is measured and which two packages it needs. At least 500 images are generated for each
way, and their 95% intervals are shown.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from measures import LEAST, Judge, generate, read

from diffusion_studio.generation.opening import open_model
from diffusion_studio.models import cards


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("learned", type=Path, help="the folder it was trained on")
    parser.add_argument("held_out", type=Path, help="images of the same kind that it never saw")
    parser.add_argument("--count", type=int, default=LEAST, help="images for each way")
    parser.add_argument(
        "--reference", type=int, default=200, help="images for DDPM at 1,000 steps; 0: leave it out"
    )
    parser.add_argument("--guidance", type=float, default=None)
    parser.add_argument("--samplers", nargs="*", default=[], help="all of these, with all spacings and steps")
    parser.add_argument("--spacings", nargs="*", default=["trailing"])
    parser.add_argument("--steps", nargs="*", type=int, default=[10, 20, 50])
    options = parser.parse_args()
    if options.count < LEAST:
        print(f"with fewer than {LEAST} images the intervals are wide", file=sys.stderr)
    card = cards.find(options.model)
    judge = Judge(read(options.learned, card.size), read(options.held_out, card.size))
    print(f"{'training images':32} {judge.floor()}", flush=True)
    base = card.defaults()
    if options.guidance is not None:
        base = replace(base, guidance=options.guidance)
    fast = base.sampler == "consistency"
    usual = (1, 2, 4) if fast else (10, 20, 50)
    ways = [
        *((base.sampler, base.spacing, steps, options.count) for steps in usual),
        *(
            (sampler, "trailing", steps, options.count)
            for sampler in ("dpmpp_2m", "unipc")
            for steps in (10, 20)
            if not fast
        ),
        ("ddpm", "trailing", 1000, 0 if fast else options.reference),
    ]
    if options.samplers:
        ways = [
            (sampler, spacing, steps, options.count)
            for steps in options.steps
            for sampler in options.samplers
            for spacing in options.spacings
        ]
    model = open_model(card)
    for sampler, spacing, steps, count in dict.fromkeys(ways):
        if count:
            begun = time.perf_counter()
            settings = replace(base, sampler=sampler, spacing=spacing, steps=steps)
            quality = judge(*generate(model, settings, count))
            seconds = time.perf_counter() - begun
            name = f"{sampler}, {spacing}, {steps} steps"
            print(f"{name:32} {quality}   ({count} images in {seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
