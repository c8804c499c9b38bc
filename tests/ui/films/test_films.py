"""Export film… and Walk between seeds… as dialogs of the Generate page."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from diffusion_studio import events
from diffusion_studio.errors import UserError
from diffusion_studio.pictures import reading
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.films.dialog import FilmDialog
from diffusion_studio.ui.films.target import ask_target, size_words
from diffusion_studio.ui.films.walk_dialog import WalkDialog

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def settings(**values):
    return GenerationSettings(**{"model": "faces", "seed": 7, "steps": 4, **values})


@pytest.fixture
def drawn(window, qtbot):
    """A batch of two, finished on the Generate page."""
    page = window.page
    page.request.show(settings(count=2))
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()
    return page


@pytest.fixture
def target(tmp_path, choose_file):
    path = tmp_path / "film.png"
    choose_file(path)
    return path


@pytest.fixture
def dialog(drawn, window):
    drawn.films.export_action.trigger()
    dialog = drawn.films.dialog
    yield dialog
    if drawn.films.dialog is not None:
        dialog.close()


def test_there_is_nothing_to_film_before_something_is_drawn(window):
    assert not window.page.films.export_action.isEnabled()


def test_a_film_is_exported_as_it_was_set(dialog, target, window, qtbot, drawn):
    assert isinstance(dialog, FilmDialog)
    dialog.form.show_value(FilmSettings(picture=2, scale=3, seconds=1.0, hold=0.5))
    with qtbot.waitSignal(
        window.context.status, check_params_cb=lambda text: "Film saved" in text, timeout=10_000
    ):
        dialog.export_button.click()
    record = reading.read(target)
    assert record.settings.seed == 8 and record.facts["film"]["scale"] == 3
    with Image.open(target) as image:
        assert image.n_frames == 5 + 1 and image.size == (24, 24)
    last = drawn.steering.run.trajectory.view(4)[1]
    assert np.array_equal(record.pixels(), last.repeat(3, 0).repeat(3, 1))
    assert window.context.settings_file.load("film", FilmSettings).seconds == 1.0


def test_it_says_how_long_and_large_the_film_becomes_and_plays_it(dialog, qtbot):
    dialog.form.show_value(FilmSettings(scale=2, seconds=2.0, hold=1.0))
    qtbot.waitUntil(lambda: "about" in dialog.facts.text(), timeout=10_000)
    assert dialog.facts.text().startswith("5 different frames · 3.0 s · 34×16")
    places = set()
    qtbot.waitUntil(lambda: places.add(dialog.preview.place) or len(places) > 1, timeout=10_000)


def test_the_chosen_picture_is_filmed_first(drawn):
    drawn.canvas.select(1)
    drawn.films.export_action.trigger()
    assert drawn.films.dialog.form.value().picture == 2
    drawn.films.dialog.close()


def test_a_film_that_cannot_be_written_is_told_in_the_dialog(dialog, monkeypatch, qtbot, window, choose_file):
    choose_file("/nowhere/that/is/film.png")

    def film(*_):
        raise UserError("There is no room.")
        yield

    monkeypatch.setattr("diffusion_studio.jobs.film.film", film)
    with qtbot.waitSignal(window.context.background.job_failed, timeout=10_000):
        dialog.export_button.click()
    assert dialog.facts.text() == "There is no room." and dialog.isVisible()
    qtbot.waitUntil(dialog.export_button.isEnabled)


def test_closing_gives_the_film_up(dialog, target, monkeypatch, qtbot, window):
    control = SimpleNamespace(closed=False)

    def film(*_):
        try:
            while True:
                yield events.FilmProgress(done=1, total=9)
        finally:
            control.closed = True

    monkeypatch.setattr("diffusion_studio.jobs.film.film", film)
    dialog.export_button.click()
    qtbot.waitUntil(lambda: dialog.bar.value() == 1)
    assert dialog.close_button.text() == "Cancel"
    dialog.close()
    qtbot.waitUntil(lambda: control.closed)


def test_names_are_completed_with_the_ending_of_the_format(qtbot, qapp, choose_file, tmp_path):
    for given, expected in (("a", "a.webp"), ("a.gif", "a.gif"), ("a.b", "a.b.webp")):
        choose_file(tmp_path / given)
        assert ask_target(None, "", "x", ".webp") == tmp_path / expected
    choose_file(None)
    assert ask_target(None, "", "x", ".webp") is None
    assert [size_words(size) for size in (200, 15_300, 2_340_000)] == ["1 KB", "15 KB", "2.3 MB"]


# Walks


@pytest.fixture
def walking(monkeypatch):
    control = SimpleNamespace(asked=None, closed=0, endless=False)

    def walk(settings, seeds, *, frames, loop, path, film):
        control.asked = SimpleNamespace(
            settings=settings, seeds=seeds, frames=frames, loop=loop, path=path, film=film
        )
        try:
            total = frames * (len(seeds) - 1) + 1
            yield events.MorphStarted(
                settings=settings,
                seeds=tuple(seeds),
                total=total,
                model_title="F",
                device="cpu",
                precision="float32",
            )
            for index in range(total):
                picture = np.full((8, 8, 3), index, np.uint8)
                yield events.MorphImage(index=index, total=total, settings=settings, picture=picture)
                while control.endless:
                    yield events.Status(text="on")
            yield events.FilmSaved(path=path, frames=total, seconds=1.0)
        finally:
            control.closed += 1

    monkeypatch.setattr("diffusion_studio.jobs.morph.morph", walk)
    return control


@pytest.fixture
def walk_dialog(window, walking):
    page = window.page
    page.request.show(settings(count=3))
    page.films.walk_action.trigger()
    dialog = page.films.dialog
    yield dialog
    if page.films.dialog is not None:
        dialog.close()


def test_a_walk_begins_at_the_seed_of_the_panel_and_is_drawn_as_set(
    walk_dialog, walking, target, qtbot, window
):
    assert isinstance(walk_dialog, WalkDialog)
    assert walk_dialog.plan()[0][0] == 7 and len(walk_dialog.plan()[0]) == 3
    walk_dialog.seeds.setText("7, 9, 3")
    walk_dialog.frames.setValue(5)
    assert walk_dialog.facts.text().startswith("11 pictures")
    walk_dialog.loop.setChecked(True)
    assert walk_dialog.facts.text().startswith("15 pictures")
    walk_dialog.start_button.click()
    qtbot.waitUntil(lambda: "Saved to" in walk_dialog.facts.text(), timeout=10_000)
    qtbot.waitUntil(walk_dialog.start_button.isEnabled)
    asked = walking.asked
    assert (asked.seeds, asked.frames, asked.loop, asked.path) == ([7, 9, 3], 5, True, target)
    assert asked.settings.count == 1 and asked.settings.model == "faces"
    qtbot.waitUntil(lambda: walk_dialog.preview.place > 1, timeout=10_000)  # it plays what was drawn


@pytest.mark.parametrize(
    ("text", "sentence"), [("1", "2 to 500 seeds"), ("1, x", "whole number"), ("", "2 to 500")]
)
def test_what_cannot_be_walked_is_said(walk_dialog, text, sentence):
    walk_dialog.seeds.setText(text)
    assert sentence in walk_dialog.facts.text() and not walk_dialog.start_button.isEnabled()


def test_a_walk_is_stopped(walk_dialog, walking, target, qtbot):
    walking.endless = True
    walk_dialog.start_button.click()
    qtbot.waitUntil(lambda: walk_dialog.bar.value() == 1)
    assert not walk_dialog.start_button.isEnabled()
    walk_dialog.close_button.click()
    qtbot.waitUntil(lambda: walking.closed == 1 and walk_dialog.start_button.isEnabled())
    assert walk_dialog.isVisible()


def test_random_seeds_are_as_many_as_before(walk_dialog):
    walk_dialog.seeds.setText("1, 2, 3, 4")
    walk_dialog.dice.click()
    assert len(walk_dialog.plan()[0]) == 4 and walk_dialog.plan()[0] != [1, 2, 3, 4]
