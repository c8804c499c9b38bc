"""Which images were branched from which, found through an index by seed, so that a selection checks few images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.settings.branches import parts
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict

MOST = 12  # relatives that are shown
QUICK = ("steps", "sampler", "spacing")  # compared as they are in the file before the settings are built
USUAL = GenerationSettings()


class Relatives:
    """An index of images by their seeds; entries are not kept, only their paths."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._own: dict[object, list[Path]] = {}  # by the seed of the last part
        self._branches: dict[object, list[Path]] = {}  # branches by the seeds of every earlier part
        for entry in entries:
            settings = entry.settings
            if not settings:
                continue
            seed = settings.get("seed")
            self._own.setdefault(seed, []).append(entry.path)
            if settings.get("history"):
                for past in {seed if past is None else past for past in _past_seeds(entry)}:
                    self._branches.setdefault(past, []).append(entry.path)

    def of(self, entry: Entry, entries: Mapping[Path, Entry]) -> list[tuple[str, Entry]]:
        """(what it is, image): what this image was branched from, then what was branched from it; at most `MOST`."""
        own = settings_of(entry)
        if own is None:
            return []
        found: list[tuple[str, Entry]] = []
        past = parent_of(own)
        if past is not None:
            found += (
                (tr("Parent"), other)
                for other in _known(self._own.get(past.seed, ()), entry, entries)
                if _may_be(other, past) and settings_of(other) == past
            )
        for other in _known(self._branches.get(own.seed, ()), entry, entries):
            child = settings_of(other)
            if child is not None and parent_of(child) == own:
                found.append((tr("Branch at step {step}", step=child.history[-1].step), other))
        return found[:MOST]


def settings_of(entry: Entry) -> GenerationSettings | None:
    if not entry.settings:
        return None
    settings, _ = from_dict(GenerationSettings, dict(entry.settings))
    return settings


def parent_of(settings: GenerationSettings) -> GenerationSettings | None:
    """The parent of a branch; None for an image that is not a branch."""
    return parts(settings)[-1][0] if settings.history else None


def _known(paths: Iterable[Path], but: Entry, entries: Mapping[Path, Entry]) -> Iterable[Entry]:
    return (entries[path] for path in paths if path in entries and path != but.path)


def _may_be(entry: Entry, settings: GenerationSettings) -> bool:
    """Whether a few settings agree: images of one seed usually differ in one of them."""
    said = entry.settings or {}
    return all(said.get(name, getattr(USUAL, name)) == getattr(settings, name) for name in QUICK)


def _past_seeds(entry: Entry) -> list[object]:
    """The seed of each part before the last, None where it was that of the last one."""
    past = entry.value("history") or ()
    values = (part.get("values", ()) if isinstance(part, dict) else part.values for part in past)
    return [dict(pairs).get("seed") for pairs in values]
