"""What a text model is and where its parts are, read from a folder's small files or from the header of a single file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.folder import find_weights_inside
from diffusion_studio.models.layout import read_schedule_config, read_small_json
from diffusion_studio.models.recognise import explain, explain_class
from diffusion_studio.models.text.components import CLASSES, Component
from diffusion_studio.models.text.families import FAMILIES, PREDICTIONS, Family, distilled, template
from diffusion_studio.models.text.single_file import channels_in, components_of, family_of
from diffusion_studio.models.text.tensors import Tensors

PIPELINES = {  # the class in model_index.json -> family
    "StableDiffusionPipeline": "sd1",
    "StableDiffusionImg2ImgPipeline": "sd1",
    "StableDiffusionInpaintPipeline": "sd1",
    "LatentConsistencyModelPipeline": "sd1",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
    "StableDiffusionXLInpaintPipeline": "sdxl",
    "ZImagePipeline": "z-image",
}
ENCODERS_OF_QWEN = {"Qwen3ForCausalLM": "Qwen3Model"}  # its last layer, which predicts words, is not used
V_KEYS = ("v_pred",)  # an empty tensor of this name says that a file predicts the velocity
ZERO_SNR_KEYS = ("ztsnr",)


@dataclass(frozen=True)
class Tokens:
    """Where a tokenizer is: a folder, or nothing for CLIP's own, filled up with `pad`."""

    folder: Path | None = None
    pad: str = "<|endoftext|>"
    within: Path | None = None


@dataclass(frozen=True)
class Description:
    """A text model described, without loading it."""

    family: Family
    source: Path
    components: tuple[Component, ...]
    tokens: tuple[Tokens, ...]
    scheduler: Mapping[str, Any]
    size: int  # pixels of the side it starts with
    title: str = ""
    metadata: Mapping[str, str] | None = None
    remarks: tuple[str, ...] = ()
    certain: bool = True  # whether the file says what it predicts

    @property
    def prediction(self) -> str:
        return str(self.scheduler.get("prediction_type") or "epsilon")

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that are needed and not in it."""
        there = {component.role for component in self.components}
        return tuple(part for part in self.family.parts if part not in there)

    def part(self, role: str) -> Component:
        return next(component for component in self.components if component.role == role)

    def with_parts_of(self, other: Description) -> Description:
        """This model, with the parts it lacks taken from another one of its family."""
        borrowed = tuple(part for part in other.components if part.role in self.missing)
        tokens = (
            other.tokens if any(part.role.startswith("text_encoder") for part in borrowed) else self.tokens
        )
        return replace(self, components=(*self.components, *borrowed), tokens=tokens)


def describe(source: Path, prediction: str = "") -> Description:
    """The text model in a folder or a `.safetensors` file. Raises `UserError` saying what it is instead.

    `prediction`: what its network predicts, where the user says so.
    """
    found = _folder(source) if source.is_dir() else _file(source)
    network = found.part(found.family.network)
    taken = int(network.config.get("in_channels") or 4)
    latent = 16 if found.family.name == "z-image" else 4
    if found.family.network == "unet" and taken != latent:
        raise UserError(explain_channels(source, taken))
    if prediction:
        if prediction not in PREDICTIONS:
            raise UserError(
                tr(
                    "“{value}” is no prediction; it is {known}.",
                    value=prediction[:40],
                    known=" or ".join(PREDICTIONS),
                )
            )
        scheduler = {**found.scheduler, "prediction_type": prediction}
        found = replace(found, scheduler=scheduler, certain=True, remarks=())
    return found


def explain_channels(source: Path, taken: int) -> str:
    """Why a network that takes more than the latents is not opened."""
    if taken == 9:
        return tr(
            "{source} is an inpainting model, whose network takes the mask and the image beside the latents (9 channels). "
            "Regenerating an area works here with every ordinary model: open the model it was made from.",
            source=source,
        )
    if taken == 8:
        return tr(
            "{source} is a model that edits by instructions (its network takes 8 channels), which is not supported.",
            source=source,
        )
    return tr(
        "{source}: its network takes {count} channels where 4 are the latents; such models are not supported.",
        source=source,
        count=taken,
    )


# A folder -------------------------------------------------------------------------------------------------------------


def _folder(folder: Path) -> Description:
    index = folder / "model_index.json"
    if not index.is_file():
        raise UserError(explain(folder))
    named = read_small_json(index, within=folder)
    pipeline = str(named.get("_class_name", ""))
    if pipeline not in PIPELINES:
        raise UserError(explain(folder))
    family = FAMILIES[PIPELINES[pipeline]]
    components = tuple(_part_in_folder(folder, role) for role in family.parts)
    network = components[0].config
    if family.name == "sd1" and network.get("cross_attention_dim") == 1024:
        family = FAMILIES["sd2"]
    tokens = tuple(
        Tokens(folder / role.replace("text_encoder", "tokenizer"), within=folder) for role in family.encoders
    )
    for token in tokens:
        if token.folder is None or not token.folder.is_dir():
            raise UserError(tr("{folder} is missing.", folder=token.folder))
    vae = next(part.config for part in components if part.role == "vae")
    return Description(
        family,
        folder,
        components,
        tokens,
        read_schedule_config(folder),
        _size(family, network, vae),
        title=folder.name,
    )


def _part_in_folder(folder: Path, role: str) -> Component:
    place = folder / role
    config = read_small_json(place / "config.json", within=folder)
    kind = str(config.get("_class_name") or (config.get("architectures") or [""])[0])
    kind = ENCODERS_OF_QWEN.get(kind, kind)
    if role == "text_encoder" and kind == "CLIPTextModelWithProjection":
        kind = "CLIPTextModel"  # what the first encoder is used for; its projection is left out
    if kind not in CLASSES:
        raise UserError(
            tr(
                "{place} is {explain_class}, which cannot be opened.",
                place=place,
                explain_class=explain_class(kind),
            )
        )
    weights = find_weights_inside(place, within=folder)
    return Component(role, kind, config, weights.paths, within=folder, where=place)


def _size(family: Family, network: Mapping[str, Any], vae: Mapping[str, Any]) -> int:
    """The side in pixels that a folder's configuration means."""
    sample, widths = network.get("sample_size"), vae.get("block_out_channels")
    if isinstance(sample, int) and isinstance(widths, list) and 0 < sample <= 512 and 0 < len(widths) <= 8:
        return int(sample * 2 ** (len(widths) - 1))
    return family.size


# One file -------------------------------------------------------------------------------------------------------------


def _file(path: Path) -> Description:
    tensors = Tensors([path])
    shapes = tensors.shapes
    name = family_of(shapes)
    taken = channels_in(shapes)
    if name == "refiner":
        raise UserError(
            tr(
                "{path} is the refiner of Stable Diffusion XL, which finishes what another model began; open the base model.",
                path=path,
            )
        )
    if taken not in (0, 4):
        raise UserError(explain_channels(path, taken))
    if name not in FAMILIES:
        raise UserError(explain(path))
    family = FAMILIES[name]
    components = tuple(components_of(path, shapes, name))
    if not any(part.role == family.network for part in components):
        raise UserError(explain(path))
    scheduler, certain = _schedule(family, path, tensors)
    pad = {"sd2": ("!",), "sdxl": ("<|endoftext|>", "!")}.get(name, ("<|endoftext|>",))
    vae = next((part.config for part in components if part.role == "vae"), template(name, "vae"))
    scale = 2 ** (len(vae["block_out_channels"]) - 1)
    side = _side_in_file(family, path, tensors)
    return Description(
        family,
        path,
        components,
        () if name == "z-image" else tuple(Tokens(pad=word) for word in pad),
        scheduler,
        side if scale == 8 else max(64, side * scale // 8),
        title=path.stem,
        metadata=tensors.metadata,
        remarks=() if certain else (assumed(family),),
        certain=certain,
    )


def _side_in_file(family: Family, path: Path, tensors: Tensors) -> int:
    """The side in pixels it was trained at, by what the file says of itself, else by its name."""
    said = re.fullmatch(r"(\d{3,4})x(\d{3,4})", str(tensors.metadata.get("modelspec.resolution", "")).strip())
    if said and said[1] == said[2] and not int(said[1]) % 64 and 256 <= int(said[1]) <= 2048:
        return int(said[1])
    few = distilled(path.stem)
    if (
        family.name == "sd2"
        and "768" not in path.stem
        and ("512" in path.stem or "base" in path.stem.casefold())
    ):
        return 512
    return few.size if few is not None and few.size else family.size


def _schedule(family: Family, path: Path, tensors: Tensors) -> tuple[dict[str, Any], bool]:
    """The family's noise schedule, with what the file predicts, and whether that is certain."""
    scheduler = template(family.name, "scheduler")
    if family.name == "z-image":
        return scheduler, True
    if any(key in tensors.places for key in ZERO_SNR_KEYS):
        scheduler["rescale_betas_zero_snr"] = True
    said = str(tensors.metadata.get("modelspec.prediction_type", "")).casefold()
    words = path.stem.casefold()
    if any(key in tensors.places for key in V_KEYS) or said in ("v", "v_prediction"):
        return {**scheduler, "prediction_type": "v_prediction"}, True
    if said in ("epsilon", "eps"):
        return {**scheduler, "prediction_type": "epsilon"}, True
    if re.search(r"1[ _-]?step[ _-]?x0", words):  # Lightning's form of one step
        return {**scheduler, "prediction_type": "sample"}, True
    if any(word in words for word in ("v-pred", "vpred", "v_pred", "768-v", "768v")):
        return {**scheduler, "prediction_type": "v_prediction"}, True
    if family.name != "sd2" or "base" in words or "512" in words or distilled(words) is not None:
        return scheduler, True
    return {**scheduler, "prediction_type": "v_prediction"}, "768" in words


def assumed(family: Family) -> str:
    """The sentence for a file that does not say what it predicts."""
    return tr(
        "{title} was published predicting the velocity (768 pixels) and the noise (512 pixels), and this file does not say "
        "which. The velocity is assumed; if its images are noise, import it with the prediction “epsilon”.",
        title=family.title,
    )
