"""The averaged weights of a run as a network: of a checkpoint, of a snapshot, or of an EMA whose length is chosen afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.smoothing import LONGEST, SHORTEST
from diffusion_studio.training.provenance import Origin
from diffusion_studio.training.records import checkpoints, snapshots
from diffusion_studio.training.records.run import Run
from diffusion_studio.training.records.snapshots import Snapshot
from diffusion_studio.training.step.power_ema import (
    FOLLOWED,
    Profile,
    coefficients,
    exponent_of,
)


class Average(NamedTuple):
    """A network with averaged weights, on the CPU in float32, ready to generate with, and the moment of the run it is of."""

    network: UNet
    origin: Origin
    step: int
    seconds: float


def of_checkpoint(run: Run, checkpoint: Path) -> Average:
    origin = Origin.from_dict(run.facts.get("origin", {}))
    tensors = load_tensors(checkpoints.read_tensors(checkpoint))
    count = sum(name.startswith("ema.") for name in tensors)
    state = checkpoints.read_state(checkpoint)
    network = with_weights(origin.config, [tensors[f"ema.{index}"] for index in range(count)])
    return Average(network, origin, int(state["step"]), float(state["seconds"]))


def of_snapshot(run: Run, snapshot: Snapshot) -> Average:
    origin = Origin.from_dict(run.facts.get("origin", {}))
    network = with_weights(origin.config, snapshot.read("ema"))
    return Average(network, origin, snapshot.step, snapshot.seconds)


def of_length(run: Run, length: float) -> Average:
    """The average of this length, as a share of all steps, at the end of what snapshots were kept of.

    Raises `UserError` for a length out of range, and for a run that followed no averages.
    """
    if not SHORTEST <= length <= LONGEST:
        raise UserError(
            tr(
                "The length of an EMA is from {shortest} to {longest} of the run, not {length:g}.",
                shortest=SHORTEST,
                longest=LONGEST,
                length=length,
            )
        )
    known = with_power(run)
    if not known:
        raise UserError(
            tr(
                "The run “{name}” has no snapshots to make an EMA from; start one with --posthoc-ema.",
                name=run.name,
            )
        )
    last = known[-1]
    profiles = [Profile(snapshot.step, exponent_of(width)) for snapshot in known for width in FOLLOWED]
    shares = coefficients(profiles, Profile(last.step, exponent_of(length)))
    kinds = [f"power.{number}" for number in range(len(FOLLOWED))]
    blocks = (weights for snapshot in known for weights in snapshot.read_all(kinds))
    total: list[Tensor] = []
    for share, weights in zip(shares, blocks, strict=True):
        if not total:
            total = [torch.zeros_like(weight, dtype=torch.float64) for weight in weights]
        for place, weight in zip(total, weights, strict=True):
            place.add_(weight, alpha=float(share))
    origin = Origin.from_dict(run.facts.get("origin", {}))
    network = with_weights(origin.config, [weight.float() for weight in total])
    return Average(network, origin, last.step, last.seconds)


def with_power(run: Run) -> list[Snapshot]:
    """The snapshots that an EMA of any length can be made from, oldest first."""
    return [snapshot for snapshot in snapshots.find(run.path) if snapshot.holds("power.0")]


def at_step(run: Run, step: int) -> Average | None:
    """Of the checkpoint or snapshot of a step; None where there is none. Raises `UserError` where it is damaged."""
    for path in checkpoints.newest_first(run.path):
        if int(path.name) == step:
            if not checkpoints.verified(path):
                raise UserError(
                    tr("The checkpoint of “{name}” at step {step} is damaged.", name=run.name, step=step)
                )
            return of_checkpoint(run, path)
    for snapshot in snapshots.find(run.path):
        if snapshot.step == step:
            return of_snapshot(run, snapshot)
    return None


def steps_of(run: Run) -> list[int]:
    """Of every checkpoint and snapshot, newest first."""
    kept = {int(path.name) for path in checkpoints.newest_first(run.path)}
    return sorted(kept | {snapshot.step for snapshot in snapshots.find(run.path)}, reverse=True)


def to_offer(run: Run) -> Average | None:
    """What a run is worth publishing now: its newest whole checkpoint or, where an earlier one is offered, that snapshot.

    None where there is no whole checkpoint yet.
    """
    chosen = snapshots.earlier_offered(snapshots.find(run.path))
    if chosen is not None:
        return of_snapshot(run, chosen)
    newest, _ = checkpoints.newest_verified(run.path)
    return of_checkpoint(run, newest) if newest is not None else None


def early_weights(run: Run, step: int) -> Sequence[Tensor] | None:
    """The oldest snapshot's, to be guided away from; None where none is older than half of `step`."""
    for snapshot in snapshots.find(run.path)[:1]:
        if 2 * snapshot.step <= step:
            try:
                return snapshot.read("ema")
            except UserError:
                return None
    return None


def with_weights(config: UNetConfig, weights: Sequence[Tensor]) -> UNet:
    """A network with these weights, in the order of its parameters; what is beyond them served the training alone."""
    with torch.device("meta"):
        network = UNet(config)
    names = [name for name, _ in network.named_parameters()]
    network.load_state_dict(dict(zip(names, weights, strict=False)), assign=True)
    return network.eval().requires_grad_(False)
