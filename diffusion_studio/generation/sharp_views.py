"""Steps of latents shown by a small decoder: found for the model's autoencoder, checked against it, held to a share of the time.

A small decoder was trained for one space of latents. In another one it shows something, in wrong colours; so before it is
used, it and the model's own decoder decode the same latents, and their images must agree.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.generation.autoencoders import Autoencoder, SmallDecoder
from diffusion_studio.generation.latent_views import LatentViews, probe
from diffusion_studio.generation.space import PixelSpace
from diffusion_studio.language import tr
from diffusion_studio.models.text.preview_decoders import PUBLISHED, Candidate, candidates, read_decoder
from diffusion_studio.settings.previews import LARGEST_SHARE
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir, previews_dir

ALIKE = 0.85  # correlation of their images from which two decoders are of one space
REMEMBERED = 64 << 20  # bytes of decoded images that are kept to be looked at again
Decode = Callable[[Tensor], Tensor]


class SharpViews:
    """`Views` that show clean images through a small decoder, and everything else as `plain` does.

    `timely` decodes as often as `LARGEST_SHARE` of the time allows. The steps between show the linear map with the detail of
    the last one that was decoded, so that the image does not flicker. `preview` never decodes: it may be asked by a window.
    """

    remark = ""

    def __init__(self, plain: LatentViews, decode: Decode, images: PixelSpace) -> None:
        self._plain, self._decode, self._images = plain, decode, images
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._detail: np.ndarray | None = None
        self._cost = float("inf")  # seconds of the fastest decoding
        self._ended = 0.0  # when the last one was done
        self.spent = 0.0  # seconds, of all that were made while the sampling waited

    def preview(self, x: Tensor) -> np.ndarray:
        known = self._remembered(_key(x))
        return self._plain.preview(x) if known is None else known

    def timely(self, x: Tensor) -> np.ndarray:
        known = self._remembered(_key(x))
        if known is not None:
            return known
        begun = time.perf_counter()
        if self._ended and self._cost * (1 - LARGEST_SHARE) > LARGEST_SHARE * (begun - self._ended):
            plain = self._plain.preview(x)
            if self._detail is None or self._detail.shape != plain.shape:
                return plain
            sharpened: np.ndarray = (plain + self._detail).clip(0, 255).astype(np.uint8)
            return sharpened
        shown = self.detailed(x)
        self._ended = time.perf_counter()
        self._cost = min(self._cost, self._ended - begun)
        self.spent += self._ended - begun
        self._detail = shown.astype(np.int16) - self._plain.preview(x)
        return shown

    def detailed(self, x: Tensor) -> np.ndarray:
        key = _key(x)
        known = self._remembered(key)
        if known is not None:
            return known
        with torch.inference_mode():
            shown = self._images.preview(self._decode(x))
        with self._lock:
            self._known[key] = shown
            while len(self._known) > 1 and sum(image.nbytes for image in self._known.values()) > REMEMBERED:
                self._known.popitem(last=False)
        return shown

    def noise(self, n: Tensor) -> np.ndarray:
        return self._plain.noise(n)

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        return self._plain.difference(a, b)

    def _remembered(self, key: bytes) -> np.ndarray | None:
        with self._lock:
            return self._known.get(key)


def _key(x: Tensor) -> bytes:
    return x.detach().float().cpu().contiguous().numpy().tobytes()


# Which decoder --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """The small decoder for an autoencoder, or why there is none."""

    decoder: SmallDecoder | None = None
    remark: str = ""


def find_decoder(autoencoder: Autoencoder, family: str, title: str, files: list[Candidate]) -> Found:
    """The first of the files whose images agree with the autoencoder's own."""
    refused = ""
    for candidate in files:
        try:
            decoder = SmallDecoder(read_decoder(candidate).to(autoencoder.device), autoencoder.device)
            reason = _unfit(autoencoder, decoder)
        except UserError as error:
            refused = refused or str(error)
            continue
        except OSError:
            continue
        if not reason:
            return Found(decoder)
        refused = refused or f"{candidate.title}: {reason}"
    place = tr(
        "Sharp step previews of {title} need the small autoencoder {name}: put its folder, or its decoder as .safetensors, into "
        "{folder}.",
        title=title,
        name=PUBLISHED.get(family, "TAESD"),
        folder=previews_dir(),
    )
    return Found(remark=f"{refused} {place}" if refused else place)


def find_files(family: str) -> tuple[list[Candidate], tuple[object, ...]]:
    """The candidates for a family, and what changes when they do."""
    files, stamps = [], []
    for candidate in candidates(family):
        with suppress(OSError):
            stamps.append(candidate.stamp)
            files.append(candidate)
    return files, tuple(stamps)


def _unfit(autoencoder: Autoencoder, decoder: SmallDecoder) -> str:
    """Why a decoder does not show this autoencoder's latents; "" where it does."""
    if decoder.channels != autoencoder.channels:
        return tr(
            "it decodes latents of {count} channels, and the model's have {wanted}.",
            count=decoder.channels,
            wanted=autoencoder.channels,
        )
    if decoder.factor != autoencoder.factor:
        return tr(
            "it enlarges latents {factor} times, and the model's autoencoder {wanted} times.",
            factor=decoder.factor,
            wanted=autoencoder.factor,
        )
    alike = _agreement(autoencoder, decoder)
    if alike < ALIKE:
        return tr(
            "it was made for other latents: its images agree with the model's own at {alike:.0%}, and {least:.0%} are needed.",
            alike=max(alike, 0.0),
            least=ALIKE,
        )
    return ""


def _agreement(autoencoder: Autoencoder, decoder: SmallDecoder) -> float:
    """The correlation of what both decode, kept in the cache folder by the hashes of their weights."""
    path, name = cache_dir() / "preview-decoders.json", f"{autoencoder.digest} {decoder.digest}"
    known = own_files.read(path).get(name)
    if type(known) is float and -1 <= known <= 1:
        return known
    latents = probe(autoencoder, 3)
    own, other = (part.decode(latents).float().cpu().clamp(-1, 1) for part in (autoencoder, decoder))
    pairs = torch.stack([(part - part.mean(dim=(0, 2, 3), keepdim=True)).flatten() for part in (own, other)])
    size = pairs.norm(dim=1)
    alike = float(pairs[0] @ pairs[1] / (size[0] * size[1])) if float(size.min()) > 1e-6 else 0.0
    with suppress(OSError, UserError):
        own_files.change(path, lambda kept: {**dict(list(kept.items())[-100:]), name: alike})
    return alike
