"""Filters above the gallery's search, one chip each. The search line holds the truth: a chip shows and changes its terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from diffusion_studio.gallery.search import quoted, term_of
from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.listing import Facets
from diffusion_studio.ui.look.buttons import ToolButton, text_button
from diffusion_studio.ui.look.texts import action_text, class_title, shorten
from diffusion_studio.ui.widgets.flow_layout import FlowLayout

LONGEST = 24  # letters of a value on a chip
LONGEST_PROMPT = 60  # letters of one in the list
KINDS = {
    "branch": tr("Branches"),
    "variation": tr("Variations"),
    "inpainted": tr("Inpainted"),
    "stopped": tr("Stopped early"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter: what is read, and the search term that asks for it."""

    title: str
    term: str
    count: int | None = None  # images that have it


class FilterChips(QWidget):
    term_wanted = Signal(str, str)  # key; the term in place of those that ask for it, "" for none
    clear_wanted = Signal()  # all filters off
    rename_wanted = Signal(str)  # album
    delete_wanted = Signal(str)  # album

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chips")
        self._facets = Facets()
        self._albums: Mapping[str, int] = {}
        self._tags: Sequence[str] = ()
        self._search = ""
        self.star = text_button(tr("Starred"), tr("Show starred images only"))
        self.star.setCheckable(True)
        self.star.clicked.connect(lambda on: self.term_wanted.emit("star", "star" if on else ""))
        self.filters = {
            "model": Filter("model", tr("Model"), tr("Show images of one model"), self._models),
            "class": Filter("class", tr("Class"), tr("Show images of one class"), self._classes),
            "prompt": Filter("prompt", tr("Prompt"), tr("Show images of one prompt"), self._prompts),
            "is": Filter("is", tr("Kind"), tr("Show branches, variations and others only"), self._kinds),
            "day": Filter("day", tr("Date"), tr("Show images of a time only"), self._dates),
            "album": Filter("album", tr("Album"), tr("Show the images of one album"), self._album_choices),
            "tag": Filter("tag", tr("Tag"), tr("Show images with one tag"), self._tag_choices),
        }
        self.clear = text_button(tr("Clear filters"), tr("Show all images again"))
        self.clear.setObjectName("link")
        self.clear.clicked.connect(self.clear_wanted)
        row = FlowLayout(self)
        row.addWidget(self.star)
        for name, chip in self.filters.items():
            chip.term_wanted.connect(lambda term, key=name: self.term_wanted.emit(key, term))
            row.addWidget(chip)
        row.addWidget(self.clear)
        self.filters["album"].add_actions = self._add_album_actions
        self._show()

    @property
    def controls(self) -> list[QWidget]:
        return [self.star, *self.filters.values(), self.clear]

    def show_search(self, text: str) -> None:
        """The search as it is now, however it came to be."""
        self._search = text
        self._show()

    def show_values(self, facets: Facets, albums: Mapping[str, int], tags: Sequence[str]) -> None:
        """What can be filtered by."""
        self._facets, self._albums, self._tags = facets, albums, tags
        self._show()

    @property
    def album(self) -> str:
        """The album that is shown; "" for none."""
        term = term_of(self._search, "album")
        return next((name for name in self._albums if _album_term(name).casefold() == term.casefold()), "")

    def _show(self) -> None:
        self.star.setChecked(bool(term_of(self._search, "star")))
        there = {
            "class": bool(self._facets.classes),
            "prompt": bool(self._facets.prompts),
            "model": bool(self._facets.models),
            "album": bool(self._albums),
            "tag": bool(self._tags),
        }
        for name, chip in self.filters.items():
            chip.show_term(term_of(self._search, name))
            chip.setVisible(there.get(name, True) or bool(chip.term))
        self.clear.setVisible(self.star.isChecked() or any(chip.term for chip in self.filters.values()))
        self.updateGeometry()

    # --- what can be chosen ---

    def _models(self) -> Iterable[Choice]:
        for name, title, count in self._facets.models:
            yield Choice(title, f"model={quoted(name)}", count)

    def _classes(self) -> Iterable[Choice]:
        for name, count in self._facets.classes:
            yield Choice(class_title(name), f"class={quoted(name)}", count)

    def _prompts(self) -> Iterable[Choice]:
        for words, count in self._facets.prompts:
            yield Choice(shorten(words, LONGEST_PROMPT), f"prompt:{quoted(words)}", count)

    def _kinds(self) -> Iterable[Choice]:
        return (Choice(title, f"is:{name}") for name, title in KINDS.items())

    def _dates(self) -> Iterable[Choice]:
        today = date.today()
        yield Choice(tr("Today"), f"day:{today}")
        yield Choice(tr("Last 7 days"), f"day>={today - timedelta(days=6)}")
        yield Choice(tr("Last 30 days"), f"day>={today - timedelta(days=29)}")
        for month, count in self._facets.months:
            yield Choice(month_words(month), f"day:{month}", count)

    def _album_choices(self) -> Iterable[Choice]:
        return (Choice(name, _album_term(name), count) for name, count in self._albums.items())

    def _tag_choices(self) -> Iterable[Choice]:
        return (Choice(name, f"tag:{quoted(name)}") for name in self._tags)

    def _add_album_actions(self, menu: QMenu) -> None:
        album = self.album
        if album:
            menu.addSeparator()
            menu.addAction(tr("Rename album…")).triggered.connect(lambda: self.rename_wanted.emit(album))
            menu.addAction(tr("Delete album")).triggered.connect(lambda: self.delete_wanted.emit(album))


class Filter(ToolButton):
    """A chip with a menu of values, one of which can be chosen."""

    term_wanted = Signal(str)

    def __init__(
        self, key: str, label: str, explanation: str, choices: Callable[[], Iterable[Choice]]
    ) -> None:
        super().__init__()
        self.key, self.label, self.term = key, label, ""
        self.add_actions: Callable[[QMenu], None] = lambda menu: None
        self._choices = choices
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setAccessibleDescription(explanation)
        self.setToolTip(explanation)
        self.setProperty("menu", True)
        self.setCheckable(True)
        self._menu.aboutToShow.connect(self.fill)
        self.show_term("")

    def show_term(self, term: str) -> None:
        self.term = term
        words = self.label
        if term:
            words = tr("{label}: {value}", label=self.label, value=shorten(self._title(), LONGEST))
        self.setText(action_text(words))
        self.setAccessibleName(words)
        self.setChecked(bool(term))

    def fill(self) -> None:
        """The menu, from what there is now."""
        self._menu.clear()
        group = QActionGroup(self._menu)
        choices = [Choice(tr("Any"), ""), *self._choices()]
        for choice in choices:
            count = "" if choice.count is None else f"\t{choice.count:,}"
            entry = self._menu.addAction(action_text(shorten(choice.title, 60)) + count)
            entry.setCheckable(True)
            entry.setChecked(choice.term.casefold() == self.term.casefold())
            entry.triggered.connect(lambda _=False, term=choice.term: self.term_wanted.emit(term))
            group.addAction(entry)
        self.add_actions(self._menu)

    def nextCheckState(self) -> None:
        """A click opens the menu; only a term in the search checks the chip."""

    def _title(self) -> str:
        """What the term asks for, in the words of the menu where it is one of them."""
        found = (choice.title for choice in self._choices() if choice.term.casefold() == self.term.casefold())
        return next(found, self.term[len(self.key) :].lstrip(":= ").strip('"'))


def _album_term(name: str) -> str:
    return f"album:{quoted(name)}"


def month_words(month: str) -> str:
    """“2026-11” as “November 2026”; what is no month stays as it is."""
    try:
        return f"{date.fromisoformat(f'{month}-01'):%B %Y}"
    except ValueError:
        return month
