"""A tiny LoRA file as kohya's scripts write them."""

LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def write_lora(path, width=768, metadata=None):
    """`width`: of the texts its network attends to: 768 for Stable Diffusion 1, 2048 for XL."""
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{LAYER}.lora_down.weight": torch.zeros(2, width),
        f"{LAYER}.lora_up.weight": torch.zeros(8, 2),
        f"{LAYER}.alpha": torch.tensor(2.0),
    }
    save_file(tensors, path, metadata)
    return path
