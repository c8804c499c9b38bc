"""Saved images: opened off the window's thread to be shown, or to generate again with what made them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QMenu, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.events import NotSaved, Saved
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.picture import Picture

LONGEST_SENTENCE = 300  # characters


@dataclass(frozen=True, slots=True)
class SettingsFound:
    """What a file says of how it was made, as far as it can be used here."""

    values: Mapping[str, Any]  # by name of GenerationSettings; its model by the name it has here
    missing: str = ""  # the sentence of a model that is not installed
    left_out: str = ""  # what the file says and cannot be used here, in a sentence

    def report(self, context: AppContext) -> None:
        """Say what cannot be used."""
        if self.missing:
            context.show_fault(self.missing)
        elif not self.values:
            context.show_status(tr("No generation settings found."))
        if self.left_out:
            context.show_status(self.left_out)


class SavedPictures(QObject):
    """What can be done with a saved image in a list, on any page that has one."""

    opened = Signal(object)  # Picture to show
    settings_wanted = Signal(object)  # names and values of GenerationSettings to generate with
    start_wanted = Signal(object)  # Path of the image to start from

    def __init__(self, context: AppContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._context, self._parent = context, parent

    def show(self, path: Path) -> None:
        self._context.run(open_picture(path), self.opened.emit)

    def use_settings(self, path: Path) -> None:
        """Generate with everything the file says of how it was made."""
        self._context.run(read_settings(path), self._use)

    def use_seed(self, path: Path) -> None:
        self._context.run(
            read_settings(path), lambda read: self.settings_wanted.emit({"seed": read.values.get("seed")})
        )

    def show_menu(self, path: Path, position: QPoint) -> None:
        """The menu under the right mouse button."""
        menu = QMenu(self._parent)
        for text, do in (
            (tr("Show"), self.show),
            (tr("Reuse settings"), self.use_settings),
            (tr("Seed only"), self.use_seed),
            (tr("Use as start image"), self.start_wanted.emit),
            (tr("Reveal in folder"), commands.reveal),
        ):
            menu.addAction(text).triggered.connect(lambda _=False, do=do: do(path))
        menu.exec(position)
        menu.deleteLater()

    def _use(self, read: SettingsFound) -> None:
        self.settings_wanted.emit(dict(read.values))
        read.report(self._context)


def open_picture(path: Path) -> Generator[Picture, None, None]:
    """A job: the pixels of a file and what made them."""
    from diffusion_studio.pictures.reading import read

    record = read(path)
    yield Picture(
        {"denoised": record.pixels()},
        path=path,
        settings=record.settings,
        facts=record.facts,
    )


@dataclass(frozen=True, slots=True)
class RawText:
    """What a file says, word for word."""

    path: Path
    text: str


def read_raw(path: Path) -> Generator[RawText, None, None]:
    """A job: the metadata of a file as plain text."""
    from diffusion_studio.pictures.reading import read

    record = read(path)
    yield RawText(path, record.raw or tr("No generation settings found."))


def read_settings(path: Path) -> Generator[SettingsFound, None, None]:
    """A job: the settings that a file really names."""
    from diffusion_studio.models.made_by import find_model
    from diffusion_studio.pictures.reading import read

    record = read(path)
    values = {name: value for name, value in record.given.items() if value is not None}
    named = values.pop("model", "") or record.facts.get("model_title") or record.facts.get("model_hash")
    missing = ""
    if named:
        try:
            values["model"] = find_model(record).name
        except UserError as error:
            missing = str(error)
    left_out = tr("Left out: {reasons}", reasons=" ".join(record.refused)) if record.refused else ""
    yield SettingsFound(values, missing, left_out[:LONGEST_SENTENCE])


def save_in(folder: Path, events: Sequence[NotSaved]) -> Generator[Path | list[NotSaved], None, None]:
    """A job: save images that the outputs folder did not take; one that fails again costs none of the others.

    Yields the folder where any was written, then the events of those that still were not, with their new reasons.
    """
    from diffusion_studio.pictures.writing import save

    left = []
    for event in events:
        try:
            save(event.picture, event.settings, facts=event.facts, folder=folder)
        except UserError as error:
            left.append(replace(event, reason=str(error)))
    if len(left) < len(events):
        yield folder
    if left:
        yield left


def save_shown(pictures: Sequence[Picture]) -> Generator[Saved | NotSaved, None, None]:
    """A job: save images as they were shown at a step, with a `Saved` or a `NotSaved` for each."""
    from diffusion_studio.models.made_by import known_facts
    from diffusion_studio.pictures.writing import save

    for index, picture in enumerate(pictures):
        settings, pixels = picture.settings, picture.pixels
        assert settings is not None
        facts = known_facts(settings, (pixels.shape[1], pixels.shape[0]))
        try:
            path = save(pixels, settings, facts=facts)
        except UserError as error:
            yield NotSaved(index=index, settings=settings, picture=pixels, reason=str(error), facts=facts)
        else:
            yield Saved(path=path, index=index, settings=settings, picture=pixels)
