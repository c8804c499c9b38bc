"""`gallery`: list and search the images of the outputs folder, star, tag and export them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.cli.albums import Subparsers, add_albums
from diffusion_studio.cli.output import agreed, asks, plain, say, say_json, tell
from diffusion_studio.cli.overwriting import FREE_NAMES, add_overwrite, check_free
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.storage.paths import check_path, check_readable

if TYPE_CHECKING:
    from diffusion_studio.gallery.entries import Entry
    from diffusion_studio.gallery.marks import Marks
    from diffusion_studio.storage.trash import TrashEntry

Run = Callable[[argparse.Namespace, Stop], int]
SEARCH = tr("""A search is any number of terms that must all hold: words of the name, model, class or tags; KEY:VALUE for any
setting (model:avatars sampler:heun class:hat seed:7 day:2026-11); KEY>=NUMBER, also > < <= !=; tag:cat, album:NAME, star,
is:branch; ! before a term excludes it.""")

FILMS = (".webp", ".gif", ".mp4")  # endings of --to; .png is a sheet


def gallery(parser: argparse.ArgumentParser) -> Run:
    parser.epilog = SEARCH
    parser.set_defaults(run=run_list, search=[], limit=None, out=None, json=False)
    actions = parser.add_subparsers(metavar="[ACTION]", title=tr("actions"), prog=parser.prog)

    def add(name: str, run: Run, help: str) -> argparse.ArgumentParser:
        action = actions.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=SEARCH, allow_abbrev=False
        )
        action.add_argument("search", metavar="TERM", nargs="*", default=[], help=tr("what to look for"))
        action.add_argument(
            "--out", type=Path, metavar="FOLDER", help=tr("look there (default: the outputs folder)")
        )
        action.add_argument("--limit", type=int, metavar="N", help=tr("at most this many, newest first"))
        action.add_argument("--json", action="store_true", help=tr("print one image per line as JSON"))
        action.set_defaults(run=run)
        return action

    add("list", run_list, tr("list the images, newest first (what “gallery” alone does)"))
    add("search", run_list, tr("list the images that a search finds"))
    give = add("export", run_export, tr("copy what a search finds to a folder, a zip, one sheet or a film"))
    give.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="TARGET",
        help=tr(
            "a folder, in which {free_names}; or a file, refused if it exists: .zip, .png for one sheet, "
            ".webp, .gif or .mp4 for a film",
            free_names=FREE_NAMES,
        ),
    )
    give.add_argument(
        "--seconds",
        type=float,
        default=0.5,
        metavar="X",
        help=tr("how long a film shows each image; 0.02 to 60 (default: 0.5)"),
    )
    add_overwrite(give)
    for name, help in (
        ("star", tr("star what a search finds")),
        ("unstar", tr("remove the star from what a search finds")),
    ):
        add(name, run_star, help).set_defaults(starred=name == "star")
    for name, help in (
        ("tag", tr("tag what a search finds")),
        ("untag", tr("remove a tag from what a search finds")),
    ):
        action = add(name, run_tag, help)
        action.add_argument("--name", required=True, metavar="TAG", help=tr("the tag"))
        action.set_defaults(remove=name == "untag")
    add_albums(actions, search, SEARCH)
    _add_trash(actions)
    return lambda arguments, stop: arguments.run(arguments, stop)


def _add_trash(actions: Subparsers) -> None:
    """Add `gallery trash` and its actions."""
    said = tr("show what was deleted: images, models and runs; restore it, or delete it permanently")
    note = tr("What was moved to the trash more than 30 days ago is deleted when the window opens.")

    def add(parsers: Subparsers, name: str, run: Run, help: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = parsers.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=note, allow_abbrev=False
        )
        parser.set_defaults(run=run)
        return parser

    trash = add(actions, "trash", run_trash_list, said)
    trash.add_argument("--json", action="store_true", help=tr("print one item per line as JSON"))
    verbs = trash.add_subparsers(metavar="[ACTION]", title=tr("actions"), prog=trash.prog)
    listing = add(verbs, "list", run_trash_list, tr("list what is in the trash, the latest first"))
    listing.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("print JSON"))
    back = add(verbs, "restore", run_trash_restore, tr("move items back to where they were"))
    back.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help=tr("as “list” shows it, or its former name or path"),
    )
    back.add_argument("--all", action="store_true", help=tr("everything in the trash"))
    empty = add(verbs, "empty", run_trash_empty, tr("delete items permanently"))
    empty.add_argument(
        "--older-than", type=int, metavar="DAYS", help=tr("only what was moved to the trash longer ago")
    )
    empty.add_argument("--yes", action="store_true", help=tr("do not ask on a terminal"))


def run_trash_list(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio.storage.places import trash_can

    found = trash_can().entries()
    for entry in found:
        when = f"{entry.deleted:%Y-%m-%d %H:%M}" if entry.deleted is not None else tr("an unknown date")
        if arguments.json:
            say_json({
                "name": entry.path.name,
                "kind": entry.kind,
                "deleted": entry.deleted.isoformat() if entry.deleted is not None else None,
                "original": str(entry.original) if entry.original is not None else None,
                "path": str(entry.path),
            })  # fmt: skip
        else:
            say(
                tr(
                    "{name}  {kind}, deleted {when}, from {original}",
                    name=plain(entry.path.name),
                    kind=entry.kind or tr("other"),
                    when=when,
                    original=plain(entry.original or tr("an unknown place")),
                )
            )
    if not found:
        tell(tr("The trash is empty."))
    return 0


def run_trash_restore(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio.storage.places import restore, trash_can

    if bool(arguments.names) == arguments.all:
        raise UserError(tr("Name what to restore, as “gallery trash list” shows it, or use --all."))
    there = trash_can().entries()
    wanted = there if arguments.all else [_trashed(name, there) for name in dict.fromkeys(arguments.names)]
    faults = []
    for entry in dict.fromkeys(wanted):
        try:
            say(plain(restore(entry.path)))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError(" ".join(faults))
    if not wanted:
        tell(tr("The trash is empty."))
    return 0


def _trashed(name: str, there: Sequence[TrashEntry]) -> TrashEntry:
    """The item of that name: its name in the trash, which is unique, or else its former path or name."""
    ways: tuple[Callable[[TrashEntry], bool], ...] = (
        lambda entry: name in (entry.path.name, str(entry.path)),
        lambda entry: str(entry.original) == str(Path(name).absolute()),
        lambda entry: entry.name == name,
    )
    for fits in ways:
        found = [entry for entry in there if fits(entry)]
        if len(found) > 1:
            names = ", ".join(plain(entry.path.name) for entry in found[:10])
            raise UserError(
                tr(
                    "Several items in the trash are called “{name}”; name one of: {names}.",
                    name=plain(name),
                    names=names,
                )
            )
        if found:
            return found[0]
    raise UserError(
        tr("“{name}” is not in the trash; “gallery trash list” shows what is.", name=plain(name)[:80])
    )


def run_trash_empty(arguments: argparse.Namespace, stop: Stop) -> int:
    from datetime import timedelta

    from diffusion_studio.storage.places import trash_can

    if arguments.older_than is not None and not 0 <= arguments.older_than <= 100_000:
        raise UserError(
            tr(
                "--older-than must be between 0 and 100000 days, not {older_than}.",
                older_than=arguments.older_than,
            )
        )
    age = None if arguments.older_than is None else timedelta(days=arguments.older_than)
    if (
        not arguments.yes
        and asks()
        and not agreed(tr("Delete them permanently? This cannot be undone. [y/N] "))
    ):
        tell(tr("Nothing was deleted."))
        return 0
    count = 0
    try:
        for _ in trash_can().empty(age):
            count += 1
    finally:
        tell(plural("{count} item deleted permanently.", "{count} items deleted permanently.", count))
    return 0


def run_list(arguments: argparse.Namespace, stop: Stop) -> int:
    count = 0
    for entry in search(arguments):
        count += 1
        if arguments.json:
            say_json(as_json(entry))
        else:
            say(str(entry.path))
    if not count:
        tell(tr("No images found."))
    return 0


def run_export(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio.gallery import export as give

    check_path(arguments.to)
    paths = [entry.path for entry in search(arguments)]
    if not paths:
        raise UserError(tr("No images found, so there is nothing to export."))
    kind = arguments.to.suffix.lower()
    if not 0.02 <= arguments.seconds <= 60:
        raise UserError(
            tr("--seconds must be between 0.02 and 60, not {seconds:g}.", seconds=arguments.seconds)
        )
    film = partial(give.as_film, seconds=arguments.seconds)
    ways: dict[str, Callable[..., Iterator[give.Exported]]] = {
        ".zip": give.as_zip,
        ".png": give.as_sheet,
        **dict.fromkeys(FILMS, film),
    }
    if kind in ways:
        check_free(arguments.to, arguments)
    for event in ways.get(kind, give.as_files)(paths, arguments.to):
        path = event.path
    say(str(path))
    tell(plural("{count} image in {path}", "{count} images in {path}", len(paths), path=plain(path)))
    return 0


def run_star(arguments: argparse.Namespace, stop: Stop) -> int:
    return _mark(arguments, lambda marks, paths: marks.star(paths, arguments.starred))


def run_tag(arguments: argparse.Namespace, stop: Stop) -> int:
    return _mark(arguments, lambda marks, paths: marks.tag(paths, [arguments.name], remove=arguments.remove))


def _mark(arguments: argparse.Namespace, do: Callable[[Marks, list[Path]], None]) -> int:
    from diffusion_studio.gallery.marks import Marks

    if not arguments.search and arguments.limit is None:
        raise UserError(tr("Select images with a search, or with --limit for the newest."))
    paths = [entry.path for entry in search(arguments)]
    do(Marks(), paths)
    tell(plural("{count} image changed", "{count} images changed", len(paths)))
    return 0


def search(arguments: argparse.Namespace) -> Iterator[Entry]:
    from diffusion_studio.gallery import entries, index
    from diffusion_studio.gallery import search as query
    from diffusion_studio.gallery.marks import Marks
    from diffusion_studio.pictures.listing import newest
    from diffusion_studio.storage.places import outputs_dir

    check_readable(arguments.out or outputs_dir())
    if arguments.limit is not None and arguments.limit < 1:
        raise UserError(tr("--limit must be 1 or more, not {limit}.", limit=arguments.limit))
    if arguments.out is not None and not arguments.out.is_dir():
        raise UserError(tr("{out} is not a folder.", out=arguments.out))
    wanted, marks = query.parse(" ".join(map(_quoted, arguments.search))), Marks()
    paths = newest(arguments.out)
    if arguments.out is None:
        marks.follow(paths)
    batches = index.look(entries.found(paths))
    every = (entry for batch in batches for entry in marks.mark(batch) if wanted(entry))
    return islice(every, arguments.limit)


def _quoted(word: str) -> str:
    """A word of the shell that contains spaces is one term."""
    return f'"{word}"' if " " in word and '"' not in word and ":" not in word else word


def as_json(entry: Entry) -> dict[str, Any]:
    return {
        "path": str(entry.path),
        "day": entry.day,
        "width": entry.width,
        "height": entry.height,
        "star": entry.star,
        "tags": sorted(entry.tags),
        "albums": sorted(entry.albums),
        "settings": entry.settings,
        "facts": entry.facts,
    }
