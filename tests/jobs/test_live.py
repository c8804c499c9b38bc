"""Images while a control moves: the newest request alone, the way of `generate`, and places between four seeds."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.diffusion.noise import Draw, PictureNoise
from diffusion_studio.errors import UserError
from diffusion_studio.events import LiveFrame, Saved, SeedImage
from diffusion_studio.generation import opening as models
from diffusion_studio.jobs import live as jobs
from diffusion_studio.jobs.generate import generate
from diffusion_studio.jobs.live import NewestRequest, images, live
from diffusion_studio.models import cards
from diffusion_studio.models.fast import companion_of, keep_step_seconds, live_plan, step_seconds
from diffusion_studio.pictures import reading
from diffusion_studio.settings.blend import read_blend
from diffusion_studio.settings.branches import single
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save

WANTED = GenerationSettings(model="tiny", steps=2, seed=5, precision="float32", device="cpu")


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    monkeypatch.setattr(jobs, "LINGER", 0.0)
    yield install("tiny")
    models._opened.clear()


def install(name, **card):
    return save(models_dir() / name, num_class_embeds=3, card={"classes": ["cat", "dog"], **card})


def frames(requests):
    return [event for event in live(requests) if isinstance(event, LiveFrame)]


def test_a_flood_is_answered_with_the_newest_alone_and_never_backwards():
    requests, shown = NewestRequest(), []
    for seed in range(20):
        requests.put(replace(WANTED, seed=seed))
    for event in live(requests):
        if isinstance(event, LiveFrame):
            shown.append((event.number, event.settings.seed))
            if len(shown) == 1:
                for seed in range(100, 120):
                    requests.put(replace(WANTED, seed=seed))
    assert shown == [(20, 19), (40, 119)]


def test_an_image_in_work_is_left_for_a_newer_one_but_never_two_in_a_row(monkeypatch):
    requests, taken = NewestRequest(), []
    real = jobs._steps

    def hurried(model, request, settings):
        taken.append(request.number)
        for preview in real(model, request, settings):
            if request.number < 6 and preview.index == 1:
                requests.put(replace(WANTED, seed=request.number))  # the hand is faster than the model
            yield preview

    monkeypatch.setattr(jobs, "_steps", hurried)
    requests.put(WANTED)
    assert [frame.number for frame in frames(requests)] == [2, 4, 6]
    assert taken == [1, 2, 3, 4, 5, 6]


def test_closing_abandons_what_is_in_work_and_ends_the_job(monkeypatch):
    requests = NewestRequest()
    monkeypatch.setattr(jobs, "LINGER", 60.0)
    done = threading.Thread(target=lambda: frames(requests))
    requests.put(replace(WANTED, steps=500))
    done.start()
    requests.close()
    done.join(20)
    assert not done.is_alive() and requests.take() is None


def test_a_frame_equals_what_generate_and_the_command_line_make_of_it(tmp_path, capsys):
    from diffusion_studio.cli.main import main

    wanted = replace(WANTED, blend="6,7,8,0.3,0.61")
    requests = NewestRequest()
    requests.put(wanted)
    (frame,) = frames(requests)
    (saved,) = [event for event in generate(frame.settings, folder=tmp_path) if isinstance(event, Saved)]
    assert np.array_equal(saved.picture, frame.picture)
    again = reading.read(saved.path).settings
    assert again == frame.settings and again.blend == "6,7,8,0.3,0.61"
    out = tmp_path / "cli"
    asked = ["--model", "tiny", "--steps", "2", "--seed", "5", "--blend", "6,7,8,.3,0.610", "--out", str(out)]
    asked += ["--sampler", "dpmpp_2m", "--spacing", "trailing", "--clipping", "range"]
    assert main(["generate", *asked, "--precision", "float32", "--device", "cpu"]) == 0
    (path,) = out.rglob("*.png")
    assert np.array_equal(np.asarray(Image.open(path)), frame.picture)


def test_a_start_image_and_a_mask_of_the_canvas_are_used_as_they_are():
    source = np.full((8, 8, 3), 200, np.uint8)
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    requests = NewestRequest()
    requests.put(replace(WANTED, source="0" * 64, strength=1.0), source=source, mask=mask)
    (frame,) = frames(requests)
    assert (frame.picture[:, :4] == 200).all() and (frame.picture[:, 4:] != 200).any()


def test_a_request_that_is_not_possible_ends_the_job_with_a_sentence():
    requests = NewestRequest()
    requests.put(replace(WANTED, class_label="horse"))
    with pytest.raises(UserError, match="has no class"):
        frames(requests)


# Four seeds -----------------------------------------------------------------------------------------------------------


def noise(**place):
    draw = Draw(1, corners=(2, 3, 4), **place)
    return PictureNoise([draw], (3, 8, 8), "cpu")()[0]


def test_corners_are_their_seeds_and_between_them_noise_keeps_its_length():
    for seed, across, down in ((1, 0, 0), (2, 1, 0), (3, 0, 1), (4, 1, 1)):
        assert torch.equal(noise(across=across, down=down), PictureNoise([Draw(seed)], (3, 8, 8), "cpu")()[0])
    middle = noise(across=0.5, down=0.5)
    assert 0.85 < float(middle.std()) < 1.15
    assert torch.equal(noise(across=0.25, down=0), PictureNoise([Draw(1, 2, 0.25)], (3, 8, 8), "cpu")()[0])


def test_a_blend_is_written_one_way_counts_up_and_refuses_what_is_none():
    own = replace(WANTED, blend=" 6, 7,8,.50,1 ", count=3)
    assert own.blend == "6,7,8,0.5,1"
    assert single(own, 2).blend == "8,9,10,0.5,1" and single(own, 2).seed == 7
    assert read_blend(own.blend).nearest(5) == 7
    for wrong in (
        "1,2,3,0.5",
        "1,2,3,4,5",
        "1,2,3,nan,0",
        "1,2,3,-0.1,0",
        "a,2,3,0,0",
        "1,2,99999999999,0,0",
    ):
        with pytest.raises(UserError, match="Blend must be"):
            replace(WANTED, blend=wrong)


def test_the_class_is_that_of_the_nearest_corner_where_none_is_chosen(tmp_path):
    def classes(**values):
        saved = [e for e in generate(replace(WANTED, **values), folder=tmp_path) if isinstance(e, Saved)]
        return reading.read(saved[0].path).facts["class"]

    assert classes(seed=0, blend="1,0,0,0.4,0") == "cat"
    assert classes(seed=0, blend="1,0,0,0.6,0") == "dog"


# How fast -------------------------------------------------------------------------------------------------------------


def test_the_plan_uses_the_companion_and_as_many_steps_as_there_is_time_for():
    teacher = cards.find("tiny")
    assert live_plan(teacher, cards.installed()).seconds is None
    keep_step_seconds(teacher, 0.005)
    plan = live_plan(teacher, cards.installed())
    assert (plan.card.name, plan.steps, plan.able) == ("tiny", 3, True)
    assert plan.settings(replace(WANTED, count=4, sampler="ddim")).sampler == "dpmpp_2m"
    keep_step_seconds(teacher, 9.0)
    assert not live_plan(teacher, cards.installed()).able
    fast = {"recommended": {"sampler": "consistency", "steps": 2}, "trained": {"teacher": "tiny"}}
    install("other", **fast, classes=["cat", "horse"])
    assert companion_of(teacher, cards.installed()) is None
    install("tiny-fast", **fast)
    plan = live_plan(teacher, cards.installed())
    assert (plan.card.name, plan.steps) == ("tiny-fast", 1)
    own = plan.settings(replace(WANTED, guidance=3.0, steps=20))
    assert (own.model, own.sampler, own.steps, own.guidance) == ("tiny-fast", "consistency", 1, 1.0)


def test_a_larger_image_has_longer():
    install("tiny-fast", recommended={"sampler": "consistency", "steps": 2}, trained={"teacher": "tiny"})
    card = cards.find("tiny-fast")
    keep_step_seconds(card, 0.015)
    for side, steps in ((8, 1), (32, 1), (64, 2), (128, 4), (256, 4)):
        larger = replace(card, size=side, network=replace(card.network, sample_size=side))
        assert live_plan(larger, ()).steps == steps, side


def test_the_plan_asks_one_network_a_step():
    plan = live_plan(cards.find("tiny"), ())
    assert plan.settings(GenerationSettings(model="tiny", autoguidance=2.0)).autoguidance == 1


def test_the_list_of_models_shows_the_pair(capsys):
    from diffusion_studio.cli.main import main

    install("tiny-fast", recommended={"sampler": "consistency"}, trained={"teacher": "tiny"})
    assert main(["models"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["tiny"].endswith("fast: tiny-fast")
    assert lines["tiny-fast"].endswith("fast version of tiny")


def test_a_model_and_its_companion_stay_loaded_together():
    install("tiny-fast", recommended={"sampler": "consistency"}, trained={"teacher": "tiny"})
    install("other")
    how = {"device": "cpu", "precision": "float32"}
    both = [models.open_model(cards.find(name), **how) for name in ("tiny", "tiny-fast")]
    assert [models.open_model(cards.find(name), **how) for name in ("tiny", "tiny-fast")] == both
    models.open_model(cards.find("other"), **how)
    assert len(models._opened) == 1


def test_a_live_job_remembers_what_a_step_took():
    requests, made = NewestRequest(), 0
    requests.put(WANTED)
    for event in live(requests):
        if isinstance(event, LiveFrame) and (made := made + 1) < jobs.TIMED:
            requests.put(replace(WANTED, seed=made))
    assert 0 < step_seconds(cards.find("tiny")) < 10


# Images of several seeds ----------------------------------------------------------------------------------------------


def test_images_of_several_seeds_are_those_that_generate_makes(tmp_path):
    wanted = [replace(WANTED, seed=seed) for seed in (3, 9)]
    made = [event for event in images(wanted) if isinstance(event, SeedImage)]
    assert [event.number for event in made] == [0, 1]
    for event, settings in zip(made, wanted, strict=True):
        saved = [e for e in generate(settings, folder=tmp_path) if isinstance(e, Saved)]
        assert np.array_equal(event.picture, np.asarray(Image.open(saved[0].path)))
    assert list(images([])) == []
