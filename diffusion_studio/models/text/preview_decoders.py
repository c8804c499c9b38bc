"""Small decoders (TAESD by Ollin Boer Bohan) that show the steps of a text model: where they are found, and how they are read.

Read are diffusers' folders of an AutoencoderTiny and the single files of other programs, which hold a decoder, or both halves.
Nothing is built from what a file says but convolutions whose sizes its shapes give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from diffusion_studio.diffusion.autoencoder import TinyDecoder
from diffusion_studio.diffusion.autoencoder_config import KIND, AutoencoderConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.import_sources import hub_cache, newest_snapshot
from diffusion_studio.models.layout import read_small_json
from diffusion_studio.models.recognise import PICKLES
from diffusion_studio.models.text.tensors import Tensors
from diffusion_studio.models.weights_file import check_shapes
from diffusion_studio.storage.places import previews_dir

PUBLISHED = {  # family of text models: its small autoencoder on the hub
    "sd1": "madebyollin/taesd",
    "sd2": "madebyollin/taesd",
    "sdxl": "madebyollin/taesdxl",
    "z-image": "madebyollin/taef1",
}
WEIGHTS = "diffusion_pytorch_model.safetensors"
SUFFIXES = (".safetensors", *PICKLES)  # pickles, so that they can be named for what they are; none is opened
MOST_FILES = 100  # of a folder that are looked at
LARGEST = 128 << 20  # bytes of such a file
# What the names of its weights begin with: diffusers', ComfyUI's of both halves in one file, its author's.
PREFIXES = ("decoder.layers.", "taesd_decoder.", "decoder.", "")
PLAIN = {"act_fn": "relu", "upsample_fn": "nearest", "upsampling_scaling_factor": 2, "shift_factor": 0.0}


@dataclass(frozen=True)
class Candidate:
    """A file that may hold a small decoder, and the configuration beside it where it lies in a folder of diffusers."""

    weights: Path
    config: Path | None = None
    within: Path | None = None

    @property
    def stamp(self) -> tuple[str, int, int]:
        facts = self.weights.stat()
        return str(self.weights), facts.st_size, facts.st_mtime_ns

    @property
    def title(self) -> str:
        """As sentences name it."""
        return str(self.weights if self.config is None else self.config.parent)


def candidates(family: str) -> list[Candidate]:
    """The small decoders on this computer, the one that was published for this family first."""
    wanted = PUBLISHED.get(family, "").rpartition("/")[2]
    found = [*_in_folder(previews_dir()), *_in_hub_cache()]
    place = {candidate: number for number, candidate in enumerate(found)}
    return sorted(found, key=lambda candidate: (not _named(candidate, wanted), place[candidate]))


def _named(candidate: Candidate, wanted: str) -> bool:
    words = re.split(r"[^a-z0-9]+", str(candidate.weights).casefold())
    return bool(wanted) and wanted in words


def _in_folder(folder: Path) -> Iterator[Candidate]:
    try:
        entries = sorted(folder.iterdir())[:MOST_FILES]
    except OSError:
        return
    for entry in entries:
        if entry.suffix in SUFFIXES and entry.is_file() and "encoder" not in _half(entry):
            yield Candidate(entry)
        elif _is_tiny(entry, within=entry):
            yield Candidate(entry / WEIGHTS, entry / "config.json", within=entry)


def _half(path: Path) -> set[str]:
    return set(re.split(r"[^a-z]+", path.stem.casefold()))


def _in_hub_cache() -> Iterator[Candidate]:
    try:
        repositories = sorted(hub_cache().glob("models--*"))
    except OSError:
        return
    for repository in repositories:
        snapshot = newest_snapshot(repository)
        if snapshot is not None and _is_tiny(snapshot, within=repository):
            yield Candidate(snapshot / WEIGHTS, snapshot / "config.json", within=repository)


def _is_tiny(folder: Path, *, within: Path) -> bool:
    if not (folder / "config.json").is_file() or not (folder / WEIGHTS).is_file():
        return False
    try:
        return read_small_json(folder / "config.json", within=within).get("_class_name") == KIND
    except UserError:
        return False


# Reading --------------------------------------------------------------------------------------------------------------


def read_decoder(candidate: Candidate) -> TinyDecoder:
    """The decoder on the CPU in float32. Raises `UserError` for what is none, or is built otherwise."""
    if candidate.weights.suffix in PICKLES:
        raise UserError(
            tr(
                "{path} is a pickle, which can run code when opened; put the same decoder as .safetensors there.",
                path=candidate.title,
            )
        )
    if candidate.weights.stat().st_size > LARGEST:
        raise UserError(
            tr(
                "{path} is larger than {limit} MB, and so no small autoencoder.",
                path=candidate.title,
                limit=LARGEST >> 20,
            )
        )
    scale = _scale(candidate)
    tensors = Tensors([candidate.weights], candidate.within)
    names = _names(tensors.shapes)
    shapes = {own: tensors.shapes[name] for name, own in names.items()}
    try:
        config = _config(shapes, scale)
    except (KeyError, IndexError, ValueError):
        raise UserError(tr("{path} holds no decoder of a small autoencoder.", path=candidate.title)) from None
    with torch.device("meta"):
        network = TinyDecoder(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.decoder.state_dict().items()}
    check_shapes(wanted, shapes, candidate.title)
    read = tensors.read(names, torch.float32)
    network.decoder.load_state_dict({names[name]: tensor for name, tensor in read.items()}, assign=True)
    return network.eval().requires_grad_(False)


def _scale(candidate: Candidate) -> float:
    """What its folder divides latents by; 1 for the files that say nothing, as all that were published are."""
    if candidate.config is None:
        return 1.0
    said = read_small_json(candidate.config, within=candidate.within)
    other = next((name for name, value in PLAIN.items() if said.get(name, value) not in (value, None)), None)
    scale = said.get("scaling_factor") or 1.0
    if other is not None or type(scale) not in (int, float) or not 1e-4 < scale < 1e4:
        raise UserError(
            tr(
                "{path}: its {name} is not that of a TAESD.",
                path=candidate.config,
                name=other or "scaling_factor",
            )
        )
    return float(scale)


def _names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """Names in the file -> those of `TinyDecoder.decoder`; its author's count a layer that holds no weights."""
    for prefix in PREFIXES:
        pattern = re.compile(re.escape(prefix) + r"(\d{1,3})\.(.+)")
        found = {name: match for name in shapes if (match := pattern.fullmatch(name))}
        if found:
            first = min(int(match[1]) for match in found.values())
            return {name: f"layers.{int(match[1]) - first}.{match[2]}" for name, match in found.items()}
    return {}


def _config(shapes: Mapping[str, tuple[int, ...]], scale: float) -> AutoencoderConfig:
    """From the order of its layers: blocks, then a convolution, for each side from the latents' up."""
    layers = sorted({int(name.split(".")[1]) for name in shapes})
    width, latent_channels = shapes["layers.0.weight"][:2]
    blocks, count = [], 0
    for layer in layers[1:]:
        if f"layers.{layer}.conv.0.weight" in shapes:
            count += 1
        else:
            blocks.append(count)
            count = 0
    channels = shapes[f"layers.{layers[-1]}.weight"][0]
    if channels != 3:
        raise ValueError("it does not end in colours")
    try:
        return AutoencoderConfig(
            channels=3,
            width=width,
            latent_channels=latent_channels,
            blocks=tuple(reversed(blocks)),
            scale=scale,
        )
    except UserError as error:
        raise ValueError(str(error)) from None
