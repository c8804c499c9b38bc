"""The walk from seed to seed: what lies at its ends and between them, and the film of it."""

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import FilmSaved, Finished, MorphImage, MorphStarted, Preview, Saved
from diffusion_studio.generation import opening as models
from diffusion_studio.jobs import generate as generate_jobs
from diffusion_studio.jobs import morph as morph_jobs
from diffusion_studio.jobs.morph import plan
from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save

SEEDS = (3, 900, 14)


@pytest.fixture
def installed():
    yield save(models_dir() / "tiny", num_class_embeds=4)
    models._opened.clear()


def asked(**values):
    return GenerationSettings(**{"model": "tiny", "steps": 4, "precision": "float32", **values})


def drawn(settings, seeds=SEEDS, **how):
    return [event for event in morph_jobs.morph(settings, seeds, **how) if isinstance(event, MorphImage)]


def alone(settings):
    events = [event for event in generate_jobs.generate(settings, save=False) if isinstance(event, Preview)]
    return events[-1].denoised[0].astype(int)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm", "dpmpp_2m_sde"])
@pytest.mark.parametrize("label", ["", "kind 2"])
def test_at_the_seeds_are_their_own_pictures(installed, sampler, label):
    settings = asked(sampler=sampler, class_label=label)
    walked = drawn(settings, frames=3)
    assert len(walked) == 7
    for place, seed in zip((0, 3, 6), SEEDS, strict=True):
        own = alone(asked(sampler=sampler, class_label=label, seed=seed))
        assert np.abs(walked[place].picture - own).max() <= 1


def test_between_them_each_picture_is_a_variation_that_can_be_drawn_alone(installed):
    walked = drawn(asked(sampler="ddpm", class_label="kind 1"), frames=4)
    middle = walked[5].settings
    assert (middle.seed, middle.variation_seed, middle.variation_strength) == (900, 14, 0.25)
    for event in walked:
        assert np.abs(event.picture - alone(event.settings)).max() <= 1
    pixels = [event.picture.astype(int) for event in walked]
    steps = [np.abs(a - b).mean() for a, b in zip(pixels, pixels[1:], strict=False)]
    assert (
        max(steps) < np.abs(pixels[0] - pixels[4]).mean()
    )  # nearer to its neighbours than the seeds to each other


def test_the_nearer_seed_chooses_the_class_where_none_is_asked_for():
    labels = [own.class_label for own in plan(asked(), (3, 4), 4, False, ("a", "b", "c"))]
    assert labels == ["a", "a", "b", "b", "b"]


def test_a_loop_comes_back_and_repeats_no_picture():
    way = plan(asked(), (3, 9), 2, True)
    assert [(own.seed, own.variation_seed, own.variation_strength) for own in way] == [
        (3, None, 0.0),
        (3, 9, 0.5),
        (9, None, 0.0),
        (9, 3, 0.5),
    ]


def test_the_film_holds_every_picture_and_says_how_it_was_made(installed, tmp_path):
    path = tmp_path / "walk.png"
    film = FilmSettings(frame_rate=10, hold=0.5, scale=2)
    events = list(
        morph_jobs.morph(asked(), SEEDS, frames=2, path=path, film=film, folder=tmp_path / "single")
    )
    assert isinstance(events[-1], Finished) and isinstance(events[-2], FilmSaved)
    assert next(event for event in events if isinstance(event, MorphStarted)).total == 5
    walked = [event for event in events if isinstance(event, MorphImage)]
    with Image.open(path) as image:
        assert image.n_frames == 5 + 1
        for k, event in enumerate(walked):
            image.seek(k + 1)
            assert image.info["duration"] == (100 if k < 4 else 600)
            assert np.array_equal(np.array(image.convert("RGB")), event.picture.repeat(2, 0).repeat(2, 1))
    record = reading.read(path)
    assert not record.refused
    assert record.facts["walk"] == {"seeds": list(SEEDS), "frames": 2, "loop": False}
    saved = [event for event in events if isinstance(event, Saved)]
    assert len(saved) == 5
    assert reading.read(saved[1].path).settings == saved[1].settings == walked[1].settings


def test_a_walk_through_a_picture_of_ones_own(installed):
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    walked = drawn(asked(source=start_pictures.keep(picture), strength=0.4), (1, 2), frames=2)
    assert np.abs(walked[1].picture - alone(walked[1].settings)).max() <= 1


@pytest.mark.parametrize(
    ("seeds", "how", "sentence"),
    [
        ((1,), {}, "2 to 500 seeds"),
        ((1, -2), {}, "whole number"),
        ((1, 2), {"frames": 0}, "1 to 1000"),
        ((1, 2), {"path": "walk.mov"}, "allowed endings"),
    ],
)
def test_what_cannot_be_walked_is_a_sentence_before_anything_is_loaded(
    installed, tmp_path, seeds, how, sentence
):
    how = {**how, "path": tmp_path / how["path"]} if "path" in how else how
    with pytest.raises(UserError, match=sentence):
        next(morph_jobs.morph(asked(), seeds, **how))


def test_more_than_memory_should_hold_is_refused(installed, monkeypatch):
    monkeypatch.setattr("diffusion_studio.jobs.morph.MOST_BYTES", 8 * 8 * 3 * 10)
    with pytest.raises(UserError, match="at most 10 images, not 11"):
        next(morph_jobs.morph(asked(), (1, 2), frames=10))
