"""Where models come from: folders of several layouts, zips, the local cache of the Hugging Face hub. Nothing is downloaded."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards, layout
from diffusion_studio.models.folder import announced_shapes, find_weights_inside, weight_files
from diffusion_studio.models.layout import (
    AUTOENCODER,
    AVERAGED,
    CARD,
    EARLY,
    LARGEST_SHEET,
    SAMPLES,
    schedule_file,
    unet_folder,
)
from diffusion_studio.models.recognise import PICKLES, explain, is_latent, looks_like_weights
from diffusion_studio.models.weights_found import WEIGHTS
from diffusion_studio.storage.foreign_file import (
    LARGEST_JSON,
    LARGEST_TEXT,
    LARGEST_WEIGHTS,
    read_beginning,
    read_foreign,
)
from diffusion_studio.storage.foreign_zip import unpack

WEIGHT_SUFFIXES = {
    ".safetensors",
    *PICKLES,
}  # pickles, so that they can be named for what they are; none is opened
LARGEST_VOCABULARY = 32 << 20  # of a text encoder
# beside the network and its schedule
KEPT = ("model_index.json", CARD, SAMPLES, "README.md", "LICENSE")
LARGEST_EXTRA = 8 << 20
HUB_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)", re.IGNORECASE
)
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
LONGEST_REVISION = 200  # bytes
VARIANTS = {
    "fp16": tr("Its weights are the variant “fp16”, which were rounded to float16."),
    "bf16": tr("Its weights are the variant “bf16”, which were rounded to bfloat16."),
    "non_ema": tr(
        "Its weights are the variant “non_ema”, those of the last training step; averaged ones would generate better images."
    ),
}


@dataclass(frozen=True)
class CachedModel:
    """A model in the local cache of the Hugging Face hub; `reason` says why it cannot be imported."""

    name: str  # organisation/model
    path: Path
    reason: str = ""


def model_root(folder: Path) -> Path:
    """The model in a folder: itself, the pipeline its `unet` belongs to, or the only folder in it."""
    if folder.name == "unet" and (folder.parent / "model_index.json").is_file():
        return folder.parent
    if folder.name.startswith("models--") and (folder / "snapshots").is_dir():
        folder = newest_snapshot(folder) or folder
    for _ in range(3):
        if (unet_folder(folder) / "config.json").is_file():
            return folder
        if (folder / "model_index.json").is_file() or not folder.is_dir():
            break
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir():
            break
        folder = inside[0]
    raise UserError(explain(folder))


def text_model_root(source: Path) -> Path | None:
    """The text model at a place, which stays there: a `.safetensors` file, a latent pipeline or its snapshot in the hub's cache.

    None where it is something else.
    """
    if source.is_file():
        return source if looks_like_weights(source) else None
    folder = source
    if folder.name.startswith("models--") and (folder / "snapshots").is_dir():
        folder = newest_snapshot(folder) or folder
    for place in (folder, folder.parent):
        if is_latent(place):
            return place
    return None


def name_of(root: Path) -> str:
    """What a model is called by the folder it lies in."""
    own = (
        root.parent.name if root.name in ("unet", AVERAGED) else root.name
    )  # every network alone is called so
    return (hub_name(root) or own).split("/")[-1]


def find_source(source: str) -> Path:
    """What a user names as the source of a model: a path, or a name or address on the hub that its cache holds.

    Raises `UserError`, which says how to fetch what is not on this computer.
    """
    path = Path(source).expanduser().absolute()
    if os.path.lexists(path):
        return path
    match = HUB_ADDRESS.match(source.strip())
    name = match[1] if match else source.strip()
    held = {model.name.casefold(): model for model in find_in_hub_cache()}
    known = held.get(name.casefold())
    if known is not None and known.reason:
        raise UserError(known.reason)
    if known is not None:
        return known.path
    if match or HUB_NAME.fullmatch(name):
        raise UserError(
            tr(
                "{source} is not on this computer, and nothing is downloaded from here. Fetch it with “hf download {name}” "
                "(from the Python package huggingface_hub), then import it as “{name}”.",
                source=source[:200],
                name=name,
            )
        )
    if re.match(r"[a-z][a-z0-9+.-]*://", source, re.IGNORECASE):
        raise UserError(
            tr(
                "{source} is an address, and nothing is downloaded from here. Download the model's folder or zip with "
                "your browser, then import that.",
                source=source[:200],
            )
        )
    raise UserError(explain(path))


def files_of(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file that belongs to a model, and its place in a folder of ours. Nothing else is copied."""
    unet = unet_folder(root)
    yield unet / "config.json", "unet/config.json"
    weights = find_weights_inside(unet, within=root)
    if weights.listing is None or len(weights.paths) == 1:
        yield weights.paths[0], f"unet/{WEIGHTS}"
    else:
        yield weights.listing, f"unet/{WEIGHTS}.index.json"
        yield from ((path, f"unet/{path.name}") for path in weights.paths)
    if schedule_file(root).is_file():
        yield schedule_file(root), "scheduler/scheduler_config.json"
    if (root / AUTOENCODER / "config.json").is_file():
        yield root / AUTOENCODER / "config.json", f"{AUTOENCODER}/config.json"
        yield root / AUTOENCODER / WEIGHTS, f"{AUTOENCODER}/{WEIGHTS}"
    if (root / EARLY).is_file():
        yield root / EARLY, str(EARLY)
    for name in KEPT:
        if (root / name).is_file() and (root / name).stat().st_size <= LARGEST_EXTRA:
            yield root / name, name


def choices_of(root: Path) -> Iterator[str]:
    """A sentence for each choice between several files of a model, which its copy no longer shows."""
    unet = unet_folder(root)
    if unet.name == AVERAGED and (root / "unet").is_dir():
        yield tr(
            "Its averaged weights ({averaged}) are used, not those of the last training step beside them (unet).",
            averaged=AVERAGED,
        )
    variant = find_weights_inside(unet, within=root).variant
    if variant:
        yield VARIANTS.get(variant) or tr("Its weights are the variant “{variant}”.", variant=variant[:40])


def licence(root: Path) -> str:
    """As the head of a hub's README says it: "license: apache-2.0"."""
    try:
        head = read_beginning(root / "README.md", 4000, within=root).decode("utf-8-sig", "replace")
    except OSError:
        return ""
    match = re.search(r"^license:\s*([\w.+-]{1,60})\s*$", head, re.MULTILINE)
    return match[1] if match and head.startswith("---") else ""


# From a zip -----------------------------------------------------------------------------------------------------------


def limit_in_zip(path: PurePosixPath) -> int | None:
    """How large a file of a model may be by its name and suffix; None for what is no part of one and stays packed."""
    if any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return None
    suffix = path.suffix.lower()
    if suffix in WEIGHT_SUFFIXES:
        return LARGEST_WEIGHTS
    if suffix in (".json", ".model"):
        return LARGEST_VOCABULARY if path.parent.name.startswith("tokenizer") else LARGEST_JSON
    if path.name == "merges.txt":
        return LARGEST_VOCABULARY
    if path.stem.upper() in ("README", "LICENSE", "LICENCE") and suffix in ("", ".md", ".txt"):
        return LARGEST_TEXT
    return LARGEST_SHEET if path.name == SAMPLES else None


@contextmanager
def unzipped(source: Path) -> Iterator[Path]:
    """The files of a model in a zip, in a folder that is removed afterwards. Raises `UserError`."""
    with tempfile.TemporaryDirectory(prefix="diffusion-studio-") as place:
        unpack(source, Path(place), limit_in_zip, shutil.disk_usage(place).free)
        yield Path(place)


# From the hub's cache -------------------------------------------------------------------------------------------------


def hub_cache() -> Path:
    """Where the tools of the Hugging Face hub keep what they downloaded."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache) / "huggingface").expanduser() / "hub"


def find_in_hub_cache() -> list[CachedModel]:
    """Models in the local cache, of pixels and from prompts, the importable ones first; nothing is downloaded."""
    found = []
    try:
        repositories = sorted(hub_cache().glob("models--*"))
    except OSError:
        return []
    for repository in repositories:
        snapshot = newest_snapshot(repository)
        if snapshot is not None:
            found.append(_look(repository.name.removeprefix("models--").replace("--", "/"), snapshot))
    return sorted(
        (model for model in found if model is not None), key=lambda model: (bool(model.reason), model.name)
    )


def newest_snapshot(repository: Path) -> Path | None:
    """The one that `main` means, else the one written last."""
    try:
        revision = read_foreign(repository / "refs" / "main", LONGEST_REVISION, within=repository)
        main = repository / "snapshots" / revision.decode().strip()
        if main.is_dir() and main.parent == repository / "snapshots":
            return main
    except (OSError, ValueError):
        pass
    try:
        return max((repository / "snapshots").iterdir(), key=lambda entry: entry.stat().st_mtime)
    except (OSError, ValueError):
        return None


def _look(name: str, snapshot: Path) -> CachedModel | None:
    """A model, or None for what has nothing to do with images from diffusion."""
    if is_latent(snapshot):
        return _look_at_text_model(name, snapshot)
    config = unet_folder(snapshot) / "config.json"
    try:
        if layout.read_small_json(config, within=snapshot).get("_class_name") != "UNet2DModel":
            return None
        cards.read_card(snapshot)
        announced_shapes(weight_files(unet_folder(snapshot), within=snapshot))
    except UserError as error:
        return CachedModel(name, snapshot, str(error)) if config.is_file() else None
    return CachedModel(name, snapshot)


def _look_at_text_model(name: str, snapshot: Path) -> CachedModel | None:
    from diffusion_studio.models.text.description import describe

    try:
        describe(snapshot)
    except UserError as error:
        return CachedModel(name, snapshot, str(error))
    return CachedModel(name, snapshot)


def hub_name(path: Path) -> str:
    """ "organisation/model" for a snapshot in the hub's cache, "" for any other folder."""
    for place in path.parents:
        if place.name.startswith("models--"):
            return place.name.removeprefix("models--").replace("--", "/")
    return ""
