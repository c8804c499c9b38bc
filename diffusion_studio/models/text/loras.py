"""LoRA files: those in the LoRA folder and those typed on the command line, what each is made for, and applying them.

Interface: `list_loras()`, `find(name or path)`, `find_named(Lora of the settings)`, `apply(network, encoders, [(file, weight)])`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.layout import line
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.settings.loras import Lora
from diffusion_studio.storage import own_files
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, blocks, open_foreign
from diffusion_studio.storage.places import cache_dir, data_dir, loras_dir

if TYPE_CHECKING:
    from torch import nn

    from diffusion_studio.models.text.lora_weights import Applied, Changes

SUFFIX = ".safetensors"
MOST_FILES, DEEPEST = 10_000, 3
MOST_TRIGGERS = 20
LARGEST_LORA = 8 << 30
MOST_ELSEWHERE = 200  # paths outside the folder that are remembered
VERSION = 1
BASES = {  # in kohya's ss_base_model_version and in modelspec.architecture
    "sdxl": "sdxl",
    "stable-diffusion-xl": "sdxl",
    "sd_v2": "sd2",
    "stable-diffusion-v2": "sd2",
    "sd_v1": "sd1",
    "stable-diffusion-v1": "sd1",
    "z-image": "z-image",
    "zimage": "z-image",
}
WIDTHS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}  # of the texts a network attends to


@dataclass(frozen=True)
class LoraFile:
    """A LoRA: small changes to a model of one family."""

    name: str  # its file's, without the ending
    path: Path
    digest: (
        str  # sha256 of its weights, without the file's header: as others name it, and unchanged by its title
    )
    file_digest: str = ""  # sha256 of the whole file, which some name as well
    base: str = ""  # a name of `FAMILIES`; "" where it does not say
    triggers: tuple[str, ...] = ()  # words it was trained with, the most frequent first
    rank: int = 0
    size: int = 0  # bytes

    @property
    def base_title(self) -> str:
        return FAMILIES[self.base].title if self.base in FAMILIES else ""

    def setting(self, weight: float = 1.0) -> Lora:
        """As the settings of a generation name it."""
        return Lora(self.name, self.digest, weight)


def list_loras() -> list[LoraFile]:
    """Every readable LoRA in the folder, and those that were added from elsewhere and are still there, by name.

    A file is read when it is new or has changed, which loads torch.
    """
    known = _remembered()
    found, fresh = [], {}
    for path in dict.fromkeys((*_files(loras_dir()), *(path for path in elsewhere() if path.is_file()))):
        entry = _known(path, known)
        if entry is None:
            try:
                entry = read_lora(path)
            except UserError:
                continue  # one that is none must not hide the others
            fresh[str(path)] = _kept(entry)
        found.append(entry)
    if fresh:
        _remember(fresh)
    return sorted(found, key=lambda entry: (entry.name.casefold(), str(entry.path)))


def find(word: str | Path) -> LoraFile:
    """The LoRA of this name, or the file at this path. Raises `UserError` naming those there are."""
    path = Path(word).expanduser()
    if isinstance(word, Path) or path.is_file() or os.sep in word or "/" in word:
        return add_typed(path)
    name = word.removesuffix(SUFFIX)
    known = list_loras()
    for entry in known:
        if entry.name == name:
            return entry
    alike = [entry for entry in known if entry.name.casefold() == name.casefold()]
    if alike:
        return alike[0]
    raise (
        missing(Lora(name[:200] or "?"), known)
        if _possible(name)
        else UserError(tr("“{name}” is not the name of a LoRA.", name=line(name, 60)))
    )


def find_named(lora: Lora) -> LoraFile:
    """The file that settings mean: of this hash where they name one, else of this name. Never by a path. Raises `UserError`."""
    known = list_loras()
    if lora.digest:
        for entry in known:
            if entry.digest.startswith(lora.digest) or entry.file_digest.startswith(lora.digest):
                return entry
    for entry in known:
        if entry.name.casefold() == lora.name.casefold() and not lora.digest:
            return entry
    raise missing(lora, known)


def missing(lora: Lora, known: Sequence[LoraFile]) -> UserError:
    other = next((entry for entry in known if entry.name.casefold() == lora.name.casefold()), None)
    if other is not None:
        return UserError(
            tr(
                "LoRA “{name}” ({digest}) is not here: the file of that name has other weights ({found}).",
                name=lora.name,
                digest=lora.digest[:10],
                found=other.digest[:10],
            )
        )
    moved = moved_from(lora.name)
    if moved is not None:
        return UserError(
            tr(
                "LoRA “{name}” was added from {path}, where it is not any more: it was moved, deleted, or is on a drive that is "
                "not connected. Add it from its new place.",
                name=lora.name,
                path=moved,
            )
        )
    names = ", ".join(entry.name for entry in known[:20]) or tr("none")
    return UserError(
        tr(
            "LoRA “{name}” is not in {folder}; there are: {names}.",
            name=lora.name,
            folder=loras_dir(),
            names=names,
        )
    )


def add_typed(path: Path) -> LoraFile:
    """A LoRA that the user named by its path, which is remembered. Raises `UserError`."""
    path = Path(os.path.abspath(path.expanduser()))
    entry = read_lora(path)
    _remember({str(path): _kept(entry)})
    if not path.is_relative_to(loras_dir()):
        others = [str(other) for other in elsewhere() if other != path]
        own_files.change(
            _elsewhere(),
            lambda kept: {**kept, "version": VERSION, "paths": [str(path), *others][:MOST_ELSEWHERE]},
        )
    return entry


def elsewhere() -> list[Path]:
    """Where the LoRAs outside the folder are that were added, the last one first."""
    paths = own_files.read(_elsewhere()).get("paths")
    said = paths if isinstance(paths, list) else []
    return [Path(path) for path in said if isinstance(path, str) and os.path.isabs(path) and "\0" not in path]


def moved_from(name: str) -> Path | None:
    """Where a LoRA of this name was added from and is not any more."""
    alike = (path for path in elsewhere() if path.stem.casefold() == name.casefold())
    return next((path for path in alike if not path.is_file()), None)


def _elsewhere() -> Path:
    return data_dir() / "loras.json"


def apply(
    network: nn.Module,
    encoders: Sequence[nn.Module],
    loras: Sequence[tuple[LoraFile, float]],
    *,
    family: str = "",
    title: str = "",
) -> Applied:
    """Add LoRAs to a model's weights; `restore()` of what is returned gives the weights back bit for bit.

    `family`: the model's, against which each LoRA's own is held. Raises `UserError`, and then nothing is changed.
    """
    from diffusion_studio.models.text.lora_weights import apply_changes

    for entry, _ in loras:
        if family and entry.base and entry.base != family:
            raise UserError(
                tr(
                    "LoRA “{name}” was made for {base}, and {model} is {family}.",
                    name=entry.name,
                    base=entry.base_title,
                    model=title or tr("this model"),
                    family=FAMILIES[family].title,
                )
            )
    return apply_changes(
        network, encoders, [(entry.name, changes_of(entry), weight) for entry, weight in loras], title
    )


def changes_of(entry: LoraFile) -> Changes:
    """The changes in a LoRA's file, in float32. Raises `UserError`."""
    import torch

    from diffusion_studio.models.text.lora_weights import read_changes
    from diffusion_studio.models.text.tensors import Tensors

    tensors = Tensors([entry.path])
    try:
        return read_changes(tensors.read(list(tensors.places), torch.float32), tensors.metadata)
    except KeyError as error:
        raise UserError(
            tr(
                "{path}: {name} is no part of a LoRA that is known here.",
                path=entry.path,
                name=repr(str(error.args[0])[:80]),
            )
        ) from None


# What a file is -------------------------------------------------------------------------------------------------------


def read_lora(path: Path) -> LoraFile:
    """Describe a LoRA's file, reading it once. Raises `UserError` saying what it is instead."""
    from diffusion_studio.models.recognise import explain
    from diffusion_studio.models.text.lora_weights import is_lora, other_kind, parts_of_name
    from diffusion_studio.models.text.tensors import Tensors
    from diffusion_studio.models.text.weight_changes import reach

    if not path.is_file():
        raise UserError(tr("{path} is not there.", path=path) if not path.exists() else explain(path))
    tensors = Tensors([path])
    kind = other_kind(tensors.shapes)
    if kind:
        raise UserError(
            tr(
                "{path} is {kind}, another kind of small change than a LoRA, which is not supported.",
                path=path,
                kind=kind,
            )
        )
    if not is_lora(tensors.shapes):
        raise UserError(explain(path))
    layers: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    for name, shape in tensors.shapes.items():
        if (parts := parts_of_name(name)) is not None:
            layers.setdefault(parts[:2], {})[parts[2]] = shape
    reaches = {layer: reach(shapes) for layer, shapes in layers.items()}
    digest, whole = _hashes(path, next(iter(tensors.places.values())).begin)
    return LoraFile(
        line(path.stem, 200),
        path,
        digest,
        whole,
        _base({layer: inside for layer, (_, inside) in reaches.items()}, tensors.metadata),
        tuple(_triggers(tensors.metadata)),
        max((rank for rank, _ in reaches.values()), default=0),
        path.stat().st_size,
    )


def _base(inputs: Mapping[tuple[str, str], int], metadata: Mapping[str, str]) -> str:
    """The family, by the width of the texts its network attends to, else by what the file says."""
    for (part, layer), inside in inputs.items():
        if part == "network" and layer.endswith("attn2_to_k") and inside in WIDTHS:
            return WIDTHS[inside]
    if any(part == "text_encoder_2" for part, _ in inputs):
        return "sdxl"
    said = " ".join(
        (metadata.get("ss_base_model_version", ""), metadata.get("modelspec.architecture", ""))
    ).casefold()
    return next((family for mark, family in BASES.items() if mark in said), "")


def _triggers(metadata: Mapping[str, str]) -> Iterator[str]:
    """The words of the captions it was trained with, by their number (kohya's ss_tag_frequency)."""
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", "{}"))
        counts: dict[str, int] = {}
        for tags in folders.values():
            for tag, count in tags.items():
                counts[str(tag)] = counts.get(str(tag), 0) + int(count)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return  # broken metadata never makes sound weights refused
    words = sorted(counts, key=lambda tag: -counts[tag])[:MOST_TRIGGERS]
    yield from (word for word in (line(tag, 80) for tag in words) if word)


def _hashes(path: Path, begin: int) -> tuple[str, str]:
    weights, whole = hashlib.sha256(), hashlib.sha256()
    try:
        with open_foreign(path, LARGEST_LORA) as file:
            whole.update(file.read(begin))
            for block in blocks(file, LARGEST_WEIGHTS):
                weights.update(block)
                whole.update(block)
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror)
        ) from None
    return weights.hexdigest(), whole.hexdigest()


# What is remembered of them -------------------------------------------------------------------------------------------


def _files(folder: Path, depth: int = 0) -> list[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)[:MOST_FILES]
    except OSError:
        return []
    found = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False) and depth < DEEPEST:
            found += _files(Path(entry.path), depth + 1)
        elif entry.name.lower().endswith(SUFFIX) and entry.is_file():
            found.append(Path(entry.path))
    return found


def _cache() -> Path:
    return cache_dir() / "loras.json"


def _remembered() -> dict[str, Any]:
    files = own_files.read(_cache()).get("files")
    return files if isinstance(files, dict) else {}


def _remember(fresh: Mapping[str, Any]) -> None:
    with suppress(OSError, UserError):  # a cache that cannot be written is no reason to fail
        own_files.change(_cache(), lambda kept: {"version": VERSION, "files": _still_there(kept, fresh)})


def _still_there(kept: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    files = {**(kept.get("files") or {}), **fresh}
    return {path: entry for path, entry in files.items() if Path(path).is_file()}


def _kept(entry: LoraFile) -> dict[str, Any]:
    facts = os.stat(entry.path)
    return {**asdict(entry), "path": str(entry.path), "stamp": [facts.st_size, facts.st_mtime_ns]}


def _known(path: Path, known: Mapping[str, Any]) -> LoraFile | None:
    kept = known.get(str(path))
    try:
        facts = path.stat()
        if not isinstance(kept, dict) or kept.get("stamp") != [facts.st_size, facts.st_mtime_ns]:
            return None
        values = {key: kept[key] for key in LoraFile.__dataclass_fields__}
        return LoraFile(**{**values, "path": path, "triggers": tuple(map(str, values["triggers"]))})
    except (OSError, KeyError, TypeError):
        return None


def _possible(name: str) -> bool:
    try:
        Lora(name)
    except UserError:
        return False
    return True
