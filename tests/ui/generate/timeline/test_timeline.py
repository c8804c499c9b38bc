"""The timeline by itself: words, the track under pointer and keys, playing, thinned steps, runs that went on from others."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAction, QFont, QImage
from PySide6.QtWidgets import QWidget

from diffusion_studio.events import Preview
from diffusion_studio.generation.trajectory import StepFacts
from diffusion_studio.settings.branches import branch
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.generations import KEPT, GenerationRun, Runs, difference
from diffusion_studio.ui.generate.timeline.drawing import WORDS, Course, CourseDrawing, Room
from diffusion_studio.ui.generate.timeline.figures import StepFigures
from diffusion_studio.ui.generate.timeline.timeline import Timeline
from diffusion_studio.ui.generate.timeline.words import (
    figures,
    hover_words,
    kept_words,
    settled_at,
    step_words,
)
from diffusion_studio.ui.pictures.picture import EXPLAINED, LAYERS
from tests.shown import shown_views
from tests.ui.conftest import Steps

pytestmark = pytest.mark.qt_log_ignore("does not support")


def walked(
    total=20, count=2, first=0, settings=None, pictures=None, parent=None, origin="", stride=1, size=8
):
    """A run whose pictures get lighter from step to step."""
    steps = Steps()
    pictures = tuple(range(count)) if pictures is None else pictures
    settings = settings or GenerationSettings(steps=total, count=count, seed=7)
    for index in range(first, total + 1):
        pixels = np.full((len(pictures), size, size, 3), 10 * index, np.uint8)
        pixels += np.arange(len(pictures), dtype=np.uint8)[:, None, None, None]
        shown = Preview(
            index=index,
            total=total,
            sigma=1.0,
            timestep=1.0,
            views=shown_views(pixels, 255 - pixels),
            seconds=0.0,
        )
        steps.add(shown, settings, pictures)
    if stride > 1:
        steps.stride = stride
        for index in [i for i in steps._states if i % stride and i != total]:
            del steps._states[index]
    return GenerationRun(steps, parent, first, origin)


@pytest.fixture
def timeline(qtbot):
    owner = QWidget()
    qtbot.addWidget(owner)
    actions = [QAction(text, owner) for text in ("Pause", "Single step", "Branch from this step…")]
    timeline = Timeline(*actions)
    qtbot.addWidget(timeline)
    timeline.resize(720, 140)
    timeline.wanted = []
    timeline.step_wanted.connect(timeline.wanted.append)
    timeline.step_wanted.connect(lambda index: timeline.show_index(index, live=False))
    timeline.show()
    qtbot.waitExposed(timeline)
    return timeline


def place(timeline, index):
    room = timeline.track.room
    return QPoint(round(room.x_of(index)), round(room.line))


# --- words ---


def fact(index=13, sigma=1.27, change=(3.0, 3.2)):
    return StepFacts(index, sigma, 412.0, sigma**-2 if sigma else float("inf"), np.array(change))


def test_a_step_in_one_line_and_in_several():
    assert step_words(fact(), 20) == "step 13 of 20 · t 412 · σ 1.27 · SNR 0.62 · change 3.1"
    assert step_words(fact(), 20, place=1).endswith("change 3.2")
    assert step_words(fact(20, 0.0), 20) == "step 20 of 20 · no noise left · change 3.1"
    assert step_words(fact()._replace(change=None), 20).endswith("SNR 0.62")
    assert hover_words(fact(), 20).splitlines()[2] == "Noise level σ: 1.27"


def test_the_figures_of_a_step_stand_still_and_all_of_them_where_there_is_room(qtbot):
    shown = StepFigures()
    qtbot.addWidget(shown)
    shown.resize(316, shown.sizeHint().height())  # what a window of 1280 pixels leaves while a run goes on
    assert figures(fact(), 20) == {"step": "13 / 20", "t": "412", "σ": "1.27", "SNR": "0.62", "change": "3.1"}
    shown.show_fact(fact(3, 20_291.0), 1000, None)
    before = shown.shown()
    assert list(before) == ["step", "t", "σ", "SNR", "change"]
    shown.show_fact(fact(1000, 0.0)._replace(change=None), 1000, None)
    assert shown.shown() == before and shown.text() == "step 1000 of 1000 · no noise left"
    shown.resize(150, shown.height())
    assert list(shown.shown()) == ["step", "σ"]
    shown.resize(10, shown.height())
    assert list(shown.shown()) == ["step"]
    shown.show_fact(None, 0, None)
    assert not shown.text() and not shown.toolTip()


def test_where_the_picture_settles():
    changes = [(1, 40.0), (2, 20.0), (3, 5.0), (4, 2.0), (5, 1.0)]
    assert settled_at(changes, 5) == 3  # steps 4 and 5 together change 3 levels
    assert settled_at(changes, 20) is None  # not at its end yet
    assert settled_at([(1, 40.0), (2, 30.0)], 2) is None  # never
    assert settled_at([], 5) is None


def test_thinning_is_said():
    assert [kept_words(stride) for stride in (1, 2, 8)] == [
        "",
        "every 2nd step is kept",
        "every 8th step is kept",
    ]


def test_every_view_has_its_sentence():
    assert set(EXPLAINED) == set(LAYERS)


# --- the track ---


def test_pressing_and_dragging_on_the_track_asks_for_steps(timeline, qtbot):
    timeline.show_run(walked(), None)
    timeline.show_index(20, live=False)
    qtbot.mousePress(timeline.track, Qt.MouseButton.LeftButton, pos=place(timeline, 5))
    assert timeline.wanted == [5]
    for index in (6, 7, 7, 12):
        qtbot.mouseMove(timeline.track, place(timeline, index))
    qtbot.mouseRelease(timeline.track, Qt.MouseButton.LeftButton, pos=place(timeline, 12))
    assert timeline.wanted == [5, 6, 7, 12]
    qtbot.mouseMove(timeline.track, place(timeline, 3))
    assert timeline.wanted[-1] == 12 and timeline.track._hovered == 3  # only looked at


def test_keys_walk_through_the_kept_steps(timeline, qtbot):
    timeline.show_run(walked(total=21, stride=4), None)
    timeline.show_index(21, live=False)
    track = timeline.track
    assert timeline.thinned.text() == "every 4th step is kept"
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Home, Qt.Key.Key_Right, Qt.Key.Key_End):
        qtbot.keyClick(track, key)
    assert timeline.wanted == [20, 16, 0, 4, 21]
    qtbot.keyClick(track, Qt.Key.Key_Right)  # at the end
    assert timeline.wanted[-1] == 21
    assert not timeline.forward.isEnabled() and timeline.back.isEnabled()


def test_space_plays_all_steps_once_and_stops(timeline, qtbot, monkeypatch):
    monkeypatch.setattr("diffusion_studio.ui.generate.timeline.timeline.PLAYED_IN", 0)
    timeline.show_run(walked(), None)
    timeline.show_index(20, live=False)
    qtbot.keyClick(timeline.track, Qt.Key.Key_Space)
    assert timeline.play.isChecked()
    qtbot.waitUntil(lambda: not timeline.play.isChecked())
    assert timeline.wanted == list(range(21))
    timeline.play.click()
    qtbot.waitUntil(lambda: len(timeline.wanted) > 25)
    timeline.play.click()
    assert not timeline._playback.isActive()


def test_a_step_by_hand_ends_the_playing(timeline, qtbot):
    timeline.show_run(walked(), None)
    timeline.show_index(0, live=False)
    timeline.play.click()
    timeline.forward.click()
    assert timeline.wanted == [1] and not timeline.play.isChecked()


def test_the_curve_is_of_one_picture_or_the_mean(timeline):
    run = walked()
    run.trajectory._facts = [fact(k, 20.0 - k, (k, 3 * k)) for k in range(21)]
    timeline.show_run(run, None)
    assert dict(timeline.track.course.changes)[10] == 20
    timeline.show_run(run, 1)
    assert dict(timeline.track.course.changes)[10] == 30
    timeline.show_index(10, live=False)
    assert timeline.readout.text().endswith("change 30.0")
    assert timeline.track.accessibleDescription() == timeline.readout.text()


def test_where_it_has_settled_the_tooltip_says_what_that_means(timeline):
    run = walked()
    run.trajectory._facts = [fact(k, 20.0 - k, (40 / (k + 1) ** 2, 40 / (k + 1) ** 2)) for k in range(21)]
    timeline.show_run(run, None)
    settled = timeline.track.course.settled
    assert settled is not None and "Settled" in timeline.track.words(settled)
    assert "Settled" not in timeline.track.words(settled - 1) and timeline.track.words(settled - 1)


def test_a_growing_run_grows_on_the_track(timeline):
    run = walked(total=20)
    states, facts = dict(run.trajectory._states), list(run.trajectory._facts)
    for newest in (0, 3, 20):
        run.trajectory._states = {k: v for k, v in states.items() if k <= newest}
        run.trajectory._facts = facts[: newest + 1]
        timeline.show_run(run, None)
        assert timeline.track.course.kept == tuple(range(newest + 1))
        assert len(timeline.track.course.changes) == newest
    assert timeline.track.index_at(1e6) == 20 and timeline.track.index_at(-5) == 0


def test_the_parents_part_is_dim(timeline):
    def colour(index):
        image = QImage(timeline.track.size(), QImage.Format.Format_RGB32)
        image.fill(0)
        timeline.track.render(image)
        return image.pixelColor(place(timeline, index) + QPoint(5, 0))

    parent = walked()
    timeline.show_run(parent, None)
    plain = colour(4)
    child = branch(parent.settings, 8, seed=9)
    timeline.show_run(walked(first=8, settings=child, parent=parent), None)
    assert timeline.track.course.first == 8
    assert timeline.track.course.kept == tuple(range(21))
    assert colour(4) != plain and colour(14) == plain


def test_what_has_grown_looks_as_if_drawn_at_once(qapp):
    changes = [(k, 20.0 / k) for k in range(1, 101)]

    def course(newest, **others):
        return Course(100, 10, tuple(range(newest + 1)), changes[:newest], **others)

    def drawn(*courses):
        drawing = CourseDrawing(QSize(500, 80), 1, QFont())
        for each in courses:
            drawing.show(each)
        image = drawing.pixmap.toImage().convertToFormat(QImage.Format.Format_ARGB32)
        return np.array(image.constBits()).reshape(80, 500, 4).astype(int)

    once, grown = drawn(course(95)), drawn(*(course(k) for k in range(96)))
    assert np.abs(once - grown).max(axis=2).mean() < 1  # but for the joints of the line
    assert course(95).continues(course(94)) and not course(95).continues(course(5))
    settled = course(100, settled=60)
    assert not settled.continues(course(99)) and np.array_equal(drawn(course(99), settled), drawn(settled))


def test_it_fits_a_narrow_window(timeline):
    timeline.resize(340, 124)
    timeline.show_run(walked(), None)
    timeline.show_index(3, live=False)
    assert timeline.branch.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonIconOnly
    track = timeline.track
    assert track.index_at(track.room.x_of(11)) == 11 and track.room.x_of(20) < track.width()


# --- runs ---


def test_a_step_of_a_branch_before_it_left_is_its_parents():
    parent = walked(count=4)
    settings = branch(parent.settings, 8, seed=100)
    child = walked(count=4, first=8, settings=settings, pictures=(1, 3), parent=parent, origin="branch")
    assert [fact.index for fact in child.facts()] == list(range(21))
    assert child.kept() == tuple(range(21))
    before, after = child.pictures(5), child.pictures(9)
    assert [int(picture.pixels[0, 0, 0]) for picture in before] == [51, 53]  # places 1 and 3 of the parent
    assert [int(picture.pixels[0, 0, 0]) for picture in after] == [90, 91]
    assert [picture.settings.seed for picture in before] == [8, 10]
    assert [picture.settings.seed for picture in after] == [101, 103]
    assert before[0].settings.until == 5 and not before[0].settings.history
    assert after[0].settings.history and child.pictures(20)[0].settings.until == 0
    assert child.facts()[8].change is not None  # the way to where it left
    assert child.owner(5, [1]) == (parent, [3])
    assert child.name == "step 8 ▸ seed 100" and parent.name == "seed 7"


def test_layers_of_a_step_are_made_when_looked_at():
    run = walked()
    picture = run.pictures(4)[1]
    assert set(picture.layers) == set(LAYERS)
    assert int(picture.image("noisy").pixelColor(0, 0).red()) == 255 - 41
    assert int(picture.image("difference").pixelColor(0, 0).red()) == 160
    assert run.pictures(4)[1] is picture


def test_the_last_few_runs_are_kept_and_a_parent_longest(monkeypatch):
    runs = Runs()
    first = walked()
    runs.add(first)
    others = [walked() for _ in range(KEPT - 1)]
    for other in others:
        runs.add(other)
    child = GenerationRun(Steps(), first, 3, "branch")
    runs.add(child)
    assert runs.all == [first, *others[1:], child]
    assert runs.chain(first) == runs.chain(child) == [first, child]
    runs.add(walked())
    runs.add(walked())
    assert first not in runs.all and child.parent is None
    monkeypatch.setattr("diffusion_studio.ui.generate.generations.BUDGET", 10)
    last = GenerationRun(Steps(), runs.all[-1], 2, "branch")
    runs.add(last)
    assert runs.all == [last.parent, last]


def test_what_a_branch_changed_in_words():
    parent = GenerationSettings(seed=1)
    assert difference(parent, GenerationSettings(seed=1)) == "unchanged"
    assert difference(parent, GenerationSettings(seed=5, guidance=3.0)) == "seed 5, guidance 3.0"
    assert difference(parent, GenerationSettings(seed=1, sampler="heun")) == "Heun"


def test_the_words_above_the_curve_never_cross_it():
    room = Room(600, 78, 300)
    assert room.y_of(24, 24) >= sum(WORDS) and room.y_of(1000, 24) >= sum(WORDS)
    low = Room(120, 52, 300)
    assert low.ground > low.y_of(24, 24)
