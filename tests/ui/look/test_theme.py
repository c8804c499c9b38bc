"""Both themes can be read: contrasts as WCAG counts them, and the window follows the choice."""

import itertools
import re
from pathlib import Path

import pytest
from PySide6.QtCore import QPropertyAnimation, Qt
from PySide6.QtWidgets import QWidget

from diffusion_studio.storage.places import resource
from diffusion_studio.ui.look import icons, motion
from diffusion_studio.ui.look import theme as looks
from diffusion_studio.ui.look.theme import DARK, LIGHT, Theme, tokens

THEMES = {"light": LIGHT, "dark": DARK}
GROUNDS = {  # text -> what it stands on
    "text": ("window", "panel", "raised", "hover"),
    "muted": ("window", "panel", "raised", "hover"),
    "accent_text": ("accent", "accent_hover"),
    "accent": ("window", "panel", "raised"),  # the chosen page on the rail, icons, outlines
    "success": ("window", "panel", "raised"),
    "warning": ("window", "panel", "raised"),
    "danger": ("window", "panel", "raised"),
    "danger_text": ("danger",),
    "ground_text": ("ground", "ground_raised"),
    "ground_muted": ("ground", "ground_raised"),
    "ground_accent": ("ground", "ground_raised"),
    "toast_text": ("toast",),
    "toast_accent": ("toast", "ground_raised"),
    "toast_danger": ("toast",),
    "fault_text": ("fault",),
}
NO_TEXT = {"border", "ring", "ring_line"}  # lines
PAIRS = [(text, ground) for text, grounds in GROUNDS.items() for ground in grounds]


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_counted_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(("name", "pair"), list(itertools.product(THEMES, PAIRS)))
def test_text_can_be_read(name, pair):
    text, ground = (getattr(THEMES[name], part) for part in pair)
    assert contrast(text, ground) >= 4.5


def test_every_colour_is_a_ground_a_text_or_a_line():
    named = set(GROUNDS) | {ground for grounds in GROUNDS.values() for ground in grounds} | NO_TEXT
    assert named == set(looks.Tokens.__slots__)


@pytest.mark.parametrize("name", THEMES)
def test_three_surfaces_differ_in_tone_alone(name):
    theme = THEMES[name]
    tones = [luminance(surface) for surface in (theme.window, theme.panel, theme.raised)]
    assert tones == sorted(tones) and contrast(theme.window, theme.raised) > 1.15
    assert contrast(theme.window, theme.panel) > 1.05 and contrast(theme.panel, theme.raised) > 1.05


@pytest.mark.parametrize("name", THEMES)
def test_a_selection_stands_out_on_the_ground_of_pictures(name):
    theme = THEMES[name]
    assert contrast(theme.ring_line, theme.ground) >= 3 and contrast(theme.ring, theme.raised) >= 3


@pytest.mark.parametrize("width", [1280, 2560])
def test_type_and_controls_grow_on_a_wide_screen(theme, qapp, monkeypatch, width):
    monkeypatch.setattr(
        looks, "WIDE_SCREEN", qapp.primaryScreen().availableGeometry().width() + (1 if width < 1920 else 0)
    )
    theme.dress()
    assert qapp.font().pixelSize() == (14 if width >= 1920 else 13)
    assert ("max-height: 26px" in qapp.styleSheet()) == (width >= 1920)


def test_the_bundled_family_is_used_with_figures_of_one_width(theme, qapp):
    from PySide6.QtGui import QFontInfo, QFontMetrics

    theme.dress()
    assert QFontInfo(qapp.font()).family() == "Inter"
    metrics = QFontMetrics(qapp.font())
    assert len({metrics.horizontalAdvance(digit * 20) for digit in "0123456789"}) == 1


def test_motion_is_brief_and_none_where_it_is_reduced(qapp, qtbot, monkeypatch):
    assert 120 <= motion.DURATION <= 160
    moving, still = QWidget(), QWidget()
    for widget in (moving, still):
        qtbot.addWidget(widget)
    with monkeypatch.context() as patch:
        patch.setattr(motion, "duration", lambda: motion.DURATION)
        motion.fade_in(moving)
    moves = moving.findChild(QPropertyAnimation)
    assert moving.isVisible() and moving.graphicsEffect().opacity() < 1
    assert (moves.duration(), moves.endValue()) == (motion.DURATION, 1.0)
    moves.setCurrentTime(motion.DURATION)
    qtbot.waitUntil(lambda: moving.graphicsEffect() is None)
    motion.reduce_motion(True)
    try:
        assert motion.duration() == 0
        motion.fade_in(still)
        assert still.isVisible() and still.graphicsEffect() is None
    finally:
        motion.reduce_motion(False)


def test_all_motion_goes_through_the_one_place():
    """What moves elsewhere would not know that less motion is wanted."""
    ui = Path(motion.__file__).parents[1]
    moves = re.compile(r"Q\w*Animation\b|QTimeLine|QStateMachine")
    found = {
        path.relative_to(ui).as_posix() for path in ui.rglob("*.py") if moves.search(path.read_text("utf-8"))
    }
    assert found == {"look/motion.py"}


def test_every_icon_can_be_drawn_and_follows_the_colour(qapp):
    for path in sorted(resource("icons").glob("*.svg")):
        if path.stem in ("diffusion-studio", "arrow-up", "arrow-down", "check", "field-clear"):
            continue
        text = path.read_text(encoding="utf-8")
        assert "currentColor" in text and 'viewBox="0 0 24 24"' in text, path.name
        drawn = icons.icon(path.stem, "#ff0000", size=24).pixmap(24, 24).toImage()
        assert any(drawn.pixelColor(x, y).alpha() > 100 for x in range(24) for y in range(24)), path.name


@pytest.fixture
def theme(qapp):
    theme = Theme(qapp)
    yield theme
    theme.choose("light")
    theme.deleteLater()


@pytest.mark.parametrize("choice", THEMES)
def test_a_chosen_theme_is_in_force_everywhere(theme, qapp, choice):
    theme.choose(choice)
    theme.dress()
    assert tokens() is THEMES[choice] and theme.dark == (choice == "dark")
    assert qapp.palette().window().color().name() == THEMES[choice].window
    assert THEMES[choice].panel in qapp.styleSheet() and "$" not in qapp.styleSheet()


def test_the_systems_theme_is_followed_as_it_changes(theme, qapp, monkeypatch):
    theme.choose("system")
    theme.dress()
    for scheme, expected in ((Qt.ColorScheme.Dark, DARK), (Qt.ColorScheme.Light, LIGHT)):
        monkeypatch.setattr(looks.Theme, "dark", property(lambda self, s=scheme: s == Qt.ColorScheme.Dark))
        qapp.styleHints().colorSchemeChanged.emit(scheme)
        assert tokens() is expected


def test_a_theme_nobody_knows_is_the_systems(theme):
    theme.choose("purple")
    assert theme.choice == "system"


def test_a_widget_that_paints_itself_takes_the_new_colours(theme, qtbot):
    from diffusion_studio.ui.pictures.canvas import Canvas

    theme.choose("light")
    theme.dress()
    canvas = Canvas()
    qtbot.addWidget(canvas)
    theme.choose("dark")
    assert canvas.grab().toImage().pixelColor(5, 5).name() == DARK.ground


def test_icons_follow_the_theme(theme, qtbot):
    from diffusion_studio.ui.look.icons import IconButton

    theme.choose("light")
    theme.dress()
    button = IconButton("dice", "New seed", "draw another")
    qtbot.addWidget(button)
    before = button.icon().pixmap(18, 18).toImage()
    theme.choose("dark")
    assert button.icon().pixmap(18, 18).toImage() != before
