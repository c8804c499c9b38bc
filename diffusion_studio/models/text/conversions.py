"""From the names that tensors have in shared files to those of diffusers and transformers, whose own tables are used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from diffusion_studio.models.weights_found import present_name

NETWORK, AVERAGED = "model.diffusion_model.", "model_ema."
OF_AUTOENCODERS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
# Beside the weights of an encoder: what is computed, or belongs to the half of CLIP that sees images.
NOT_WEIGHTS = ("position_ids", "logit_scale", "attn_mask", "visual")

Names = dict[str, str]
Tensors = dict[str, Tensor]


class Conversion(Protocol):
    def own_names(self, names: Collection[str], prefix: str, config: Mapping[str, Any]) -> Names:
        """Those of a file's tensors that belong to the part, and their names without what the file puts before them."""

    def convert(self, tensors: Tensors, config: Mapping[str, Any], network: nn.Module) -> Tensors:
        """The tensors of those second names, by the names that `network` gives them."""


class Same:
    """diffusers' and transformers' own names, as in a folder; in one file below a prefix."""

    def own_names(self, names: Collection[str], prefix: str, _: Mapping[str, Any]) -> Names:
        return {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    def convert(self, tensors: Tensors, _: Mapping[str, Any], __: nn.Module) -> Tensors:
        return {present_name(name): tensor for name, tensor in tensors.items()}


class LatentNetwork:
    """The U-Net of CompVis' latent diffusion; the averaged weights where a file has both."""

    def own_names(self, names: Collection[str], prefix: str, _: Mapping[str, Any]) -> Names:
        plain = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        averaged = {AVERAGED + "".join(name.split(".")[1:]): own for name, own in plain.items()}
        return averaged if prefix == NETWORK and set(averaged) <= set(names) else plain

    def convert(self, tensors: Tensors, config: Mapping[str, Any], _: nn.Module) -> Tensors:
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

        named = {NETWORK + name: tensor for name, tensor in tensors.items()}
        found: Tensors = convert_ldm_unet_checkpoint(named, dict(config))
        if "time_embed.cond_proj.weight" in tensors:  # of consistency models, which diffusers' table lacks
            found["time_embedding.cond_proj.weight"] = tensors["time_embed.cond_proj.weight"]
        return found


class LatentAutoencoder:
    def own_names(self, names: Collection[str], prefix: str, _: Mapping[str, Any]) -> Names:
        parts = tuple(prefix + part for part in OF_AUTOENCODERS)
        return {name: name.removeprefix(prefix) for name in names if name.startswith(parts)}

    def convert(self, tensors: Tensors, config: Mapping[str, Any], _: nn.Module) -> Tensors:
        from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

        found: Tensors = convert_ldm_vae_checkpoint(dict(tensors), dict(config))
        return found


class OpenClip:
    """The text half of OpenCLIP; its last layers are left out where the configuration counts fewer."""

    def own_names(self, names: Collection[str], prefix: str, config: Mapping[str, Any]) -> Names:
        projected = "CLIPTextModelWithProjection" in config.get("architectures", ())
        own = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        return {
            name: short
            for name, short in own.items()
            if not short.startswith(NOT_WEIGHTS)
            and layer_of(short) < int(config["num_hidden_layers"])
            and (projected or short != "text_projection")
        }

    def convert(self, tensors: Tensors, _: Mapping[str, Any], network: nn.Module) -> Tensors:
        from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

        # Under a prefix of its own: those of Stable Diffusion 2 name layers that its table always leaves out.
        named = {"encoder." + name: tensor for name, tensor in tensors.items()}
        found: Tensors = convert_open_clip_checkpoint(network, named, prefix="encoder.")
        return found


class ZImage:
    def own_names(self, names: Collection[str], prefix: str, _: Mapping[str, Any]) -> Names:
        return {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    def convert(self, tensors: Tensors, _: Mapping[str, Any], __: nn.Module) -> Tensors:
        from diffusers.loaders.single_file_utils import convert_z_image_transformer_checkpoint_to_diffusers

        found: Tensors = convert_z_image_transformer_checkpoint_to_diffusers(dict(tensors))
        return found


def layer_of(name: str) -> int:
    """The number of the layer that a tensor of OpenCLIP belongs to; -1 for those outside the layers."""
    _, found, rest = name.partition("transformer.resblocks.")
    number = rest.split(".")[0]
    return int(number) if found and number.isdecimal() and len(number) < 6 else -1


CONVERSIONS: Mapping[str, Conversion] = {
    "diffusers": Same(),
    "ldm": LatentNetwork(),
    "autoencoder": LatentAutoencoder(),
    "openclip": OpenClip(),
    "z-image": ZImage(),
}
