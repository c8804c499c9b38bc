"""Do models of the hub's architectures, at the width they have there, draw what diffusers draws with them, and go back whole?

    python tests/benchmarks/exchange.py [--only ddpm-cat-256] [--steps 50]

For each: diffusers makes the network with random weights and saves a pipeline; it is imported here; both walk DDIM in so many
steps from one noise, in float32; it is exported, and diffusers opens that. The greatest difference of the finished pictures, in
levels of 255, must be 1 at most; every tensor must be what it was. ddpm-cat-256 takes minutes, and 3 GB of memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))


def main() -> None:
    from tests.model_folders import FULL_WIDTH

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=FULL_WIDTH, help="one architecture")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    failed = False
    for name in [options.only] if options.only else FULL_WIDTH:
        with tempfile.TemporaryDirectory() as home:
            os.environ["DIFFUSION_STUDIO_HOME"] = home
            failed |= not compare(name, Path(home), options.steps)
    sys.exit(failed)


def compare(name: str, home: Path, steps: int) -> bool:
    import torch

    from diffusion_studio.generation.opening import close_models
    from diffusion_studio.models import export, library
    from tests.model_folders import FULL_WIDTH, diffusers, diffusers_pipeline
    from tests.models.test_exchange import drawn_by_diffusers, drawn_here

    begun = time.perf_counter()
    pipeline = diffusers_pipeline(FULL_WIDTH[name], seed=3)
    pipeline.save_pretrained(home / "theirs")
    before = pipeline.unet.state_dict()
    theirs = drawn_by_diffusers(pipeline, steps)
    ours = drawn_here(library.import_model(home / "theirs", "mine"), steps)
    close_models()
    difference = np.abs(ours[-1] - theirs[-1].round()).max()
    given = export.export_model("mine", home / "given")
    after = diffusers().DDPMPipeline.from_pretrained(given, low_cpu_mem_usage=False).unet.state_dict()
    whole = before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    parameters = sum(tensor.numel() for tensor in before.values())
    size = FULL_WIDTH[name]["sample_size"]
    print(
        f"{name:<26} {parameters / 1e6:6.1f} M  {size:>3} px  {steps} steps  differs by {difference:.0f}/255 "
        f"(levels {theirs[-1].min():.0f} to {theirs[-1].max():.0f})  tensors {'equal' if whole else 'DIFFER'}  "
        f"{time.perf_counter() - begun:.0f} s",
        flush=True,
    )
    return bool(difference <= 1 and whole)


if __name__ == "__main__":
    main()
