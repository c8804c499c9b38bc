"""The cards of text models: described from their files, or as registered, where nothing but a small file of ours is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.layout import SOURCE, is_registered, line, text
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.families import FAMILIES, distilled, distilled_remark, recommended
from diffusion_studio.storage import own_files

if TYPE_CHECKING:
    from diffusion_studio.models.text.description import Description

CHANGED = tr("Its files have changed since it was imported; import it again to keep what they are now.")


def read_text_card(folder: Path) -> ModelCard:
    """The card of a registered model, or of a diffusers folder. Raises `UserError`."""
    return _registered(folder) if is_registered(folder) else _described(folder)


def card_of(description: Description, name: str, path: Path) -> ModelCard:
    """The card of a model that was described from its own files at `path`."""
    facts = facts_of(description)
    own, _ = cards.read_own_card(path) if path.is_dir() else ({}, ())
    return _card(name, path, own, facts, {**described(description), "title": description.title})


def facts_of(description: Description) -> TextFacts:
    return TextFacts(
        family=description.family.name,
        pipeline=description.family.pipeline,
        source=description.source,
        disk=size_of(files_of(description)),
    )


def described(description: Description) -> dict[str, Any]:
    """What a registration remembers of a description, so that listing the models opens none of their files."""
    return {
        "title": description.title,
        "size": description.size,
        "scheduler": dict(description.scheduler),
        "remarks": list(description.remarks),
        "missing": list(description.missing),
        "told_guidance": bool(description.part(description.family.network).config.get("time_cond_proj_dim")),
        "licence": str((description.metadata or {}).get("modelspec.license", ""))[:200],
        "about": str((description.metadata or {}).get("modelspec.description", ""))[:2000],
    }


def files_of(description: Description) -> list[Path]:
    """Every file of weights that a description names, each once."""
    return list(dict.fromkeys(path for part in description.components for path in part.paths))


def size_of(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def stamp(source: Path) -> list[int]:
    """[bytes, nanoseconds] of a file, or of a folder's files two levels deep: another one means that it has changed."""
    paths = [source] if source.is_file() else sorted([*source.glob("*"), *source.glob("*/*")])
    facts = [path.stat() for path in paths if path.is_file()]
    return [sum(fact.st_size for fact in facts), max((fact.st_mtime_ns for fact in facts), default=0)]


def _described(folder: Path) -> ModelCard:
    from diffusion_studio.models.text.description import describe

    return card_of(describe(folder), folder.name, folder)


def _registered(folder: Path) -> ModelCard:
    said = own_files.read(folder / SOURCE)
    own, _ = cards.read_own_card(folder)
    family, path = str(said.get("family")), said.get("path")
    if family not in FAMILIES or not isinstance(path, str) or not path or "\0" in path:
        raise UserError(tr("{path} does not say where a model is.", path=folder / SOURCE))
    source = Path(path)
    rest = said.get("rest")
    there = os.path.lexists(source)
    facts = TextFacts(
        family=family,
        pipeline=FAMILIES[family].pipeline,
        source=source,
        registered=True,
        prediction=str(said.get("prediction") or ""),
        rest=Path(rest) if isinstance(rest, str) and rest else None,
        parameters={
            str(role): count for role, count in _mapping(said.get("parameters")).items() if type(count) is int
        },
        disk=said["disk"] if type(said.get("disk")) is int else 0,
        fault="" if there else moved(folder.name, source),
        changed=there and said.get("stamp") != _stamp_or_none(source),
    )
    return _card(folder.name, folder, own, facts, _mapping(said.get("described")))


def _stamp_or_none(source: Path) -> list[int] | None:
    try:
        return stamp(source)
    except OSError:
        return None


def moved(name: str, source: Path) -> str:
    return tr(
        "{source} is not there any more: it was moved, deleted, or is on a drive that is not connected. "
        "Choose its new place, or use “models locate {name} PATH”.",
        source=source,
        name=name,
    )


def _card(
    name: str, path: Path, own: Mapping[str, Any], facts: TextFacts, described: Mapping[str, Any]
) -> ModelCard:
    family = FAMILIES[facts.family]
    title = line(own.get("title"), 120) or line(described.get("title"), 120) or name
    size = int(described["size"]) if type(described.get("size")) is int else family.size
    scheduler = _mapping(described.get("scheduler"))
    named = (title, facts.source.name)
    chosen = _mapping(own.get("recommended"))
    return ModelCard(
        name=name,
        path=path,
        title=title,
        size=size,
        parameters=sum(facts.parameters.values()),
        prediction="flow_prediction"
        if facts.family == "z-image"
        else str(scheduler.get("prediction_type") or "epsilon"),
        schedule=scheduler,
        recommended=chosen
        or recommended(
            family,
            *named,
            consistent=scheduler.get("_class_name") == "LCMScheduler",
            told_guidance=described.get("told_guidance") is True,
        ),
        description=text(own.get("description") or described.get("about"), 2000),
        licence=line(own.get("licence") or described.get("licence"), 200),
        digest=line(own.get("weights_sha256"), 64),
        prompted=True,
        sizes=family.sides
        if size == family.size
        else _scaled(family.sides, size, family.size, family.factor),
        idle=frozenset({"clipping", *({"clip_skip"} if facts.family == "z-image" else ())}),
        changed=own.get("recommended_at_first", own.get("recommended")) != own.get("recommended"),
        remarks=tuple(_remarks(facts, named, described)),
        text=facts,
    )


def _remarks(facts: TextFacts, names: tuple[str, ...], described: Mapping[str, Any]) -> Iterator[str]:
    if facts.fault:
        yield facts.fault
    if facts.changed:
        yield CHANGED
    few = distilled(*names)
    if facts.family != "z-image" and few is not None:
        yield distilled_remark(few)
    if facts.rest is not None:
        yield tr("What is not in its file is taken from {rest}.", rest=facts.rest)
    remarks = described.get("remarks")
    yield from (line(remark, 500) for remark in (remarks if isinstance(remarks, list) else [])[:10])


def _scaled(
    sides: tuple[tuple[int, int], ...], size: int, usual: int, factor: int
) -> tuple[tuple[int, int], ...]:
    """The family's sizes for a model of another size, each once."""

    def side(pixels: int) -> int:
        return max(factor, round(pixels * size / usual / factor) * factor)

    return tuple(dict.fromkeys((side(width), side(height)) for width, height in sides))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
