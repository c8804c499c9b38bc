"""One model as its card and configuration describe it: what it generates and recommends, and which settings it uses. No torch."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from diffusion_studio.diffusion import flow_config, scheduler_config
from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.layout import (
    EARLY,
    LARGEST_SHEET,
    SAMPLES,
)
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.settings.generation import OF_PIXELS, OF_SIZE, OF_TEXT, GenerationSettings
from diffusion_studio.settings.options import from_dict, options, with_values
from diffusion_studio.storage.foreign_file import read_foreign

GENERAL = GenerationSettings()
# What draws best with a model that does not say how. One that predicts epsilon needs the many noisy steps.
BY_PREDICTION: Mapping[str, Mapping[str, Any]] = {"epsilon": {"sampler": "ddim", "steps": 50, "eta": 1.0}}
# The settings a model may recommend: the others are the picture's or the machine's.
RECOMMENDED = (
    "sampler",
    "steps",
    "spacing",
    "shift",
    "guidance",
    "autoguidance",
    "eta",
    "churn",
    "clipping",
    "seamless",
)
# What only models of words have, or of several sizes, or with weights from early in their training.
NOT_FOR_ALL = OF_TEXT | OF_SIZE | {"autoguidance"}
# Of those, what belongs to its sampler: chosen with another sampler, they would say something else.
OF_THE_SAMPLER = ("sampler", "steps", "eta", "churn")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One installed model, described."""

    name: str  # the folder's name, unique among the installed: what --model takes
    path: Path
    title: str
    size: int  # pixels of the longer side
    channels: int = 3
    classes: tuple[str, ...] = ()
    class_count: int = 0  # rows of the class table, the empty class included
    null_class: int | None = None  # the row that means "any class"
    parameters: int = 0
    prediction: str = "epsilon"
    schedule: Mapping[str, Any] = field(default_factory=dict)  # scheduler_config.json
    recommended: Mapping[str, Any] = field(default_factory=dict)  # names and values of GenerationSettings
    description: str = ""
    licence: str = ""
    trained: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""  # sha256 of the weights as the card remembers it
    starter: bool = False
    broad: bool = False  # trained on many kinds of images, to start other trainings from
    prompted: bool = False  # whether words say what to generate
    sizes: tuple[
        tuple[int, int], ...
    ] = ()  # widths and heights to offer, the usual first; none: it has one size
    idle: frozenset[str] = frozenset()  # settings without effect, although models of its kind have them
    network: UNetConfig = field(default_factory=UNetConfig)
    autoencoder: AutoencoderConfig | None = None  # whose latents the network walks in; None: pixels
    pixels_are: PixelFormat = field(default_factory=PixelFormat)  # what its channels mean
    changed: bool = False  # what it recommends is the user's own choice
    text: TextFacts | None = None  # of a model that generates from prompts
    remarks: tuple[
        str, ...
    ] = ()  # a sentence for each thing that was assumed, or is drawn otherwise than its files say

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width in pixels."""
        sides = self.network.sides
        if self.autoencoder is not None:
            return (sides[0] * self.autoencoder.factor, sides[1] * self.autoencoder.factor)
        return sides if max(sides) == self.size else (self.size, self.size)

    def pixels(self, times: str = "×") -> str:
        """Width and height as they are read: “32×16”."""
        height, width = self.sides
        return f"{width}{times}{height}"

    @property
    def samples(self) -> Path | None:
        """The sheet of samples, where there is one."""
        path = self.path / SAMPLES
        return path if path.is_file() else None

    def sample_sheet(self) -> bytes:
        """The bytes of that sheet; none where there is none, or none that can be read."""
        try:
            return read_foreign(self.path / SAMPLES, LARGEST_SHEET, within=self.path)
        except OSError:
            return b""

    @cached_property
    def options(self) -> frozenset[str]:
        """The settings that have an effect with this model; a form hides the others."""
        return (
            frozenset({*options(GenerationSettings), "loras"})
            - (frozenset[str]() if self.prompted else OF_TEXT)
            - (frozenset[str]() if self.sizes else OF_SIZE)
            - (frozenset() if self.class_count else {"class_label"})
            - (frozenset() if self.null_class is not None or self.prompted else {"guidance"})
            - (frozenset() if self.flow else {"shift"})
            - (frozenset() if self.keeps_early else {"autoguidance"})
            - (frozenset() if self.text is None and not self.prompted else OF_PIXELS)
            - self.idle
        )

    def used(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of these values of settings those that this model uses, where what is left out is `NOT_FOR_ALL`."""
        return {
            name: value
            for name, value in values.items()
            if name not in NOT_FOR_ALL or name in self.options or not value or value == getattr(GENERAL, name)
        }

    def effective(self, settings: GenerationSettings) -> GenerationSettings:
        """These settings without what another model was to use: words, a size, its weights from early in its training."""
        idle = NOT_FOR_ALL - self.options
        return with_values(settings, **{name: getattr(GENERAL, name) for name in idle})

    @cached_property
    def keeps_early(self) -> bool:
        """Whether weights from early in its training are there, which autoguidance needs."""
        return (self.path / EARLY).is_file()

    @property
    def flow(self) -> bool:
        """Whether it learned the velocity of a flow."""
        return flow_config.is_flow(self.schedule)

    def defaults(self, chosen: Collection[str] = ()) -> GenerationSettings:
        """The settings to start from with this model: what its card recommends, else what its configuration says.

        `chosen`: the settings that are chosen by hand. Where the sampler is, what goes with the model's own is left out.
        """
        if "sampler" in chosen and "sampler" in self._recipe:
            plain = {name: value for name, value in self._recipe.items() if name not in OF_THE_SAMPLER}
            return from_dict(GenerationSettings, {**plain, "model": self.name})[0]
        return self._defaults

    @cached_property
    def _recipe(self) -> dict[str, Any]:
        recommended = dict(self.recommended)
        if not self.keeps_early:  # as where another program copied the model
            recommended.pop("autoguidance", None)
        return {**self.said(), **(recommended or self.recipe())}

    @cached_property
    def _defaults(self) -> GenerationSettings:
        """Asked for at every change of a control, and each value is checked by itself."""
        return from_dict(GenerationSettings, {**self._recipe, "model": self.name})[0]

    def class_named(self, text: str) -> str:
        """The label of the class that is meant by its label or its number; "" for any. Raises `UserError` for none."""
        if not text or text in self.classes or not self.classes:
            return text
        alike = [name for name in self.classes if folded(name) == folded(text)]
        if len(alike) == 1:
            return alike[0]
        if text.isascii() and text.isdecimal() and len(text) < 8 and int(text) < len(self.classes):
            return self.classes[int(text)]
        known = ", ".join(self.classes[:20]) + ("…" if len(self.classes) > 20 else "")
        raise UserError(
            tr(
                "{title} has no class “{value}”; it has: {known}.",
                title=self.title,
                value=text[:60],
                known=known,
            )
        )

    def without_recipe(self, settings: GenerationSettings) -> GenerationSettings:
        """These settings where the sampler is chosen by hand: eta and churn as this model recommends them with its own go
        back to the general defaults. The steps stay: they are seen, and mean the same to every sampler."""
        own, plain = self.defaults(), self.defaults({"sampler"})
        alike = [name for name in ("eta", "churn") if getattr(settings, name) == getattr(own, name)]
        return replace(settings, **{name: getattr(plain, name) for name in alike})

    def said(self) -> dict[str, Any]:
        """What scheduler_config.json says of every sampler: the spacing and the clipping."""
        if "_class_name" not in self.schedule:
            return {}
        return {
            "spacing": scheduler_config.spacing(self.schedule),
            "clipping": scheduler_config.clipping(self.schedule),
        }

    def recipe(self) -> Mapping[str, Any]:
        """The sampler that scheduler_config.json names, with its steps."""
        if "_class_name" not in self.schedule:
            return BY_PREDICTION.get(self.prediction, {})
        return scheduler_config.recipe(self.schedule)


def folded(text: str) -> str:
    """A name as names are compared: composed or not (NFC), with whatever capitals and spaces it was typed or stored."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
