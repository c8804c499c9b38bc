"""The line a gallery is searched with completes what is begun, and what it offers can be searched for."""

import pytest

from diffusion_studio.gallery.search import parse
from diffusion_studio.ui.gallery.search import SearchLine

pytestmark = pytest.mark.qt_log_ignore("does not support")


@pytest.fixture
def line(qtbot, models):
    made = SearchLine(lambda: ["cat", "big hat"])
    qtbot.addWidget(made)
    made.show()
    return made


def begin(line, text):
    line.setText(text)
    line.setCursorPosition(len(text))
    return line.suggestions()


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("st", "steps>="),
        ("st", "star"),
        ("seed:7 sam", "sampler:"),
        ("sampler:he", "sampler:heun"),
        ("-sampler:he", "-sampler:heun"),
        ("model:f", "model:faces"),
        ("star tag:b", 'tag:"big hat"'),
        ("is:b", "is:branch"),
        ("gui", "guidance:"),
    ],
)
def test_it_offers_what_goes_on(line, text, offered):
    assert offered in begin(line, text)
    begun = begin(line, text)
    for word in begun:
        if word[-1] not in ":=":
            parse(word)


@pytest.mark.parametrize("text", ["", "seed:7 ", "colour:r", "star", "::", '"'])
def test_it_keeps_quiet_where_nothing_is_begun(line, text):
    assert begin(line, text) == []


def test_taking_an_offer_replaces_the_term_alone(line):
    begin(line, "seed:7 sam")
    line._take("sampler:")
    assert line.text() == "seed:7 sampler:"
    assert line._found.stringList()  # its values are offered at once
    begin(line, 'star tag:"big')
    line._take('tag:"big hat"')
    assert line.text() == 'star tag:"big hat" '
    line.setText("st seed:7")
    line.setCursorPosition(2)
    line._take("star")
    assert line.text() == "star seed:7"
