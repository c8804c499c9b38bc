"""The installed models as the window shows them, and the jobs that read and change them off its thread.

What needs torch loads its libraries first, in the way that does not hold up the window.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QImage

from diffusion_studio.events import SampleSheetEvent, Status
from diffusion_studio.language import tr
from diffusion_studio.machine.torch_libraries import load_libraries
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.damaged import DamagedFolder
from diffusion_studio.models.text.requirements import TextExtraMissing, missing
from diffusion_studio.models.wording import disk_size

if TYPE_CHECKING:
    from diffusion_studio.models.import_sources import CachedModel
    from diffusion_studio.models.verify import Hashed, ModelVerdict


@dataclass(frozen=True, slots=True, eq=False)
class ModelRow:
    """What the list and the card show of a model."""

    card: ModelCard
    default: bool = False
    disk: int = 0  # bytes
    changed: float = 0.0  # when its folder was, in seconds since 1970
    sheet: QImage = field(default_factory=QImage)

    @property
    def origin(self) -> str:
        """Where it is from, in a word or two."""
        if self.card.starter:
            return tr("Starter")
        if self.card.text is not None and self.card.text.registered:
            return tr("In its own place")
        return tr("Trained here") if self.card.trained.get("run") else tr("Imported or copied")


@dataclass(frozen=True, slots=True)
class TrashedModel:
    title: str
    now: Path
    before: Path


def list_models() -> Generator[tuple[ModelRow, ...], None, None]:
    """A job: every model, the user's own first."""
    found = cards.installed()
    default = cards.find("").name if found else ""
    yield tuple(
        ModelRow(
            card=card,
            default=card.name == default,
            disk=disk_size(card),
            changed=_changed(card.path),
            sheet=QImage.fromData(card.sample_sheet()),
        )
        for card in found
    )


def list_damaged() -> Generator[list[DamagedFolder], None, None]:
    """A job: the folders that are no models, with the reason."""
    from diffusion_studio.models.damaged import damaged_folders

    yield damaged_folders()


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def find_in_cache() -> Generator[tuple[Path, tuple[CachedModel, ...]], None, None]:
    """A job: the hub's cache on this computer, and the models in it."""
    load_libraries()
    from diffusion_studio.models.import_sources import find_in_hub_cache, hub_cache

    yield hub_cache(), tuple(find_in_hub_cache())


@dataclass(frozen=True, slots=True)
class TextExtraWanted:
    """What is to be installed before a model can be opened."""

    names: tuple[str, ...]


def import_model(source: Path) -> Generator[Status | ModelCard | TextExtraWanted, None, None]:
    """A job: the model that was imported, or that it needs the extra of text models first."""
    load_libraries()
    from diffusion_studio.models import library

    yield Status(text=tr("Checking {name}…", name=source.name))
    try:
        yield library.import_model(source)
    except TextExtraMissing:
        yield TextExtraWanted(missing())


def install_text_extra() -> Generator[Status | bool, None, None]:
    """A job that ends with True, once text models can be opened."""
    from diffusion_studio.jobs.install_text import install

    yield from install()
    yield True


def locate(name: str, place: Path) -> Generator[ModelCard, None, None]:
    load_libraries()
    from diffusion_studio.models.text import registration

    yield registration.locate(name, place)


def export_model(
    name: str, target: Path, *, dtype: str, zip: bool, layout: str
) -> Generator[Status | Path, None, None]:
    load_libraries()
    from diffusion_studio.models.export import exporting

    yield from exporting(name, target, dtype=dtype, zip=zip, layout=layout)


def verify_model(name: str) -> Generator[Status | Hashed | ModelVerdict, None, None]:
    load_libraries()
    from diffusion_studio.models.verify import verify

    yield from verify(name)


def make_sample_sheet(name: str) -> Generator[SampleSheetEvent, None, None]:
    load_libraries()
    from diffusion_studio.jobs.model_samples import make_samples

    yield from make_samples(name)


def rename(name: str, title: str) -> Generator[ModelCard, None, None]:
    load_libraries()
    from diffusion_studio.models.library import rename_model

    yield rename_model(name, title)


def duplicate(name: str) -> Generator[ModelCard, None, None]:
    load_libraries()
    from diffusion_studio.models.library import duplicate_model

    yield duplicate_model(name)


def delete(card: ModelCard) -> Generator[TrashedModel, None, None]:
    load_libraries()
    from diffusion_studio.models.library import delete_model

    yield TrashedModel(card.title, delete_model(card.name), card.path)


def restore_model(trashed: TrashedModel) -> Generator[str, None, None]:
    from diffusion_studio.storage.places import restore

    yield restore(trashed.now, trashed.before).name


def make_default(name: str) -> Generator[ModelCard, None, None]:
    load_libraries()
    from diffusion_studio.models.library import set_default

    yield set_default(name)


def save_recommended(name: str, values: Mapping[str, Any] | None) -> Generator[ModelCard, None, None]:
    load_libraries()
    from diffusion_studio.models.library import recommend

    yield recommend(name, values)
