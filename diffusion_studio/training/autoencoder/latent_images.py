"""Images turned into the latents a network learns, once, before it learns: through the shipped autoencoder, adapted to them."""

from __future__ import annotations

import time
from collections.abc import Generator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.errors import UserError
from diffusion_studio.events import Status, TrainingEvent
from diffusion_studio.generation.autoencoders import OwnAutoencoder
from diffusion_studio.generation.latents import LatentSpace
from diffusion_studio.generation.space import PixelSpace, Space
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import DTYPES
from diffusion_studio.models import cards
from diffusion_studio.models.autoencoder_files import autoencoder_of, read_autoencoder, shipped_autoencoder
from diffusion_studio.pictures.channels import COUNTS, straight
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.settings.training import LATENTS, TrainingSettings
from diffusion_studio.training.autoencoder.adapting import Adapted, adapt
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.records.run import COMPARISON, Run
from diffusion_studio.training.sample_pictures import sheet
from diffusion_studio.training_events import AutoencoderAdapted

AUTOENCODER_FOLDER = "autoencoder"  # in a run's folder
AT_ONCE = 8  # images
REPORT_EVERY = 0.5  # seconds


def autoencoder_for(
    settings: TrainingSettings, pictures: Pictures, device: str, precision: str
) -> Generator[TrainingEvent, None, tuple[TinyAutoencoder | None, AutoencoderAdapted | None]]:
    """The autoencoder a new run learns with, None where it learns pixels; and how well it was adapted to the images.

    That of the model it begins from is kept as it is; the shipped one is adapted first.
    """
    if settings.from_model:
        return autoencoder_of(cards.find(settings.start_from).path), None
    if settings.space != LATENTS:
        return None, None
    network = deepcopy(shipped_autoencoder()).to(device)
    check_size(network, settings, pictures)
    images = _four(pictures.images)
    reported = None
    for adapted in adapt(network, images, seed=settings.seed or 0, dtype=DTYPES[precision]):
        yield Status(
            text=tr(
                "Adapting the autoencoder to the images: {now:.1f} dB after {step} steps, {before:.1f} dB before…",
                now=adapted.now,
                step=adapted.step,
                before=adapted.before,
            )
        )
        network, reported = adapted.network, _comparison(adapted, settings.channels)
        yield reported
    return network, reported


def _comparison(adapted: Adapted, channels: str) -> AutoencoderAdapted:
    """The images as people see them: those the autoencoder was given are premultiplied RGBA."""
    images, before, now = (
        straight(pixels) if channels == "rgba" else pixels[..., :3]
        for pixels in (
            array.transpose(0, 2, 3, 1) for array in (adapted.images, adapted.decoded_before, adapted.decoded)
        )
    )
    return AutoencoderAdapted(
        step=adapted.step,
        psnr_before=adapted.before,
        psnr=adapted.now,
        images=images,
        before=before,
        now=now,
    )


def keep_comparison(run: Run, adapted: AutoencoderAdapted) -> AutoencoderAdapted:
    """Save a sheet of the images, before and now in rows, and the figures, with the run; a full disk leaves the sheet out."""
    run.note(autoencoder={"step": adapted.step, "psnr_before": adapted.psnr_before, "psnr": adapted.psnr})
    place = run.path / COMPARISON
    try:
        rows = np.concatenate([adapted.images, adapted.before, adapted.now])
        Image.fromarray(sheet(rows, columns=len(adapted.images))).save(place)
    except OSError:
        return adapted
    return replace(adapted, sheet=place)


def check_size(network: TinyAutoencoder, settings: TrainingSettings, pictures: Pictures) -> None:
    factor = network.config.factor
    if settings.size % (4 * factor) or settings.size < 16 * factor:
        raise UserError(
            tr(
                "Size {size} does not fit latents: it must be a multiple of {multiple}, at least {least}.",
                size=settings.size,
                multiple=4 * factor,
                least=16 * factor,
            )
        )
    if pictures.images.dtype != np.uint8:
        raise UserError(
            tr("Latents hold 8 bits of a channel: choose grey instead of grey16, or the space pixels.")
        )


def read_run_autoencoder(run: Path) -> TinyAutoencoder | None:
    """The autoencoder of a run's folder; None for a run that learns pixels."""
    place = run / AUTOENCODER_FOLDER
    return read_autoencoder(place) if place.is_dir() else None


def with_latents(
    pictures: Pictures, network: TinyAutoencoder | None, *, flip: bool, device: str
) -> Generator[TrainingEvent, None, Pictures]:
    """The images with their latents beside them, and those of the mirrored images where a run mirrors."""
    if network is None:
        return pictures
    network = network.to(device)
    latents, mirrored = [], []
    shown = 0.0
    for start in range(0, len(pictures), AT_ONCE):
        part = torch.from_numpy(np.ascontiguousarray(pictures.images[start : start + AT_ONCE]))
        latents.append(_encoded(network, part, device))
        if flip:
            mirrored.append(_encoded(network, part.flip(3), device))
        if time.monotonic() - shown > REPORT_EVERY:
            yield Status(text=tr("Encoding the images… {count}", count=start + len(part)))
            shown = time.monotonic()
    both = (np.concatenate(latents), np.concatenate(mirrored) if flip else None)
    return replace(pictures, latents=both[0], mirrored=both[1])


@torch.inference_mode()
def _encoded(network: TinyAutoencoder, images: torch.Tensor, device: str) -> np.ndarray:
    encoded = network.encode_image(images.to(device).float() / 127.5 - 1)
    return encoded.to("cpu", torch.float16).numpy()


def _four(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) uint8 as premultiplied RGBA, which the shipped autoencoder learned."""
    if images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    if images.shape[1] == 3:
        images = np.concatenate([images, np.full_like(images[:, :1], 255)], axis=1)
    return images


def latent_space(
    network: TinyAutoencoder | None, settings: TrainingSettings, pixels: PixelFormat
) -> Space | None:
    """The space of square images of a run that learns latents; None for pixels."""
    if network is None:
        return None
    device = str(next(network.parameters()).device)
    shape = (COUNTS.get(settings.channels, 3), settings.size, settings.size)
    return LatentSpace(OwnAutoencoder(network, device), PixelSpace(shape, device, pixels))
