"""What a file is by its first bytes and by the names in it, whatever its own name says: no torch, nothing unpickled."""

from __future__ import annotations

import re
from collections.abc import Collection

LOOKED_AT = 512  # bytes that tell
AGAIN = "download it again"
MAGIC = (  # the first bytes of a file, and what it is then
    (
        b"version https://git-lfs",
        "a Git LFS pointer, the note that stands for a file which was not downloaded: run “git lfs pull” in its "
        "repository, or download the file itself",
    ),
    (b"GGUF", "a model in the GGUF format of llama.cpp, whose quantized weights cannot be opened here"),
    (b"\x89HDF\r\n\x1a\n", "weights of Keras (HDF5), which are of no network that can be opened here"),
    (b"\x93NUMPY", "an array of NumPy, not a model"),
    (b"\x89PNG\r\n", "a picture (PNG), not a model"),
    (b"\xff\xd8\xff", "a picture (JPEG), not a model"),
    (b"GIF8", "a picture (GIF), not a model"),
    (b"RIFF", "a picture or a sound (RIFF), not a model"),
    (b"%PDF", "a PDF document, not a model"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\xfd7zXZ", "an xz archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it first"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\x7fELF", "a program, not a model"),
    (b"MZ", "a program, not a model"),
)
WEB_PAGE = (
    "a web page (HTML) that was saved in place of the file, as happens where a download needs a login: "
    f"{AGAIN}, signed in where it asks for that"
)
LORA = "a LoRA: changes to another model, not a model by itself"
LATENT = "which works on latents and not in pixels"
SD = "a Stable Diffusion checkpoint, a latent text-to-image model in one file"
AUTOENCODER = "an autoencoder (VAE), the part of a latent model between pixels and latents"
OTHER_PARTS = "whose parts are not those of a UNet2DModel, so that it cannot be converted"
IN_ONE_FILE = r"^(model\.diffusion_model\.)?"
BY_NAMES = (  # a pattern that one of the names of the tensors fits, and what holds them
    (r"(^|[._])lora[._]|\.hada_w1|\.lokr_", LORA),
    (
        IN_ONE_FILE + r"(double_blocks\.0\.img_attn|single_transformer_blocks\.0\.)",
        f"the transformer of FLUX, {LATENT}",
    ),
    (IN_ONE_FILE + r"joint_blocks\.0\.", f"the transformer of Stable Diffusion 3, {LATENT}"),
    (r"^(first_stage_model|cond_stage_model|conditioner\.embedders|model\.diffusion_model)\.", SD),
    (
        r"^(control_model\.|controlnet_|control_net)|\bzero_convs\.|controlnet_cond_embedding",
        "a ControlNet, which steers a latent text-to-image model",
    ),
    (
        r"^(string_to_param|string_to_token|emb_params|clip_[lg]|<[^>]{1,60}>)$",
        "a textual-inversion embedding: a word for a text-to-image model, not a model by itself",
    ),
    (r"^(decoder\.(up|conv_in)|encoder\.(down|conv_in)|vae\.|post_quant_conv\.|quant_conv\.)", AUTOENCODER),
    (
        r"^(text_model\.encoder|text_encoder\.|transformer\.text_model)",
        "a text encoder, one part of a text-to-image model",
    ),
    (
        r"^(y_embedder|x_embedder\.proj|pos_embed\.proj|transformer_blocks\.0)",
        f"a diffusion transformer, {LATENT}",
    ),
    (
        r"^(module\.)?all_modules\.\d",
        f"a network of the score-based models of Song et al. (NCSN++), {OTHER_PARTS}",
    ),
    (r"^(module\.)?input_blocks\.0\.0\.weight$", f"a network of OpenAI's guided-diffusion, {OTHER_PARTS}"),
    (
        r"^(unet\.)?down_blocks\.\d+\.attentions\.\d+\.transformer_blocks",
        "the network of a latent text-to-image model (Stable Diffusion and its kin)",
    ),
)
RUNS_CODE = "a pickle, which can run code when it is opened"
EDM = (
    f"{RUNS_CODE}, of NVIDIA's EDM: its network is told noise levels instead of timesteps and has other parts than a "
    "UNet2DModel, so that no conversion draws the same pictures. Draw with it by EDM's own generate.py, or train a model "
    "here on the same pictures"
)
K_DIFFUSION = (
    f"{RUNS_CODE}, of a training with k-diffusion: its network has other parts than a UNet2DModel, so that it cannot be "
    "converted. Draw with it by k-diffusion's own sample.py, or train a model here on the same pictures"
)
TRAINER_OF_DDPM = (
    f"the checkpoint of a Trainer of denoising-diffusion-pytorch: {RUNS_CODE}, of a U-Net built of other parts (linear "
    "attention, other norms) than a UNet2DModel, so that no conversion draws the same pictures. Draw with it where it was "
    "trained: trainer.load(N); trainer.ema.ema_model.sample(batch_size=16). Or train a model here on the same pictures"
)
BY_WORDS = (  # words that a pickle holds all of, and what it is then
    (frozenset({"step", "model", "opt", "ema", "scaler"}), TRAINER_OF_DDPM),
    (frozenset({"model_ema", "opt", "ema_sched"}), K_DIFFUSION),
    (frozenset({"model_ema", "ema_stats"}), K_DIFFUSION),
    (
        frozenset({"pytorch-lightning_version"}),
        f"{RUNS_CODE}: a checkpoint of PyTorch Lightning, which says nothing of its network",
    ),
)
EDM_WORD = re.compile(r"torch_utils\.persistence|EDMPrecond|VPPrecond|VEPrecond|training\.networks")


def by_first_bytes(head: bytes, size: int) -> str:
    """What a file of `size` bytes is that begins with `head`, and what can be done; "" where that does not show."""
    if size == 0:
        return f"an empty file, or one whose download was cut off before it began: {AGAIN}"
    if not head.strip(b"\0"):
        return f"a file that holds nothing but zeros, as a download that broke off leaves it: {AGAIN}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return WEB_PAGE
    if text.startswith(b"<?xml"):
        return f"an XML text, such as a server's refusal to give the file: {AGAIN}"
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if re.match(rb"\x08[\x03-\x0f]\x12", head):
        return "a network as ONNX, which is made to be run and not to be taken apart; the model it was made of can be imported"
    return next((words for magic, words in MAGIC if head.startswith(magic)), "")


def by_tensor_names(names: Collection[str]) -> str:
    """What the tensors of these names belong to; "" where that does not show."""
    for pattern, words in BY_NAMES:
        found = re.compile(pattern, re.IGNORECASE if words is LORA else 0)
        if any(found.search(name) for name in names):
            return words
    return ""


def by_pickled_words(words: Collection[str]) -> str:
    """What a pickle is that holds these texts; "" where that does not show."""
    known = set(words)
    if any(EDM_WORD.search(word) for word in known):
        return EDM
    for wanted, meaning in BY_WORDS:
        if wanted <= known:
            return meaning
    meaning = by_tensor_names(known)
    return f"{meaning} (in {RUNS_CODE})" if meaning else ""
