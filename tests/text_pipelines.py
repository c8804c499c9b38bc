"""Tiny random pipelines of every family of text models, and the same in one file as people share them."""

import re

import torch
from safetensors.torch import save_file

HEAD = 64


def clip(hidden, layers, *, act="quick_gelu", projected=False):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        projection_dim=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // HEAD,
        hidden_act=act,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def autoencoder(**more):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=512,
        norm_num_groups=32,
        **more,
    ).eval()


def network(widths=(32, 64), *, context=64, heads=8, cross=(True, False), channels=4, **more):
    from diffusers import UNet2DConditionModel

    kinds = ["CrossAttnDownBlock2D" if level else "DownBlock2D" for level in cross]
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=kinds,
        up_block_types=[kind.replace("Down", "Up") for kind in reversed(kinds)],
        cross_attention_dim=context,
        attention_head_dim=heads,
        **more,
    ).eval()


SMALL = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
PLAIN = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def sd1(**more):
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from diffusion_studio.models.text.vocabulary import clip_tokenizer

    torch.manual_seed(1)
    return StableDiffusionPipeline(
        unet=network(**more),
        vae=autoencoder(),
        text_encoder=clip(64, 2),
        tokenizer=clip_tokenizer(),
        scheduler=DDIMScheduler(**SMALL, clip_sample=False, set_alpha_to_one=False),
        **PLAIN,
    )


def sd2():
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from diffusion_studio.models.text.vocabulary import clip_tokenizer

    torch.manual_seed(2)
    return StableDiffusionPipeline(
        unet=network((64, 128), heads=(1, 2), use_linear_projection=True),
        vae=autoencoder(),
        text_encoder=clip(64, 2, act="gelu"),
        tokenizer=clip_tokenizer("!"),
        scheduler=DDIMScheduler(
            **SMALL, clip_sample=False, set_alpha_to_one=False, prediction_type="v_prediction"
        ),
        **PLAIN,
    )


def sdxl():
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    from diffusion_studio.models.text.vocabulary import clip_tokenizer

    torch.manual_seed(3)
    return StableDiffusionXLPipeline(
        unet=network(
            (64, 128),
            context=128,
            heads=(1, 2),
            cross=(False, True),
            transformer_layers_per_block=(1, 2),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=64 + 6 * 256,
        ),
        vae=autoencoder(scaling_factor=0.13025),
        text_encoder=clip(64, 2),
        text_encoder_2=clip(64, 3, act="gelu", projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer("!"),
        scheduler=EulerDiscreteScheduler(**SMALL, timestep_spacing="leading"),
    )


# The same in one file -------------------------------------------------------------------------------------------------

IN_BLOCK = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def latent_name(name, layers, crossed):
    """A U-Net's name by CompVis' numbering. `crossed`: which of the blocks upward have attention."""
    for own, theirs in OUTSIDE.items():
        if name.startswith(own + "."):
            return theirs + name[len(own) :]
    if match := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        way, block, kind, place, rest = match.groups()
        number = int(block) * (layers + 1) + int(place) + (way == "down")
        return (
            f"{'input' if way == 'down' else 'output'}_blocks.{number}.{int(kind != 'resnets')}.{inner(rest)}"
        )
    if match := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{(int(match[1]) + 1) * (layers + 1)}.0.op.{match[2]}"
    if match := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", name):
        place = 2 if crossed[int(match[1])] else 1
        return f"output_blocks.{int(match[1]) * (layers + 1) + layers}.{place}.conv.{match[2]}"
    match = re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name)
    return f"middle_block.{1 if match[1] == 'attentions' else 2 * int(match[2])}.{inner(match[3])}"


def inner(rest):
    first, _, last = rest.partition(".")
    return f"{IN_BLOCK[first]}.{last}" if first in IN_BLOCK else rest


def latent_network(unet, prefix="model.diffusion_model."):
    crossed = [kind.startswith("Cross") for kind in unet.config.up_block_types]
    layers = unet.config.layers_per_block
    return {prefix + latent_name(name, layers, crossed): value for name, value in unet.state_dict().items()}


def latent_autoencoder(vae, prefix="first_stage_model."):
    found, last = {}, len(vae.config.block_out_channels) - 1
    for name, value in vae.state_dict().items():
        name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda match: f"up.{last - int(match[1])}.block", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(
            r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{last - int(match[1])}.upsample", name
        )
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0." in name:
            name = name.replace("mid_block.attentions.0.", "mid.attn_1.").replace("group_norm", "norm")
            name = re.sub(r"to_([qkv])\.", r"\1.", name).replace("to_out.0", "proj_out")
            value = value[:, :, None, None] if value.ndim == 2 else value
        found[prefix + name] = value
    return found


def clip_in_file(encoder, prefix):
    named = {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}
    return {
        **{f"{prefix}text_model.{name}": value for name, value in named.items()},
        f"{prefix}text_model.embeddings.position_ids": torch.arange(77)[None],
    }


def open_clip_in_file(encoder, prefix, *, more=0):
    """`more`: layers after those of the encoder, as the file of Stable Diffusion 2 has one."""
    state = {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}
    found = {
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "logit_scale": torch.ones(()),
        "text_projection": state.get("text_projection.weight", torch.eye(encoder.config.hidden_size)).T,
    }
    layers = encoder.config.num_hidden_layers
    for layer in range(layers + more):
        own, theirs = f"encoder.layers.{min(layer, layers - 1)}.", f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            heads = [state[f"{own}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            found[f"{theirs}attn.in_proj_{kind}"] = torch.cat(heads)
            for name, other in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                found[f"{theirs}{other}.{kind}"] = state[f"{own}{name}.{kind}"]
    return {prefix + name: value for name, value in found.items()}


def single_file(family, pipeline):
    """The tensors of a pipeline as one file of that family holds them."""
    encoders = {
        "sd1": lambda: clip_in_file(pipeline.text_encoder, "cond_stage_model.transformer."),
        "sd2": lambda: open_clip_in_file(pipeline.text_encoder, "cond_stage_model.model.", more=1),
        "sdxl": lambda: {
            **clip_in_file(pipeline.text_encoder, "conditioner.embedders.0.transformer."),
            **open_clip_in_file(pipeline.text_encoder_2, "conditioner.embedders.1.model."),
        },
    }
    return {
        **latent_network(pipeline.unet),
        **latent_autoencoder(pipeline.vae),
        **encoders[family](),
    }


def write(path, tensors, metadata=None):
    """A safetensors file; tensors that share memory are written apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, str(path), metadata)
    return path


MAKERS = {"sd1": sd1, "sd2": sd2, "sdxl": sdxl}
