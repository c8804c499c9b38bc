"""Models that draw: the pictures diffusers draws, batches, classes, broken numbers, and the one model kept loaded."""

import gc
import shutil
import weakref
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.generation import opening as models
from diffusion_studio.generation import unet_model
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.generation.space import to_uint8
from diffusion_studio.machine import devices
from diffusion_studio.models import cards
from diffusion_studio.models.cards import read_card
from diffusion_studio.settings.branches import single
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, with_values
from tests.model_folders import change_json, diffusers, save

LINEAR = {"schedule": "linear", "prediction": "epsilon"}
COSINE = {"schedule": "cosine", "prediction": "v_prediction"}


@pytest.fixture(autouse=True)
def nothing_loaded():
    yield
    models._opened.clear()


@pytest.fixture
def plan():
    return GenerationSettings(steps=6, seed=5, sampler="ddim", precision="float32", device="cpu")


def opened(folder, precision="float32"):
    return open_model(read_card(folder), device="cpu", precision=precision)


def draw(model, settings):
    return list(model.previews(settings))[-1].denoised


def drawn_by_diffusers(folder, kind, steps, seed, spacing="trailing", eta=0.0):
    """What the world gets from the folder, in 0 to 255."""
    package = diffusers()
    pipeline = package.DDPMPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    scheduler = getattr(package, f"{kind}Scheduler")
    scheduler = scheduler.from_config(pipeline.scheduler.config, timestep_spacing=spacing)
    pipeline = getattr(package, f"{kind}Pipeline")(pipeline.unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    more = {"eta": eta, "use_clipped_model_output": True} if kind == "DDIM" else {}
    generator = torch.Generator().manual_seed(seed)
    pictures = pipeline(generator=generator, num_inference_steps=steps, output_type="np", **more)
    return pictures.images * 255


@pytest.mark.parametrize("how", [LINEAR, COSINE], ids=["linear epsilon", "cosine v"])
@pytest.mark.parametrize(
    ("sampler", "kind", "eta"), [("ddim", "DDIM", 0.0), ("ddim", "DDIM", 0.7), ("ddpm", "DDPM", 0.0)]
)
def test_a_seed_gives_the_picture_that_diffusers_gives(tmp_path, plan, how, sampler, kind, eta):
    folder = save(tmp_path / "m", **how)
    settings = replace(plan, sampler=sampler, eta=eta, steps=10)
    ours = draw(opened(folder), settings).astype(float)
    theirs = drawn_by_diffusers(folder, kind, 10, 5, eta=eta)
    assert np.abs(ours - theirs).max() <= 1.001
    assert np.abs(ours - draw(opened(folder), replace(settings, seed=6))).max() > 20  # seeds matter here


@pytest.mark.parametrize(("spacing", "kind"), [("leading", "DDIM"), ("linspace", "DDPM")])
def test_other_spacings_give_the_picture_that_diffusers_gives(tmp_path, plan, spacing, kind):
    """Not linspace with DDIM: diffusers then steps to other timesteps than it visits next."""
    folder = save(tmp_path / "m", **LINEAR)
    ours = draw(opened(folder), replace(plan, spacing=spacing, sampler=kind.lower(), steps=8)).astype(float)
    assert np.abs(ours - drawn_by_diffusers(folder, kind, 8, 5, spacing)).max() <= 1.001


def test_a_large_variance_is_taken_from_the_schedule(tmp_path, plan):
    folder = save(tmp_path / "m", **LINEAR)
    change_json(folder / "scheduler" / "scheduler_config.json", variance_type="fixed_large")
    ours = draw(opened(folder), replace(plan, sampler="ddpm", spacing="leading", steps=5)).astype(float)
    assert np.abs(ours - drawn_by_diffusers(folder, "DDPM", 5, 5, "leading")).max() <= 1.001


@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp_2m_sde", "dpmpp_2m"])
def test_a_picture_of_a_batch_is_the_one_of_its_own_seed(tmp_path, plan, sampler):
    model = opened(save(tmp_path / "m", num_class_embeds=4))
    settings = replace(plan, sampler=sampler)
    batch = draw(model, replace(settings, count=3))
    for index, picture in enumerate(batch):
        alone = draw(model, replace(settings, seed=5 + index))[0]
        assert np.abs(alone.astype(int) - picture).max() <= 1
    assert np.abs(batch[0].astype(int) - batch[1]).max() > 20


def test_seeds_begin_again_after_the_last(tmp_path, plan):
    model = opened(save(tmp_path / "m", num_class_embeds=4))
    batch = draw(model, replace(plan, seed=LARGEST_SEED, count=2))
    assert np.abs(draw(model, replace(plan, seed=0))[0].astype(int) - batch[1]).max() <= 1


def test_the_same_request_gives_the_same_bytes(tmp_path, plan):
    folder = save(tmp_path / "m")
    first = draw(opened(folder), replace(plan, sampler="ddpm", count=2)).tobytes()
    close_models()
    assert draw(opened(folder), replace(plan, sampler="ddpm", count=2)).tobytes() == first


def test_frames_go_from_noise_to_the_picture(tmp_path, plan):
    frames = list(opened(save(tmp_path / "m")).previews(plan))
    assert [frame.index for frame in frames] == list(range(7)) and frames[0].total == 6
    assert frames[0].timestep == 999 and frames[-1].sigma == 0 and frames[-1].timestep == 0
    noise = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(5))
    assert np.array_equal(frames[0].views.view("noisy"), to_uint8(noise[None]))
    assert frames[0].denoised.shape == (1, 8, 8, 3) and frames[0].denoised.dtype == np.uint8
    assert np.array_equal(frames[-1].views.view("noisy"), frames[-1].denoised)


def test_grey_models_draw_grey_rgb(tmp_path, plan):
    picture = draw(opened(save(tmp_path / "m", in_channels=1, out_channels=1)), plan)
    assert picture.shape == (1, 8, 8, 3)
    assert np.ptp(picture, axis=-1).max() == 0 and np.ptp(picture) > 0


# Classes --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def of_kinds(tmp_path):
    """A model whose classes differ: the table of classes is made louder than `calm` has it."""
    folder = save(tmp_path / "kinds", num_class_embeds=4, prediction="sample")
    model = opened(folder)
    with torch.no_grad():
        model.checkpoint.network.class_embedding.weight.mul_(20)
        model.checkpoint.network.conv_out.weight.mul_(20)
    model.network = unet_model._fast(model.checkpoint, "cpu", "float32")
    return model


def test_the_class_is_obeyed(of_kinds, plan):
    by_class = [draw(of_kinds, replace(plan, class_label=f"kind {k}")) for k in range(3)]
    assert np.abs(by_class[0].astype(int) - by_class[1]).max() > 5
    assert of_kinds.facts(replace(plan, class_label="kind 2"), 0)["class"] == "kind 2"


def test_without_a_class_the_seed_chooses_one(of_kinds, plan):
    for seed in (5, 6, 7):
        chosen = of_kinds.facts(replace(plan, seed=seed), 0)["class"]
        assert chosen == f"kind {seed % 3}"
        named = draw(of_kinds, replace(plan, seed=seed, class_label=chosen))
        assert np.array_equal(named, draw(of_kinds, replace(plan, seed=seed)))


def test_guidance_moves_away_from_no_class(of_kinds, plan):
    settings = replace(plan, class_label="kind 1", clipping="none", steps=1)
    plain, guided, unguided = (
        draw(of_kinds, replace(settings, guidance=scale)).astype(float) for scale in (1.0, 1.5, 0.0)
    )
    assert np.abs(plain - unguided).max() > 5
    expected = np.clip(unguided + 1.5 * (plain - unguided), 0, 255)
    inside = (plain > 0) & (plain < 255) & (unguided > 0) & (unguided < 255)
    assert inside.any() and np.abs(guided - expected)[inside].max() <= 2.5


def test_an_unknown_class_is_refused_with_the_known(of_kinds, plan):
    with pytest.raises(UserError, match=r"no class “dragon”; it has: kind 0, kind 1, kind 2\."):
        draw(of_kinds, replace(plan, class_label="dragon"))


def test_a_model_without_classes_says_so(tmp_path, plan):
    with pytest.raises(UserError, match="has no classes"):
        draw(opened(save(tmp_path / "m")), replace(plan, class_label="kind 0"))


def test_a_class_may_be_a_number(tmp_path, plan):
    model = opened(save(tmp_path / "m", class_embed_type="timestep"))
    assert draw(model, replace(plan, class_label="7")).shape == (1, 8, 8, 3)
    with pytest.raises(UserError, match="takes a number"):
        draw(model, replace(plan, class_label="seven"))
    with pytest.raises(UserError, match="class_embed_type identity"):
        opened(save(tmp_path / "n", class_embed_type="identity"))


# Numbers that break ---------------------------------------------------------------------------------------------------


def test_an_overflow_is_calculated_again_in_float32(tmp_path, plan):
    folder = save(tmp_path / "m")
    right = draw(opened(folder), plan)
    model = opened(folder, "bfloat16")
    calls = []

    def overflowing(x, timestep, labels):
        calls.append(float(timestep[0]))
        answer = model.checkpoint.network(x, timestep, labels)
        return answer * torch.inf if len(calls) % 6 == 3 else answer

    model.network = overflowing
    first, second = draw(model, plan), draw(model, plan)
    assert np.abs(first.astype(int) - right).max() <= 1
    assert np.array_equal(first, second)
    assert model.precision == "bfloat16" and len(calls) == 12


def test_weights_that_can_not_draw_are_an_error_and_not_a_black_picture(tmp_path, plan):
    model = opened(save(tmp_path / "m"))
    model.network = lambda x, timestep, labels: x * torch.nan
    with pytest.raises(UserError, match="not finite"):
        draw(model, plan)


def test_a_device_without_memory_says_so_and_lets_go(tmp_path, plan):
    model = opened(save(tmp_path / "m"))

    def exhausted(x, timestep, labels):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    fine, model.network = model.network, exhausted
    with pytest.raises(UserError, match="not enough memory for this; choose a smaller"):
        draw(model, plan)
    assert not models._opened
    model.network = fine
    assert draw(model, plan).shape == (1, 8, 8, 3)


def test_faults_of_the_program_keep_their_name(tmp_path, plan):
    model = opened(save(tmp_path / "m"))
    model.network = lambda x, timestep, labels: torch.zeros(3) @ torch.zeros(4)
    with pytest.raises(RuntimeError, match="size"):
        draw(model, plan)


# The one that is kept -------------------------------------------------------------------------------------------------


def test_closing_the_frames_cancels_and_frees(tmp_path, plan):
    model = opened(save(tmp_path / "m"))
    network, steps = model.network, []
    model.network = lambda *batch: steps.append(1) or network(*batch)
    frames = model.previews(replace(plan, steps=100))
    frame = weakref.ref(next(frames).denoised)
    frames.close()
    gc.collect()
    assert len(steps) == 1 and frame() is None
    assert torch.zeros(1, requires_grad=True).mul(2).requires_grad  # inference mode did not leak


def test_one_model_is_kept_and_opened_once(tmp_path):
    first, second = save(tmp_path / "a"), save(tmp_path / "b", seed=1)
    model = opened(first)
    assert opened(first) is model
    gone = weakref.ref(model.checkpoint.network)
    other = opened(second)
    assert list(models._opened.values()) == [other]
    del model
    gc.collect()
    assert gone() is None


def test_a_refused_model_leaves_the_loaded_one_in_use(tmp_path):
    good, bad = save(tmp_path / "a"), save(tmp_path / "b")
    model = opened(good)
    card = read_card(bad)
    weights = next((bad / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(UserError, match="cut off"):
        open_model(card, device="cpu", precision="float32")
    assert opened(good) is model


def test_a_model_that_changed_on_disk_is_read_anew(tmp_path, plan):
    folder = save(tmp_path / "m")
    before = draw(opened(folder), plan)
    save(folder, seed=1)
    assert np.abs(draw(opened(folder), plan).astype(int) - before).max() > 5


def test_a_model_that_vanishes_or_is_cut_off_does_no_harm_to_a_generation(tmp_path, plan):
    folder = save(tmp_path / "m")
    right = draw(opened(folder), plan)
    close_models()
    frames = opened(folder).previews(plan)
    next(frames)
    with next((folder / "unet").glob("*.safetensors")).open("r+b") as file:
        file.truncate(10)
    shutil.rmtree(folder)
    assert np.array_equal(list(frames)[-1].denoised, right)


def test_a_pipeline_of_another_kind_is_told_what_it_is(tmp_path):
    folder = save(tmp_path / "m")
    change_json(folder / "model_index.json", _class_name="LDMPipeline")
    with pytest.raises(UserError, match=r"a latent or text-to-image pipeline \(LDMPipeline\)"):
        opened(folder)


def test_switching_models_leaves_none_behind(tmp_path):
    folders = [save(tmp_path / name, seed=number) for number, name in enumerate("ab")]
    opened(folders[0])
    gc.collect()
    before = sum(type(thing) is unet_model.UNetModel for thing in gc.get_objects())
    for turn in range(8):
        opened(folders[turn % 2])
    gc.collect()
    assert sum(type(thing) is unet_model.UNetModel for thing in gc.get_objects()) == before == 1


@pytest.mark.slow
def test_memory_stays_flat_over_many_switches(tmp_path, plan):
    """Of two models, each generating a little: 50 times what one of them holds would be 40 MB and more."""
    wide = {"block_out_channels": [32, 64]}
    folders = [save(tmp_path / name, seed=number, **wide) for number, name in enumerate("ab")]
    used = []
    for turn in range(80):
        draw(opened(folders[turn % 2]), replace(plan, steps=2, seed=turn))
        if turn % 10 == 9:
            gc.collect()
        used.append(psutil.Process().memory_info().rss / 1e6)
    assert max(used[60:]) - max(used[20:30]) < 12
    assert len(models._opened) == 1


def test_facts_name_what_the_picture_was_made_with(tmp_path, plan):
    folder = save(tmp_path / "m", num_class_embeds=4)
    model = opened(folder)
    facts = model.facts(replace(plan, count=2), 1)
    assert facts["model_hash"] == read_card(folder).digest[:10] and len(facts["model_hash"]) == 10
    assert (facts["width"], facts["height"], facts["class"]) == (8, 8, "kind 0")
    assert facts["batch"] == {"seed": 5, "count": 2, "index": 1}
    assert (facts["device"], facts["precision"]) == ("cpu", "float32")
    assert facts["torch"] == torch.__version__ and facts["threads"] == torch.get_num_threads()


def test_an_automatic_precision_is_decided_once(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "measure_precision", lambda device: {"float32": 2.0, "bfloat16": 1.0})
    model = open_model(read_card(save(tmp_path / "m")), device="cpu")
    assert model.precision == "bfloat16"
    assert model.checkpoint.network.conv_in.weight.dtype == torch.float32
    assert cards.read_card(tmp_path / "m").title == "m"


def test_colours_are_rounded_to_the_nearest_level_halves_to_the_even_one():
    levels = torch.tensor([0.0, 0.49, 0.5, 1.5, 2.5, 126.5, 127.5, 254.51, 255.0, 300.0, -4.0])
    picture = (levels.double() / 255 * 2 - 1).float().reshape(1, 1, 1, -1)
    expected = ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).flatten().tolist()
    for dtype in (torch.float32, torch.float64):
        assert to_uint8(picture.to(dtype))[0, 0, :, 0].tolist() == expected
    with torch.inference_mode():
        assert to_uint8(picture.clone())[0, 0, :, 2].tolist() == expected


def test_settings_with_the_same_values_are_the_same_object():
    settings = GenerationSettings(seed=3, steps=4)
    assert with_values(settings, steps=4, seed=3) is settings and single(settings, 0) is settings
    assert with_values(settings, steps=5) == replace(settings, steps=5)
    with pytest.raises(UserError, match="Steps"):
        with_values(settings, steps=0)
