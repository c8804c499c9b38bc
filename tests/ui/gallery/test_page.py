"""The Gallery page: pictures under their days, found, chosen, marked, deleted and brought back."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.listing import newest
from diffusion_studio.settings.branches import branch
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import cache_dir, outputs_dir
from diffusion_studio.ui.gallery import exporting
from diffusion_studio.ui.gallery.facts import setting_rows
from diffusion_studio.ui.gallery.layout import GAP, HEADING, MARGIN, GalleryLayout
from diffusion_studio.ui.gallery.thumbs import SIDE, thumbnail_of
from diffusion_studio.ui.gallery.words import heading

pytestmark = pytest.mark.qt_log_ignore("does not support")
PLAIN, CTRL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


def draw(seed, **values):
    settings = GenerationSettings(**{"model": "faces", "seed": seed, "steps": 20, **values})
    pixels = np.full((8, 8, 3), seed * 10 % 256, np.uint8)
    return outputs.save(pixels, settings, facts={"model_title": "Faces"})


@pytest.fixture
def paths():
    return [draw(seed, steps=10 * seed) for seed in (1, 2, 3, 4, 5)]


@pytest.fixture
def page(paths, window, qtbot):
    return open_gallery(window, qtbot, len(paths))


def open_gallery(window, qtbot, count):
    window.contents.visit([entry.label for entry in window.contents.entries].index("Gallery"))
    page = window.page
    qtbot.waitUntil(lambda: len(page.grid.entries) == count and all(e.settings for e in page.grid.entries))
    qtbot.waitUntil(lambda: not page.collection.lister.busy)
    return page


def seeds(page):
    return [entry.value("seed") for entry in page.grid.entries]


def click(qtbot, page, index, modifier=PLAIN):
    place = page.grid.layout_.rect(index).center() - QPoint(0, page.grid.verticalScrollBar().value())
    qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def test_pictures_stand_newest_first_under_their_day(page):
    assert seeds(page) == [5, 4, 3, 2, 1]
    assert [heading(group.name) for group in page.grid.layout_.groups] == ["Today"]
    assert "5 images" in page.head.count.text()


def test_thumbnails_come_for_what_is_on_screen(page, qtbot, paths):
    qtbot.waitUntil(lambda: all(page.thumbs.get(path) is not None for path in paths))


def test_thumbnails_of_large_files_are_kept(page, qtbot):
    noise = np.random.default_rng(1).integers(0, 256, (300, 600, 3), dtype=np.uint8)
    large = outputs_dir() / "large.png"
    Image.fromarray(noise).save(large)
    page.refresh()
    qtbot.waitUntil(lambda: page.thumbs.get(large) is not None, timeout=8000)
    assert page.thumbs.get(large).width() == SIDE
    (kept,) = (cache_dir() / "thumbnails").iterdir()
    Image.new("RGB", (9, 9)).save(kept)  # looked for there first
    assert thumbnail_of(large).width() == 9
    kept.unlink()
    assert thumbnail_of(large).width() == SIDE and kept.is_file()


def test_searching_shows_what_matches_and_says_what_is_wrong(page, qtbot):
    page.head.search.setText("steps>=30")
    qtbot.waitUntil(lambda: seeds(page) == [5, 4, 3])
    assert page.head.count.text() == "3 of 5 images"
    page.head.search.setText("colour:red")
    qtbot.waitUntil(page.head.wrong.isVisible)
    assert "colour" in page.head.wrong.text()
    page.head.search.setText("seed:99")
    qtbot.waitUntil(lambda: page.empty.currentIndex() == 1)
    page.empty.currentWidget().findChild(QPushButton).click()
    qtbot.waitUntil(lambda: len(seeds(page)) == 5 and not page.head.wrong.isVisible())


def test_sorting(page):
    page.head.sort.setCurrentIndex(page.head.sort.findData("seed"))
    assert seeds(page) == [1, 2, 3, 4, 5]


def test_clicks_choose_one_more_or_a_stretch(page, qtbot):
    def chosen():
        return [entry.value("seed") for entry in page.selected()]

    click(qtbot, page, 1)
    assert chosen() == [4] and page.details.isVisible()
    click(qtbot, page, 3, CTRL)
    assert chosen() == [4, 2]
    click(qtbot, page, 4, SHIFT)
    assert chosen() == [2, 1]
    page.actions_.all.trigger()
    assert len(chosen()) == 5 and "5 selected" in page.details.title.text()
    qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert chosen() == [] and not page.details.isVisible() and not page.bar.isVisible()


def test_keys_walk_the_grid(page, qtbot):
    page.grid.setFocus()
    for key, seed in (
        (Qt.Key.Key_Right, 5),
        (Qt.Key.Key_Right, 4),
        (Qt.Key.Key_End, 1),
        (Qt.Key.Key_Home, 5),
    ):
        qtbot.keyClick(page.grid, key)
        assert [entry.value("seed") for entry in page.selected()] == [seed]


def test_keys_choose_here_and_there(page, qtbot):
    """Ctrl with an arrow goes on without choosing, Ctrl with Space chooses one more or one less."""
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_Home)
    for _ in range(2):
        qtbot.keyClick(page.grid, Qt.Key.Key_Right, CTRL)
        qtbot.keyClick(page.grid, Qt.Key.Key_Right, CTRL)
        qtbot.keyClick(page.grid, Qt.Key.Key_Space, CTRL)
    assert [entry.value("seed") for entry in page.selected()] == [5, 3, 1]
    qtbot.keyClick(page.grid, Qt.Key.Key_Space, CTRL)
    assert [entry.value("seed") for entry in page.selected()] == [5, 3]
    assert page.grid.grab().width() > 0


def test_a_double_click_opens_what_was_clicked_wherever_it_is_by_then(page, qtbot):
    opened = []
    page.grid.opened.disconnect()
    page.grid.opened.connect(opened.append)
    place = page.grid.layout_.rect(1).center()
    path = page.grid.entries[1].path
    qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    page.head.cell.setValue(176)  # whatever moves the pictures between the two clicks
    qtbot.mouseDClick(page.grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert opened == [path]


def test_what_is_looked_at_stays_on_screen_when_the_grid_is_laid_out_again(page, qtbot):
    page.resize(700, 300)
    for seed in range(6, 46):
        draw(seed)
    qtbot.waitUntil(lambda: len(page.grid.entries) == 45, timeout=8000)
    grid = page.grid
    grid.select(30)
    path = grid.entries[30].path

    def where():
        place = next(k for k, entry in enumerate(grid.entries) if entry.path == path)
        return grid.layout_.rect(place).top() - grid.verticalScrollBar().value()

    page.head.cell.setValue(176)
    assert grid.verticalScrollBar().value() > 0 and 0 <= where() < grid.viewport().height()
    before = where()
    draw(50)
    qtbot.waitUntil(lambda: len(grid.entries) == 46, timeout=8000)
    assert where() == before
    page.head.sort.setCurrentIndex(page.head.sort.findData("seed"))
    assert grid.verticalScrollBar().value() == 0


def test_its_model_is_shown_on_the_models_page(page, qtbot, window):
    click(qtbot, page, 2)
    assert page.details.maker.isVisible() and page.details.grab().width() > 0
    page.details.maker.click()
    models = window.page
    qtbot.waitUntil(lambda: models.selected is not None and models.selected.card.name == "faces")
    assert models is not page


def test_details_say_what_made_it_and_take_it_to_generate(page, qtbot, window):
    click(qtbot, page, 2)
    rows = dict(setting_rows(page.selected()[0]))
    assert rows["Seed"] == "3" and rows["Steps"] == "30" and "Faces" in rows["Made by"] and "Eta" not in rows
    page.details.buttons["all"].click()
    qtbot.waitUntil(lambda: window.page is window.contents.pages[0])
    value = window.page.request.value()
    assert (value.seed, value.steps, value.model) == (3, 30, "faces")


def test_the_metadata_is_shown_word_for_word(page, qtbot):
    click(qtbot, page, 0)
    page.details.more.setChecked(True)
    qtbot.waitUntil(lambda: '"version": 1' in page.details.raw.toPlainText())
    assert "Steps: 50, Sampler:" in page.details.raw.toPlainText()
    click(qtbot, page, 1)
    qtbot.waitUntil(lambda: "Steps: 40," in page.details.raw.toPlainText())


def test_a_picture_of_a_model_that_is_gone_says_what_to_do(page):
    entry = Entry(path=outputs_dir() / "x.png", day="2026-01-01", settings={"model": "gone", "seed": 1})
    assert "not installed" in dict(setting_rows(entry))["Made by"]


def test_stars_and_tags_are_kept_and_searched(page, qtbot):
    click(qtbot, page, 0)
    page.actions_.star.trigger()
    assert page.grid.entries[0].star and page.actions_.star.text() == "Unstar"
    page.details.tags.setText("cat,  big hat ")
    page.details.tags.editingFinished.emit()
    assert page.grid.entries[0].tags == {"cat", "big hat"}
    page.head.search.setText('star tag:"big hat"')
    qtbot.waitUntil(lambda: seeds(page) == [5])


def test_several_are_tagged_together(page, qtbot):
    click(qtbot, page, 0)
    page.details.tags_wanted.emit(frozenset({"old"}))
    click(qtbot, page, 1, SHIFT)
    assert page.details.tags.text() == ""  # they share none
    page.details.tags.setText("new")
    page.details.tags.editingFinished.emit()
    assert [entry.tags for entry in page.grid.entries[:3]] == [{"old", "new"}, {"new"}, set()]
    assert page.details.tags.text() == "new"
    page.details.tags.setText("")
    page.details.tags.editingFinished.emit()
    assert [entry.tags for entry in page.grid.entries[:2]] == [{"old"}, set()]


def test_branch_opens_it_on_the_generate_page_and_saves_nothing(page, qtbot, window, draw, paths):
    from diffusion_studio.pictures.listing import newest

    generate = window.contents.pages[0]
    before = generate.request.value()
    click(qtbot, page, 2)
    page.details.buttons["branch"].click()
    qtbot.waitUntil(lambda: bool(draw.asked))
    assert window.page is generate and (draw.asked[0].seed, draw.asked[0].steps) == (3, 30)
    qtbot.waitUntil(lambda: generate.panel.foot.button.text() == "Branch")
    assert draw.saving == [False] and len(list(newest())) == len(paths)
    assert generate.request.past[1] == 15 and generate.steering.timeline.track.index == 15
    assert generate.request.settings.seed == 3 and "repeats" in generate.panel.note.sentence.text()
    generate.panel.form.fields["guidance"].show_value(4.0)
    assert "repeats" not in generate.panel.note.sentence.text()
    with qtbot.waitSignal(generate.generation.ended):
        generate.generate()
    assert len(list(newest())) == len(paths) + 1 and draw.starts[1].index == 15
    generate.stop()  # leaves the branch
    assert generate.request.value() == before and not generate.request.locked
    qtbot.waitUntil(lambda: not window.context.background.busy)


def test_large_galleries_are_arranged_in_a_thread(page, qtbot, monkeypatch):
    monkeypatch.setattr("diffusion_studio.ui.gallery.collection.FEW", 2)
    page.head.search.setText("steps>=40")
    qtbot.waitUntil(lambda: seeds(page) == [5, 4])
    page.head.search.setText("")
    page.head.sort.setCurrentIndex(page.head.sort.findData("seed"))
    qtbot.waitUntil(lambda: seeds(page) == [1, 2, 3, 4, 5])


def test_two_are_compared(page, qtbot, window):
    from diffusion_studio.ui.pictures.pair_dialog import PairDialog

    click(qtbot, page, 0)
    assert not page.actions_.compare.isEnabled()
    click(qtbot, page, 1, CTRL)
    page.actions_.compare.trigger()
    qtbot.waitUntil(lambda: bool(window.findChildren(PairDialog)))
    window.findChildren(PairDialog)[0].close()


def test_enter_shows_it_alone(page, qtbot, window):
    from diffusion_studio.ui.pictures.viewer import PictureViewer

    click(qtbot, page, 1)
    qtbot.keyClick(page.grid, Qt.Key.Key_Return)
    (viewer,) = window.findChildren(PictureViewer)
    assert viewer.paths[viewer.index] == page.grid.entries[1].path
    qtbot.waitUntil(lambda: not page._context.background.busy)
    with qtbot.waitSignal(viewer.destroyed):
        viewer.close()


def test_pictures_kept_elsewhere_are_shown(page, qtbot, tmp_path, window):
    draw_elsewhere = tmp_path / "other" / "2026-01-01"
    draw_elsewhere.mkdir(parents=True)
    (draw_elsewhere / "010101-1.png").write_bytes(page.grid.entries[4].path.read_bytes())
    window.contents.visit(len(window.contents.entries) - 1)
    window.page.saving.keep(folder=str(tmp_path / "other"))
    qtbot.waitUntil(lambda: [e.path.parent for e in page.grid.entries] == [draw_elsewhere])


def test_deleting_goes_to_the_trash_and_comes_back(page, qtbot, paths, window):
    click(qtbot, page, 0)
    click(qtbot, page, 1, SHIFT)
    page.actions_.delete.trigger()
    qtbot.waitUntil(lambda: seeds(page) == [3, 2, 1])
    assert [entry.value("seed") for entry in page.selected()] == [3]  # what took their place: the keys go on
    assert not paths[4].exists()
    toasts = window.contents.toasts
    qtbot.waitUntil(lambda: toasts.latest is not None)
    menus = window.menus
    assert menus.undo.text() == "Undo delete of 2 images"
    menus.undo.trigger()
    assert toasts.latest is None  # it offers no Undo of what is undone
    qtbot.waitUntil(lambda: seeds(page) == [5, 4, 3, 2, 1])
    assert paths[4].exists() and menus.redo.text() == "Redo delete of 2 images"
    menus.redo.trigger()
    qtbot.waitUntil(lambda: seeds(page) == [3, 2, 1])
    assert not paths[4].exists()
    menus.undo.trigger()
    qtbot.waitUntil(paths[4].exists)


def test_a_half_failed_delete_offers_undo_for_what_moved(page, qtbot, paths, window, monkeypatch):
    from diffusion_studio.storage import places
    from diffusion_studio.ui.base import trashing

    really = places.trash

    def trash(path):
        if path == paths[3]:
            raise OSError("busy")
        return really(path)

    monkeypatch.setattr(trashing, "trash", trash)
    click(qtbot, page, 0)
    click(qtbot, page, 1, SHIFT)
    page.actions_.delete.trigger()
    banner = window.contents.banner
    qtbot.waitUntil(banner.isVisible)
    assert banner.sentence.text().startswith("Moved to trash.") and "busy" in banner.sentence.text()
    assert not paths[4].exists() and paths[3].exists()
    banner.action.click()
    qtbot.waitUntil(paths[4].exists)
    qtbot.waitUntil(lambda: seeds(page) == [5, 4, 3, 2, 1])


def test_stars_and_tags_are_undone(page, qtbot, window):
    undo = window.context.undo
    click(qtbot, page, 0)
    page.actions_.star_wanted.emit(True)
    click(qtbot, page, 1)
    click(qtbot, page, 0, SHIFT)
    page.actions_.star_wanted.emit(True)  # one of the two was starred before
    page.details.tags.setText("new")
    page.details.tags.editingFinished.emit()
    assert undo.undo_text == "tags of 2 images"
    click(qtbot, page, 3)  # undoing is about what was marked, not about what is selected now
    undo.undo()
    assert not any(entry.tags for entry in page.grid.entries)
    undo.undo()
    assert [entry.star for entry in page.grid.entries[:2]] == [True, False]
    undo.redo()
    assert [entry.star for entry in page.grid.entries[:2]] == [True, True]
    undo.redo()
    assert [entry.tags for entry in page.grid.entries[:2]] == [{"new"}, {"new"}]


def test_new_pictures_appear_by_themselves(page, qtbot):
    draw(6)
    qtbot.waitUntil(lambda: seeds(page)[:1] == [6], timeout=8000)


def test_a_picture_saved_before_its_folder_is_watched_appears_too(page, qtbot, monkeypatch):
    """The folder of a new day is listed, then a picture comes, and only then can the folder be watched."""
    from diffusion_studio.ui.gallery.collection import Collection

    watch, late = Collection._watch, []

    def slow(self, folders):
        if not late and any(folder.name == "2031-01-01" for folder in folders):
            late.append(copy_of(new_day / "b.png"))
        watch(self, folders)

    def copy_of(target):
        target.write_bytes(newest()[-1].read_bytes())
        return target

    monkeypatch.setattr(Collection, "_watch", slow)
    new_day = outputs_dir() / "2031-01-01"
    new_day.mkdir()
    copy_of(new_day / "a.png")
    qtbot.waitUntil(lambda: len(page.grid.entries) == 7, timeout=8000)
    assert late


def test_a_picture_that_was_painted_over_shows_as_it_is_now(page, qtbot, paths):
    def grey():
        thumbnail = page.thumbs.get(paths[0])
        return thumbnail is not None and thumbnail.toImage().pixelColor(0, 0).red()

    qtbot.waitUntil(lambda: grey() == 10)
    Image.new("RGB", (9, 9), (200, 200, 200)).save(paths[0])
    page.refresh()
    qtbot.waitUntil(lambda: grey() == 200)


def test_copying_gives_the_files(page, qtbot, paths):
    click(qtbot, page, 0)
    page.actions_.copy.trigger()
    assert QGuiApplication.clipboard().mimeData().urls()[0].toLocalFile() == str(paths[4])
    large = outputs_dir() / "large.png"
    Image.new("RGB", (600, 300), (200, 0, 0)).save(large)
    page.refresh()
    qtbot.waitUntil(lambda: len(page.grid.entries) == 6 and not page.collection.lister.busy)
    page.grid.select(next(k for k, entry in enumerate(page.grid.entries) if entry.path == large))
    page.actions_.copy.trigger()
    qtbot.waitUntil(
        lambda: QGuiApplication.clipboard().image().width() == 600
    )  # the picture, not its thumbnail
    QGuiApplication.clipboard().clear()  # without a display, Qt cannot end with what Python put there


@pytest.mark.parametrize(("way", "target"), [("files", "folder"), ("zip", "p.zip"), ("sheet", "s.png")])
def test_a_selection_is_exported(page, qtbot, tmp_path, way, target):
    page.grid.selection.select_all()
    paths = [entry.path for entry in page.selected()]
    exporting.export_to(page._context, way, paths, tmp_path / target)
    qtbot.waitUntil((tmp_path / target).exists)
    qtbot.waitUntil(lambda: not page._context.background.busy)


def test_an_empty_gallery_says_so_and_offers_generate(window, qtbot):
    window.contents.visit([entry.label for entry in window.contents.entries].index("Gallery"))
    qtbot.waitUntil(lambda: window.page.empty.currentIndex() == 2)


def test_parent_and_branches_are_found():
    parent = GenerationSettings(model="faces", seed=7)
    child = branch(parent, 12, seed=9)
    paths = [outputs.save(np.zeros((8, 8, 3), np.uint8), settings, facts={}) for settings in (parent, child)]
    from diffusion_studio.gallery import entries, index
    from diffusion_studio.gallery.relatives import Relatives

    listed = {e.path: e for batch in index.look(entries.found(paths)) for e in batch}
    first, second = (listed[path] for path in paths)
    relatives = Relatives(listed.values())
    assert relatives.of(second, listed) == [("Parent", first)]
    assert relatives.of(first, listed) == [("Branch at step 12", second)]
    assert relatives.of(first, {first.path: first}) == []  # the branch was deleted meanwhile
    assert dict(setting_rows(second))["Branch"] == "of seed 7, from step 12"


def test_days_are_said_as_people_say_them():
    today = date.today()
    assert heading(today.isoformat()) == "Today"
    assert heading((today - timedelta(days=1)).isoformat()) == "Yesterday"
    assert heading("2026-03-02") == "Monday, 2 March 2026" and heading("Faces") == "Faces"


def test_the_layout_knows_where_everything_is():
    runs = [("a", 5), ("b", 1), ("c", 7)]
    layout = GalleryLayout(runs, 2 * MARGIN + 3 * 50 + 2 * GAP, 50)
    assert layout.columns == 3 and [group.count for group in layout.groups] == [5, 1, 7]
    for index in range(13):
        centre = layout.rect(index).center()
        assert layout.at(centre.x(), centre.y()) == index
        assert index in layout.visible(centre.y(), centre.y() + 1)
    assert layout.at(5, layout.groups[1].top + HEADING // 2) is None
    assert layout.beside(4, 0, 1) == 5 and layout.beside(5, 0, 1) == 6 and layout.beside(6, 0, -1) == 5
    assert layout.beside(0, -1, 0) == 0 and layout.beside(12, 1, 0) == 12
    whole = layout.visible(0, layout.height)
    assert (whole.start, whole.stop) == (0, 13)
    assert GalleryLayout([], 300, 50).at(20, 20) is None


def test_an_image_of_another_program_shows_what_it_says_and_what_is_left_out(window, qtbot):
    graph = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 99999999999999,
                "steps": 33,
                "cfg": 4,
                "sampler_name": "heun",
                "positive": ["6", 0],
            },
        },
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "<b>a castle</b>"}},
    }
    info = PngInfo()
    info.add_text("prompt", json.dumps(graph))
    outputs_dir().mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(outputs_dir() / "castle.png", pnginfo=info)
    page = open_gallery(window, qtbot, 1)
    click(qtbot, page, 0)
    rows = dict(setting_rows(page.details.entry))
    assert rows["Made with"] == "ComfyUI" and rows["Prompt"] == "<b>a castle</b>"
    page.details.more.setChecked(True)
    qtbot.waitUntil(lambda: '"KSampler"' in page.details.raw.toPlainText())
    page.details.buttons["all"].click()
    qtbot.waitUntil(lambda: "Left out: " in window.status.message.text())
    assert "Seed must be between" in window.status.message.text()
    qtbot.waitUntil(lambda: window.page.request.value().steps == 33)
    assert window.page.request.value().sampler == "heun"


def test_a_long_album_leaves_the_details_as_wide_as_they_are(page, qtbot):
    page.grid.select(0)
    details = page.details
    details._show_albums(["An exceptionally long name that nobody would type"])
    button = details._albums.itemAt(0).widget()
    assert "nobody would type" in button.accessibleName()
    body = button.parentWidget()
    qtbot.waitUntil(lambda: body.minimumSizeHint().width() <= details.width())
