"""Generating as a stream of events, with a model that only pretends and with a real one."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import (
    Finished,
    NotSaved,
    Preview,
    Ready,
    Saved,
    SheetSaved,
    Started,
    Status,
    StepTimed,
    Warned,
    as_json,
)
from diffusion_studio.generation import opening as models
from diffusion_studio.jobs import generate as generate_jobs
from diffusion_studio.jobs import warm_up as warm_up_jobs
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures import reading
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.listing import newest
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save
from tests.shown import shown_views


class Pretended:
    """Draws one grey after the other."""

    device, precision = "cpu", "float32"

    def __init__(self, card):
        self.card, self.closed = card, False

    def sides(self, settings):
        return 8, 8

    def previews(self, settings, **how):
        try:
            for index in range(settings.steps + 1):
                grey = np.full((settings.count, 8, 8, 3), index, np.uint8)
                yield Preview(
                    index=index,
                    total=settings.steps,
                    sigma=float(settings.steps - index),
                    timestep=0.0,
                    views=shown_views(grey, grey),
                    seconds=0.0,
                )
        finally:
            self.closed = True

    def facts(self, settings, index):
        return {"model_title": self.card.title}


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    card = ModelCard(name="fake", path=tmp_path, title="Fake", size=8)
    model = Pretended(card)
    monkeypatch.setattr(cards, "find", lambda name: card)
    monkeypatch.setattr(models, "open_model", lambda card, **how: model)
    return model


@pytest.fixture
def real():
    yield save(models_dir() / "tiny", num_class_embeds=4)
    models._opened.clear()


def kinds(events):
    return [type(event) for event in events]


def test_making_a_job_runs_nothing(monkeypatch):
    monkeypatch.setattr(cards, "find", lambda name: pytest.fail("ran"))
    generate_jobs.generate(GenerationSettings())
    warm_up_jobs.warm_up(GenerationSettings(model="x"))


def test_events_come_in_their_order(pretended, tmp_path):
    settings = GenerationSettings(steps=3, count=2, seed=4)
    events = list(generate_jobs.generate(settings, folder=tmp_path / "out", sheet=True))
    assert kinds(events) == [Status, Started, *[Preview] * 4, Saved, Saved, SheetSaved, Finished]
    started, previews, saved = events[1], events[2:6], events[6:8]
    assert started.settings == replace(settings, model="fake") and started.total == 3
    assert (started.model_title, started.device, started.precision) == ("Fake", "cpu", "float32")
    assert [preview.index for preview in previews] == [0, 1, 2, 3]
    assert all(a.seconds <= b.seconds for a, b in zip(previews, previews[1:], strict=False))
    assert [event.settings for event in saved] == [
        replace(started.settings, seed=4, count=1, batch="0,-"),
        replace(started.settings, seed=5, count=1, batch="-,0"),
    ]
    assert all(event.path.is_file() and (event.picture == 3).all() for event in saved)
    assert events[8].path.is_file() and events[9].steps_per_second > 0
    assert all(as_json(event)["event"] for event in events)


def test_a_seed_is_drawn_where_none_is_given(pretended, tmp_path):
    seeds = {
        next(
            e
            for e in generate_jobs.generate(GenerationSettings(steps=1, count=64), save=False)
            if isinstance(e, Started)
        ).settings.seed
        for _ in range(4)
    }
    assert len(seeds) == 4 and all(0 <= seed <= LARGEST_SEED - 63 for seed in seeds)


def test_saving_can_be_left_out(pretended, own_folders):
    events = list(generate_jobs.generate(GenerationSettings(steps=1), save=False))
    assert kinds(events) == [Status, Started, Preview, Preview, Finished]
    assert not own_folders.exists()


def test_closing_a_job_closes_the_model_and_saves_nothing(pretended, tmp_path):
    job = generate_jobs.generate(GenerationSettings(steps=9), folder=tmp_path / "out")
    while not isinstance(next(job), Preview):
        pass
    job.close()
    assert pretended.closed and not (tmp_path / "out").exists()


def test_pictures_that_can_not_be_saved_are_handed_over(pretended, tmp_path):
    (tmp_path / "out").write_text("a file")
    events = list(
        generate_jobs.generate(
            GenerationSettings(steps=2, count=2, seed=1), folder=tmp_path / "out", sheet=True
        )
    )
    assert kinds(events)[-4:] == [NotSaved, NotSaved, Warned, Finished]
    first, second = events[-4:-2]
    assert (first.index, first.settings.seed, second.settings.seed) == (0, 1, 2)
    assert "not a folder" in first.reason and (first.picture == 2).all()
    from diffusion_studio.ui.pictures.saved import save_in  # what the window does with them

    elsewhere = next(save_in(tmp_path / "elsewhere", [first, second]))
    saved = [reading.read(path) for path in reversed(newest(elsewhere))]
    assert [record.settings for record in saved] == [first.settings, second.settings]
    assert first.facts and all(first.facts[name] == saved[0].facts[name] for name in first.facts)


def test_a_model_that_draws_nothing_is_a_fault(pretended):
    pretended.previews = lambda settings, **how: iter(())
    with pytest.raises(UserError, match="generated nothing"):
        list(generate_jobs.generate(GenerationSettings()))


def test_a_real_model_draws_and_saves_what_makes_the_picture_again(real, tmp_path):
    settings = GenerationSettings(
        model="tiny", steps=3, count=2, seed=7, sampler="ddpm", precision="float32", device="cpu"
    )
    events = list(generate_jobs.generate(settings, folder=tmp_path / "out"))
    assert kinds(events) == [Status, Started, *[Preview] * 4, Saved, Saved, Finished]
    for event in events[-3:-1]:
        again = list(generate_jobs.generate(event.settings, save=False))[-2].denoised[0]
        assert np.abs(again.astype(int) - event.picture).max() <= 1
    first = [event.picture.tobytes() for event in events[-3:-1]]
    second = [
        e.picture.tobytes()
        for e in generate_jobs.generate(settings, folder=tmp_path / "out")
        if isinstance(e, Saved)
    ]
    assert first == second and len(newest(tmp_path / "out")) == 4


def test_an_unknown_model_is_a_sentence():
    with pytest.raises(UserError, match="“nobody” is not installed|No model is installed"):
        list(generate_jobs.generate(GenerationSettings(model="nobody")))


def test_the_next_job_works_after_one_failed(real, tmp_path):
    with pytest.raises(UserError, match="no class"):
        list(
            generate_jobs.generate(
                GenerationSettings(model="tiny", class_label="x", precision="float32"), save=False
            )
        )
    settings = GenerationSettings(model="tiny", class_label="kind 1", steps=1, precision="float32")
    assert kinds(generate_jobs.generate(settings, save=False))[-1] is Finished


def test_warming_up_opens_the_model_and_saves_nothing(real, own_folders):
    events = list(
        warm_up_jobs.warm_up(GenerationSettings(model="tiny", device="cpu", precision="float32", steps=9))
    )
    assert kinds(events) == [Status, Status, Ready, Status, Status, StepTimed]
    assert (events[2].device, events[2].precision) == ("cpu", "float32") and events[2].threads > 0
    assert not (own_folders / "outputs").exists()
    loaded = next(iter(models._opened.values()))
    assert models.open_model(cards.find("tiny"), device="cpu", precision="float32") is loaded


def test_warming_up_takes_single_steps(pretended):
    steps = []
    pretended.previews = lambda settings, **how: iter(steps.append(settings.steps) or ())
    list(warm_up_jobs.warm_up(GenerationSettings()))
    assert steps == [1, 1]  # the second is timed


@pytest.mark.parametrize("sheet", [False, True])
def test_an_image_its_encoder_refuses_costs_none_of_the_others(pretended, tmp_path, monkeypatch, sheet):
    real, count = outputs._encoded, []

    def encoded(image, kind, options):
        count.append(kind)
        if len(count) == 2:
            raise OSError("encoder error -2 when writing image file")
        return real(image, kind, options)

    monkeypatch.setattr(outputs, "_encoded", encoded)
    events = list(
        generate_jobs.generate(GenerationSettings(steps=1, seed=5, count=4), folder=tmp_path, sheet=sheet)
    )
    saved = [event.index for event in events if isinstance(event, Saved)]
    lost = [event for event in events if isinstance(event, NotSaved)]
    assert saved == [0, 2, 3] and [event.index for event in lost] == [1]
    assert "-6.png cannot be written as PNG: encoder error -2" in lost[0].reason
    assert lost[0].picture.shape == (8, 8, 3)
    assert any(isinstance(event, SheetSaved) for event in events) == sheet
    assert isinstance(events[-1], Finished)
