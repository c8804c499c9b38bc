"""`gallery album`: put images into named albums, list, rename and remove albums. Image files stay as they are."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from diffusion_studio.cli.output import plain, say, say_json, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr

if TYPE_CHECKING:
    from diffusion_studio.gallery.entries import Entry

Find = Callable[[argparse.Namespace], Iterable["Entry"]]  # what the terms and limits of a command line find
Run = Callable[[argparse.Namespace, Stop], int]
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # no class outside typing


def add_albums(actions: Subparsers, find: Find, search: str) -> None:
    """Add the actions of `gallery album`; `search` explains the search terms at the end of their help."""

    def add(parsers: Subparsers, name: str, run: Run, help: str, epilog: str = "") -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = parsers.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=epilog, allow_abbrev=False
        )
        parser.set_defaults(run=run)
        return parser

    album = add(actions, "album", run_list, tr("list albums, and put images into them"))
    album.add_argument("--json", action="store_true", help=tr("print one album per line as JSON"))
    verbs = album.add_subparsers(metavar="[ACTION]", title=tr("actions"), prog=album.prog)
    listing = add(verbs, "list", run_list, tr("list the albums and how many images each has"))
    listing.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("print JSON"))
    for name, help in (
        ("add", tr("add what a search finds to an album; a new name makes a new album")),
        ("remove", tr("remove what a search finds from an album")),
    ):
        action = add(verbs, name, lambda a, stop: run_collect(a, find), help, search)
        action.add_argument("album", metavar="ALBUM", help=tr("the album"))
        action.add_argument("search", metavar="TERM", nargs="*", default=[], help=tr("what to look for"))
        action.add_argument("--limit", type=int, metavar="N", help=tr("at most this many, newest first"))
        action.set_defaults(remove=name == "remove", out=None)
    rename = add(verbs, "rename", run_rename, tr("rename an album"))
    rename.add_argument("album", metavar="ALBUM", help=tr("the album"))
    rename.add_argument("name", metavar="NAME", help=tr("its new name"))
    delete = add(verbs, "delete", run_rename, tr("delete an album; its images stay"))
    delete.add_argument("album", metavar="ALBUM", help=tr("the album"))
    delete.set_defaults(name=None)


def run_list(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio.gallery.marks import Marks

    albums = Marks().albums()
    for name, count in albums.items():
        if arguments.json:
            say_json({"album": name, "images": count})
        else:
            say(f"{plain(name)}  {plural('{count} image', '{count} images', count)}")
    if not albums:
        tell(tr("There are no albums yet. “gallery album add NAME TERM…” makes one."))
    return 0


def run_collect(arguments: argparse.Namespace, find: Find) -> int:
    from diffusion_studio.gallery.marks import Marks, check_album

    name = check_album(arguments.album)
    if not arguments.search and arguments.limit is None:
        raise UserError(tr("Select images with a search, or with --limit for the newest."))
    marks = Marks()
    if arguments.remove and name not in marks.albums():
        raise UserError(tr("There is no album “{name}”.", name=plain(name)))
    paths = [entry.path for entry in find(arguments)]
    marks.collect(paths, name, remove=arguments.remove)
    if arguments.remove:
        said = plural(
            "{count} image removed from “{name}”",
            "{count} images removed from “{name}”",
            len(paths),
            name=plain(name),
        )
    else:
        said = plural(
            "{count} image added to “{name}”",
            "{count} images added to “{name}”",
            len(paths),
            name=plain(name),
        )
    tell(said)
    return 0


def run_rename(arguments: argparse.Namespace, stop: Stop) -> int:
    """With no new name the album is removed."""
    from diffusion_studio.gallery.marks import Marks, check_album

    marks, new = Marks(), arguments.name
    if new is not None and check_album(new) in marks.albums() and check_album(new) != arguments.album:
        raise UserError(tr("There is an album “{name}” already. Choose another name.", name=plain(new)))
    marks.rename_album(arguments.album, new)
    if new is None:
        tell(tr("Album “{album}” deleted; its images stay.", album=plain(arguments.album)))
    else:
        tell(tr("Album “{album}” renamed to “{name}”.", album=plain(arguments.album), name=plain(new)))
    return 0
