"""What the gallery shows of the selected images: how they were made, by which model, from what; and what to do with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLayout,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import plural, tr
from diffusion_studio.ui.gallery.facts import MADE_BY, common_rows, made_by, setting_rows
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable, shorten, tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.models.button import ModelButton
from diffusion_studio.ui.pictures.cells import paint_fitted
from diffusion_studio.ui.pictures.saved import RawText
from diffusion_studio.ui.widgets.form import Disclosure

WIDTH = 300
MOSAIC = 4  # images shown of several
USES = {
    "all": (tr("Reuse settings"), tr("Generate with every setting of this image")),
    "settings": (tr("With new seed"), tr("Generate with its settings and another seed")),
    "seed": (tr("Seed only"), tr("Use its seed; leave the other settings as they are")),
    "branch": (tr("Branch"), tr("Continue differently from any of its steps")),
}
LONGEST_ALBUM = 30  # characters on its button; the tooltip has all of them


class GalleryDetails(QFrame):
    use_wanted = Signal(str)  # one of `USES`, for the image in `entry`
    star_wanted = Signal(bool)
    tags_wanted = Signal(object)  # frozenset of str, in place of `shared_tags`
    raw_wanted = Signal(object)  # Path of the file whose metadata is to be shown
    relative_wanted = Signal(object)  # Path of its parent or a branch of it
    model_wanted = Signal(str)  # name of the model that generated it
    album_wanted = Signal(str)  # an album it is in

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedWidth(WIDTH)
        self.entry: Entry | None = None  # the one that is shown; None for none or several
        self.shared_tags: frozenset[str] = frozenset()
        self._raw_of: Path | None = None  # the file whose metadata is shown
        self.picture = Mosaic()
        self.title = plain_label("", "heading")
        self.title.setWordWrap(True)
        self.subtitle = plain_label("", "small")
        self.subtitle.setWordWrap(True)
        self.buttons = {name: push_button(text, tip) for name, (text, tip) in USES.items()}
        self.buttons["all"].setProperty("primary", True)
        self.star = push_button(tr("☆ Star"), tr("Mark as a favorite (S)"))
        self.star.setCheckable(True)
        self.tags = QLineEdit()
        self.tags.setPlaceholderText(tr("Tags, separated by commas"))
        self.tags.setAccessibleName(tr("Tags"))
        self.tags.setToolTip(tr("Words of your own to find it by: search for tag:word"))
        self.maker = ModelButton()
        self._rows = QGridLayout()
        self._relatives, self._albums = QVBoxLayout(), QVBoxLayout()
        self.raw = QPlainTextEdit()
        self.raw.setReadOnly(True)
        self.raw.setAccessibleName(tr("Metadata"))
        self.raw.setMinimumHeight(160)
        self.raw.hide()
        self.more = Disclosure(tr("Metadata"), tr("everything the file says, word for word"))
        self._uses = QWidget()
        self._lay_out()
        self._connect()

    @property
    def controls(self) -> list[QWidget]:
        return [*self.buttons.values(), self.maker, self.star, self.tags, self.more, self.raw]

    def show_entry(
        self, entry: Entry, pixmap: QPixmap | None, relatives: Sequence[tuple[str, Entry]] = ()
    ) -> None:
        """One image; `relatives`: (what it is, image) it was branched from, or that were branched from it."""
        self.entry = entry
        self.title.setText(str(entry.facts.get("model_title") or entry.value("model") or tr("Unknown model")))
        when = str(entry.facts.get("time", ""))[:16].replace("T", " ")
        size = f"{entry.width} × {entry.height}" if entry.width else ""
        self.subtitle.setText(" · ".join(filter(None, (readable(entry.path.name), size, when))))
        maker = made_by(entry)
        self.maker.setVisible(maker is not None)
        if maker is not None:
            self.maker.show_card(maker)
        known = bool(entry.settings)
        for name, button in self.buttons.items():
            button.setEnabled(known and (name != "seed" or entry.value("seed") is not None))
        rows = (row for row in setting_rows(entry) if maker is None or row[0] != MADE_BY)
        self._show([entry], [pixmap], rows, relatives)
        self._want_raw()

    def show_several(self, entries: Sequence[Entry], pixmaps: Sequence[QPixmap | None]) -> None:
        """Several images: what they have in common; `pixmaps` of the first few."""
        self.entry = None
        self.title.setText(tr("{count:,} selected", count=len(entries)))
        days = sorted({entry.day for entry in entries})
        self.subtitle.setText(days[0] if len(days) == 1 else f"{days[0]} – {days[-1]}")
        self.maker.hide()
        self._show(entries, pixmaps, common_rows(entries), ())

    def show_pixmap(self, path: Path, pixmap: QPixmap | None) -> None:
        """The thumbnail of the image that is shown has come."""
        if self.entry is not None and path == self.entry.path:
            self.picture.show_pixmaps([pixmap])

    def show_raw(self, raw: RawText) -> None:
        if self.entry is not None and raw.path == self.entry.path:
            self._raw_of = raw.path
            self.raw.setPlainText(raw.text)

    def _show(
        self,
        entries: Sequence[Entry],
        pixmaps: Sequence[QPixmap | None],
        rows: Iterable[tuple[str, str]],
        relatives: Sequence[tuple[str, Entry]],
    ) -> None:
        one = len(entries) == 1
        self._keep_focus()
        for part in (self._uses, self.more):
            part.setVisible(one)
        self.raw.setVisible(one and self.more.isChecked())
        self.picture.show_pixmaps(pixmaps)
        self._show_rows(rows)
        self._show_relatives(relatives)
        self._show_albums(sorted(frozenset.intersection(*(entry.albums for entry in entries))))
        starred = all(entry.star for entry in entries)
        self.star.setChecked(starred)
        self.star.setText(tr("★ Starred") if starred else tr("☆ Star"))
        self.shared_tags = frozenset.intersection(*(entry.tags for entry in entries))
        if not self.tags.hasFocus():
            self.tags.setText(", ".join(sorted(self.shared_tags, key=str.casefold)))
        mixed = any(entry.tags != self.shared_tags for entry in entries)
        self.tags.setPlaceholderText(
            tr("Mixed; tags added here go to all") if mixed else tr("Tags, separated by commas")
        )

    def _keep_focus(self) -> None:
        """The buttons that are made again must not take the focus with them, to wherever Qt sends it."""
        items = [
            layout.itemAt(k) for layout in (self._relatives, self._albums) for k in range(layout.count())
        ]
        widgets = [item.widget() for item in items if item is not None]
        if any(widget is not None and widget.hasFocus() for widget in widgets):
            self.star.setFocus()

    def _want_raw(self) -> None:
        if self.more.isChecked() and self.entry is not None and self._raw_of != self.entry.path:
            self.raw_wanted.emit(self.entry.path)

    def _show_rows(self, rows: Iterable[tuple[str, str]]) -> None:
        _clear(self._rows)
        for place, (name, value) in enumerate(rows):
            shown = plain_label(value)
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._rows.addWidget(plain_label(name, "quiet"), place, 0, Qt.AlignmentFlag.AlignTop)
            self._rows.addWidget(shown, place, 1, Qt.AlignmentFlag.AlignTop)

    def _show_relatives(self, relatives: Sequence[tuple[str, Entry]]) -> None:
        _clear(self._relatives)
        for words, entry in relatives:
            button = push_button(words, tr("Show {name}", name=readable(entry.path.name)))
            button.clicked.connect(lambda _=False, path=entry.path: self.relative_wanted.emit(path))
            self._relatives.addWidget(button)

    def _show_albums(self, albums: Sequence[str]) -> None:
        _clear(self._albums)
        for name in albums:
            words = tr("Album: {name}", name=readable(name))
            button = push_button(shorten(words, LONGEST_ALBUM).replace("&", "&&"), tr("Show this album"))
            button.setAccessibleName(words)
            button.setToolTip(tooltip(words))
            button.clicked.connect(lambda _=False, name=name: self.album_wanted.emit(name))
            self._albums.addWidget(button)

    def _give_tags(self) -> None:
        names = frozenset(filter(None, (" ".join(tag.split()) for tag in self.tags.text().split(","))))
        if names != self.shared_tags:
            self.tags_wanted.emit(names)

    def _connect(self) -> None:
        self.more.toggled.connect(self.raw.setVisible)
        self.more.toggled.connect(lambda _: self._want_raw())
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, name=name: self.use_wanted.emit(name))
        self.star.clicked.connect(self.star_wanted)
        self.maker.clicked.connect(lambda: self.model_wanted.emit(self.maker.name))
        self.tags.editingFinished.connect(self._give_tags)

    def _lay_out(self) -> None:
        uses = QVBoxLayout(self._uses)
        uses.setContentsMargins(0, SPACE_S, 0, SPACE_S)
        uses.setSpacing(SPACE_S)
        uses.addWidget(self.buttons["all"])
        for names in (("settings", "seed"), ("branch",)):
            row = QHBoxLayout()
            row.setSpacing(SPACE_S)
            for name in names:
                row.addWidget(self.buttons[name], 1)
            uses.addLayout(row)
        self._rows.setHorizontalSpacing(SPACE_M)
        self._rows.setVerticalSpacing(SPACE_S // 2)
        self._rows.setColumnStretch(1, 1)
        body = QWidget()
        body.setObjectName("panelBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_S)
        for part in (self.picture, self.title, self.subtitle, self._uses):
            column.addWidget(part)
        column.addLayout(self._rows)
        column.addWidget(self.maker)
        for layout in (self._relatives, self._albums):
            layout.setSpacing(SPACE_S // 2)
            column.addLayout(layout)
        column.addSpacing(SPACE_S)
        for part in (self.star, self.tags, self.more, self.raw):
            column.addWidget(part)
        column.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(area)


class Mosaic(QWidget):
    """One thumbnail large, or a few side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(WIDTH - 2 * SPACE_L)
        self.setAccessibleName(tr("Thumbnail"))
        self._pixmaps: list[QPixmap] = []

    def show_pixmaps(self, pixmaps: Iterable[QPixmap | None]) -> None:
        self._pixmaps = [pixmap for pixmap in pixmaps if pixmap is not None and not pixmap.isNull()][:MOSAIC]
        self.setAccessibleDescription(plural("{count} image", "{count} images", len(self._pixmaps)))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, columns = QPainter(self), 1 if len(self._pixmaps) < 2 else 2
        side = (min(self.width(), self.height()) - (columns - 1) * SPACE_S) // columns
        step, rows = side + SPACE_S, -(-len(self._pixmaps) // columns)
        left = (self.width() - columns * step + SPACE_S) // 2
        top = (self.height() - rows * step + SPACE_S) // 2
        for place, pixmap in enumerate(self._pixmaps):
            row, column = divmod(place, columns)
            cell = QRect(left + column * step, top + row * step, side, side)
            whole = side // max(pixmap.width(), pixmap.height())  # pixels stay even where they are enlarged
            if whole:
                wanted = QRect(0, 0, pixmap.width() * whole, pixmap.height() * whole)
                wanted.moveCenter(cell.center())
                cell = wanted
            paint_fitted(painter, cell, pixmap)
        painter.end()


def _clear(layout: QLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
