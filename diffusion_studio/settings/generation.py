"""What can be requested: one frozen dataclass per kind of work, one line per option.

The window's form, the command line, the metadata in an image and the saved preferences are all made from these
fields, and all of them are checked by the same `__post_init__`. Nothing here imports torch.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from diffusion_studio.diffusion.names import CLIPPINGS, SAMPLERS, SPACINGS
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.batch_rows import LARGEST, read_batch
from diffusion_studio.settings.blend import FORM, read_blend
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.history import Part, read_history
from diffusion_studio.settings.loras import Lora, read_loras
from diffusion_studio.settings.options import (
    DEVICES,
    LARGEST_SEED,
    PRECISIONS,
    carried,
    check,
    option,
    options,
)
from diffusion_studio.settings.training import TrainingSettings

LONGEST_PROMPT = 10_000  # characters
LEAST_SIDE, LARGEST_SIDE, SIDE_STEP = 64, 4096, 8  # pixels
COLOURS = {
    "all": tr("All"),
    "palette": tr("The model’s palette"),
    **{str(count): str(count) for count in (4, 8, 16, 32, 64, 128)},
}
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """One request for images. `seed` None: a random one is chosen and reported."""

    model: str = option("", label=tr("Model"), help=tr("the model to generate with; empty: the default one"))
    prompt: str = option(
        "",
        longest=LONGEST_PROMPT,
        lines=True,
        label=tr("Prompt"),
        help=tr("what to generate, in words; (word:1.2) gives a word more weight, [word] less"),
    )
    negative: str = option(
        "",
        longest=LONGEST_PROMPT,
        lines=True,
        label=tr("Negative prompt"),
        help=tr("what to keep out of the image, in words; it needs a guidance above 1"),
    )
    width: int = option(
        0,
        min=LEAST_SIDE,
        max=LARGEST_SIDE,
        multiple=SIDE_STEP,
        label=tr("Width"),
        help=tr("pixels of the image, a multiple of 8; 0: the model's own"),
    )
    height: int = option(
        0,
        min=LEAST_SIDE,
        max=LARGEST_SIDE,
        multiple=SIDE_STEP,
        label=tr("Height"),
        help=tr("pixels of the image, a multiple of 8; 0: the model's own"),
    )
    steps: int = option(
        20,
        min=1,
        max=1000,
        label=tr("Steps"),
        help=tr("noise levels visited on the way to the image: few is fast, many is exact"),
    )
    seed: int | None = option(
        None,
        min=0,
        max=LARGEST_SEED,
        label=tr("Seed"),
        help=tr("the number the noise is made from: the same seed gives the same image"),
    )
    sampler: str = option(
        "dpmpp_2m",
        choices=SAMPLERS,
        label=tr("Sampler"),
        help=tr("the method that goes from one noise level to the next"),
    )
    spacing: str = option(
        "trailing",
        choices=SPACINGS,
        label=tr("Noise schedule"),
        help=tr("which noise levels the steps visit, from pure noise down to none"),
    )
    shift: float = option(
        0.0,
        min=0.0,
        max=100.0,
        more=True,
        label=tr("Shift"),
        help=tr(
            "moves the steps of a flow towards noise (above 1) or the image (below 1), as larger images need; "
            "0: as the model has it"
        ),
    )
    class_label: str = option(
        "",
        label=tr("Class"),
        flag="class",
        help=tr("what to generate, for a model with classes; empty: any"),
    )
    guidance: float = option(
        1.0,
        min=0.0,
        max=20.0,
        label=tr("Guidance"),
        help=tr(
            "how strongly the class is followed (classifier-free guidance); 1: as trained, 2 to 4: clearer, less varied"
        ),
    )
    autoguidance: float = option(
        1.0,
        min=1.0,
        max=10.0,
        more=True,
        label=tr("Autoguidance"),
        help=tr(
            "how far the image is led away from what the model would have made early in its training; 1: not at all, "
            "1.5 to 3: clearer, and as varied, also without classes"
        ),
    )
    count: int = option(
        1, min=1, max=LARGEST, label=tr("Count"), help=tr("how many images; image k uses the seed plus k")
    )
    eta: float = option(
        0.0,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Eta"),
        help=tr("fresh noise added at each step of DDIM: 0 none (deterministic), 1 as much as DDPM"),
    )
    churn: float = option(
        0.0,
        min=0.0,
        max=100.0,
        more=True,
        label=tr("Churn"),
        help=tr("noise that Heun adds and removes again over all steps (S_churn of Karras et al. 2022)"),
    )
    clipping: str = option(
        "range",
        choices=CLIPPINGS,
        more=True,
        label=tr("Clipping"),
        help=tr("how the predicted clean image is kept within the range of colours at every step"),
    )
    clip_skip: int = option(
        1,
        min=1,
        max=12,
        more=True,
        label=tr("Clip skip"),
        help=tr("which layer of the text encoder is read, from the end: 1 the last, 2 the one before it"),
    )
    precision: str = option(
        "auto",
        choices=PRECISIONS,
        more=True,
        label=tr("Precision"),
        help=tr("number format of the network; auto: bfloat16 where that is faster"),
    )
    device: str = option(
        "auto", choices=DEVICES, more=True, label=tr("Device"), help=tr("where the network runs")
    )
    until: int = option(
        0,
        min=0,
        max=1000,
        more=True,
        label=tr("Stop at step"),
        help=tr("stop there and save the predicted clean image; 0: all steps"),
    )
    source: str = option(
        "",
        more=True,
        label=tr("Start image"),
        flag="init",
        help=tr("an image to start from instead of pure noise"),
    )
    strength: float = option(
        0.6,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Strength"),
        help=tr("how much noise is added to the start image: 0 returns it unchanged, 1 ignores it"),
    )
    mask: str = option(
        "",
        more=True,
        label=tr("Mask"),
        help=tr("an image that is white where the start image is regenerated"),
    )
    resamples: int = option(
        1,
        min=1,
        max=20,
        more=True,
        label=tr("Resampling"),
        help=tr(
            "how often each stretch of steps is repeated where a mask is used, for seamless edges (RePaint); 1: once"
        ),
    )
    variation_seed: int | None = option(
        None,
        min=0,
        max=LARGEST_SEED,
        more=True,
        label=tr("Variation seed"),
        help=tr("a second seed to blend towards; image k uses it plus k, and all use the first seed"),
    )
    variation_strength: float = option(
        0.0,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Variation strength"),
        help=tr("how far to go from the first seed (0) to the second (1)"),
    )
    blend: str = option(
        "",
        more=True,
        form=FORM,
        label=tr("Blend"),
        help=tr(
            "a place between four seeds: the seeds at the right, below and below right of the first one, and how far to go "
            "right and down, from 0 to 1"
        ),
    )
    loras: tuple[Lora, ...] = carried((), read_loras)  # named by file name and hash, never by a path
    seamless: bool = option(
        False,
        more=True,
        label=tr("Seamless"),
        help=tr("generate a tile: its left edge continues its right one, its top its bottom"),
    )
    colours: str = option(
        "all",
        choices=COLOURS,
        more=True,
        label=tr("Colours"),
        help=tr(
            "of the finished image: all; palette, those the model learned from where they were few; or so many of its own"
        ),
    )
    history: tuple[Part, ...] = carried((), read_history)  # of a branch: what led to it
    batch: str = carried("", read_batch)  # what the network works on at once, see batch_rows.py

    def __post_init__(self) -> None:
        check(self)
        for name in ("source", "mask"):
            check_digest(getattr(self, name), name)
        object.__setattr__(self, "blend", str(read_blend(self.blend) or ""))  # one way to write it
        for part in self.history:
            values: dict[str, Any] = dict(part.values)
            replace(self, **{**values, "history": ()})  # raises what is wrong with it


# what only a model of text uses
OF_TEXT = frozenset({"prompt", "negative", "clip_skip", "loras"})

OF_SIZE = frozenset({"width", "height"})  # and what only one of several sizes

OF_PIXELS = frozenset({"seamless", "colours"})  # and what only a model of pixels

# what the window sets on the canvas, and not in a row of the form
STEERING = (
    "until",
    "source",
    "strength",
    "mask",
    "resamples",
    "variation_seed",
    "variation_strength",
    "blend",
)


Settings = GenerationSettings | TrainingSettings | FilmSettings


def check_digest(value: str, name: str) -> None:
    """Images are named by the hash of their content, never by a path: the metadata of an image must not open files."""
    if value and not DIGEST.fullmatch(value):
        label = options(GenerationSettings)[name].label
        raise UserError(
            tr(
                "{label} must be given as the 64 digits of its hash, not “{value}”.",
                label=label,
                value=value[:60],
            )
        )


def with_seeds(settings: GenerationSettings) -> GenerationSettings:
    """The settings with their random seeds chosen: the seed of the first image, and of the variation if there is one."""
    if settings.seed is None:
        settings = replace(settings, seed=secrets.randbelow(LARGEST_SEED + 1 - settings.count))
    if settings.variation_strength > 0 and settings.variation_seed is None:
        settings = replace(settings, variation_seed=secrets.randbelow(LARGEST_SEED + 1))
    return settings
