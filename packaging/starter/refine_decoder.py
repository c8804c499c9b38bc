"""Train the decoder of a model of latents further on a folder of images, with its encoder and so its latents left as they are.

    python packaging/starter/refine_decoder.py MODEL FOLDER [--minutes 10]

The PSNR in dB of held-out images is shown before, every 100 steps, and at the end, with a learning rate that falls over the
last quarter of the time. The model is written again in its folder.
"""

from __future__ import annotations

import argparse
import sys
import time
from copy import deepcopy
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

MEASURED, REPORT_EVERY, RATE, LAST = 64, 100, 3e-4, 0.25


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()

    import torch

    from diffusion_studio.models import cards
    from diffusion_studio.models.autoencoder_files import write_autoencoder
    from diffusion_studio.models.folder import read_model
    from diffusion_studio.models.layout import AUTOENCODER
    from diffusion_studio.training.autoencoder.fitting import Fitting, psnr
    from diffusion_studio.training.images import Pictures, load_pictures

    card = cards.find(options.model)
    network = read_model(card.path).autoencoder
    if network is None:
        sys.exit(f"{card.title} is no model of latents.")
    *_, pictures = load_pictures(
        options.folder, card.size, channels="rgba" if network.config.channels == 4 else "rgb"
    )
    assert isinstance(pictures, Pictures)
    images = torch.from_numpy(pictures.images)[torch.randperm(len(pictures), generator=seeded(torch))]
    measured, learned = images[:MEASURED], images[MEASURED:]
    work = deepcopy(network).requires_grad_(True)
    work.encoder.requires_grad_(False)
    fitting = Fitting(work, learned, steps=10**9, seed=0, rate=RATE)
    begun, ending = time.perf_counter(), False
    print(f"{psnr(network, measured):.2f} dB", flush=True)
    for fit in fitting.run():
        share = (time.perf_counter() - begun) / (60 * options.minutes)
        if share >= 1 - LAST and not ending:
            ending = True
            fitting.end_in(max(1, round(fit.step * LAST / (1 - LAST))))
        if fit.step % REPORT_EVERY == 0 or fit.step == fitting.steps:
            print(f"{fit.step} steps: {psnr(work, measured):.2f} dB", flush=True)
    write_autoencoder(card.path / AUTOENCODER, work.requires_grad_(False))


def seeded(torch):
    return torch.Generator().manual_seed(0)


if __name__ == "__main__":
    main()
