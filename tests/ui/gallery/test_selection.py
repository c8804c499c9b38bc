"""What is selected: the bar over the grid, details that say what several have in common, albums, dates, sizes."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.gallery.marks import Marks
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import outputs_dir
from diffusion_studio.ui.gallery import page as gallery_page
from diffusion_studio.ui.gallery.facts import MIXED, common_rows
from diffusion_studio.ui.gallery.layout import GalleryLayout
from diffusion_studio.ui.gallery.scrubber import DateScrubber
from diffusion_studio.ui.gallery.selection import Selection

pytestmark = pytest.mark.qt_log_ignore("does not support")


def made(seed, **values):
    settings = GenerationSettings(**{"model": "faces", "seed": seed, "steps": 20, **values})
    return outputs.save(np.full((8, 8, 3), seed, np.uint8), settings, facts={"model_title": "Faces"})


@pytest.fixture
def page(window, qtbot):
    for seed in (1, 2, 3):
        made(seed)
    window.context.go_to("gallery")
    page = window.page
    qtbot.waitUntil(lambda: len(page.grid.entries) == 3 and all(e.settings for e in page.grid.entries))
    qtbot.waitUntil(lambda: not page.collection.lister.busy)
    return page


def named(page, name):
    return next(button for button in page.bar.buttons if button.accessibleName() == name)


def test_the_bar_is_there_while_something_is_selected(page, qtbot):
    assert not page.bar.isVisible() and not page.details.isVisible()
    page.grid.select(0)
    assert page.bar.isVisible() and page.bar.words.text() == "1 selected" and page.details.isVisible()
    assert not page.bar.compare.isVisible()
    page.grid.select(1, add=True)
    assert page.bar.words.text() == "2 selected" and page.bar.compare.isVisible()
    assert page.bar.geometry().right() <= page.grid.width()
    named(page, "Select nothing").click()
    assert page.selected() == [] and not page.bar.isVisible() and not page.details.isVisible()


def test_its_buttons_act_on_what_is_selected(page, qtbot):
    page.grid.select(0)
    page.grid.select(1, stretch=True)
    named(page, "Star").click()
    assert [entry.star for entry in page.grid.entries] == [True, True, False]
    assert named(page, "Unstar")
    named(page, "Tag").click()
    assert page.focusWidget() is page.details.tags
    named(page, "Delete").click()
    qtbot.waitUntil(lambda: len(page.grid.entries) == 1)


def test_the_focus_stays_in_the_gallery_when_what_had_it_goes(page, qtbot):
    page.marking.collect(page.grid.entries[:1], "A")
    page.grid.select(0)
    album = page.details._albums.itemAt(0).widget()
    album.setFocus()
    page.albums.collect_wanted.emit("A", True)
    assert page.focusWidget() is page.details.star
    named(page, "Select nothing").setFocus()
    named(page, "Select nothing").click()
    assert page.focusWidget() is page.grid


def test_details_can_be_kept_closed(page):
    page.actions_.details.setChecked(False)
    page.grid.select(0)
    assert not page.details.isVisible() and page.bar.isVisible()
    page.actions_.details.setChecked(True)
    assert page.details.isVisible()


def test_several_say_what_they_share_and_where_they_are_mixed(page):
    page.grid.selection.select_all()
    details = page.details
    assert details.title.text() == "3 selected" and details.entry is None
    assert not details.buttons["all"].isVisible() and not details.more.isVisible()
    rows = dict(common_rows(page.selected()))
    assert rows["Seed"] == MIXED == "Mixed" and rows["Steps"] == "20" and rows["Made by"] == "Faces"
    page.grid.select(0)
    assert details.buttons["all"].isVisible() and details.entry is page.grid.entries[0]


def test_tags_of_several_that_differ_are_mixed(page):
    page.grid.select(0)
    page.details.tags_wanted.emit(frozenset({"one"}))
    page.grid.selection.select_all()
    assert "Mixed" in page.details.tags.placeholderText()


def test_thousands_are_not_compared_in_the_windows_thread():
    entry = Entry(path=outputs_dir() / "a.png", day="2026-01-01", settings={"seed": 1})
    assert list(common_rows([entry] * 3000)) == []


def test_what_is_selected_is_put_into_albums_with_undo(page, qtbot, monkeypatch, window):
    page.grid.select(0)
    monkeypatch.setattr(gallery_page, "ask_new_album", lambda parent, albums: "Summer trip")
    page.albums.fill()
    page.albums.actions()[-1].trigger()
    assert Marks().albums() == {"Summer trip": 1} and page.head.chips.filters["album"].isVisible()
    page.grid.select(1, add=True)
    page.albums.fill()
    entry = page.albums.actions()[0]
    assert entry.text() == "Summer trip" and not entry.isChecked()  # one of the two is not in it
    entry.trigger()
    assert Marks().albums() == {"Summer trip": 2}
    window.context.undo.undo()
    assert Marks().albums() == {"Summer trip": 1}
    page.details.album_wanted.emit("Summer trip")
    qtbot.waitUntil(lambda: len(page.grid.entries) == 1)
    assert page.head.search.text() == 'album:"Summer trip"'


def test_an_album_is_renamed_and_deleted_with_undo(page, qtbot, monkeypatch, window):
    page.marking.collect(page.grid.entries[:2], "A")
    page.head.chips.term_wanted.emit("album", "album:A")
    monkeypatch.setattr(gallery_page, "ask_album_name", lambda parent, album, albums: "B")
    page.head.chips.rename_wanted.emit("A")
    assert (
        Marks().albums() == {"B": 2} and page.head.search.text() == "album:B" and len(page.grid.entries) == 2
    )
    page.head.chips.delete_wanted.emit("B")
    assert Marks().albums() == {} and len(page.grid.entries) == 3
    window.context.undo.undo()
    assert Marks().albums() == {"B": 2}
    window.context.undo.undo()
    assert Marks().albums() == {"A": 2}


def test_chips_and_search_stay_one(page, qtbot):
    page.marking.star(page.grid.entries[:1], True)
    page.head.chips.star.click()
    assert page.head.search.text() == "star" and len(page.grid.entries) == 1
    page.head.search.setText("seed:2")
    qtbot.waitUntil(lambda: not page.head.chips.star.isChecked())
    page.head.chips.filters["model"].fill()
    page.head.chips.filters["model"].menu().actions()[1].trigger()
    assert page.head.search.text() == "seed:2 model=faces"
    page.head.chips.clear.click()
    assert page.head.search.text() == "seed:2"


def test_the_size_of_thumbnails_is_kept(page, window, make_window):
    page.head.cell.setValue(200)
    assert page.grid.cell == 200
    page.close_down()
    assert window.context.settings_file.load("gallery", gallery_page.GalleryView).cell == 200


def test_a_selection_outlives_another_order(qtbot):
    entries = [Entry(path=outputs_dir() / f"{k}.png", day="2026-01-01") for k in range(5)]
    selection, said = Selection(), []
    selection.changed.connect(lambda: said.append(len(selection.paths)))
    selection.follow(entries, {e.path: k for k, e in enumerate(entries)})
    selection.select(1)
    selection.select(3, stretch=True)
    turned = entries[::-1]
    selection.follow(turned, {e.path: k for k, e in enumerate(turned)})
    assert selection.ordered() == turned[1:4] and selection.main() is entries[3]
    fewer = turned[:2]
    selection.follow(fewer, {e.path: k for k, e in enumerate(fewer)})
    assert selection.ordered() == [entries[3]] and said == [1, 3, 1]


@pytest.fixture
def scrubber(qtbot):
    made = DateScrubber()
    qtbot.addWidget(made)
    made.resize(68, 400)
    runs = [(f"2026-{month:02}-{day:02}", 30) for month in range(12, 0, -1) for day in (20, 10)]
    made.layout_ = GalleryLayout(runs, 400, 100)
    made.show_layout(made.layout_, 500, by_date=True)
    return made


def test_dates_stand_where_their_months_begin(scrubber):
    marks = scrubber.marks()
    assert [words for _, words in marks][:2] == ["Dec 2026", "Nov 2026"] and len(marks) == 12
    assert [y for y, _ in marks] == sorted(y for y, _ in marks) and scrubber.grab().width() > 0
    assert "November 2026" in scrubber.day_at(marks[1][0] + 2)


def test_a_click_on_a_date_scrolls_there(scrubber, qtbot):
    wanted = []
    scrubber.scroll_wanted.connect(wanted.append)
    QTest.mousePress(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(30, 200))
    assert abs(wanted[0] - scrubber.layout_.height / 2) < scrubber.layout_.height / 100


def test_dates_are_left_out_where_they_are_of_no_use(scrubber):
    scrubber.show_layout(scrubber.layout_, 500, by_date=False)
    assert scrubber.isHidden()
    scrubber.show_layout(GalleryLayout([("2026-01-01", 5)], 400, 100), 500, by_date=True)
    assert scrubber.isHidden()
