"""Images taken out of the gallery: copied to the clipboard, exported as files, a ZIP or a sheet, moved to the trash."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication, QImage, QPixmap
from PySide6.QtWidgets import QWidget

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.gallery.export import (
    FILM_SECONDS,
    Exported,
    as_files,
    as_film,
    as_sheet,
    as_zip,
)
from diffusion_studio.language import plural, tr
from diffusion_studio.pictures.film_formats import WRITERS, has_mp4
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import ask_number
from diffusion_studio.ui.base.file_dialogs import EXPORTS, save_file
from diffusion_studio.ui.base.trashing import Moved, removal, to_trash
from diffusion_studio.ui.look.texts import file_url, readable
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.saved import open_picture

WAYS: dict[str, Callable[..., Iterator[Exported]]] = {
    "files": as_files,
    "zip": as_zip,
    "sheet": as_sheet,
    "film": as_film,
}
SHORTEST, LONGEST = 0.02, 60.0  # seconds that a film shows an image


def export(context: AppContext, parent: QWidget, way: str, paths: Sequence[Path]) -> None:
    """Ask where to, and export there; `way`: one of `WAYS`."""
    how: dict[str, float] = {}
    if way == "film":
        seconds = ask_number(
            parent,
            tr("Export as film"),
            FILM_SECONDS,
            accept=tr("Continue…"),
            label=tr("Seconds per image"),
            low=SHORTEST,
            high=LONGEST,
            decimals=2,
        )
        if seconds is None:
            return
        how["seconds"] = seconds
    target = _ask(parent, way)
    if target is not None:
        export_to(context, way, paths, target, **how)


def export_to(context: AppContext, way: str, paths: Sequence[Path], target: Path, **how: float) -> None:
    """`how`: what else the way takes."""

    def report(exported: Exported) -> None:
        if exported.done == exported.total:
            said = plural(
                "Exported {count} image to {path}",
                "Exported {count} images to {path}",
                exported.total,
                path=readable(exported.path),
            )
        else:
            said = tr(
                "Exported {done} of {total} to {path}",
                done=exported.done,
                total=exported.total,
                path=readable(exported.path),
            )
        context.show_status(said)

    title = plural("Export of {count} image", "Export of {count} images", len(paths))
    context.run(_job(way, paths, target, how), report, title=title)


def copy(context: AppContext, entries: Sequence[Entry], thumbnail: QPixmap | None) -> None:
    """The files, and of a single one its pixels too, for programs that take no files."""
    paths = [entry.path for entry in entries]
    if len(paths) != 1:
        _put_on_clipboard(paths)
    elif thumbnail is not None and thumbnail.width() == entries[0].width:
        _put_on_clipboard(paths, thumbnail.toImage())  # small enough to be the image itself
    else:
        _put_on_clipboard(paths)
        context.run(open_picture(paths[0]), lambda picture: _put_on_clipboard(paths, picture.image()))


def delete(
    context: AppContext,
    paths: Sequence[Path],
    gone: Callable[[Sequence[Path]], None],
    moved_again: Callable[[], None],
) -> None:
    """Move files to the trash, with Undo; `gone` gets those that moved, `moved_again` is called after Undo and Redo."""
    context.run(to_trash(paths), lambda moved: _report_trashed(context, moved, gone, moved_again))


def _report_trashed(
    context: AppContext,
    moved: Moved,
    gone: Callable[[Sequence[Path]], None],
    moved_again: Callable[[], None],
) -> None:
    originals = [original for original, _ in moved.pairs]
    gone(originals)
    if not originals:
        context.show_fault(moved.fault)
        return
    count = len(originals)
    text = plural("delete of {count} image", "delete of {count} images", count)
    change = removal(context, text, moved.pairs, moved_again)
    said = (
        tr("Moved to trash")
        if count == 1
        else plural("{count} image moved to trash", "{count} images moved to trash", count)
    )
    if not moved.fault:
        context.done(said, change)
        return
    context.undo.push(change)
    context.show_fault(f"{said}. {moved.fault}", action=tr("Undo"), do=lambda: context.undo.take_back(change))


def _job(
    way: str, paths: Sequence[Path], target: Path, how: Mapping[str, float]
) -> Generator[Exported, None, None]:
    yield from WAYS[way](paths, target, **how)


def _ask(parent: QWidget, way: str) -> Path | None:
    if way == "files":
        return commands.ask_folder(parent)
    if way == "film":
        kinds = {words: (ending,) for ending, words in _film_kinds().items()}
        return save_file(parent, tr("Export as film"), "images.png", kinds, place=EXPORTS, also=WRITERS)
    if way == "zip":
        kinds = {tr("ZIP (*.zip)"): (".zip",)}
        return save_file(parent, tr("Export as ZIP"), "images.zip", kinds, place=EXPORTS)
    return save_file(parent, tr("Export as sheet"), "sheet.png", commands.FORMATS, place=EXPORTS)


def _put_on_clipboard(paths: Sequence[Path], image: QImage | None = None) -> None:
    data = QMimeData()
    data.setUrls([file_url(path) for path in paths])
    if image is not None:
        data.setImageData(image)
    QGuiApplication.clipboard().setMimeData(data)


def _film_kinds() -> dict[str, str]:
    kinds = {".png": "APNG (*.png)", ".webp": "WebP (*.webp)", ".gif": "GIF (*.gif)"}
    return {**kinds, ".mp4": "MP4 (*.mp4)"} if has_mp4() else kinds
