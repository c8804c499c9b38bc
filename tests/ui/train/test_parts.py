"""What the Train page is made of: the choices, the plots, the report's words, the film."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from PySide6.QtGui import QImage, QPainter

from diffusion_studio.models import cards
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.train.images.folder import title_of
from diffusion_studio.ui.train.images.report import ReportView, facts, headline, remarks
from diffusion_studio.ui.train.recipe import RecipeView
from diffusion_studio.ui.train.sample_sheets import cut
from diffusion_studio.ui.train.words import about
from diffusion_studio.ui.widgets import loss_plots

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def panel(qtbot):
    panel = RecipeView()
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def plot(qtbot):
    plot = loss_plots.LossPlot()
    qtbot.addWidget(plot)
    plot.resize(600, 300)
    plot.show()
    return plot


def test_the_form_gives_back_every_setting_it_is_shown(panel):
    settings = TrainingSettings(
        size=48, steps=500, batch=7, model_size="large", schedule="linear", flip=False, ema=0.99, seed=3
    )
    panel.show_value(settings)
    assert panel.value() == settings


def test_a_run_ends_by_minutes_or_by_steps(panel):
    fields = panel.form.fields
    assert (panel.value().minutes, panel.value().steps) == (0.0, 450)  # the first recipe
    fields["steps"].setValue(100)
    assert (panel.value().minutes, panel.value().steps) == (0.0, 100)
    fields["minutes"].setValue(3)
    assert (panel.value().minutes, panel.value().steps) == (3.0, 0)
    fields["minutes"].setValue(0)
    assert panel.value().minutes == 10.0


def test_what_a_training_keeps_of_a_model_is_shown_as_that_model_has_it(panel):
    base = cards.find("drawings-64")
    panel.show_cards([base])
    fields = panel.form.fields
    names = ("model_size", "space", "schedule", "prediction")
    assert [fields[name].instead for name in names] == [""] * 4
    chosen = panel.value()
    fields["start_from"].show_value(base.name)
    assert fields["model_size"].instead == "10.4 M" and fields["space"].instead == "Haar bands"
    assert fields["schedule"].instead == "That of Drawings 64" and "v" in fields["prediction"].instead
    assert not any(fields[name].isEnabled() for name in names)
    panel.resize(900, 700)
    drawn = fields["space"].grab().toImage()
    fields["space"].show_instead("Pixels")
    assert fields["space"].grab().toImage() != drawn
    fields["start_from"].show_value("scratch")
    assert [fields[name].instead for name in names] == [""] * 4
    assert panel.value().space == chosen.space


def test_an_unusual_size_of_an_earlier_run_can_be_shown(panel):
    panel.show_value(TrainingSettings(size=40))
    assert panel.value().size == 40
    panel.show_value(TrainingSettings(size=64))
    assert panel.value().size == 64


def test_a_name_of_the_users_own_is_not_replaced(panel, tmp_path):
    panel.show_folder(tmp_path, "Suggested")
    assert panel.value().name == "Suggested"
    panel.show_folder(tmp_path, "Other")
    assert panel.value().name == "Other"
    panel.form.fields["name"].setText("Mine")
    panel.show_folder(tmp_path, "Third")
    assert panel.value().name == "Mine"


def test_names_and_counts_in_words(tmp_path):
    assert title_of(tmp_path / "pixel-avatars_2") == "Pixel avatars 2"
    assert [about(seconds) for seconds in (40, 700, 3 * 3600 + 1220, 160_000)] == [
        "40 s",
        "12 min",
        "3 h 20 min",
        "44 h",
    ]


def test_the_plot_tells_its_values_and_takes_both_scales(plot):
    assert plot.words_at(None) == "No loss measured yet"
    for step in range(1, 101):
        plot.add(step, 1 / step, 2 / step if step % 50 == 0 else None)
    assert plot.words_at(None) == "step 100 · training 0.0100 · validation 0.0200"
    assert plot.words_at(49.7) == "step 50 · training 0.0200 · validation 0.0400"
    plot.log.click()
    plot.log.click()
    plot.smoothing.setValue(0)
    assert plot.view.accessibleDescription().startswith("step 100")


def test_the_plot_leaves_out_what_can_not_be_drawn_and_what_is_done_again(plot):
    plot.show_log(
        [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": None}, {"loss": 3}, {"step": 5, "loss": 0.5}]
    )
    plot.add(9, 0.4, None)
    plot.add(6, 0.45, None)  # a run that went on from an earlier checkpoint
    assert plot._training == [(5, 0.5), (6, 0.45)]


def test_long_runs_are_thinned_without_changing_their_mean():
    points = [(step, float(step % 7)) for step in range(10_001)]
    steps, values = loss_plots.thinned(points)
    assert len(steps) <= loss_plots.MOST_POINTS and steps[0] == pytest.approx(2.5)
    assert values.mean() == pytest.approx(3.0, abs=0.05)


def test_smoothing_has_no_bias_at_the_start():
    assert loss_plots.smoothed(np.full(5, 3.0), 0.9) == pytest.approx(np.full(5, 3.0))
    assert loss_plots.smoothed(np.array([1.0, 5.0]), 0.0) == pytest.approx([1.0, 5.0])


@pytest.mark.parametrize("last", [1, 2, 3, 5, 7, 13, 30, 69, 70, 999, 12_345, 10_000_000])
def test_the_steps_have_at_most_six_whole_ticks(last):
    ticks = loss_plots.round_ticks(0, last, whole=True)
    assert 2 <= len(ticks) <= 6 and all(tick % 1 == 0 for tick in ticks)
    assert ticks == sorted(set(ticks)) and ticks[0] == 0 and ticks[-1] <= last


@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 1.3), (0.0312, 0.0313), (0, 1), (0.01, 0.9), (1e-6, 2e-6), (0.5, 0.5001)]
)
def test_both_scales_have_at_most_six_ticks_whose_labels_differ(plot, low, high):
    axis = plot.view.getAxis("left")
    ((_, ticks),) = axis.tickValues(low, high, 200)
    labels = axis.tickStrings(ticks, 1, 0)
    assert 2 <= len(ticks) <= 6 and len(set(labels)) == len(labels)
    if low > 0:
        plot.log.click()
        ((_, ticks),) = axis.tickValues(np.log10(low), np.log10(high), 200)
        labels = axis.tickStrings(ticks, 1, 0)
        assert len(ticks) <= 6 and len(set(labels)) == len(labels)


@pytest.mark.parametrize("log", [False, True])
def test_labels_never_overprint_from_the_first_step_on(plot, log):
    plot.resize(500, 150)  # as high as the chart is in the smallest window
    plot.log.setChecked(log)
    image = QImage(500, 150, QImage.Format.Format_RGB32)
    for step in (*range(1, 9), 70, 1000, 10_000_000):
        plot.add(step, 0.1 + 1 / step, None)
        plot.view.grab()
        for side in ("left", "bottom"):
            painter = QPainter(image)
            _, _, labels = plot.view.getAxis(side).generateDrawSpecs(painter)
            painter.end()
            assert 0 < len(labels) <= 6
            for (one, _, _), (other, _, _) in pairwise(labels):
                assert not one.intersects(other)


def test_a_single_tick_is_labelled_by_its_value(plot):
    axis = plot.view.getAxis("left")
    ((_, ticks),) = axis.tickValues(0.7176, 0.7204, 30)
    assert [float(text) for text in axis.tickStrings(ticks[:1], 1, 0)] == [pytest.approx(ticks[0], abs=1e-3)]


def test_the_scale_is_linear_until_it_is_changed(plot):
    assert not plot.log.isChecked()


REPORT = {
    "usable": 1200,
    "sizes": {"32×32": 1000, "64×48": 200},
    "smallest_side": 32,
    "largest_side": 64,
    "aspect_ratios": {"1:1": 1000, "4:3": 200},
    "formats": {"PNG": 900, "JPEG": 200, "GIF": 60, "BMP": 40},
    "modes": {"RGB": 1200},
    "warnings": ["The largest class has 9 times as many pictures as the smallest."],
    "classes": {"a": 900, "<b>": 300},
    "refused": [("x/<img src=y>.png", "it is damaged")],
    "rotated": ["r.jpg"],
    "transparent": [],
    "background": "#ffffff",
    "animated": [],
    "small": [],
    "duplicates": [["p.png", "q.png"]],
    "near_duplicates": [],
}


def test_the_report_in_words(qtbot):
    assert headline(REPORT) == "1,200 images"
    assert facts(REPORT) == [
        ("Sizes", "32 to 64 pixels a side", "32×32 (1,000), 64×48 (200)"),
        ("Shapes", "1:1 (1,000), 4:3 (200)", "1:1 (1,000), 4:3 (200)"),
        (
            "Formats",
            "PNG (900), JPEG (200), GIF (60) and 1 more",
            "PNG (900), JPEG (200), GIF (60), BMP (40)",
        ),
        ("Colours", "colour", "colour"),
    ]
    assert [line for line, _ in remarks(REPORT)] == [
        "1 turned upright, as their EXIF data say",
        "1 group of exact copies",
    ]
    view = ReportView()
    qtbot.addWidget(view)
    view.show_report(REPORT)
    view.show()
    assert view.problems.names() == ["x/<img src=y>.png"] and view.problems.reasons() == ["it is damaged"]
    assert "<img" not in view.problems.item(0).toolTip()


def test_a_sheet_is_cut_into_its_pictures():
    page = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    pictures = cut(page, 2)
    assert len(pictures) == 6 and np.array_equal(pictures[4], page[2:4, 2:4])


def test_the_film_shows_the_sheets_of_an_earlier_sitting(qtbot, qapp, tmp_path):
    from diffusion_studio.ui.base.context import AppContext
    from diffusion_studio.ui.base.settings_file import SettingsFile
    from diffusion_studio.ui.look.theme import Theme
    from diffusion_studio.ui.train.samples import SamplesView

    folder = tmp_path / "run" / "samples"
    folder.mkdir(parents=True)
    for step in (10, 20, 30):
        Image.new("RGB", (16, 8), (step, 0, 0)).save(folder / f"{step:08d}.png")
    context = AppContext(Theme(qapp), SettingsFile())
    view = SamplesView(context)
    qtbot.addWidget(view)
    (folder / "raw").mkdir()
    Image.new("RGB", (16, 8), (0, 20, 0)).save(folder / "raw" / "00000020.png")
    view.begin(tmp_path / "run", 8)
    qtbot.waitUntil(lambda: len(view.canvas.pictures) == 2 and view.canvas.pictures[0].pixels[0, 0, 0] == 30)
    view.film.setValue(0)
    qtbot.waitUntil(lambda: view.canvas.pictures[0].pixels[0, 0, 0] == 10)
    view.raw.click()
    assert not view.canvas.pictures and "not saved" in view.canvas.message.sentence
    view.film.setValue(1)
    qtbot.waitUntil(lambda: bool(view.canvas.pictures) and view.canvas.pictures[1].pixels[0, 0, 1] == 20)
    view.ema.click()
    assert view.canvas.pictures[0].pixels[0, 0, 0] == 20
    view.film.setValue(0)
    view.play.click()
    qtbot.waitUntil(lambda: view.film.value() == 2 and not view.play.isChecked(), timeout=5000)
    view.close_down()
    for worker in context.background.workers:
        worker.stop()
