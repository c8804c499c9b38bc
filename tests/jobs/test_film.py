"""Films of a generation: what they show and for how long, read back frame by frame."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from diffusion_studio.errors import UserError
from diffusion_studio.events import FilmProgress, FilmSaved
from diffusion_studio.generation.space import to_uint8
from diffusion_studio.generation.trajectory import State, Trajectory
from diffusion_studio.jobs import film as jobs
from diffusion_studio.jobs.film import guess_bytes, of_trajectory, pace
from diffusion_studio.pictures import film_formats, reading
from diffusion_studio.pictures.grid import sheet
from diffusion_studio.settings.film import EASINGS, FilmSettings
from diffusion_studio.settings.generation import GenerationSettings

SIZE, STEPS = 8, 10
PLAN = GenerationSettings(model="tiny", steps=STEPS, seed=7, count=2)


def walked(count=2, steps=STEPS, moving=None):
    """A generation whose every step looks otherwise; where `moving` is given, only those steps change the prediction."""
    trajectory = Trajectory()
    trajectory.begin(replace(PLAN, count=count, steps=steps), tuple(range(count)))
    draw = torch.Generator().manual_seed(0)
    denoised = torch.zeros(count, 3, SIZE, SIZE)
    for index in range(steps + 1):
        if moving is None or index in moving:
            denoised = (torch.rand(count, 3, SIZE, SIZE, generator=draw) * 2 - 1).clamp(-1, 1)
        x = torch.randn(count, 3, SIZE, SIZE, generator=draw)
        trajectory.append(
            State(index, steps, float(steps - index), 10.0, x, denoised, None, [], [[]] * count)
        )
    return trajectory


def exported(trajectory, path, **settings):
    events = list(jobs.film(trajectory, path, FilmSettings(**settings)))
    assert isinstance(events[-1], FilmSaved) and events[-1].path == path
    assert [event.done for event in events[:-1]] == list(range(1, events[-1].frames + 1))
    assert all(isinstance(event, FilmProgress) for event in events[:-1])
    return events[-1]


def frames(path):
    """(pixels, milliseconds) of every frame; without the still picture that stands for an APNG."""
    with Image.open(path) as image:
        assert image.info.get("loop", 0) == 0
        skip = 1 if getattr(image, "default_image", False) else 0
        found = [
            (np.array(frame.convert("RGB")), frame.info.get("duration"))
            for frame in ImageSequence.Iterator(image)
        ]
    return found[skip:]


@pytest.mark.parametrize("ending", [".png", ".apng", ".webp"])
@pytest.mark.parametrize("view", ["denoised", "noisy"])
def test_lossless_films_hold_every_step_exactly_and_as_long_as_asked(tmp_path, ending, view):
    trajectory, path = walked(), tmp_path / f"film{ending}"
    saved = exported(
        trajectory, path, view=view, picture=2, seconds=1.1, frame_rate=20, hold=0.7, scale=3, easing="even"
    )
    shown = frames(path)
    assert len(shown) == saved.frames == STEPS + 1
    for index, (pixels, duration) in enumerate(shown):
        step = trajectory.view(index, view)[1]
        assert np.array_equal(pixels, step.repeat(3, 0).repeat(3, 1))
        assert duration == pytest.approx(100 if index < STEPS else 800, abs=1)
    assert saved.seconds == pytest.approx(1.8)
    assert sum(duration for _, duration in shown) == pytest.approx(1800, abs=1)


def test_a_batch_is_a_sheet_and_both_views_stand_side_by_side(tmp_path):
    trajectory, path = walked(), tmp_path / "film.png"
    exported(trajectory, path, view="both", scale=1, seconds=1, hold=0)
    pixels, _ = frames(path)[4]
    denoised, noisy = (sheet(trajectory.view(4, view)) for view in ("denoised", "noisy"))
    assert np.array_equal(pixels[:, : denoised.shape[1]], denoised)
    assert np.array_equal(pixels[:, -noisy.shape[1] :], noisy)
    assert pixels.shape[1] > 2 * denoised.shape[1]


def test_viewers_that_know_no_animation_show_the_last_frame_of_an_apng(tmp_path):
    trajectory, path = walked(1), tmp_path / "film.png"
    exported(trajectory, path, scale=2)
    assert np.array_equal(
        reading.read(path).pixels(), to_uint8(trajectory.state(STEPS).denoised)[0].repeat(2, 0).repeat(2, 1)
    )


def test_a_gif_comes_near_and_keeps_its_time(tmp_path):
    trajectory, path = walked(1), tmp_path / "film.gif"
    exported(trajectory, path, scale=4, seconds=1, frame_rate=30, hold=1)
    shown = frames(path)
    assert len(shown) == STEPS + 1
    for index, (pixels, _) in enumerate(shown):
        exact = trajectory.view(index)[0].repeat(4, 0).repeat(4, 1)
        assert np.abs(pixels.astype(int) - exact).mean() < 2  # 64 colours fit into its table
    assert sum(duration for _, duration in shown) == pytest.approx(2000, abs=10)
    assert all(duration >= 20 and duration % 10 == 0 for _, duration in shown)
    assert b"Steps: 10" in path.read_bytes()


def test_an_mp4_has_the_length_and_about_the_pictures(tmp_path):
    av = pytest.importorskip("av")
    trajectory, path = walked(1), tmp_path / "film.mp4"
    exported(trajectory, path, scale=9, seconds=1, frame_rate=20, hold=0.5)
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 20
        assert "Steps: 10" in container.metadata["comment"]
    assert len(shown) == 30 and shown[0].shape == (72, 72, 3)
    last = trajectory.view(STEPS)[0].repeat(9, 0).repeat(9, 1)
    assert np.abs(shown[-1].mean((0, 1)) - last.mean((0, 1))).max() < 12
    assert np.abs(shown[-1].astype(int) - shown[-5]).mean() < 4  # the hold


def test_without_the_package_an_mp4_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(film_formats, "has_mp4", lambda: False)
    with pytest.raises(UserError, match="pip install av"):
        list(jobs.film(walked(), tmp_path / "film.mp4", FilmSettings()))
    assert not list(tmp_path.glob("film*"))


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_a_film_says_what_made_it_and_how_it_was_filmed(tmp_path, ending):
    trajectory, path = walked(), tmp_path / f"film{ending}"
    exported(trajectory, path, picture=2, easing="change", scale=2)
    record = reading.read(path)
    assert record.ours and not record.refused
    assert record.settings == replace(PLAN, seed=8, count=1, batch="-,0")
    assert record.facts["film"]["easing"] == "change" and record.facts["film"]["picture"] == 2
    assert (record.width, record.height) == (2 * SIZE, 2 * SIZE)


# Pace


def shares(easing, **settings):
    """Moments by step, the hold left out."""
    shots = pace(walked(), FilmSettings(easing=easing, seconds=11, frame_rate=10, hold=0, **settings))
    assert sum(ticks for _, ticks in shots) == 110
    assert [step for step, _ in shots] == sorted({step for step, _ in shots})
    assert shots[0][0] == 0 and shots[-1][0] == STEPS
    return dict(shots)


@pytest.mark.parametrize("easing", EASINGS)
def test_every_pace_goes_from_the_first_step_to_the_last_in_the_time_given(easing):
    assert sum(shares(easing).values()) == 110


def test_even_gives_each_step_the_same_time_and_the_slow_ones_more_to_one_end():
    assert set(shares("even").values()) == {10}
    slow_start, slow_end = shares("slow_start"), shares("slow_end")
    assert slow_start[0] > 3 * slow_start[STEPS] and slow_end[STEPS] > 3 * slow_end[0]


def test_even_in_change_spends_its_time_where_the_picture_changes():
    trajectory = walked(moving={0, 3, 4})
    settings = FilmSettings(easing="change", seconds=10, frame_rate=10, hold=0)
    time = dict(pace(trajectory, settings))
    assert set(time) == {0, 3, 4, STEPS}  # the others show what the step before shows
    assert 35 < time[3] < 65 and time[STEPS] == 1
    still = walked(moving={0})
    assert len(pace(still, settings)) == STEPS + 1  # nothing changes: even in steps


def test_a_short_film_of_many_steps_leaves_steps_out_but_not_the_ends():
    shots = pace(walked(steps=300), FilmSettings(seconds=1, frame_rate=10, hold=1))
    assert [shots[0][0], shots[-1]] == [0, (300, 11)] and len(shots) == 10
    assert pace(walked(), FilmSettings(seconds=0.1, frame_rate=1, hold=0)) == [(STEPS, 1)]


# Faults


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("film.mov", "allowed endings are: .png, .apng, .webp, .gif, .mp4"), ("film", "no ending")],
)
def test_an_unknown_ending_is_a_sentence(tmp_path, name, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        list(jobs.film(walked(), tmp_path / name, FilmSettings()))


def test_nothing_to_film_and_no_such_picture_are_sentences(tmp_path):
    with pytest.raises(UserError, match="no step"):
        list(jobs.film(Trajectory(), tmp_path / "film.png", FilmSettings()))
    with pytest.raises(UserError, match="has 2 images"):
        list(jobs.film(walked(), tmp_path / "film.png", FilmSettings(picture=3)))


def test_a_film_too_large_for_its_format_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(film_formats.WebP, "longest_side", 100)
    with pytest.raises(UserError, match="at most 100 pixels wide and high, and this one would be 272×"):
        list(jobs.film(walked(), tmp_path / "film.webp", FilmSettings(scale=16)))
    assert not list(tmp_path.iterdir())


def test_giving_up_leaves_what_was_there(tmp_path):
    path = tmp_path / "film.webp"
    path.write_bytes(b"before")
    job = jobs.film(walked(), path, FilmSettings())
    next(job)
    job.close()
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".png", ".webp", ".gif"])
def test_the_guessed_size_is_near(tmp_path, ending):
    trajectory, path = walked(steps=30), tmp_path / f"film{ending}"
    exported(trajectory, path, seconds=4)
    guess = guess_bytes(of_trajectory(trajectory, FilmSettings(seconds=4)), ending)
    assert guess == pytest.approx(path.stat().st_size, rel=0.25)
