"""Train the autoencoder that is shipped, on a folder of drawings with transparency; resumed where it was cut off.

    node packaging/starter/make-drawings.mjs DRAWINGS 128 240
    python packaging/starter/train_autoencoder.py DRAWINGS OUT [--steps 6000]

Every twentieth image is held out and measured (PSNR in dB of premultiplied RGBA). OUT then holds config.json and the weights,
which belong into resources/autoencoders/drawings. The last class, symbols, is left out of it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[2]))

HELD_OUT_EVERY, OPAQUE, MEASURED, REPORT_EVERY = 20, 3000, 64, 500


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("drawings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()

    import torch

    from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
    from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
    from diffusion_studio.models.autoencoder_files import write_autoencoder
    from diffusion_studio.training.autoencoder.fitting import Fitting, psnr, settle

    options.out.mkdir(parents=True, exist_ok=True)
    images = torch.from_numpy(read(options.drawings, options.size))
    held = torch.arange(len(images)) % HELD_OUT_EVERY == 0
    learned, measured = images[~held], images[held]
    learned = torch.cat([learned, on_grounds(learned)])
    torch.manual_seed(0)
    network = TinyAutoencoder(AutoencoderConfig(channels=4, width=32, latent_channels=4, blocks=(1, 2, 2)))
    fitting = Fitting(network, learned, steps=options.steps, batch=options.batch)
    state = options.out / "state.pt"
    if state.exists():
        fitting.load(torch.load(state, weights_only=True))
    for fit in fitting.run():
        if fit.step % REPORT_EVERY and fit.step != options.steps:
            continue
        torch.save(fitting.state(), state.with_suffix(".part"))
        os.replace(state.with_suffix(".part"), state)
        settle(network, measured[:200])
        write_autoencoder(options.out, network)
        print(f"{fit.step} loss {fit.loss:.4f}, {psnr(network, measured[:MEASURED]):.2f} dB", flush=True)


def read(folder: Path, size: int):  # type: ignore[no-untyped-def]
    """(N, 4, size, size) uint8, premultiplied."""
    from diffusion_studio.training.images import Pictures, load_pictures

    *_, made = load_pictures(folder, size, channels="rgba")
    assert isinstance(made, Pictures)
    kept = [row for row, label in enumerate(made.labels) if made.classes[label] != "symbol"]
    return made.images[kept]


def on_grounds(images):  # type: ignore[no-untyped-def]
    """Some of them on plain grounds, opaque, as photographs and other images are."""
    import torch

    random = torch.Generator().manual_seed(0)
    some = images[torch.randperm(len(images), generator=random)[:OPAQUE]].float()
    grounds = torch.randint(0, 256, (len(some), 3, 1, 1), generator=random).float()
    some[:, :3] += grounds * (1 - some[:, 3:] / 255)
    some[:, 3] = 255
    return some.round().clamp(0, 255).byte()


if __name__ == "__main__":
    main()
