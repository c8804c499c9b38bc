"""The look of the window in one place: colours, spacing, type, and the style sheet made of them, in light and dark."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from diffusion_studio.language import tr
from diffusion_studio.storage.places import resource
from diffusion_studio.ui.look.style import STYLE

SPACE_XS, SPACE_S, SPACE_M, SPACE_L, SPACE_XL = 4, 8, 12, 16, 24
RADIUS, RADIUS_LARGE = 6, 10
TYPE_SMALL, TYPE, TYPE_LARGE, TYPE_TITLE, TYPE_DISPLAY = 12, 13, 15, 20, 28
MENU_HEIGHT, STATUS_HEIGHT, RAIL_WIDTH, PANEL_WIDTH, STRIP_WIDTH = 30, 24, 72, 336, 166
SCROLL_WIDTH = 10
CONTROL_HEIGHT = 30  # pixels, of a field or a button
WIDE_SCREEN = 1920  # pixels from which on controls are `COMFORTABLE`
COMFORTABLE = {"type": 14, "small": 13, "control": 36}
FONT_FILES = ("fonts/Inter-Regular.otf", "fonts/Inter-SemiBold.otf")

SCALES = {str(percent): f"{percent} %" for percent in (90, 100, 110, 125, 150, 175, 200)}
THEMES = {"system": tr("System"), "light": tr("Light"), "dark": tr("Dark")}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Every colour of one theme. Text colours keep a contrast of 4.5 on their grounds."""

    window: str  # first surface: rail, bars
    panel: str  # second surface: the settings and the strip
    raised: str  # third surface: controls, menus, dialogs' fields
    hover: str
    border: str
    text: str
    muted: str
    accent: str  # primary action, selection, progress; nothing else
    accent_hover: str
    accent_text: str  # on accent
    success: str
    warning: str
    danger: str
    danger_text: str  # on danger
    ring: str  # around what is selected
    ring_line: str  # the hairline outside the ring
    ground: str  # around the image: dark and even in both themes
    ground_raised: str  # buttons that lie on the ground
    ground_text: str
    ground_muted: str
    ground_accent: str  # marks on the image
    toast: str
    toast_text: str
    toast_accent: str  # the action on a toast
    toast_danger: str
    fault: str  # banner
    fault_text: str


LIGHT = Tokens(
    window="#e9e9e6",
    panel="#f6f6f4",
    raised="#ffffff",
    hover="#e0e0dc",
    border="#cfcfca",
    text="#1e1f21",
    muted="#55595f",
    accent="#0a7060",
    accent_hover="#085e50",
    accent_text="#ffffff",
    success="#17682f",
    warning="#7d4e00",
    danger="#b3261e",
    danger_text="#ffffff",
    ring="#0a7060",
    ring_line="#ffffff",
    ground="#2a2c2f",
    ground_raised="#3a3d41",
    ground_text="#f0f0ef",
    ground_muted="#b9bcc1",
    ground_accent="#52c7b3",
    toast="#26282c",
    toast_text="#f2f2f1",
    toast_accent="#6ed4c2",
    toast_danger="#ff9489",
    fault="#fbe6e1",
    fault_text="#7d1f12",
)

DARK = Tokens(
    window="#17181a",
    panel="#1f2124",
    raised="#2b2e32",
    hover="#363a3f",
    border="#42464c",
    text="#ecedee",
    muted="#abafb6",
    accent="#52c7b3",
    accent_hover="#6ed4c2",
    accent_text="#06231e",
    success="#6cce8b",
    warning="#e8b455",
    danger="#ff9489",
    danger_text="#3a0905",
    ring="#5ff0d6",
    ring_line="#ffffff",
    ground="#111214",
    ground_raised="#26282c",
    ground_text="#ecedee",
    ground_muted="#a1a5ac",
    ground_accent="#52c7b3",
    toast="#3a3e44",
    toast_text="#f4f4f4",
    toast_accent="#7fe0cf",
    toast_danger="#ffa79e",
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
        self._application.setFont(_font(self._application, self._sizes["type"]))
        self._apply()

    @property
    def _sizes(self) -> dict[str, int]:
        """Of type and of controls, by the width of the screen."""
        return (
            COMFORTABLE if comfortable() else {"type": TYPE, "small": TYPE_SMALL, "control": CONTROL_HEIGHT}
        )

    def _apply(self) -> None:
        _current.tokens = chosen = DARK if self.dark else LIGHT
        if self._dressed and self._worn is not chosen:
            self._worn = chosen
            self._application.setPalette(palette(chosen))
            self._application.setStyleSheet(style_sheet(chosen, **self._sizes))
            self.changed.emit()


def comfortable() -> bool:
    """Whether the screen has room for larger type and controls, and for wider panels."""
    return QGuiApplication.primaryScreen().availableGeometry().width() >= WIDE_SCREEN


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


def style_sheet(
    t: Tokens, *, type: int = TYPE, small: int = TYPE_SMALL, control: int = CONTROL_HEIGHT
) -> str:
    """`type`, `small`: pixels of usual and of small text; `control`: pixels a field or a button is high."""
    colours = {name: getattr(t, name) for name in Tokens.__slots__}
    sizes = {"type": type, "small": small, "line": control - 10, "scroll": SCROLL_WIDTH}
    return STYLE.substitute(colours, **sizes, icons=resource("icons").as_posix())


def _font(application: QApplication, size: int) -> QFont:
    """The bundled family with figures of one width; the system's where it cannot be loaded."""
    loaded = [QFontDatabase.addApplicationFont(str(resource(name))) for name in FONT_FILES]
    font = application.font()
    if -1 not in loaded:
        font.setFamilies(["Inter", font.family(), "Noto Sans", "DejaVu Sans"])
        font.setFeature(QFont.Tag("tnum"), 1)
    font.setPixelSize(size)
    return font
