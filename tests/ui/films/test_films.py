"""Export film… and Morph between seeds… as dialogs of the Generate page."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QStandardPaths

from diffusion_studio import events
from diffusion_studio.errors import UserError
from diffusion_studio.jobs import morph as morphs
from diffusion_studio.pictures import reading
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.units import size
from diffusion_studio.ui.films import morph_dialog
from diffusion_studio.ui.films.dialog import FilmDialog
from diffusion_studio.ui.films.morph_dialog import MorphDialog
from diffusion_studio.ui.films.target import ask_target

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
    assert dialog.facts.text().startswith("5 frames · 3.0 s · 34 × 16 px")
    places = set()
    qtbot.waitUntil(lambda: places.add(dialog.preview.place) or len(places) > 1, timeout=10_000)


def test_the_chosen_picture_is_filmed_first(drawn):
    drawn.canvas.select(1)
    drawn.films.export_action.trigger()
    assert drawn.films.dialog.form.value().picture == 2
    drawn.films.dialog.close()


def test_a_film_that_cannot_be_written_is_reported_in_the_dialog(
    dialog, monkeypatch, qtbot, window, choose_file, tmp_path
):
    choose_file(str(tmp_path / "new" / "film.png"))

    def film(*_):
        raise UserError("There is no room.")
        yield

    monkeypatch.setattr("diffusion_studio.ui.films.dialog.film", film)
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

    monkeypatch.setattr("diffusion_studio.ui.films.dialog.film", film)
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
    assert [size(count) for count in (200, 15_300, 2_340_000)] == ["1 KB", "15 KB", "2.3 MB"]


# Morphs


@pytest.fixture
def rendering(monkeypatch):
    control = SimpleNamespace(asked=None, closed=0, endless=False)

    def morph(settings, seeds, *, frames, loop, prompts=()):
        control.asked = SimpleNamespace(settings=settings, seeds=seeds, frames=frames, loop=loop)
        try:
            total = frames * (len(seeds) - 1) + 1
            yield events.MorphStarted(
                settings=settings,
                seeds=tuple(seeds),
                total=total,
                model_title="F",
                device="cpu",
                precision="float32",
                facts={"walk": {"seeds": list(seeds), "frames": frames, "loop": loop}},
            )
            for index in range(total):
                picture = np.full((8, 8, 3), index, np.uint8)
                yield events.MorphImage(index=index, total=total, settings=settings, picture=picture)
                while control.endless:
                    yield events.Status(text="on")
        finally:
            control.closed += 1

    monkeypatch.setattr(morphs, "morph", morph)
    return control


@pytest.fixture
def morphing(window, rendering):
    page = window.page
    page.request.show(settings(count=3))
    page.films.morph_action.trigger()
    dialog = page.films.dialog
    yield dialog
    if page.films.dialog is not None:
        dialog._saved = True
        dialog.close()


@pytest.fixture
def rendered(morphing, qtbot):
    morphing.form.seeds.setText("7, 9, 3")
    morphing.form.frames.setValue(5)
    morphing.render_button.click()
    qtbot.waitUntil(morphing.save_button.isEnabled, timeout=10_000)
    return morphing


def test_a_morph_begins_at_the_seed_of_the_panel_and_shows_its_images_before_it_asks(
    morphing, rendering, qtbot, choose_file, tmp_path
):
    choose_file(str(tmp_path / "film.png"))  # and is not asked
    assert isinstance(morphing, MorphDialog) and not morphing.save_button.isEnabled()
    assert morphing.form.plan()[0][0] == 7 and len(morphing.form.plan()[0]) == 3
    morphing.form.seeds.setText("7, 9, 3")
    morphing.form.frames.setValue(5)
    assert morphing.facts.text().startswith("11 images")
    morphing.form.loop.setChecked(True)
    assert morphing.facts.text().startswith("15 images")
    morphing.render_button.click()
    qtbot.waitUntil(morphing.save_button.isEnabled, timeout=10_000)
    asked = rendering.asked
    assert (asked.seeds, asked.frames, asked.loop) == ([7, 9, 3], 5, True)
    assert asked.settings.count == 1 and asked.settings.model == "faces"
    qtbot.waitUntil(lambda: morphing.preview.place > 1, timeout=10_000)  # it plays what was rendered
    assert choose_file.asked == [] and morphing.save_button.isDefault()
    assert morphing.facts.text() == "11 images · 0.4 s · not saved yet"


def test_what_was_rendered_is_saved_as_the_film_is_set_now(rendered, target, qtbot, window, choose_file):
    rendered.form.film_form.fields["scale"].show_value(2)
    rendered.save_button.click()
    qtbot.waitUntil(lambda: "Saved to" in rendered.facts.text(), timeout=10_000)
    qtbot.waitUntil(rendered.render_button.isEnabled)
    title, _, suffix = choose_file.asked[0]
    assert (title, suffix) == ("Save film", "png")
    record = reading.read(target)
    assert record.facts["walk"]["seeds"] == [7, 9, 3] and record.facts["film"]["scale"] == 2
    with Image.open(target) as image:
        assert image.n_frames == 11 + 1 and image.size == (16, 16)
    window.page.films.dialog.reject()  # without a question
    qtbot.waitUntil(lambda: window.page.films.dialog is None)


def test_a_film_begins_in_the_pictures_folder(rendered, qtbot, choose_file, tmp_path, monkeypatch):
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda kind: str(pictures))
    choose_file(None)
    rendered.save_button.click()
    assert choose_file.asked[0][1] == str(pictures) and rendered.save_button.isEnabled()


def test_unsaved_images_are_discarded_only_when_asked(rendered, qtbot, window, monkeypatch):
    asked = []

    def ask(answer):
        def question(parent, title, *_, **how):
            asked.append((title, how["accept"]))
            return answer

        monkeypatch.setattr(morph_dialog, "ask_question", question)

    ask(False)
    rendered.reject()
    rendered.render_button.click()
    assert asked == 2 * [("Discard the rendered images?", "Discard")]
    assert rendered.isVisible() and rendered.save_button.isEnabled()
    ask(True)
    rendered.reject()
    qtbot.waitUntil(lambda: window.page.films.dialog is None)


@pytest.mark.parametrize(
    ("text", "sentence"), [("1", "2 to 500 seeds"), ("1, x", "whole number"), ("", "2 to 500")]
)
def test_what_cannot_be_morphed_is_said(morphing, text, sentence):
    morphing.form.seeds.setText(text)
    assert sentence in morphing.facts.text() and not morphing.render_button.isEnabled()


def test_a_stopped_morph_keeps_the_images_it_has(morphing, rendering, qtbot):
    rendering.endless = True
    morphing.render_button.click()
    qtbot.waitUntil(lambda: morphing.bar.value() == 1)
    assert not morphing.render_button.isEnabled() and morphing.close_button.text() == "Stop"
    morphing.close_button.click()
    qtbot.waitUntil(lambda: rendering.closed == 1 and morphing.render_button.isEnabled())
    assert morphing.isVisible() and morphing.save_button.isEnabled()


def test_random_seeds_are_as_many_as_before(morphing):
    morphing.form.seeds.setText("1, 2, 3, 4")
    morphing.form.dice.click()
    assert len(morphing.form.plan()[0]) == 4 and morphing.form.plan()[0] != [1, 2, 3, 4]


def test_films_are_set_in_the_words_of_the_field(dialog, qtbot):
    labels = {name: label.text() for name, label in dialog.form._labels.items()}
    assert labels["hold"] == "Hold last frame (s)" and labels["easing"] == "Timing"
    assert dialog.form.fields["easing"].currentText() == "Even"
    assert dialog.format.itemText(0) == "APNG (lossless)"
