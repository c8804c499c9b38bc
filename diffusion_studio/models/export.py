"""Giving a model away: as a diffusers folder, as ONNX, or a zip of either, each with a README whose lines of Python work."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from diffusion_studio.diffusion.consistency import ConsistencyProcess
from diffusion_studio.diffusion.flows import Flow
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.schedules import NoiseSchedule
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import DTYPES
from diffusion_studio.models import cards, export_readme, layout
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.folder import Checkpoint, read_early, read_model, scheduler_config, write_model
from diffusion_studio.models.layout import CARD
from diffusion_studio.storage.atomic import stage_folder, write_atomic

LAYOUTS = {"diffusers": tr("Folder for diffusers"), "onnx": "ONNX"}
ONNX_FILE, DECODER_FILE, SCHEDULE_FILE = "model.onnx", "decoder.onnx", "schedule.json"
KEPT = 12  # digits of alpha-bar: more than float32 has


def export_model(
    name: str, target: Path, *, dtype: str = "float32", zip: bool = False, layout: str = "diffusers"
) -> Path:
    """Write an installed model as a folder, or a zip of one; returns where it is. Never over something that is there."""
    path = Path(target)
    for event in exporting(name, target, dtype=dtype, zip=zip, layout=layout):
        path = event if isinstance(event, Path) else path
    return path


def exporting(
    name: str, target: Path, *, dtype: str = "float32", zip: bool = False, layout: str = "diffusers"
) -> Iterator[Status | Path]:
    """A job: says what it does, and at the end where the folder or zip is. Raises `UserError`."""
    card = cards.find(name)
    if dtype not in DTYPES:
        raise UserError(
            tr(
                "A model can be written as {dtypes}, not as “{dtype}”.",
                dtypes=", ".join(DTYPES),
                dtype=dtype[:40],
            )
        )
    if layout not in LAYOUTS:
        raise UserError(
            tr(
                "A model can be written for {layouts}, not for “{layout}”.",
                layouts=" or ".join(LAYOUTS),
                layout=layout[:40],
            )
        )
    target = place_of(target, zip=zip, layout=layout)
    if os.path.lexists(target):
        raise UserError(tr("{target} is there already; choose another name.", target=target))
    write = _write_onnx if layout == "onnx" else _write_diffusers
    yield Status(text=tr("Reading {title}…", title=card.title))
    if card.text is not None:
        raise UserError(
            tr(
                "{title} generates from prompts; such models are not exported. Its files are at {source}.",
                title=card.title,
                source=card.text.source,
            )
        )
    checkpoint = read_model(card.path)
    yield Status(text=tr("Writing the network as ONNX…") if layout == "onnx" else tr("Writing the weights…"))
    if not zip:
        write(target, card, checkpoint, dtype)
    else:
        with tempfile.TemporaryDirectory(prefix="diffusion-studio-") as place:
            folder = Path(place) / target.stem
            write(folder, card, checkpoint, dtype)
            yield Status(text=tr("Packing…"))
            write_atomic(target, lambda file: _zip(folder, file), exclusive=True)
    yield target


def place_of(target: Path, *, zip: bool = False, layout: str = "diffusers") -> Path:
    """Where the export will be: an ONNX network has files beside it, so a name that ends so means their folder."""
    target = Path(target).expanduser().absolute()
    if layout == "onnx" and target.suffix.lower() == ".onnx":
        target = target.with_suffix("")
    return target.with_name(target.name + ".zip") if zip and target.suffix.lower() != ".zip" else target


def _write_diffusers(folder: Path, card: ModelCard, checkpoint: Checkpoint, dtype: str) -> None:
    write_model(
        folder,
        checkpoint.network,
        checkpoint.schedule,
        prediction=card.prediction,
        card=_facts(card),
        dtype=DTYPES[dtype],
        samples=card.sample_sheet() or None,
        texts={"README.md": export_readme.for_diffusers(card, folder.name)},
        index=_json(card, "model_index.json"),
        early=early_weights(card, checkpoint.network.config),
        autoencoder=checkpoint.autoencoder,
    )


def early_weights(card: ModelCard, config: UNetConfig) -> list[Tensor] | None:
    """Those from early in its training, in the order of the network's parameters; None where it keeps none."""
    return list(read_early(card.path, config).parameters()) if card.keeps_early else None


def _write_onnx(folder: Path, card: ModelCard, checkpoint: Checkpoint, dtype: str) -> None:
    from diffusion_studio.models import onnx

    onnx.check_possible(checkpoint.network, dtype)
    sides = checkpoint.network.config.sides
    schedule = checkpoint.schedule.at_size(sides[0] * sides[1])
    with stage_folder(folder) as stage:
        checked = [onnx.describe_check(onnx.write_onnx(checkpoint.network, stage / ONNX_FILE, dtype))]
        if checkpoint.autoencoder is not None:
            levels = onnx.write_decoder(
                checkpoint.autoencoder, card.channels, sides, stage / DECODER_FILE, dtype
            )
            checked += [onnx.describe_decoder(levels)] if levels is not None else []
        numbers = schedule_numbers(schedule, card.prediction)
        for name, value in {
            SCHEDULE_FILE: numbers,
            "scheduler_config.json": scheduler_config(schedule, card.prediction),
            CARD: _facts(card),
        }.items():
            text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
            (stage / name).write_text(text, encoding="utf-8")
        text = export_readme.for_onnx(
            card,
            folder.name,
            timesteps=len(schedule),
            opset=onnx.OPSET,
            checked=" ".join(checked),
        )
        (stage / "README.md").write_text(text, encoding="utf-8")
        samples = card.sample_sheet()
        if samples:
            (stage / "samples.png").write_bytes(samples)


def schedule_numbers(schedule: Process, prediction: str) -> dict[str, Any]:
    """What a program needs beside the network: alpha-bar at each timestep, or the timesteps and the shift of a flow."""
    known: dict[str, Any] = {
        "prediction_type": prediction,
        "clip_sample_range": schedule.config.get("clip_sample_range") or 1.0,
    }
    if isinstance(schedule, Flow):
        return {**known, "timesteps": len(schedule), "shift": schedule.shift}
    if isinstance(schedule, ConsistencyProcess):
        names = ("sigma_min", "sigma_max", "sigma_data", "rho")
        return {**known, "timesteps": len(schedule), **{name: getattr(schedule, name) for name in names}}
    assert isinstance(schedule, NoiseSchedule)
    return {**known, "alpha_bar": [float(f"{share:.{KEPT}g}") for share in schedule.alpha_bar]}


def _facts(card: ModelCard) -> dict[str, Any]:
    """The card that travels along, with what the user recommends of a starter."""
    own = _json(card, CARD)
    recommended = {"recommended": dict(card.recommended)} if card.recommended else {}
    own.pop("recommended_at_first", None)
    return {"title": card.title, "parameters": card.parameters, **own, **recommended}


def _json(card: ModelCard, name: str) -> dict[str, Any]:
    path = card.path / name
    return layout.read_small_json(path, within=card.path) if path.is_file() else {}


def _zip(folder: Path, file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # weights hardly get smaller
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
