"""Small models for tests: written by diffusers or by us, with weights that draw without chaos."""

import json
import math

import torch

from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.models.folder import write_model

TINY = {
    "sample_size": 8,
    "block_out_channels": [8, 16],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 8,
}
ALIKE = {
    **TINY,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "attention_head_dim": None,
}
CIFAR = {
    **ALIKE,
    "sample_size": 16,
    "block_out_channels": [8, 16, 16, 16],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 2,
    "norm_eps": 1e-6,
}
CAT = {
    **CIFAR,
    "sample_size": 32,
    "block_out_channels": [8, 8, 16, 16, 16, 16],
    "down_block_types": ["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4,
}
ARCHITECTURES = {
    "ddpm-cifar10-32": CIFAR,
    "ddpm-cat-256": CAT,
    "class-conditional": {**TINY, "num_class_embeds": 5},
    "scale and shift": {**TINY, "resnet_time_scale_shift": "scale_shift"},
    "heads": {**TINY, "attention_head_dim": 4},
    "no attention in the middle": {**TINY, "add_attention": False},
    "class as a timestep": {**TINY, "class_embed_type": "timestep"},
    "dropout": {**TINY, "dropout": 0.1},
    "grey": {**TINY, "in_channels": 1, "out_channels": 1},
}
_WIDE = {
    **TINY,
    "sample_size": 32,
    "block_out_channels": [128, 256],
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
FULL_WIDTH = {  # the first two as their configurations stand on the hub
    "ddpm-cifar10-32": {
        **CIFAR,
        "sample_size": 32,
        "block_out_channels": [128, 256, 256, 256],
        "norm_num_groups": 32,
    },
    "ddpm-cat-256": {
        **CAT,
        "sample_size": 256,
        "block_out_channels": [128, 128, 256, 256, 512, 512],
        "norm_num_groups": 32,
    },
    "class-conditional": {**_WIDE, "num_class_embeds": 1000},
    **{
        name: {**_WIDE, **{key: value for key, value in config.items() if value != TINY.get(key)}}
        for name, config in ARCHITECTURES.items()
        if not name.startswith(("ddpm", "class-conditional"))
    },
}


def calm(network, seed=0, scale=0.05):
    """Random weights whose answer is small and smooth, so that clipping makes no chaos of rounding."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1 / math.sqrt(weight[0].numel()), generator=generator)
            elif name.endswith("bias"):
                weight.uniform_(-0.1, 0.1, generator=generator)
            if name.startswith("conv_out"):
                weight.mul_(scale)
    return network.eval()


def network(seed=0, **changes):
    return calm(UNet(UNetConfig.from_dict({**TINY, **changes})), seed)


def save(
    folder, *, seed=0, schedule="cosine", timesteps=1000, prediction="v_prediction", card=None, **changes
):
    """A model folder of ours; classes and null class follow `num_class_embeds`."""
    net = network(seed, **changes)
    rows = net.config.num_class_embeds or 0
    words = {"title": folder.name, "classes": [f"kind {k}" for k in range(rows - 1)], "null_class": rows - 1}
    write_model(
        folder,
        net,
        PROCESSES[schedule](timesteps),
        prediction=prediction,
        card={**(words if rows else {"title": folder.name}), **(card or {})},
    )
    return folder


def diffusers():
    """The package, without its progress bars, one of whose threads would outlive the test."""
    import diffusers
    import tqdm

    tqdm.tqdm.monitor_interval = 0
    diffusers.utils.logging.disable_progress_bar()
    return diffusers


def diffusers_pipeline(config, *, seed=0, **schedule):
    package = diffusers()
    network = calm(package.UNet2DModel(**config), seed)
    return package.DDPMPipeline(network, package.DDPMScheduler(**schedule))


def change_json(path, **changes):
    """Set keys of a JSON file; None removes one."""
    values = json.loads(path.read_text())
    values.update(changes)
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
