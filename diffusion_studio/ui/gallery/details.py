"""What the gallery says of the chosen picture: how it was made, by which model, from what; and what to do with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.facts import MADE_BY, made_by, setting_rows
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.models.button import ModelButton
from diffusion_studio.ui.pictures.saved import RawText
from diffusion_studio.ui.widgets.form import Disclosure

WIDTH = 300
USES = {
    "all": ("Use all", "Draw with every setting of this picture"),
    "seed": ("Use seed", "Keep its seed; leave the other settings as they are"),
    "settings": ("Use settings but new seed", "Draw with its settings and another seed"),
    "branch": ("Branch", "Draw it again and go on differently from any of its steps"),
}


class GalleryDetails(QFrame):
    use_wanted = Signal(str)  # one of `USES`
    star_wanted = Signal(bool)
    tags_wanted = Signal(object)  # frozenset of str
    raw_wanted = Signal(object)  # Path of the file whose metadata is to be shown
    relative_wanted = Signal(object)  # Path of its parent or a branch of it
    model_wanted = Signal(str)  # name of the model that made it

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedWidth(WIDTH)
        self.entry: Entry | None = None  # None: no picture is chosen
        self._raw_of: Path | None = None  # the file whose metadata is shown
        self.shared_tags: frozenset[str] = frozenset()
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setFixedHeight(WIDTH - 2 * SPACE_L)
        self.title = plain_label("", "heading")
        self.title.setWordWrap(True)
        self.subtitle = plain_label("", "small")
        self.subtitle.setWordWrap(True)
        self.buttons = {name: push_button(text, tip) for name, (text, tip) in USES.items()}
        self.buttons["all"].setProperty("primary", True)
        self.star = push_button(tr("☆ Star"), tr("Mark it as a favourite (S)"))
        self.star.setCheckable(True)
        self.tags = QLineEdit()
        self.tags.setPlaceholderText(tr("Tags, with commas between them"))
        self.tags.setAccessibleName(tr("Tags"))
        self.tags.setToolTip(tr("Words of your own to find it by: search for tag:word"))
        self.maker = ModelButton()
        self._rows = QGridLayout()
        self._relatives = QVBoxLayout()
        self.raw = QPlainTextEdit()
        self.raw.setReadOnly(True)
        self.raw.setAccessibleName(tr("Metadata"))
        self.raw.setMinimumHeight(160)
        self.raw.hide()
        self.hint = plain_label("", "quiet")
        self.hint.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        self._pages = QStackedWidget()
        self._pages.setObjectName("panelBody")
        self.more = Disclosure(tr("Metadata"), tr("everything its file says, as it stands there"))
        self.more.toggled.connect(self.raw.setVisible)
        self.more.toggled.connect(lambda _: self._want_raw())
        self._lay_out()
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, name=name: self.use_wanted.emit(name))
        self.star.clicked.connect(self.star_wanted)
        self.maker.clicked.connect(lambda: self.model_wanted.emit(self.maker.name))
        self.tags.editingFinished.connect(self._give_tags)

    @property
    def controls(self) -> list[QWidget]:
        return [*self.buttons.values(), self.maker, self.star, self.tags, self.more, self.raw]

    def show_entry(
        self,
        entry: Entry,
        pixmap: QPixmap | None,
        relatives: Sequence[tuple[str, Entry]] = (),
        tags: frozenset[str] | None = None,
    ) -> None:
        """`tags`: those that all chosen pictures share, where there are several."""
        self.entry, self.shared_tags = entry, entry.tags if tags is None else tags
        self.show_pixmap(pixmap)
        self.title.setText(str(entry.facts.get("model_title") or entry.value("model") or "Unknown model"))
        when = str(entry.facts.get("time", ""))[:16].replace("T", " ")
        size = f"{entry.width}×{entry.height}" if entry.width else ""
        self.subtitle.setText(" · ".join(filter(None, (readable(entry.path.name), size, when))))
        maker = made_by(entry)
        self.maker.setVisible(maker is not None)
        if maker is not None:
            self.maker.show_card(maker)
        self._show_rows(row for row in setting_rows(entry) if maker is None or row[0] != MADE_BY)
        self._show_relatives(relatives)
        known = bool(entry.settings)
        for name, button in self.buttons.items():
            button.setEnabled(known and (name != "seed" or entry.value("seed") is not None))
        self.star.setChecked(entry.star)
        self.star.setText(tr("★ Starred") if entry.star else tr("☆ Star"))
        if not self.tags.hasFocus():
            self.tags.setText(", ".join(sorted(self.shared_tags, key=str.casefold)))
        self._want_raw()
        self._pages.setCurrentIndex(0)

    def show_nothing(self, words: str) -> None:
        """No picture is chosen: what would be here."""
        self.entry = None
        self.hint.setText(words)
        self._pages.setCurrentIndex(1)

    def show_raw(self, raw: RawText) -> None:
        """What the file says, as it stands there."""
        if self.entry is not None and raw.path == self.entry.path:
            self._raw_of = raw.path
            self.raw.setPlainText(raw.text)

    def _want_raw(self) -> None:
        if self.more.isChecked() and self.entry is not None and self._raw_of != self.entry.path:
            self.raw_wanted.emit(self.entry.path)

    def show_pixmap(self, pixmap: QPixmap | None) -> None:
        side = self.picture.height()
        if pixmap is None or pixmap.isNull():
            self.picture.clear()
            return
        ratio = self.devicePixelRatioF()
        smooth = max(pixmap.width(), pixmap.height()) > side
        how = (
            Qt.TransformationMode.SmoothTransformation if smooth else Qt.TransformationMode.FastTransformation
        )
        factor = max(1, int(side * ratio) // max(pixmap.width(), pixmap.height()))
        target = (
            pixmap.size() * factor
            if not smooth
            else pixmap.size().scaled(
                int(side * ratio), int(side * ratio), Qt.AspectRatioMode.KeepAspectRatio
            )
        )
        shown = pixmap.scaled(target, Qt.AspectRatioMode.KeepAspectRatio, how)
        shown.setDevicePixelRatio(ratio)
        self.picture.setPixmap(shown)

    def _show_rows(self, rows: Iterable[tuple[str, str]]) -> None:
        _clear(self._rows)
        for place, (name, value) in enumerate(rows):
            label = plain_label(name, "quiet")
            shown = plain_label(value)
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._rows.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
            self._rows.addWidget(shown, place, 1)

    def _show_relatives(self, relatives: Sequence[tuple[str, Entry]]) -> None:
        _clear(self._relatives)
        for words, entry in relatives:
            button = push_button(words, tr("Show {name}", name=entry.path.name))
            button.clicked.connect(lambda _=False, path=entry.path: self.relative_wanted.emit(path))
            self._relatives.addWidget(button)

    def _give_tags(self) -> None:
        names = frozenset(filter(None, (" ".join(tag.split()) for tag in self.tags.text().split(","))))
        if self.entry is not None and names != self.shared_tags:
            self.tags_wanted.emit(names)

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_S)
        column.addWidget(self.picture)
        column.addWidget(self.title)
        column.addWidget(self.subtitle)
        column.addSpacing(SPACE_S)
        column.addWidget(self.buttons["all"])
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        column.addWidget(self.buttons["settings"])
        for name in ("seed", "branch"):
            row.addWidget(self.buttons[name], 1)
        column.addLayout(row)
        column.addSpacing(SPACE_S)
        self._rows.setHorizontalSpacing(SPACE_M)
        self._rows.setVerticalSpacing(SPACE_S // 2)
        self._rows.setColumnStretch(1, 1)
        column.addLayout(self._rows)
        column.addWidget(self.maker)
        self._relatives.setSpacing(SPACE_S // 2)
        column.addLayout(self._relatives)
        column.addSpacing(SPACE_S)
        column.addWidget(self.star)
        column.addWidget(self.tags)
        column.addWidget(self.more)
        column.addWidget(self.raw)
        column.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        self._pages.addWidget(area)
        self._pages.addWidget(self.hint)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self._pages)


def _clear(layout) -> None:  # type: ignore[no-untyped-def]
    while layout.count():
        widget = layout.takeAt(0).widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
