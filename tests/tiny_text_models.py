"""Tiny text models with random weights, made with diffusers and transformers, and opened as users' models are."""

import os
from dataclasses import replace

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from diffusion_studio.models.text.vocabulary import byte_letters, clip_tokenizer

SCALED = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
NAMED = {"DDIMScheduler": {"clip_sample": False}}
SIDE = 32  # pixels
UNET = {
    "sample_size": SIDE // 2,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [8, 16],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "cross_attention_dim": 16,
}
VAE = {
    "block_out_channels": [8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "sample_size": SIDE,
    "scaling_factor": 0.18215,
}
CLIP = {
    "vocab_size": 49408,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "projection_dim": 16,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}


def lively(network, seed):
    """Random weights whose answers are of the size of noise: neither all alike nor chaos."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.copy_(
                    torch.randn(weight.shape, generator=generator) * (0.8 / weight[0].numel() ** 0.5)
                )
    return network.eval()


def clip(seed=1, projected=False, **changes):
    import transformers

    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    torch.manual_seed(seed)
    encoder = kind(transformers.CLIPTextConfig(**{**CLIP, **changes})).eval()
    with torch.no_grad():  # words that differ
        inside = getattr(encoder, "text_model", encoder)
        inside.embeddings.token_embedding.weight.mul_(30)
    return encoder


def stable_diffusion(folder, *, unet=None, scheduler="DDIMScheduler", schedule=None):
    """Save a tiny Stable Diffusion 1 in a folder; returns diffusers' pipeline of it."""
    import diffusers

    pipeline = diffusers.StableDiffusionPipeline(
        vae=lively(diffusers.AutoencoderKL(**VAE), 2),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=lively(diffusers.UNet2DConditionModel(**{**UNET, **(unet or {})}), 3),
        scheduler=getattr(diffusers, scheduler)(
            **{**SCALED, "steps_offset": 1, **NAMED.get(scheduler, {}), **(schedule or {})}
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _saved(pipeline, folder)


def stable_diffusion_xl(folder, **more):
    """Save a tiny Stable Diffusion XL in a folder; returns diffusers' pipeline of it."""
    import diffusers

    unet = {
        **UNET,
        "cross_attention_dim": 32,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 16,
    }
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=lively(diffusers.AutoencoderKL(**{**VAE, "scaling_factor": 0.13025}), 2),
        text_encoder=clip(),
        text_encoder_2=clip(seed=4, projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer("!"),
        unet=lively(diffusers.UNet2DConditionModel(**unet), 3),
        scheduler=diffusers.EulerDiscreteScheduler(
            **SCALED, steps_offset=1, timestep_spacing="leading", **more
        ),
        add_watermarker=False,
    )
    return _saved(pipeline, folder)


def z_image(folder):
    """Save a tiny Z-Image in a folder, its tokenizer too; returns diffusers' pipeline of it."""
    import diffusers
    import transformers

    tokenizer = transformers.Qwen2Tokenizer(
        vocab={letter: number for number, letter in enumerate(byte_letters().values())}, merges=[]
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{% endfor %}:"
    torch.manual_seed(5)
    encoder = transformers.Qwen3Model(
        transformers.Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=512,
        )
    ).eval()
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 512, 512],
    )
    vae = {**VAE, "scaling_factor": 0.3611, "shift_factor": 0.1159}
    pipeline = diffusers.ZImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=lively(diffusers.AutoencoderKL(**vae), 2),
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=lively(transformer, 3),
    )
    return _saved(pipeline, folder)


def _saved(pipeline, folder):
    import tqdm

    tqdm.tqdm.monitor_interval = 0  # its monitor is a thread that never ends
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return pipeline


def open_tiny(folder):
    """Our model of a tiny pipeline's folder, on the CPU in float32, its images of `SIDE` pixels."""
    from diffusion_studio.models.kinds import kind_of
    from diffusion_studio.models.text.cards import read_text_card

    card = replace(read_text_card(folder), size=SIDE, sizes=((SIDE, SIDE),))
    return kind_of(card).open(card, "cpu", "float32")
