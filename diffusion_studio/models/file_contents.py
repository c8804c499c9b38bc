"""What a file is by its first bytes and by the names in it, whatever its own name says: no torch, nothing unpickled."""

from __future__ import annotations

import re
from collections.abc import Collection

from diffusion_studio.language import tr

LOOKED_AT = 512  # bytes that tell
AGAIN = tr("download it again")
MAGIC = (  # the first bytes of a file, and what it is then
    (
        b"version https://git-lfs",
        tr(
            "a Git LFS pointer, a short text in place of a file that was not downloaded: run “git lfs pull” in its "
            "repository, or download the file itself"
        ),
    ),
    (b"GGUF", tr("a model in the GGUF format of llama.cpp, whose quantized weights cannot be opened here")),
    (b"\x89HDF\r\n\x1a\n", tr("weights of Keras (HDF5), which are of no network that can be opened here")),
    (b"\x93NUMPY", tr("an array of NumPy, not a model")),
    (b"\x89PNG\r\n", "an image (PNG), not a model"),
    (b"\xff\xd8\xff", "an image (JPEG), not a model"),
    (b"GIF8", "an image (GIF), not a model"),
    (b"RIFF", tr("an image or a sound (RIFF), not a model")),
    (b"%PDF", tr("a PDF document, not a model")),
    (b"\x1f\x8b", tr("a gzip archive: unpack it first")),
    (b"7z\xbc\xaf", tr("a 7z archive: unpack it first")),
    (b"Rar!", tr("a RAR archive: unpack it first")),
    (b"\xfd7zXZ", tr("an xz archive: unpack it first")),
    (b"\x28\xb5\x2f\xfd", tr("a Zstandard archive: unpack it first")),
    (b"BZh", tr("a bzip2 archive: unpack it first")),
    (b"\x7fELF", tr("a program, not a model")),
    (b"MZ", tr("a program, not a model")),
)
WEB_PAGE = tr(
    "a web page (HTML) that was saved in place of the file, as happens where a download needs a login: {again}, signed in "
    "where it asks for that",
    again=AGAIN,
)
LORA = tr("a LoRA: changes to another model, not a model by itself")
LATENT = tr("which works on latents and not in pixels")
SD = tr("a Stable Diffusion checkpoint, a latent text-to-image model in one file")
AUTOENCODER = tr("an autoencoder (VAE), the part of a latent model between pixels and latents")
OTHER_PARTS = tr("whose parts are not those of a UNet2DModel, so that it cannot be converted")
IN_ONE_FILE = r"^(model\.diffusion_model\.)?"
BY_NAMES = (  # a pattern that one of the names of the tensors fits, and what holds them
    (r"(^|[._])lora[._]|\.hada_w1|\.lokr_", LORA),
    (
        IN_ONE_FILE + r"(double_blocks\.0\.img_attn|single_transformer_blocks\.0\.)",
        tr("the transformer of FLUX, {latent}", latent=LATENT),
    ),
    (
        IN_ONE_FILE + r"joint_blocks\.0\.",
        tr("the transformer of Stable Diffusion 3, {latent}", latent=LATENT),
    ),
    (r"^(first_stage_model|cond_stage_model|conditioner\.embedders|model\.diffusion_model)\.", SD),
    (
        r"^(control_model\.|controlnet_|control_net)|\bzero_convs\.|controlnet_cond_embedding",
        tr("a ControlNet, which steers a latent text-to-image model"),
    ),
    (
        r"^(string_to_param|string_to_token|emb_params|clip_[lg]|<[^>]{1,60}>)$",
        tr("a textual-inversion embedding: a word for a text-to-image model, not a model by itself"),
    ),
    (r"^(decoder\.(up|conv_in)|encoder\.(down|conv_in)|vae\.|post_quant_conv\.|quant_conv\.)", AUTOENCODER),
    (
        r"^(text_model\.encoder|text_encoder\.|transformer\.text_model)",
        tr("a text encoder, one part of a text-to-image model"),
    ),
    (
        r"^(y_embedder|x_embedder\.proj|pos_embed\.proj|transformer_blocks\.0)",
        tr("a diffusion transformer, {latent}", latent=LATENT),
    ),
    (
        r"^(module\.)?all_modules\.\d",
        tr(
            "a network of the score-based models of Song et al. (NCSN++), {other_parts}",
            other_parts=OTHER_PARTS,
        ),
    ),
    (
        r"^(module\.)?input_blocks\.0\.0\.weight$",
        tr("a network of OpenAI's guided-diffusion, {other_parts}", other_parts=OTHER_PARTS),
    ),
    (
        r"^(unet\.)?down_blocks\.\d+\.attentions\.\d+\.transformer_blocks",
        tr("the network of a latent text-to-image model (Stable Diffusion and the like)"),
    ),
)
RUNS_CODE = tr("a pickle, which can run code when it is opened")
EDM = tr(
    "{runs_code}, of NVIDIA's EDM: its network takes noise levels instead of timesteps and has other parts than a "
    "UNet2DModel, so that no conversion generates the same images. Generate with EDM's own generate.py, or train a "
    "model here on the same pictures",
    runs_code=RUNS_CODE,
)
K_DIFFUSION = tr(
    "{runs_code}, of a training with k-diffusion: its network has other parts than a UNet2DModel, so that it cannot "
    "be converted. Generate with k-diffusion's own sample.py, or train a model here on the same images",
    runs_code=RUNS_CODE,
)
TRAINER_OF_DDPM = tr(
    "the checkpoint of a Trainer of denoising-diffusion-pytorch: {runs_code}, of a U-Net built of other parts "
    "(linear attention, other norms) than a UNet2DModel, so that no conversion generates the same images. Draw with it "
    "where it was trained: trainer.load(N); trainer.ema.ema_model.sample(batch_size=16). Or train a model here on "
    "the same pictures",
    runs_code=RUNS_CODE,
)
BY_WORDS = (  # words that a pickle holds all of, and what it is then
    (frozenset({"step", "model", "opt", "ema", "scaler"}), TRAINER_OF_DDPM),
    (frozenset({"model_ema", "opt", "ema_sched"}), K_DIFFUSION),
    (frozenset({"model_ema", "ema_stats"}), K_DIFFUSION),
    (
        frozenset({"pytorch-lightning_version"}),
        tr(
            "{runs_code}: a checkpoint of PyTorch Lightning, which does not describe its network",
            runs_code=RUNS_CODE,
        ),
    ),
)
EDM_WORD = re.compile(r"torch_utils\.persistence|EDMPrecond|VPPrecond|VEPrecond|training\.networks")


def by_first_bytes(head: bytes, size: int) -> str:
    """What a file of `size` bytes is that begins with `head`, and what can be done; "" where that does not show."""
    if size == 0:
        return tr("an empty file, or one whose download was cut off before it began: {again}", again=AGAIN)
    if not head.strip(b"\0"):
        return tr(
            "a file that holds nothing but zeros, as a download that broke off leaves it: {again}",
            again=AGAIN,
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        return WEB_PAGE
    if text.startswith(b"<?xml"):
        return tr("an XML text, such as a server's refusal to give the file: {again}", again=AGAIN)
    if head[257:262] == b"ustar":
        return tr("a tar archive: unpack it first")
    if re.match(rb"\x08[\x03-\x0f]\x12", head):
        return tr(
            "a network as ONNX, which is made to be run and not to be taken apart; the model it was made of can be imported"
        )
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
