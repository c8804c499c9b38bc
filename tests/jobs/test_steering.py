"""Walks that are stopped, branched, begun from a picture, masked and blended: equal to the bit where nothing was changed."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.diffusion.names import SAMPLERS
from diffusion_studio.errors import UserError
from diffusion_studio.events import KEEP, Finished, Preview, Saved, Started
from diffusion_studio.generation import opening as models
from diffusion_studio.generation.opening import open_model
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.jobs import generate as jobs
from diffusion_studio.models.cards import read_card
from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.pictures.channels import on_white
from diffusion_studio.pictures.step_views import VIEWS
from diffusion_studio.settings.branches import branch, parts, single
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict, to_dict
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save

STEPS = 6
SIZE = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = save(
        tmp_path_factory.mktemp("m") / "tiny",
        num_class_embeds=3,
        schedule="cosine",
        prediction="v_prediction",
    )
    yield open_model(read_card(folder), device="cpu", precision="float32")
    models._opened.clear()


@pytest.fixture
def installed():
    yield save(models_dir() / "tiny", num_class_embeds=3, schedule="cosine", prediction="v_prediction")
    models._opened.clear()


def plan(**values):
    return GenerationSettings(
        **{"model": "tiny", "steps": STEPS, "seed": 5, "precision": "float32", "device": "cpu", **values}
    )


def source(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def half():
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, SIZE // 2 :] = 255
    return mask


def draw(model, settings, **how):
    return list(model.previews(settings, **how))[-1].denoised


def recorded(model, settings, **how):
    trajectory = Trajectory()
    return draw(model, settings, trajectory=trajectory, **how), trajectory


HOW = {
    "plain": ({}, {}),
    "from a picture": ({"strength": 0.7}, {"source": source()}),
    "masked": ({"strength": 1.0}, {"source": source(), "mask": half()}),
    "masked, resampled": ({"strength": 0.9, "resamples": 3}, {"source": source(), "mask": half()}),
    "varied": ({"variation_seed": 9, "variation_strength": 0.3}, {}),
}


# Branches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_branch_with_nothing_changed_equals_its_parent_from_every_step(model, sampler, how):
    options, pictures = HOW[how]
    settings = plan(sampler=sampler, count=2, eta=0.5, churn=20.0, **options)
    whole, trajectory = recorded(model, settings, **pictures)
    for index in (0, 1, trajectory.total // 2, trajectory.total - 1, trajectory.total):
        again = branch(settings, index)
        taken_up, own = recorded(model, again, start=trajectory.at(index), **pictures)
        assert np.array_equal(taken_up, whole), f"from step {index}"
        assert torch.equal(own.state(own.total).x, trajectory.state(trajectory.total).x), f"from step {index}"
    assert np.array_equal(
        draw(model, branch(settings, 3), **pictures), whole
    )  # walked anew, from its settings alone


def test_a_branch_of_a_branch_is_the_same_recorded_and_walked_anew(model):
    first = plan(sampler="dpmpp_2m_sde", count=2)
    _, trunk = recorded(model, first)
    second = branch(first, 2, guidance=2.0, spacing="karras", class_label="")
    _, bough = recorded(model, second, start=trunk.at(2))
    third = branch(second, 4, sampler="ddim", eta=0.3)
    twig, _ = recorded(model, third, start=bough.at(4))
    assert np.array_equal(twig, draw(model, third))
    read, refused = from_dict(GenerationSettings, to_dict(third))
    assert read == third and not refused
    assert [settings for settings, _ in parts(third)] == [first, second]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"sampler": "ddim"},
        {"spacing": "karras"},
        {"steps": 12},
        {"guidance": 3.0},
        {"class_label": "kind 1"},
    ],
    ids=str,
)
def test_each_change_of_a_branch_tells(model, change):
    settings = plan(sampler="dpmpp_2m", class_label="kind 0")
    whole, trajectory = recorded(model, settings)
    other = draw(model, branch(settings, 2, **change), start=trajectory.at(2))
    assert not np.array_equal(other, whole)
    assert np.array_equal(other, draw(model, branch(settings, 2, **change)))


def test_a_branch_with_another_seed_keeps_the_class_that_the_first_seed_drew(model):
    settings = plan(seed=5)  # no class asked for: 5 % 3
    assert model.class_row(branch(settings, 2, seed=7), 0) == model.class_row(settings, 0)


def test_a_branch_of_a_picture_drawn_again_in_its_place_equals_it_too(installed):
    def run(settings, **how):
        trajectory = Trajectory()
        list(jobs.generate(settings, save=False, trajectory=trajectory, **how))
        return trajectory

    again = run(single(plan(model="tiny", count=3), 1))
    child = run(branch(again.settings, 2), start=again.at(2))
    assert again.settings.batch == child.settings.batch == "-,0,-"
    assert torch.equal(child.state(STEPS).x, again.state(STEPS).x)


def test_only_some_of_a_batch_go_on(model):
    settings = plan(sampler="dpmpp_2m_sde", count=4)
    whole = draw(model, settings)
    _, trajectory = recorded(model, replace(settings, until=2))
    finished = draw(model, settings, start=trajectory.at(2, pictures=(1, 3)))
    assert finished.shape[0] == 2
    assert np.abs(finished.astype(int) - whole[[1, 3]]).max() <= 1  # a smaller batch may round differently


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_single_picture_of_a_branched_batch_comes_again_alone(model, sampler, how):
    options, pictures = HOW[how]
    settings = plan(sampler=sampler, count=3, eta=0.5, churn=20.0, **options)
    child = branch(settings, 2, guidance=2.0)
    whole = draw(model, child, **pictures)
    for place in range(3):
        alone = single(child, place)
        assert np.array_equal(draw(model, alone, **pictures)[0], whole[place])


def test_a_single_picture_has_its_own_seeds_and_its_place_in_the_batch():
    child = branch(plan(count=3), 3, seed=40)
    alone = single(child, 2)
    assert (alone.seed, parts(alone)[0][0].seed, alone.count, alone.batch) == (42, 7, 1, "-,-,0")
    assert single(alone, 0) == alone


@pytest.mark.parametrize("batch", [3, "0,", "x", "0,100", ",".join(["0"] * 65), None])
def test_a_batch_that_is_none_is_refused(batch):
    settings, refused = from_dict(GenerationSettings, {"seed": 5, "batch": batch})
    assert settings == GenerationSettings(seed=5) and "batch" in refused[0]


def test_rows_that_do_not_hold_the_picture_are_passed_over(model):
    assert np.array_equal(draw(model, plan(batch="-,7")), draw(model, plan()))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_picture_of_a_batch_comes_again_alone_to_the_bit(precision):
    """With the starter model, whose convolutions round differently with the number of pictures."""

    def saved(settings, **how):
        found = [event for event in jobs.generate(settings, **how) if isinstance(event, Saved)]
        return [(reading.read(event.path).settings, event.picture) for event in found]

    def check(drawn):
        for settings, picture in drawn:
            ((_, again),) = saved(settings)
            assert np.array_equal(again, picture)

    settings = plan(model="", sampler="dpmpp_2m_sde", count=5, guidance=2.0, precision=precision)
    trajectory = Trajectory()
    check(saved(settings, trajectory=trajectory)[1:3])
    child = branch(trajectory.settings, 2, sampler="ddim")
    check(saved(child, start=trajectory.at(2, pictures=(1, 4))))
    models._opened.clear()


# A picture of one's own -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_strength_0_returns_the_source_and_1_forgets_it(model, sampler):
    settings = plan(sampler=sampler)
    untouched = draw(model, replace(settings, strength=0.0), source=source())[0]
    assert np.abs(untouched.astype(int) - source()).max() <= 1
    assert np.array_equal(
        draw(model, replace(settings, strength=1.0), source=source()), draw(model, settings)
    )


def test_strength_is_how_far_back_it_begins(model):
    frames = list(model.previews(plan(strength=0.5, steps=10), source=source()))
    assert abs(frames[0].timestep - 0.5 * (len(model.process(plan)) - 1)) < 1
    assert frames[-1].total < 10


@pytest.mark.parametrize("resamples", [1, 3])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_not_masked_stays(model, sampler, resamples):
    settings = plan(sampler=sampler, strength=1.0, resamples=resamples)
    picture = draw(model, settings, source=source(), mask=half())[0]
    assert np.abs(picture[:, : SIZE // 2].astype(int) - source()[:, : SIZE // 2]).max() <= 1
    assert not np.array_equal(picture[:, SIZE // 2 :], source()[:, SIZE // 2 :])


def test_resampling_walks_stretches_again(model):
    once = list(model.previews(plan(strength=1.0, steps=20), source=source(), mask=half()))
    thrice = list(model.previews(plan(strength=1.0, steps=20, resamples=3), source=source(), mask=half()))
    assert (once[-1].total, thrice[-1].total) == (20, 60)
    sigmas = [frame.sigma for frame in thrice]
    assert (
        sum(later > earlier for earlier, later in zip(sigmas, sigmas[1:], strict=False)) == 20
    )  # 10 stretches, twice up


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_pictures_of_every_mode_and_size_are_sources_and_masks(tmp_path, installed, mode):
    path = tmp_path / f"s.{'tif' if mode in ('CMYK', 'F') else 'png'}"
    grey = Image.fromarray(np.linspace(0, 255, 50 * 30).reshape(30, 50).astype(np.uint8))
    (grey.convert("I").convert("I;16") if mode == "I;16" else grey.convert(mode)).save(path)
    settings = plan(source=start_pictures.keep(path), mask=start_pictures.keep_mask(path), strength=0.5)
    assert isinstance(list(jobs.generate(settings))[-1], Finished)
    assert start_pictures.fit(start_pictures.load(settings.source), SIZE).shape == (SIZE, SIZE, 3)


def test_a_transparent_source_stays_so_and_lies_on_white_where_there_is_no_alpha(tmp_path):
    Image.new("RGBA", (5, 5), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    loaded = start_pictures.load(start_pictures.keep(tmp_path / "clear.png"))
    assert loaded.shape == (5, 5, 4) and (on_white(loaded) == 255).all()


def test_what_is_no_picture_or_gone_is_said(tmp_path, installed):
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be opened"):
        start_pictures.keep(tmp_path / "x.png")
    with pytest.raises(UserError, match="not among those kept"):
        list(jobs.generate(plan(source="0" * 64)))
    with pytest.raises(UserError, match="64 digits"):
        plan(source="/etc/passwd")


def test_a_mask_without_a_picture_is_said(model):
    with pytest.raises(UserError, match="choose a start image"):
        draw(model, plan(), mask=half())


def test_a_mask_belongs_to_its_picture(tmp_path, installed):
    """It has the picture's proportions, or is the square a model sees; what is neither is said, and not cropped."""

    def masked(*size, picture=(40, 30)):
        Image.new("RGB", picture, "red").save(tmp_path / "picture.png")
        Image.new("L", size, 255).save(tmp_path / "mask.png")
        return plan(
            source=start_pictures.keep(tmp_path / "picture.png"),
            mask=start_pictures.keep_mask(tmp_path / "mask.png"),
        )

    for size in ((40, 30), (20, 15), (27, 20), (16, 16)):
        assert start_pictures.named_by(masked(*size), 16)["mask"].shape == (16, 16)
    with pytest.raises(UserError, match="The mask is 30×40 and the start picture 40×30"):
        list(jobs.generate(masked(30, 40)))
    with pytest.raises(UserError, match="choose a start image"):
        list(jobs.generate(replace(masked(40, 30), source="")))


def test_a_feathered_mask_is_soft(tmp_path):
    digest = start_pictures.keep_mask(half(), feather=1.5)
    assert len(np.unique(start_pictures.load_mask(digest))) > 4


# Variations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
def test_a_variation_goes_from_one_seed_to_the_other(model, sampler):
    near, far = (
        plan(seed=1, sampler=sampler, class_label="kind 0"),
        plan(seed=2, sampler=sampler, class_label="kind 0"),
    )
    towards = replace(near, variation_seed=2)
    assert np.array_equal(draw(model, replace(towards, variation_strength=0.0)), draw(model, near))
    assert np.array_equal(draw(model, replace(towards, variation_strength=1.0)), draw(model, far))
    between = draw(model, replace(towards, variation_strength=0.5))
    assert not np.array_equal(between, draw(model, near)) and not np.array_equal(between, draw(model, far))


def test_variations_of_a_batch_share_the_seed(model):
    settings = plan(variation_seed=20, variation_strength=0.2, count=2)
    assert [(single(settings, k).seed, single(settings, k).variation_seed) for k in (0, 1)] == [
        (5, 20),
        (5, 21),
    ]


# The trajectory -------------------------------------------------------------------------------------------------------


def test_a_trajectory_keeps_all_views_of_every_step(model):
    picture, trajectory = recorded(model, plan(count=2))
    assert trajectory.kept() == tuple(range(STEPS + 1)) and len(trajectory) == STEPS + 1
    for view in VIEWS:
        assert trajectory.view(2, view).shape == (2, SIZE, SIZE, 3)
    assert np.array_equal(trajectory.view(STEPS), picture)
    assert (trajectory.view(STEPS, "difference") == 0).all() and trajectory.view(0, "difference").any()
    assert (trajectory.view(STEPS, "noise") == 128).all()
    facts = trajectory.facts()
    assert facts[0].change is None and all(f.change.shape == (2,) for f in facts[1:])
    assert facts[3].snr == pytest.approx(facts[3].sigma ** -2)


def test_a_long_trajectory_is_thinned_evenly_and_can_be_gone_on_from_anywhere(model):
    settings = plan(steps=40, sampler="ddpm")
    whole, full = recorded(model, settings)
    thin = Trajectory(budget=full.size * 12 // len(full.kept()))
    draw(model, settings, trajectory=thin)
    kept = thin.kept()
    assert len(thin) == 41 and len(kept) <= 13 and kept[0] == 0 and kept[-1] == 40
    assert {b - a for a, b in zip(kept[:-1], kept[1:-1], strict=False)} == {thin.stride}
    child = branch(settings, 23)
    assert 23 not in kept
    assert np.array_equal(draw(model, child, start=thin.at(23)), whole)


def test_memory_stays_in_its_bounds():
    from diffusion_studio.generation.trajectory import State

    trajectory, x = Trajectory(budget=1 << 20), torch.zeros(16, 3, 16, 16)
    for index in range(1001):
        state = State(
            index,
            1000,
            1.0,
            0.0,
            x.clone(),
            x.clone(),
            None,
            [],
            [[torch.zeros(5056, dtype=torch.uint8)]] * 16,
        )
        trajectory.append(state)
    assert trajectory.size <= 1 << 20
    assert len(trajectory.facts()) == 1001


# The job --------------------------------------------------------------------------------------------------------------


def test_keeping_the_walk_where_it_stands_saves_what_can_be_made_again(installed):
    job = jobs.generate(plan(count=2))
    seen = []
    with closing(job):
        event = next(job)
        while True:
            seen.append(event)
            answer = KEEP if isinstance(event, Preview) and event.index == 3 else None
            try:
                event = job.send(answer)
            except StopIteration:
                break
    assert seen[-1].stopped_at == 3
    saved = [event for event in seen if isinstance(event, Saved)]
    assert len(saved) == 2 and saved[1].settings.until == 3
    last = [event for event in seen if isinstance(event, Preview)][-1]
    assert np.array_equal(saved[0].picture, last.denoised[0])
    again = [
        event for event in jobs.generate(reading.read(saved[0].path).settings) if isinstance(event, Saved)
    ]
    assert np.abs(again[0].picture.astype(int) - saved[0].picture).max() <= 1


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", ["plain", "branch", "from a picture", "masked"])
def test_a_picture_gives_its_settings_and_they_give_the_picture(installed, sampler, kind):
    settings = plan(sampler=sampler)
    if kind == "branch":
        settings = branch(settings, 3, seed=8, guidance=2.0)
    elif kind != "plain":
        mask = start_pictures.keep_mask(half()) if kind == "masked" else ""
        settings = replace(settings, source=start_pictures.keep(source()), mask=mask, strength=0.8)
    first = next(event for event in jobs.generate(settings) if isinstance(event, Saved))
    record = reading.read(first.path)
    assert record.settings == first.settings and not record.refused
    second = next(event for event in jobs.generate(record.settings) if isinstance(event, Saved))
    assert np.array_equal(first.picture, second.picture)


def test_a_start_says_which_pictures_and_from_where(installed):
    trajectory = Trajectory()
    settings = plan(count=3)
    list(jobs.generate(replace(settings, until=2), trajectory=trajectory, save=False))
    events = list(jobs.generate(settings, start=trajectory.at(2, pictures=(0, 2))))
    started = next(event for event in events if isinstance(event, Started))
    assert (started.pictures, started.first) == ((0, 2), 2)
    assert [event.settings.seed for event in events if isinstance(event, Saved)] == [5, 7]
