"""Jobs that list the gallery's images, read what their files say, and put those that match a search in order.

All of it runs off the window's thread: with 20,000 images each would block the window for longer than a hand feels.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import DAY, Entry, found, group_of, in_order
from diffusion_studio.gallery.index import look
from diffusion_studio.gallery.marks import Marks
from diffusion_studio.gallery.relatives import Relatives
from diffusion_studio.gallery.search import parse
from diffusion_studio.machine import garbage
from diffusion_studio.storage.places import outputs_dir

FIRST = 400  # images shown at once
EVERY = 1.5  # seconds after which what has been read so far is shown
WATCHED = 8  # days; new images come to the latest
MANY = 2000  # images, which the collector of garbage takes long to look through
MOST_VALUES = 200  # of a filter: more are found by typing
MOST_PROMPTS, LONGEST_SEARCH = 30, 80  # of the filter; letters of one in a search


@dataclass(frozen=True, slots=True)
class Facets:
    """The values images can be filtered by, each with how many images have it."""

    models: tuple[tuple[str, str, int], ...] = ()  # name, title, images
    classes: tuple[tuple[str, int], ...] = ()
    months: tuple[tuple[str, int], ...] = ()  # 2026-11, the latest first
    prompts: tuple[tuple[str, int], ...] = ()  # how they begin, the most frequent first


@dataclass(frozen=True, slots=True)
class Listing:
    """The images there are, newest first; `read` of them say all they have to say."""

    entries: Mapping[Path, Entry]
    folders: tuple[Path, ...]
    read: int
    changed: tuple[Path, ...] = ()  # files that differ from when they were last read
    relatives: Relatives | None = None  # an index of them, once they have all been read
    facets: Facets | None = None  # likewise
    marks: Marks | None = None  # as they are in their file by then


@dataclass(frozen=True, slots=True)
class Arranged:
    """The images that a search asks for, in order; `runs` are headings with how many images are under each."""

    entries: list[Entry] = field(default_factory=list)
    places: Mapping[Path, int] = field(default_factory=dict)
    runs: list[tuple[str, int]] = field(default_factory=list)
    sort: str = "newest"
    wrong: str = ""  # why the search could not be understood


def list_images(known: Mapping[Path, Entry]) -> Generator[Listing, None, None]:
    """The first page at once, then all of them, then what they say."""
    from diffusion_studio.pictures.listing import newest

    with suppress(OSError):
        outputs_dir().mkdir(parents=True, exist_ok=True)  # so that it can be watched
    folders = tuple(folder for folder in (outputs_dir(), *_days()) if folder.is_dir())
    marks = Marks()
    if not known:
        first = marks.mark(found(newest(limit=FIRST)))
        yield Listing({entry.path: entry for entry in first}, folders, 0)
    paths = newest()
    marks.follow(paths)
    fresh = iter(found(path for path in paths if path not in known))
    entries = (known[path] if path in known else next(fresh) for path in paths)
    listed = {entry.path: entry for entry in marks.mark(entries)}
    # as many objects as images: the fewer there are, the shorter Python stops to look for garbage
    del paths
    _keep(listed)
    yield Listing(listed, folders, 0)
    read, shown, changed = 0, time.monotonic(), list[Path]()
    for batch in look(list(listed.values())):
        if any(known.get(entry.path) is not entry for entry in batch):
            _keep(listed)
        listed.update((entry.path, entry) for entry in batch)
        changed += [entry.path for entry in batch if _has_changed(known.get(entry.path), entry)]
        read += len(batch)
        if time.monotonic() - shown > EVERY:
            yield Listing(dict(listed), folders, read)
            shown = time.monotonic()
    every = listed.values()
    yield Listing(listed, folders, len(listed), tuple(changed), Relatives(every), facets_of(every), marks)


def _keep(listed: Mapping[Path, Entry]) -> None:
    """Images stay as long as the gallery: where there are many, nothing else waits while they are looked through for garbage."""
    if len(listed) > MANY:
        garbage.set_aside()


def arrange(entries: Mapping[Path, Entry], search: str, sort: str) -> Generator[Arranged, None, None]:
    """A search that cannot be understood shows everything, and says why."""
    try:
        wanted, wrong = parse(search), ""
    except UserError as error:
        wanted, wrong = parse(""), str(error)
    shown = in_order(filter(wanted, entries.values()), sort)
    places = {entry.path: place for place, entry in enumerate(shown)}
    yield Arranged(shown, places, list(runs(shown, sort)), sort, wrong)


def runs(entries: list[Entry], sort: str) -> Iterator[tuple[str, int]]:
    for name, run in groupby(group_of(entry, sort) for entry in entries):
        yield name, sum(1 for _ in run)


def facets_of(entries: Iterable[Entry]) -> Facets:
    models, classes, prompts = Counter[str](), Counter[str](), Counter[str]()
    months, titles = Counter[str](), dict[str, str]()
    for entry in entries:
        months[entry.day[:7]] += 1
        name = str(entry.value("model") or "")
        if name:
            models[name] += 1
            titles.setdefault(name, str(entry.facts.get("model_title") or name))
        words = searchable(str(entry.value("prompt") or ""))
        if words:
            prompts[words] += 1
        label = str(entry.value("class_label") or "")
        if label:
            classes[label] += 1
    return Facets(
        tuple((name, titles[name], count) for name, count in models.most_common(MOST_VALUES)),
        tuple(sorted(classes.most_common(MOST_VALUES))),
        tuple(sorted(months.items(), reverse=True)[:MOST_VALUES]),
        tuple(prompts.most_common(MOST_PROMPTS)),
    )


def searchable(prompt: str) -> str:
    """The beginning of a prompt as a search can hold it: one line without quotation marks."""
    return prompt.split("\n", 1)[0].split('"', 1)[0].strip()[:LONGEST_SEARCH]


def _has_changed(before: Entry | None, now: Entry) -> bool:
    return before is not None and before.stamp not in ("", now.stamp)


def _days() -> list[Path]:
    try:
        days = (path for path in outputs_dir().iterdir() if DAY.fullmatch(path.name))
        return sorted(days, reverse=True)[:WATCHED]
    except OSError:
        return []
