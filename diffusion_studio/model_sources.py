"""Where models come from: folders of several layouts, zips, the local cache of the Hugging Face hub. Nothing is downloaded."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from . import cards
from .cards import CARD, schedule_file, unet_folder
from .checkpoint import WEIGHTS, announced_shapes, weight_files
from .errors import UserError
from .foreign import explain

MOST_ENTRIES, LARGEST_ZIP = 1000, 16 << 30
# beside the network and its schedule
KEPT = ("model_index.json", CARD, "samples.png", "README.md", "LICENSE")
LARGEST_EXTRA = 8 << 20


@dataclass(frozen=True)
class Found:
    """A model in the local cache of the Hugging Face hub; `reason` says why one can not be imported."""

    name: str  # organisation/model
    path: Path
    reason: str = ""


def model_root(folder: Path) -> Path:
    """The model in a folder: itself, the pipeline its `unet` belongs to, or the only folder in it."""
    if folder.name == "unet" and (folder.parent / "model_index.json").is_file():
        return folder.parent
    for _ in range(3):
        if (folder / "config.json").is_file() or (folder / "unet" / "config.json").is_file():
            return folder
        if (folder / "model_index.json").is_file() or not folder.is_dir():
            break
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir():
            break
        folder = inside[0]
    raise UserError(explain(folder))


def files_of(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file that belongs to a model, and its place in a folder of ours. Nothing else is copied."""
    unet = unet_folder(root)
    yield unet / "config.json", "unet/config.json"
    weights = weight_files(unet)
    if len(weights) == 1:
        yield weights[0], f"unet/{WEIGHTS}"
    else:
        yield unet / (WEIGHTS + ".index.json"), f"unet/{WEIGHTS}.index.json"
        yield from ((path, f"unet/{path.name}") for path in weights)
    if schedule_file(root).is_file():
        yield schedule_file(root), "scheduler/scheduler_config.json"
    for name in KEPT:
        if (root / name).is_file() and (root / name).stat().st_size <= LARGEST_EXTRA:
            yield root / name, name


def licence(root: Path) -> str:
    """As the head of a hub's README says it: "license: apache-2.0"."""
    try:
        head = (root / "README.md").read_text(encoding="utf-8", errors="replace")[:4000]
    except OSError:
        return ""
    match = re.search(r"^license:\s*([\w.+-]{1,60})\s*$", head, re.MULTILINE)
    return match[1] if match and head.startswith("---") else ""


# From a zip -----------------------------------------------------------------------------------------------------------


@contextmanager
def unzipped(source: Path) -> Iterator[Path]:
    """The files of a zip in a folder that is removed afterwards; nothing can be written outside it."""
    with tempfile.TemporaryDirectory(prefix="diffusion-studio-") as place:
        folder = Path(place)
        try:
            with zipfile.ZipFile(source) as archive:
                for entry, name in _entries(source, archive, shutil.disk_usage(place).free):
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as packed, target.open("xb") as file:
                        shutil.copyfileobj(packed, file, 1 << 20)
        except (
            zipfile.BadZipFile,
            RuntimeError,
            NotImplementedError,
            OSError,
            EOFError,
            ValueError,
        ) as error:
            raise UserError(f"{source} can not be unpacked: it is damaged or uses a way of packing that is not supported.",
                            details=str(error)) from None  # fmt: skip
        except Exception as error:
            if type(error).__module__ in ("zlib", "lzma", "_lzma"):
                raise UserError(f"{source} can not be unpacked: it is damaged.", details=str(error)) from None
            raise
        yield folder


def _entries(source: Path, archive: zipfile.ZipFile, room: int) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """The regular files of an archive, once all of its names and sizes have been checked."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"{source} holds {len(entries)} files; a model has {MOST_ENTRIES} at most.")
    total = sum(entry.file_size for entry in entries)
    if total > min(LARGEST_ZIP, room):
        raise UserError(f"{source} unpacks to {total / 2**30:.1f} GB, more than there is room for.")
    seen = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if (
            path.is_absolute()
            or ".." in path.parts
            or re.search(r"[\\:\0]", entry.filename)
            or len(path.parts) > 6
        ):
            raise UserError(
                f"{source} names a file outside its folder: {entry.filename[:80]!r}; it was not unpacked."
            )
        if kind not in (0, stat.S_IFREG):
            raise UserError(
                f"{source} holds a link ({entry.filename[:80]!r}); only plain files are unpacked."
            )
        if str(path).casefold() in seen:
            raise UserError(f"{source} holds {entry.filename[:80]!r} twice.")
        if entry.flag_bits & 1:
            raise UserError(f"{source} is locked with a password; unpack it first.")
        seen.add(str(path).casefold())
    return ((entry, entry.filename) for entry in entries)


# From the hub's cache -------------------------------------------------------------------------------------------------


def hub_cache() -> Path:
    """Where the tools of the Hugging Face hub keep what they downloaded."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache) / "huggingface").expanduser() / "hub"


def find_in_hub_cache() -> list[Found]:
    """Models that draw pixels in the local cache, the importable ones first; nothing is downloaded."""
    found = []
    try:
        repositories = sorted(hub_cache().glob("models--*"))
    except OSError:
        return []
    for repository in repositories:
        snapshot = _newest_snapshot(repository)
        if snapshot is not None:
            found.append(_look(repository.name.removeprefix("models--").replace("--", "/"), snapshot))
    return sorted(
        (model for model in found if model is not None), key=lambda model: (bool(model.reason), model.name)
    )


def _newest_snapshot(repository: Path) -> Path | None:
    """The one that `main` means, else the one written last."""
    try:
        main = repository / "snapshots" / (repository / "refs" / "main").read_text(encoding="utf-8").strip()
        if main.is_dir() and main.parent == repository / "snapshots":
            return main
    except (OSError, ValueError):
        pass
    try:
        return max((repository / "snapshots").iterdir(), key=lambda entry: entry.stat().st_mtime)
    except (OSError, ValueError):
        return None


def _look(name: str, snapshot: Path) -> Found | None:
    """A model, or None for what has nothing to do with diffusion in pixels."""
    config = unet_folder(snapshot) / "config.json"
    try:
        if cards.read_small_json(config).get("_class_name") != "UNet2DModel":
            return None
        cards.read_card(snapshot)
        announced_shapes(weight_files(unet_folder(snapshot)))
    except UserError as error:
        return Found(name, snapshot, str(error)) if config.is_file() else None
    return Found(name, snapshot)


def hub_name(path: Path) -> str:
    """ "organisation/model" for a snapshot in the hub's cache, "" for any other folder."""
    for place in path.parents:
        if place.name.startswith("models--"):
            return place.name.removeprefix("models--").replace("--", "/")
    return ""
