"""The look of the window in one place: colours, spacing, type, and the style sheet made of them, in light and dark."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

from diffusion_studio.language import tr
from diffusion_studio.storage.places import resource
from diffusion_studio.ui.look.style import STYLE

SPACE_XS, SPACE_S, SPACE_M, SPACE_L, SPACE_XL = 4, 8, 12, 16, 24
RADIUS, RADIUS_LARGE = 6, 10
TYPE_SMALL, TYPE, TYPE_LARGE, TYPE_TITLE = 12, 13, 15, 20
MENU_HEIGHT, STATUS_HEIGHT, RAIL_WIDTH, PANEL_WIDTH, STRIP_WIDTH = 30, 24, 72, 336, 166
SCROLL_WIDTH = 10

THEMES = {"system": tr("System"), "light": tr("Light"), "dark": tr("Dark")}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Every colour of one theme. Text colours keep a contrast of 4.5 on the grounds they stand on."""

    window: str
    panel: str  # the settings and the strip
    raised: str  # controls
    hover: str
    border: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_text: str  # on accent
    ground: str  # around the picture: dark and even in both themes
    ground_raised: str  # buttons that lie on the ground
    ground_text: str
    ground_muted: str
    ground_accent: str  # marks on the picture
    fault: str  # banner
    fault_text: str


LIGHT = Tokens(
    window="#f2f2f0",
    panel="#fbfbfa",
    raised="#ffffff",
    hover="#ebebe8",
    border="#d3d3cf",
    text="#1e1f21",
    muted="#5c6066",
    accent="#0a7868",
    accent_hover="#086557",
    accent_text="#ffffff",
    ground="#2a2c2f",
    ground_raised="#3a3d41",
    ground_text="#f0f0ef",
    ground_muted="#b9bcc1",
    ground_accent="#52c7b3",
    fault="#fbe6e1",
    fault_text="#7d1f12",
)

DARK = Tokens(
    window="#191a1d",
    panel="#1f2124",
    raised="#2a2d31",
    hover="#35393e",
    border="#3d4147",
    text=tr("#ecedee"),
    muted="#a7abb2",
    accent="#52c7b3",
    accent_hover="#6ed4c2",
    accent_text="#06231e",
    ground="#111214",
    ground_raised="#26282c",
    ground_text="#ecedee",
    ground_muted="#a1a5ac",
    ground_accent="#52c7b3",
    fault="#3d2320",
    fault_text="#ffc9bd",
)


class Theme(QObject):
    """The theme in force: the chosen one, or the system's, followed as it changes."""

    changed = Signal()

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self._choice = "system"
        self._dressed = False
        self._worn: Tokens | None = None
        application.setFont(_font(application))
        application.styleHints().colorSchemeChanged.connect(self._apply)

    @property
    def choice(self) -> str:
        return self._choice

    def choose(self, choice: str) -> None:
        """One of `THEMES`; anything else is the system's."""
        self._choice = choice = choice if choice in THEMES else "system"
        hints = self._application.styleHints()
        if choice == "system":
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(Qt.ColorScheme.Dark if choice == "dark" else Qt.ColorScheme.Light)
        self._apply()

    @property
    def dark(self) -> bool:
        if self._choice != "system":
            return self._choice == "dark"
        return self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark

    def dress(self) -> None:
        """Give the whole application the look; until then only `tokens()` are set."""
        self._dressed = True
        self._application.setStyle("Fusion")
        self._apply()

    def _apply(self) -> None:
        _current.tokens = chosen = DARK if self.dark else LIGHT
        if self._dressed and self._worn is not chosen:
            self._worn = chosen
            self._application.setPalette(palette(chosen))
            self._application.setStyleSheet(style_sheet(chosen))
            self.changed.emit()


class _Current:
    tokens: Tokens = LIGHT


_current = _Current()


def tokens() -> Tokens:
    """The colours in force, for widgets that paint themselves."""
    return _current.tokens


def palette(t: Tokens) -> QPalette:
    role = QPalette.ColorRole
    result = QPalette()
    for which, colour in (
        (role.Window, t.window),
        (role.Base, t.raised),
        (role.AlternateBase, t.panel),
        (role.Button, t.raised),
        (role.ToolTipBase, t.raised),
        (role.Highlight, t.accent),
        (role.HighlightedText, t.accent_text),
        (role.Accent, t.accent),
        (role.Link, t.accent),
        (role.PlaceholderText, t.muted),
        (role.Mid, t.border),
        (role.Dark, t.border),
        (role.Light, t.hover),
    ):
        result.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText):
        result.setColor(which, QColor(t.text))
        result.setColor(QPalette.ColorGroup.Disabled, which, QColor(t.muted))
    return result


def style_sheet(t: Tokens) -> str:
    colours = {name: getattr(t, name) for name in Tokens.__slots__}
    return STYLE.substitute(colours, scroll=SCROLL_WIDTH, icons=resource("icons").as_posix())


def _font(application: QApplication) -> QFont:
    """The system's font; where the system names none (bare X11), the best of the usual ones."""
    font = application.font()
    if font.family() in ("", "Sans", "Sans Serif", "DejaVu Sans"):
        font.setFamilies(["Inter", "Cantarell", "Noto Sans", "Liberation Sans", "DejaVu Sans"])
    font.setPixelSize(TYPE)
    return font
