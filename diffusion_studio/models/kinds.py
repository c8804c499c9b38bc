"""Which class opens which kind of model. The classes are named, not imported: they need torch, and are in a folder above."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.layout import read_small_json
from diffusion_studio.models.recognise import explain_class

PIXELS = "diffusion_studio.generation.unet_model:UNetModel"
TEXT = "diffusion_studio.generation.text"
STABLE_DIFFUSION = f"{TEXT}.stable_diffusion:StableDiffusion"
STABLE_DIFFUSION_XL = f"{TEXT}.stable_diffusion_xl:StableDiffusionXL"
KINDS = {
    "DDPMPipeline": PIXELS,
    "DDIMPipeline": PIXELS,
    "PNDMPipeline": PIXELS,
    "ConsistencyModelPipeline": PIXELS,
    "LDMPipeline": PIXELS,
    "UNet2DModel": PIXELS,
    "StableDiffusionPipeline": STABLE_DIFFUSION,
    "StableDiffusionImg2ImgPipeline": STABLE_DIFFUSION,
    "StableDiffusionInpaintPipeline": STABLE_DIFFUSION,
    "LatentConsistencyModelPipeline": STABLE_DIFFUSION,
    "StableDiffusionXLPipeline": STABLE_DIFFUSION_XL,
    "StableDiffusionXLImg2ImgPipeline": STABLE_DIFFUSION_XL,
    "StableDiffusionXLInpaintPipeline": STABLE_DIFFUSION_XL,
    "ZImagePipeline": f"{TEXT}.z_image:ZImage",
}


def kind_of(card: ModelCard) -> Any:
    """The class, by `_class_name` of model_index.json; a bare network is a UNet2DModel.

    Raises `UserError` for a kind that cannot be opened, saying what it is.
    """
    index = card.path / "model_index.json"
    name = (
        card.text.pipeline  # of a file, which has no such index
        if card.text is not None
        else str(read_small_json(index, within=card.path).get("_class_name", ""))
        if index.is_file()
        else "UNet2DModel"
    )
    if name not in KINDS or (name == "LDMPipeline" and card.autoencoder is None):
        raise UserError(
            tr(
                "{index} is {explain_class}; what can be opened: {kinds}.",
                index=index,
                explain_class=explain_class(name),
                kinds=", ".join(KINDS),
            )
        )
    module, _, kind = KINDS[name].partition(":")
    return getattr(import_module(module), kind)
