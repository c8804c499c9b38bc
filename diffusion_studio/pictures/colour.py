"""Embedded ICC profiles applied: what a picture says its colours are, as the sRGB that is shown and learned from."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from diffusion_studio.language import tr

SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
ALMOST = 2  # levels of 255: a profile that changes no colour by more is that of sRGB itself
DAMAGED = tr("its colour profile is damaged and was ignored")
UNFIT = tr("its colour profile is for other colours than it has, and was ignored")


def to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, str]:
    """RGB of an L, RGB, CMYK or LAB image, and a note where the profile could not be used."""
    if not profile:
        return without_profile(image), ""
    space = SPACES.get(profile[16:20].decode("latin-1"))
    if profile[36:40] != b"acsp" or space is None:
        return without_profile(image), DAMAGED if profile[36:40] != b"acsp" else UNFIT
    if image.mode == "L" and space == "RGB":  # a grey file saved with the profile of its colours
        image = image.convert("RGB")
    if image.mode != space:
        return without_profile(image), UNFIT
    transform = _transform(profile, space)
    if transform is None:
        return without_profile(image), DAMAGED
    if isinstance(transform, str):
        return image, ""
    if isinstance(transform, tuple):
        return Image.merge("RGB", [image.point(table) for table in transform]), ""
    changed = ImageCms.applyTransform(image, transform)
    return (without_profile(image), DAMAGED) if changed is None else (changed, "")


def grey_table(profile: bytes) -> np.ndarray | None:
    """(65536, 3) uint8: the sRGB of each level of a grey image of 16 bits; None where the profile is not for grey."""
    if profile[16:20] != b"GRAY" or profile[36:40] != b"acsp":
        return None
    transform = _transform(profile, "L")
    if not isinstance(transform, tuple):
        return None
    levels = np.linspace(0, 255, 65536)
    return np.stack(
        [np.interp(levels, np.arange(256), table).round().astype(np.uint8) for table in transform], axis=1
    )


def without_profile(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _from_lab()) or image.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


Tables = tuple[list[int], list[int], list[int]]


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | Tables | str | None:
    """A transform, the three tables of a grey profile, "none" where nothing changes, or None for a damaged profile."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        built = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode == "L":
            ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
            shown = np.asarray(ImageCms.applyTransform(ramp, built))[0]
            red, green, blue = (shown[:, band].tolist() for band in range(3))
            return red, green, blue
        if mode == "RGB":
            steps = np.linspace(0, 255, 16).astype(np.uint8)
            cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
            shown = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), built))
            if np.abs(shown.astype(int) - cube).max() <= ALMOST:
                return "none"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return built


@lru_cache(maxsize=1)
def _from_lab() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
