"""The dialog for a dropped image: shows how it was made, and uses that only if the user agrees."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.pictures.reading import Record
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable, shorten
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.pictures.picture import to_image
from diffusion_studio.ui.pictures.sheet_preview import with_grid
from diffusion_studio.ui.pictures.thumbnails import read_thumbnail
from diffusion_studio.ui.train.images.sheets import offer_words
from diffusion_studio.ui.widgets.form import Disclosure

if TYPE_CHECKING:
    import numpy as np

SIDE, WIDTH = 144, 560  # pixels, of the image and of the dialog
MOST_REFUSED = 4  # sentences that are shown; the rest is counted
WHO = {
    "ours": tr("Made with Diffusion Studio."),
    "other": tr("Made with {}. What can be used here is listed."),
    "nobody": tr("No generation settings found. It can be used as a start image."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found in a dropped image. `values` are the settings it names, its model by its name here."""

    picture: Path | np.ndarray
    image: QImage
    size: str
    who: str
    values: Mapping[str, Any] = field(default_factory=dict)
    entry: Entry | None = None  # the same as the gallery shows it
    missing: str = ""  # the model that is not installed, in a sentence
    refused: tuple[str, ...] = ()
    raw: str = ""
    made_with: str = ""  # the other program
    sheet: Mapping[str, Any] | None = None  # its name and `SheetGrid`, where it is a sheet of sprites

    @property
    def name(self) -> str:
        return (
            readable(self.picture.name) if isinstance(self.picture, Path) else tr("An image without a file")
        )


def look_at(picture: Path | np.ndarray) -> Generator[Seen, None, None]:
    """A job: read how an image was made. A file that is no image is a `UserError`, which the window shows."""
    if not isinstance(picture, Path):
        image = to_image(picture)
        yield Seen(picture=picture, image=image, size=f"{image.width()}×{image.height()}", who="nobody")
        return
    from diffusion_studio.models.made_by import find_model
    from diffusion_studio.pictures.reading import read

    record = read(picture)
    values = {name: value for name, value in record.given.items() if value is not None}
    named = values.pop("model", "") or record.facts.get("model_title") or record.facts.get("model_hash")
    missing = ""
    if named:
        try:
            values["model"] = find_model(record).name
        except UserError:
            missing = tr(
                "The model “{shorten}” is not installed. Import it on the Models page first, or use "
                "the other settings with the model that is chosen now.",
                shorten=shorten(str(named), 60),
            )
    image = read_thumbnail(picture, 2 * SIDE)
    yield Seen(
        picture=picture,
        image=image if not image.isNull() else to_image(record.pixels()),
        size=f"{record.width}×{record.height} {record.format}",
        who="ours" if record.ours else "other" if values or _says_how(record) else "nobody",
        values=values,
        entry=Entry(path=picture, day="", settings=values, facts=record.facts),
        missing=missing,
        refused=tuple(record.refused),
        raw=record.raw,
        made_with=record.foreign.program if record.foreign is not None else "",
        sheet=_sheet(picture, record),
    )


def _sheet(path: Path, record: Record) -> dict[str, Any] | None:
    """Images of ours are none, however alike their edges are."""
    from diffusion_studio.pictures.channels import shown
    from diffusion_studio.pictures.folder_listing import printable
    from diffusion_studio.pictures.pixel_art.sheet_grid import sheet_grid

    grid = None if record.ours else sheet_grid(shown(record.pixels()))
    return None if grid is None else {"name": printable(path.name), **asdict(grid)}


def _says_how(record: Record) -> bool:
    return record.foreign is not None and record.foreign.says_how


class DropDialog(QDialog):
    settings_wanted = Signal(object)  # names and values of GenerationSettings
    start_wanted = Signal(object)  # Path or (H, W, 3) uint8
    cut_wanted = Signal(object, object)  # Path of a sheet of sprites; its name and grid

    def __init__(self, seen: Seen, parent: QWidget) -> None:
        super().__init__(parent)
        self.seen = seen
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Dropped image"))
        self.setMinimumWidth(WIDTH)
        self.use = push_button(
            tr("Use its settings"),
            tr("Show them in the panel; nothing is generated before you press Generate"),
        )
        self.start = push_button(
            tr("Use as start image"),
            tr("Add noise to it part of the way, and generate from there"),
        )
        self.cut = push_button(
            offer_words([seen.sheet]) if seen.sheet is not None else "",
            tr("Save each sprite as an image of its own, and train a model on those"),
        )
        self.cut.setVisible(seen.sheet is not None)
        self.cancel = push_button(tr("Cancel"), tr("Change nothing"))
        self.use.setVisible(bool(seen.values))
        main = self.use if seen.values else self.cut if seen.sheet is not None else self.start
        main.setProperty("primary", True)
        main.setDefault(True)
        self.raw = QPlainTextEdit(seen.raw)
        self.raw.setReadOnly(True)
        self.raw.setTabChangesFocus(True)
        self.raw.setAccessibleName(tr("Metadata"))
        self.raw.setFixedHeight(110)
        self.raw.hide()
        self.more = Disclosure(tr("Metadata"), tr("the text in the file, as it is"))
        self.more.setVisible(bool(seen.raw))
        self.more.toggled.connect(self.raw.setVisible)
        self._lay_out()
        self.use.clicked.connect(self._use)
        self.start.clicked.connect(self._start)
        self.cut.clicked.connect(self._cut)
        self.cancel.clicked.connect(self.reject)
        main.setFocus()

    def _use(self) -> None:
        self.accept()
        self.settings_wanted.emit(dict(self.seen.values))

    def _start(self) -> None:
        self.accept()
        self.start_wanted.emit(self.seen.picture)

    def _cut(self) -> None:
        self.accept()
        self.cut_wanted.emit(self.seen.picture, self.seen.sheet)

    def _lay_out(self) -> None:
        seen = self.seen
        words = QVBoxLayout()
        words.setSpacing(SPACE_S // 2)
        words.addWidget(_wrapped(shorten(seen.name, 60), "heading"))
        words.addWidget(_wrapped(seen.size, "small"))
        words.addWidget(_wrapped(WHO[seen.who].format(seen.made_with or tr("another program")), "quiet"))
        words.addSpacing(SPACE_S)
        words.addLayout(self._rows())
        for sentence in self._warnings():
            words.addSpacing(SPACE_S // 2)
            words.addWidget(_wrapped(sentence, "small"))
        words.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(SPACE_L)
        top.addWidget(self._picture(), 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addStretch(1)
        for button in (self.cancel, self.start, self.cut, self.use):
            foot.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_L)
        column.setSpacing(SPACE_M)
        column.addLayout(top, 1)
        column.addWidget(self.more)
        column.addWidget(self.raw)
        column.addLayout(foot)

    def _picture(self) -> QLabel:
        label = QLabel()
        label.setAccessibleName(tr("The dropped image"))
        ratio, image = self.devicePixelRatioF(), self.seen.image
        side = round(SIDE * ratio)
        sheet = self.seen.sheet
        if sheet is not None:
            lined = with_grid(image, sheet, QSize(SIDE, SIDE), ratio)
            label.setPixmap(QPixmap.fromImage(lined))
            return label
        larger = image.width() <= side and image.height() <= side
        factor = side // max(image.width(), image.height(), 1)
        size = image.size() * factor if larger else QSize(side, side)  # small pictures keep square pixels
        how = (
            Qt.TransformationMode.FastTransformation if larger else Qt.TransformationMode.SmoothTransformation
        )
        pixmap = QPixmap.fromImage(image.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, how))
        pixmap.setDevicePixelRatio(ratio)
        label.setPixmap(pixmap)
        return label

    def _rows(self) -> QGridLayout:
        from diffusion_studio.ui.gallery.facts import WORDS, setting_rows

        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_M)
        grid.setVerticalSpacing(SPACE_S // 2)
        grid.setColumnStretch(1, 1)
        rows = setting_rows(self.seen.entry) if self.seen.entry is not None else ()
        said = [row for row in rows if row[0] != WORDS["made_with"]]  # above
        for place, (name, value) in enumerate(said):
            grid.addWidget(plain_label(name, "quiet"), place, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(_wrapped(shorten(value, 200)), place, 1)
        return grid

    def _warnings(self) -> list[str]:
        refused = [shorten(sentence, 160) for sentence in self.seen.refused[:MOST_REFUSED]]
        left = len(self.seen.refused) - len(refused)
        found = [tr("Left out: {refused}", refused=" ".join(refused))] if refused else []
        if left:
            found.append(tr("And {left} more that cannot be used here.", left=left))
        return [*filter(None, [self.seen.missing]), *found]


def _wrapped(text: str, kind: str = "") -> QLabel:
    label = plain_label(text, kind)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
