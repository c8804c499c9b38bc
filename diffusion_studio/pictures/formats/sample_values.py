"""Numbers of any kind as light from 0 to 65535.

Unsigned samples up to 16 bits are what they say: all bits set is white. Signed, 32-bit and floating-point samples are
measurements: where they fill at least half of a usual range (0 to 1, 255, 65535 or all bits) and nothing lies below it they
keep that range, and else their own finite values are stretched from black to white, which is noted.
"""

from __future__ import annotations

import numpy as np

from diffusion_studio.language import plural, tr
from diffusion_studio.pictures.formats.tiff_samples import FLOAT, SIGNED, UNSIGNED

WHITE = 65535
OVERSHOOT = 1.1  # resampling a picture of 0 to 1 rings a little beyond both ends


def to_light(samples: np.ndarray, bits: int, form: int) -> tuple[np.ndarray, list[str]]:
    """uint16 of the same shape, and what had to be noted."""
    if form == UNSIGNED and bits <= 16:
        return _full(samples, (1 << bits) - 1), []
    notes = []
    if form == FLOAT:
        samples = samples.astype(np.float64 if bits == 64 else np.float32, copy=False)
        finite = np.isfinite(samples)
        if not finite.all():
            lost = int(finite.size - np.count_nonzero(finite))
            notes.append(
                plural(
                    "{count:,} of its values is not finite", "{count:,} of its values are not finite", lost
                )
            )
        known = samples[finite] if notes else samples
    else:
        known = samples
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    black, white, stretched = _range(low, high, bits, form)
    if stretched:
        notes.append(
            tr("its values from {low:.6g} to {high:.6g} were scaled to black and white", low=low, high=high)
        )
    light = np.empty(samples.shape, np.uint16)
    for start in range(0, len(samples), 256):  # a picture in float64 would take eight times its memory
        part = samples[start : start + 256].astype(np.float64)
        part -= black
        part /= max(white - black, 1e-300)
        light[start : start + 256] = (
            np.nan_to_num(part, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * WHITE + 0.5
        )
    return light, notes


def _range(low: float, high: float, bits: int, form: int) -> tuple[float, float, bool]:
    """What is black, what is white, and whether that is the values' own range."""
    tops = [255.0, 65535.0]
    if form == FLOAT:
        if low >= 1 - OVERSHOOT and 0.5 < high <= OVERSHOOT:
            return 0.0, 1.0, False
    else:
        tops.append(float((1 << (bits - 1 if form == SIGNED else bits)) - 1))
    if low >= 0:
        for top in tops:
            if top / 2 < high <= top:
                return 0.0, top, False
    if low == high:
        return 0.0, next((top for top in (1.0, *tops) if 0 <= high <= top), max(abs(high), 1.0)), False
    return low, high, True


def _full(samples: np.ndarray, most: int) -> np.ndarray:
    if most == WHITE:
        return samples.astype(np.uint16, copy=False)
    table: np.ndarray = ((np.arange(most + 1, dtype=np.uint64) * (2 * WHITE) + most) // (2 * most)).astype(
        np.uint16
    )
    return np.asarray(table[samples])


def to_bytes(light: np.ndarray) -> np.ndarray:
    """uint8, rounded to the nearest."""
    return np.asarray(BYTES[light])


BYTES = ((np.arange(WHITE + 1, dtype=np.uint32) * 510 + WHITE) // (2 * WHITE)).astype(np.uint8)
