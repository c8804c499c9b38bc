"""The images at the corners of the square of four seeds: of the seeds, in few steps, and behind everything else."""

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import SeedImage
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.pictures.picture import to_image


@pytest.fixture
def made(draw, monkeypatch):
    """Stands in for `jobs.live.images`: lists of settings, each answered with images of their seeds."""
    asked = []

    def images(wanted):
        asked.append(list(wanted))
        for number, settings in enumerate(wanted):
            if settings.class_label == "bad":
                raise UserError("It cannot be generated.")
            yield SeedImage(number=number, picture=draw.picture(settings.seed))

    monkeypatch.setattr("diffusion_studio.jobs.live.images", images)
    return asked


@pytest.fixture
def page(window, made):
    window.page.request.show(GenerationSettings(model="faces", steps=12, seed=7))
    window.page.live.corners._rest.setInterval(20)
    return window.page


def settled(qtbot, page):
    qtbot.waitUntil(lambda: None not in page.live.wander.pad.images and not page.live.corners.running)


def test_each_corner_shows_the_image_of_its_seed(page, made, draw, qtbot):
    wander = page.live.wander
    assert not made and wander.pad.images == (None,) * 4
    wander.fold.setChecked(True)
    settled(qtbot, page)
    assert [settings.seed for settings in made[0]] == list(wander.seeds) and wander.seeds[0] == 7
    assert {(each.steps, each.blend, each.count) for each in made[0]} == {(4, "", 1)}
    assert list(wander.pad.images) == [to_image(draw.picture(seed)) for seed in wander.seeds]
    assert f"(seed {wander.seeds[3]})" in wander.locks[3].toolTip(), "the numbers are not seen any more"
    shown = wander.pad.grab().toImage()
    wander.pad.show_images([None] * 4)
    assert wander.pad.grab().toImage() != shown


def test_only_what_changed_is_generated_again(page, made, draw, qtbot):
    wander = page.live.wander
    wander.fold.setChecked(True)
    settled(qtbot, page)
    wander.pad._move(0.3, 0.4)
    qtbot.wait(80)
    assert len(made) == 1, "between the same corners"
    kept = wander.seeds
    wander.locks[0].setChecked(True)
    wander.locks[1].setChecked(True)
    wander.draw_corners()
    qtbot.waitUntil(lambda: len(made) == 2)
    settled(qtbot, page)
    assert wander.seeds[:2] == kept[:2] and [each.seed for each in made[1]] == list(wander.seeds[2:])
    page.request.change(guidance=3.0)
    qtbot.waitUntil(lambda: len(made) == 3)
    assert [each.guidance for each in made[2]] == [3.0] * 4


def test_a_generation_comes_first_and_the_corners_after_it(page, made, draw, qtbot):
    page.live.corners._rest.setInterval(10_000)
    page.live.wander.fold.setChecked(True)
    page.live.corners._rest.setInterval(20)
    page.generate()
    assert not page.live.corners._rest.isActive() and not made
    qtbot.waitUntil(lambda: not page.generation.running)
    settled(qtbot, page)
    assert len(made) == 1


def test_without_a_seed_the_first_corner_has_a_name_and_no_image(page, made, qtbot):
    page.request.change(seed=None)
    page.live.wander.fold.setChecked(True)
    pad = page.live.wander.pad
    qtbot.waitUntil(lambda: None not in pad.images[1:])
    assert pad.images[0] is None and pad.corners[0] == "Seed"
    assert len(made[0]) == 3


def test_what_cannot_be_generated_is_asked_for_once_and_not_said(page, made, qtbot, monkeypatch):
    monkeypatch.setattr(
        type(page.live.corners),
        "_wanted",
        lambda self: [GenerationSettings(model="faces", seed=seed, class_label="bad") for seed in range(4)],
    )
    page.live.wander.fold.setChecked(True)
    qtbot.waitUntil(lambda: len(made) == 1 and not page.live.corners.running)
    qtbot.wait(100)
    assert len(made) == 1 and page.live.wander.pad.images == (None,) * 4


def test_nothing_is_left_running_once_the_fold_is_closed(page, made, qtbot):
    page.live.wander.fold.setChecked(True)
    page.live.wander.fold.setChecked(False)
    qtbot.wait(60)
    assert not made and not page.live.corners.running
