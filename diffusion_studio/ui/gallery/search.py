"""The line a gallery is searched with: it completes the term under the cursor, and explains what can be searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import QStringListModel, Qt
from PySide6.QtWidgets import QCompleter, QLineEdit, QListView, QStyledItemDelegate, QWidget

from diffusion_studio.diffusion.names import SAMPLERS, SPACINGS
from diffusion_studio.gallery.search import EXAMPLE, IS, keys, quoted
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.ui.look.texts import tooltip

USUAL = ("star", "tag:", "album:", "model:", "steps>=", "seed:", "sampler:", "class:", "day:", "is:branch")
SHOWN = 8
HELP = tr(
    "Words of the name, model, class or tags. Any setting as key:value, numbers also as steps>=20. star, tag:word, "
    "album:name, day:2026-11, is:branch. Put - before a term to exclude it. All terms must match."
)


class SearchLine(QLineEdit):
    """`tags` and `albums` return those there are, when they are needed."""

    def __init__(
        self,
        tags: Callable[[], Iterable[str]],
        *,
        albums: Callable[[], Iterable[str]] = lambda: (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._tags, self._albums = tags, albums
        self.setPlaceholderText(tr("Search, such as {example}", example=EXAMPLE))
        self.setAccessibleName(tr("Search"))
        self.setAccessibleDescription(HELP)
        self.setToolTip(tooltip(HELP))
        self.setClearButtonEnabled(True)
        self._found = QStringListModel(self)
        self._completer = QCompleter(self._found, self)
        self._completer.setWidget(self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setMaxVisibleItems(SHOWN)
        self._popup = QListView()
        self._completer.setPopup(self._popup)  # belongs to Qt from then on
        self._popup.setItemDelegate(QStyledItemDelegate(self))
        self._popup.setObjectName("completions")
        self._completer.activated.connect(self._take)
        self.textEdited.connect(lambda _: self._offer())

    def begin(self) -> None:
        """Type a new search."""
        self.setFocus()
        self.selectAll()

    def suggestions(self) -> list[str]:
        """What the term under the cursor may become."""
        term = self._term()
        if not term:
            return []
        minus = term[:1] if term[:1] in "-!" else ""
        key, colon, value = term[len(minus) :].partition(":")
        known = self._values(key, value) if colon else _keys(key)
        return [minus + word for word in known if minus + word != term]

    def _offer(self) -> None:
        found = self.suggestions()
        self._found.setStringList(found)
        if not found:
            self._popup.hide()
            return
        place = self.cursorRect()
        place.setWidth(max(260, self._popup.sizeHintForColumn(0) + 40))
        self._completer.complete(place)

    def _values(self, key: str, value: str) -> list[str]:
        known: dict[str, Callable[[], Iterable[str]]] = {
            "tag": self._tags,
            "album": self._albums,
            "model": lambda: [card.name for card in cards.installed()],
            "sampler": lambda: SAMPLERS,
            "spacing": lambda: SPACINGS,
            "is": lambda: sorted(IS),
        }
        names = known.get(key.casefold(), lambda: ())()
        return [f"{key}:{quoted(name)}" for name in names if value.strip('"').casefold() in name.casefold()]

    def _term(self) -> str:
        """The term before the cursor; a quoted one may hold spaces."""
        before = self.text()[: self.cursorPosition()]
        return before[self._begin(before) :]

    def _begin(self, before: str) -> int:
        quoted = False
        begin = 0
        for place, letter in enumerate(before):
            quoted ^= letter == '"'
            if letter.isspace() and not quoted:
                begin = place + 1
        return begin

    def _take(self, word: str) -> None:
        cursor = self.cursorPosition()
        before, after = self.text()[:cursor], self.text()[cursor:]
        complete = word[-1:] not in ":="
        before = (
            before[: self._begin(before)] + word + (" " if complete and not after.startswith(" ") else "")
        )
        self.setText(before + after)
        self.setCursorPosition(len(before))
        self.setFocus(Qt.FocusReason.OtherFocusReason)
        if not complete:
            self._offer()


def _keys(begun: str) -> list[str]:
    """What is asked for most comes first."""
    low = begun.casefold()
    every = [*USUAL, *(f"{name}:" for name in keys())]
    named = {word.rstrip(":>=") for word in USUAL if not word.startswith("is:")}
    rest = (word for word in every[len(USUAL) :] if word.rstrip(":") not in named)
    return [word for word in (*USUAL, *rest) if word.startswith(low)][:SHOWN]
