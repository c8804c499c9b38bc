"""The time left ends where the generation does: at “Stop at step” where there is one."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from diffusion_studio.events import Finished
from diffusion_studio.ui.generate.running import progress_words


def test_the_time_left_ends_at_stop_at_step():
    event = SimpleNamespace(index=5, total=100)
    assert progress_words(event, 5.0) == "step 5 of 100 · 1.0 it/s · 1 min 35 s left"
    assert progress_words(event, 5.0, end=20).startswith("step 5 of 20 · 1.0 it/s · 15")


@pytest.fixture
def page(window, draw):
    return window.page


def test_a_generation_that_stops_early_fills_its_bar_there(page, draw, qtbot):
    found = []
    page.generation.progressed.connect(lambda index, total, words: found.append((index, total)))
    settings = page.request.value()
    stop = max(1, settings.steps // 2)
    page.generation.start(replace(settings, until=stop, seed=3))
    qtbot.waitUntil(lambda: not page.generation.running)
    assert found and {total for index, total in found if index <= stop} == {stop}


def test_before_the_first_step_all_of_them_are_ahead(page):
    assert page.generation._end_of(SimpleNamespace(index=0, total=20)) == 20


def test_the_share_of_sharp_previews_is_said_and_so_is_why_there_are_none(page, qtbot):
    generation, told = page.generation, []
    generation.remarked.connect(told.append)
    for views in (SimpleNamespace(spent=1.2, remark=""), SimpleNamespace(spent=0.0, remark="Put it there.")):
        generation._last_words, generation._trajectory = "Done", SimpleNamespace(views=views)
        generation._say_previews(Finished(seconds=10.0, steps_per_second=1.0))
        told.append(generation._last_words)
    assert told == ["Done · previews 12%", "Put it there.", "Done"]
