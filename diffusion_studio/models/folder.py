"""Read and write a model as a diffusers folder: JSON and safetensors, never a pickle.

A folder from a stranger is judged before anything is allocated: a strict configuration, the network counted on the
`meta` device, its weights compared with what the files' headers announce and with the memory there is.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from diffusion_studio import __version__
from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.diffusion.flow_config import is_flow
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.processes import process_from_config
from diffusion_studio.diffusion.scheduler_classes import ALWAYS, CLASSES, is_consistency
from diffusion_studio.diffusion.scheduler_config import learned_variance
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.autoencoder_files import autoencoder_of, write_autoencoder
from diffusion_studio.models.layout import (
    AUTOENCODER,
    CARD,
    EARLY,
    read_config,
    read_schedule_config,
    schedule_file,
    unet_folder,
)
from diffusion_studio.models.rounded import KINDS, read_rounded, rounded
from diffusion_studio.models.weights_file import (
    BYTES,
    Shapes,
    check_shapes,
    quoted,
    read_shapes,
    read_tensors,
)
from diffusion_studio.models.weights_found import WEIGHTS, Weights, find_weights, prefix_of, present_name
from diffusion_studio.storage.atomic import stage_folder
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, blocks, leads_outside, open_foreign

SCHEDULER_KEYS = sorted(ALWAYS | CLASSES["DDPMScheduler"].keys)


@dataclass(frozen=True)
class Checkpoint:
    """A model as read: the network on the CPU in float32, its schedule, and the hash of its weights."""

    network: UNet
    schedule: Process
    digest: str  # sha256 of the weights' bytes
    autoencoder: TinyAutoencoder | None = None  # of a model of latents


def read_model(folder: Path) -> Checkpoint:
    """Open a whole pipeline folder or a bare `unet/`. Raises `UserError` saying what is wrong and with which file."""
    unet = unet_folder(folder)
    config = read_config(unet / "config.json", within=folder)
    schedule = read_schedule(folder, config)
    paths = weight_files(unet, within=folder)
    with torch.device("meta"):  # counts, allocates nothing
        network = UNet(config)
    check_fits(network, announced_shapes(paths), unet)
    digest = hashlib.sha256()
    tensors: dict[str, Tensor] = {}
    for path in paths:
        part, blob = read_tensors(path)
        digest.update(blob)
        tensors.update({name: tensor.float() for name, tensor in part.items()})
    prefix = prefix_of(tensors)
    tensors = {present_name(name.removeprefix(prefix)): tensor for name, tensor in tensors.items()}
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:  # the file was exchanged while it was read
        raise UserError(
            tr("{unet} changed while it was read; try again.", unet=unet), details=str(error)
        ) from None
    network.eval().requires_grad_(False)
    return Checkpoint(network, schedule, digest.hexdigest(), autoencoder_of(folder))


def read_early(folder: Path, config: UNetConfig) -> UNet:
    """The network of `EARLY`, of the same shape as the model's own. Raises `UserError` where it is missing or does not fit."""
    path = folder / EARLY
    with torch.device("meta"):
        network = UNet(config)
    check_fits(network, announced_shapes([path], KINDS), path)
    network.load_state_dict(read_rounded(path), assign=True)
    return network.eval().requires_grad_(False)


def hash_weights(folder: Path) -> Generator[tuple[int, int], None, str]:
    """The sha256 that `read_model` gives a model's weights, without opening it; yields (bytes done, bytes in all).

    Raises `UserError` for a file that cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    paths = weight_files(unet_folder(folder), within=folder)
    path = paths[0]
    try:
        total = sum(path.stat().st_size for path in paths)
        for path in paths:
            with open_foreign(path, LARGEST_WEIGHTS) as file:
                for block in blocks(file, LARGEST_WEIGHTS):
                    digest.update(block)
                    done += len(block)
                    yield done, total
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror)
        ) from None
    return digest.hexdigest()


def weights_digest(folder: Path) -> str:
    """What `hash_weights` returns."""
    job = hash_weights(folder)
    while True:
        try:
            next(job)
        except StopIteration as end:
            return str(end.value)


def read_schedule(folder: Path, config: UNetConfig) -> Process:
    """scheduler_config.json, or DDPM's linear schedule where a bare network has none."""
    path = schedule_file(folder)
    values = read_schedule_config(folder)
    try:
        schedule = process_from_config(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: {error}") from None
    if (said := learned_variance(values)) and config.out_channels == config.seen:
        raise UserError(
            tr(
                "{path}: variance_type {said} needs a network with twice as many channels out as in, but it has {channels}.",
                path=path,
                said=said,
                channels=config.out_channels,
            )
        )
    known = config.num_train_timesteps or 1000
    if config.time_embedding_type == "learned" and known <= schedule.timesteps[-1]:
        raise UserError(
            tr(
                "{path} has {count} timesteps, but the network knows only {known}.",
                path=path,
                count=len(schedule),
                known=known,
            )
        )
    return schedule


def weight_files(unet: Path, *, within: Path | None = None) -> list[Path]:
    """The file of weights, or the shards its index names: each a plain name inside the folder.

    `within`: the model's folder, where it is not `unet` itself; a file that is a link out of it is a `UserError`.
    """
    return list(find_weights_inside(unet, within=within).paths)


def find_weights_inside(unet: Path, *, within: Path | None = None) -> Weights:
    """As `weight_files`, with their variant and the index that names them."""
    weights = find_weights(unet)
    for path in weights.paths:
        if leads_outside(path, within or unet):
            raise UserError(
                tr(
                    "{path} is a link that leads out of {within}, which is not followed.",
                    path=path,
                    within=within or unet,
                )
            )
    return weights


def announced_shapes(paths: list[Path], kinds: Mapping[str, int] = BYTES) -> Shapes:
    """What the headers of all files promise, by the names of today."""
    announced = [(path, name, shape) for path in paths for name, shape in read_shapes(path, kinds).items()]
    prefix = prefix_of([name for _, name, _ in announced])
    shapes: Shapes = {}
    for path, name, shape in announced:
        name = present_name(name.removeprefix(prefix))
        if name in shapes:
            raise UserError(
                tr("{path}: tensor {quoted} appears twice in this model.", path=path, quoted=quoted(name))
            )
        shapes[name] = shape
    return shapes


def check_fits(network: UNet, given: Shapes, where: Path) -> None:
    """Exactly the keys and shapes the configuration asks for, and no more than fits into memory. Raises `UserError`."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    check_shapes(wanted, given, str(where))
    need = 2 * sum(math.prod(shape) for shape in wanted.values()) * 4  # once as read, once as float32
    free = psutil.virtual_memory().available
    if need > free:
        raise UserError(
            tr(
                "{where} needs {need:.1f} GB of memory to open; {free:.1f} GB are free.",
                where=where,
                need=need / 2**30,
                free=free / 2**30,
            )
        )


def write_model(
    folder: Path,
    network: UNet,
    schedule: Process,
    *,
    prediction: str,
    card: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
    samples: bytes | None = None,
    texts: Mapping[str, str] | None = None,
    index: Mapping[str, Any] | None = None,
    early: Sequence[Tensor] | None = None,
    autoencoder: TinyAutoencoder | None = None,
) -> None:
    """Write a folder that `DDPMPipeline.from_pretrained` opens, with an `autoencoder` `LDMPipeline`, whole or not at all.

    `samples`: a PNG sheet; `texts`: further files by name, such as README.md; `index`: the model_index.json it came with.
    `early`: weights from early in its training, in the order of the network's parameters, which are kept in 8 bits for
    autoguidance. Replaces a folder of that name.
    """
    state = {
        name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in network.state_dict().items()
    }
    broken = next((name for name, tensor in state.items() if not torch.isfinite(tensor).all()), None)
    if broken is not None:
        raise UserError(
            tr(
                "{folder} was not written: weight {broken} is not finite as {dtype}.",
                folder=folder,
                broken=broken,
                dtype=str(dtype)[6:],
            )
        )
    weights = save_tensors(state, metadata=_model_spec(card, network, prediction))
    scheduler = scheduler_config(schedule, prediction)
    files = {
        "model_index.json": _model_index(scheduler["_class_name"], index or {}, autoencoder is not None),
        "unet/config.json": network.config.to_dict(),
        "scheduler/scheduler_config.json": scheduler,
        CARD: {**card, "weights_sha256": hashlib.sha256(weights).hexdigest()},
    }
    with stage_folder(folder) as stage:
        (stage / "unet").mkdir()
        (stage / "scheduler").mkdir()
        for name, value in files.items():
            text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
            (stage / name).write_text(text, encoding="utf-8")
        for name, text in (texts or {}).items():
            (stage / name).write_text(text, encoding="utf-8")
        (stage / "unet" / WEIGHTS).write_bytes(weights)
        if autoencoder is not None:
            write_autoencoder(stage / AUTOENCODER, autoencoder)
        if samples:
            (stage / "samples.png").write_bytes(samples)
        if early is not None:
            names = [name for name, _ in network.named_parameters()]
            (stage / EARLY).parent.mkdir()
            (stage / EARLY).write_bytes(rounded(dict(zip(names, early, strict=False))))


def scheduler_config(schedule: Process, prediction: str) -> dict[str, Any]:
    """The schedule's own words, all of them where they name a class of scheduler, and ours where it has none."""
    if is_flow(schedule.config) or is_consistency(schedule.config):  # whose class says what is predicted
        return {"_diffusers_version": "0.42.0", **schedule.config}
    if "_class_name" in schedule.config:
        return {**schedule.config, "prediction_type": prediction}
    own = {key: value for key, value in schedule.config.items() if key in SCHEDULER_KEYS}
    ours = {
        "clip_sample": True,
        "clip_sample_range": 1.0,
        "timestep_spacing": "trailing",
        "variance_type": "fixed_small",
    }
    return {
        "_class_name": "DDPMScheduler",
        "_diffusers_version": "0.42.0",
        **ours,
        **own,
        "prediction_type": prediction,
    }


def _model_index(scheduler: str, known: Mapping[str, Any], latent: bool) -> dict[str, Any]:
    """With what a model's own file said beside the parts that are written."""
    return {
        "_class_name": "LDMPipeline" if latent else "DDPMPipeline",
        **({AUTOENCODER: ["diffusers", "AutoencoderTiny"]} if latent else {}),
        "_diffusers_version": "0.42.0",
        **known,
        "scheduler": ["diffusers", scheduler],
        "unet": ["diffusers", "UNet2DModel"],
    }


def _model_spec(card: Mapping[str, Any], network: UNet, prediction: str) -> dict[str, str]:
    """ModelSpec 1.0 keys, as other tools read them."""
    height, width = network.config.sides
    facts = {
        "sai_model_spec": "1.0.0",
        "architecture": "ddpm-unet2d",
        "implementation": "diffusers",
        "title": card.get("title", ""),
        "description": card.get("description", ""),
        "license": card.get("licence", ""),
        "date": card.get("created", ""),
        "resolution": f"{width}x{height}",
        "prediction_type": {"v_prediction": "v"}.get(prediction, prediction),
    }
    spec = {f"modelspec.{key}": str(value) for key, value in facts.items() if value}
    return {"format": "pt", "diffusion_studio.version": __version__, **spec}
