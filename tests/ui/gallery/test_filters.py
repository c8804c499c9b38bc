"""Chips above the search filter and follow it, in any order of hands."""

from datetime import date, timedelta

import pytest

from diffusion_studio.gallery.search import parse, quoted, term_of, with_term
from diffusion_studio.ui.gallery.chips import FilterChips, month_words
from diffusion_studio.ui.gallery.listing import Facets

pytestmark = pytest.mark.qt_log_ignore("does not support")


@pytest.fixture
def chips(qtbot):
    made = FilterChips()
    qtbot.addWidget(made)
    made.wanted = []
    made.term_wanted.connect(lambda key, term: made.wanted.append((key, term)))
    facets = Facets(
        models=(("faces", "Big Faces", 7), ("faces-2", "Big Faces 2", 3)),
        classes=(("long_hair", 4),),
        months=(("2026-11", 10),),
    )
    made.show_values(facets, {"Summer trip": 5}, ["cat"])
    made.show()
    return made


def titles(chip):
    chip.fill()
    return [entry.text().split("\t")[0] for entry in chip.menu().actions() if entry.text()]


def choose(chip, title):
    chip.fill()
    next(e for e in chip.menu().actions() if e.text().split("\t")[0] == title).trigger()


def test_menus_name_what_there_is_and_ask_for_it(chips):
    assert titles(chips.filters["model"]) == ["Any", "Big Faces", "Big Faces 2"]
    assert titles(chips.filters["class"]) == ["Any", "Long hair"]
    assert titles(chips.filters["day"])[1:] == ["Today", "Last 7 days", "Last 30 days", "November 2026"]
    for name, title in (
        ("model", "Big Faces"),
        ("is", "Branches"),
        ("album", "Summer trip"),
        ("day", "Last 7 days"),
        ("tag", "cat"),
    ):
        choose(chips.filters[name], title)
    chips.star.click()
    week = date.today() - timedelta(days=6)
    assert [term for _, term in chips.wanted] == [
        "model=faces",
        "is:branch",
        'album:"Summer trip"',
        f"day>={week}",
        "tag:cat",
        "star",
    ]
    for _, term in chips.wanted:
        parse(term)


def test_chips_show_what_the_search_asks_for(chips):
    chips.show_search('star album:"summer trip" seed:7 model=faces')
    assert chips.star.isChecked() and chips.filters["album"].text() == "Album: Summer trip"
    assert chips.filters["model"].text() == "Model: Big Faces" and chips.filters["model"].isChecked()
    assert not chips.filters["day"].isChecked() and chips.clear.isVisible() and chips.album == "Summer trip"
    chips.show_search("model:fac")
    assert chips.filters["model"].text() == "Model: fac" and not chips.star.isChecked()
    chips.show_search("-star")  # excluded: not what the chip asks for
    assert not chips.star.isChecked() and not chips.clear.isVisible()


def test_an_album_that_is_shown_can_be_renamed_or_deleted(chips):
    assert "Rename album…" not in titles(chips.filters["album"])
    chips.show_search('album:"Summer trip"')
    asked = []
    chips.rename_wanted.connect(asked.append)
    chips.delete_wanted.connect(asked.append)
    choose(chips.filters["album"], "Rename album…")
    choose(chips.filters["album"], "Delete album")
    assert asked == ["Summer trip", "Summer trip"]


def test_filters_of_nothing_are_hidden(chips):
    chips.show_values(Facets(), {}, [])
    hidden = [name for name, chip in chips.filters.items() if not chip.isVisible()]
    assert hidden == ["model", "class", "prompt", "album", "tag"]


def test_foreign_names_are_shown_as_they_are(chips):
    chips.show_values(Facets(models=(("a&b", "<b>A & B</b>", 1),)), {"x & y": 1}, [])
    assert titles(chips.filters["model"])[1] == "<b>A && B</b>"
    chips.show_search('album:"x & y"')
    assert chips.filters["album"].text() == "Album: x && y"


@pytest.mark.parametrize(
    ("text", "key", "term", "after"),
    [
        ("seed:7", "model", "model=faces", "seed:7 model=faces"),
        ("model:a seed:7 model:b", "model", "model=c", "seed:7 model=c"),
        ('tag:"big hat" star', "tag", "", "star"),
        ("-model:a", "model", "model=b", "-model:a model=b"),
        ("star", "star", "", ""),
        ("day>=2026-01-01", "day", "day:2026-11", "day:2026-11"),
    ],
)
def test_one_term_takes_the_place_of_those_before(text, key, term, after):
    assert with_term(text, key, term) == after
    assert term_of(after, key) == term


def test_a_whole_name_is_told_from_a_part_of_it():
    from diffusion_studio.gallery.entries import Entry
    from diffusion_studio.storage.places import outputs_dir

    entry = Entry(path=outputs_dir() / "a.png", day="2026-01-01", settings={"model": "faces-2"})
    assert parse("model:faces")(entry) and not parse("model=faces")(entry) and parse("model=faces-2")(entry)
    assert quoted("a b") == '"a b"' and quoted("a") == "a" and quoted('a"b') == "ab"


def test_months_are_words():
    assert month_words("2026-11") == "November 2026" and month_words("x") == "x"
