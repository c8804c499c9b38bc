"""The head of the gallery: filters and search, order and size of the thumbnails, and how many images there are."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from diffusion_studio.gallery.entries import SORTS
from diffusion_studio.gallery.marks import Marks
from diffusion_studio.gallery.search import with_term
from diffusion_studio.language import plural, tr
from diffusion_studio.ui.gallery.chips import FilterChips
from diffusion_studio.ui.gallery.grid import LARGEST, SMALLEST, USUAL
from diffusion_studio.ui.gallery.search import SearchLine
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S

TYPING = 200  # milliseconds of quiet before a search begins
BY_DATE = ("newest", "oldest")


class GalleryHead(QFrame):
    """What is asked for: `text` of the search, with the filters in it, and the `order`."""

    search_wanted = Signal()  # `text` changed
    order_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("galleryTop")
        self.chips = FilterChips(self)
        self.search = SearchLine(lambda: Marks().all_tags(), albums=lambda: Marks().albums(), parent=self)
        self.sort = _sort_box()
        self.cell = _size_slider()
        self.trash = IconButton(
            "trash", tr("Trash"), tr("see what was deleted, restore it, or delete it for good")
        )
        self.count = plain_label("", "small")
        self.wrong = plain_label("", "small")
        self._typing = QTimer(self, singleShot=True, interval=TYPING)
        self._lay_out()
        self._typing.timeout.connect(self._search)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self.chips.term_wanted.connect(self.filter)
        self.chips.clear_wanted.connect(self.clear_filters)
        self.sort.currentIndexChanged.connect(lambda _: self.order_changed.emit())

    @property
    def controls(self) -> list[QWidget]:
        return [*self.chips.controls, self.search, self.sort, self.cell, self.trash]

    @property
    def text(self) -> str:
        return self.search.text()

    @property
    def order(self) -> str:
        """A key of `SORTS`."""
        return str(self.sort.currentData())

    @property
    def by_date(self) -> bool:
        return self.order in BY_DATE

    def show_order(self, order: str) -> None:
        self.sort.setCurrentIndex(self.sort.findData(order))

    def show_wrong(self, sentence: str) -> None:
        """What of the search cannot be understood; "" where all of it can."""
        self.wrong.setText(sentence)
        self.wrong.setVisible(bool(sentence))

    def show_count(self, shown: int, every: int, read: int) -> None:
        """How many images are shown, of how many, of which so many have been read."""
        words = plural("{count:,} image", "{count:,} images", every)
        if shown != every:
            words = tr("{shown:,} of {images}", shown=shown, images=words)
        if 0 < read < every:
            words = tr("{images} · reading {read:,}", images=words, read=read)
        self.count.setText(words)

    def filter(self, key: str, term: str) -> None:
        """Search at once with this term in the place of the one of its key ("album", "tag" …); "" removes it."""
        self.search.setText(with_term(self.text, key, term))
        self._search()

    def clear_filters(self) -> None:
        text = self.text
        for key in ("star", *self.chips.filters):
            text = with_term(text, key, "")
        self.search.setText(text)
        self._search()

    def clear(self) -> None:
        """Search at once for everything."""
        self.search.clear()
        self._search()

    def close_down(self) -> None:
        self._typing.stop()

    def _search(self) -> None:
        self._typing.stop()
        self.chips.show_search(self.text)
        self.search_wanted.emit()

    def _lay_out(self) -> None:
        self.wrong.hide()
        head = QVBoxLayout(self)
        head.setContentsMargins(SPACE_L, SPACE_M, SPACE_L, SPACE_M)
        head.setSpacing(SPACE_S)
        filters, row = QHBoxLayout(), QHBoxLayout()
        for line, first, rest in (
            (filters, self.chips, (self.count,)),
            (row, self.search, (self.sort, self.cell, self.trash)),
        ):
            line.setSpacing(SPACE_M)
            line.addWidget(first, 1)
            for part in rest:
                line.addWidget(part)
            head.addLayout(line)
        head.addWidget(self.wrong)


def _sort_box() -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(tr("Order"))
    box.setToolTip(tr("Order of the images"))
    for value, words in SORTS.items():
        box.addItem(one_line(words), value)
    return box


def _size_slider() -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(SMALLEST, LARGEST)
    slider.setSingleStep(8)
    slider.setPageStep(32)
    slider.setValue(USUAL)
    slider.setFixedWidth(96)
    slider.setAccessibleName(tr("Thumbnail size"))
    slider.setToolTip(tr("Size of the thumbnails"))
    return slider
