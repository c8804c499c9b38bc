"""Models that are flows: from diffusers and back, as diffusers generates with them, and with all that steers a walk."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.diffusion.schedules import SPACINGS
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.models import cards, export_readme, library
from diffusion_studio.models.cards import read_card
from diffusion_studio.models.export import export_model, schedule_numbers
from diffusion_studio.models.folder import read_model, scheduler_config
from diffusion_studio.models.wording import predicts
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import models_dir
from tests.model_folders import TINY, calm, change_json, diffusers, save

CONFIGS = {
    "plain": {},
    "shifted": {"shift": 3.0},
    "karras": {"use_karras_sigmas": True},
    "fewer timesteps": {"num_train_timesteps": 500},
    "terminal": {"shift_terminal": 0.05},
}


@pytest.fixture(autouse=True)
def no_starters(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    yield
    close_models()


def theirs(folder, **config):
    """A folder as diffusers writes it, and its pipeline."""
    package = diffusers()
    network = calm(package.UNet2DModel(**TINY), scale=0.3)
    scheduler = package.FlowMatchEulerDiscreteScheduler(**config)
    pipeline = package.DDPMPipeline(network, scheduler)
    pipeline.save_pretrained(folder)
    return pipeline


def by_diffusers(pipeline, seed, steps, mu=None):
    """(H, W, 3) in 0 to 255 by the pipeline's own parts, from our noise of a seed."""
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(steps, mu=mu)
    x = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(seed))[None]
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            x = scheduler.step(pipeline.unet(x, timestep).sample, timestep, x).prev_sample
    return ((x[0] / 2 + 0.5).clamp(0, 1) * 255).permute(1, 2, 0).numpy()


def opened(folder):
    return open_model(read_card(folder), device="cpu", precision="float32")


def draw(model, settings, **how):
    return list(model.previews(settings, **how))[-1].denoised


def plan(**changes):
    usual = {"steps": 6, "seed": 5, "precision": "float32", "device": "cpu", "clipping": "none"}
    return GenerationSettings(**{**usual, **changes})


@pytest.mark.parametrize("config", CONFIGS)
def test_pictures_are_diffusers_own(tmp_path, config):
    folder = tmp_path / "flow"
    pipeline = theirs(folder, **CONFIGS[config])
    card = read_card(folder)
    assert card.prediction == "flow_prediction" and card.flow and "shift" in card.options
    settings = card.defaults()
    assert (settings.sampler, settings.clipping) == ("ddim", "none")
    settings = plan(sampler=settings.sampler, spacing=settings.spacing, steps=8)
    ours = draw(opened(folder), settings)[0].astype(float)
    assert np.abs(ours - by_diffusers(pipeline, 5, 8)).max() <= 1


def test_a_shift_by_size_counts_the_models_pixels(tmp_path):
    folder = tmp_path / "flow"
    pipeline = theirs(
        folder, use_dynamic_shifting=True, base_shift=0.2, base_image_seq_len=16, max_image_seq_len=256
    )
    mu = 0.2 + (1.15 - 0.2) * (64 - 16) / (256 - 16)
    ours = draw(opened(folder), plan(sampler="ddim", spacing="linspace"))[0].astype(float)
    assert np.abs(ours - by_diffusers(pipeline, 5, 6, mu)).max() <= 1
    assert "shifted by size" in predicts(read_card(folder))


def test_a_shift_of_the_users_own_goes_before_the_models(tmp_path):
    folder = tmp_path / "flow"
    theirs(folder, shift=3.0)
    plainly = Path(shutil.copytree(folder, tmp_path / "plain"))
    change_json(plainly / "scheduler" / "scheduler_config.json", shift=1.0)
    wanted = draw(opened(plainly), plan(spacing="trailing"))
    assert np.array_equal(draw(opened(folder), plan(spacing="trailing", shift=1.0)), wanted)
    assert not np.array_equal(draw(opened(folder), plan(spacing="trailing")), wanted)
    assert "shift 3" in predicts(read_card(folder))


def test_a_folder_of_diffusers_goes_through_us_and_back_unchanged(tmp_path):
    given = tmp_path / "flow"
    pipeline = theirs(given, shift=3.0, shift_terminal=0.1)
    imported = library.import_model(given)
    assert imported.flow
    out = export_model(imported.name, tmp_path / "out")
    back = diffusers().DDPMPipeline.from_pretrained(out, low_cpu_mem_usage=False)
    assert type(back.scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"
    for name, value in pipeline.scheduler.config.items():
        if not name.startswith("_"):
            assert back.scheduler.config[name] == value
    assert np.abs(by_diffusers(back, 1, 4) - by_diffusers(pipeline, 1, 4)).max() < 0.01


def test_our_own_flow_opens_in_their_pipeline(tmp_path):
    save(models_dir() / "own", schedule="flow", prediction="flow_prediction")
    out = export_model("own", tmp_path / "own")
    pipeline = diffusers().DDPMPipeline.from_pretrained(out, low_cpu_mem_usage=False)
    pictures = pipeline(num_inference_steps=3, output_type="np", generator=torch.Generator().manual_seed(0))
    assert pictures.images.shape == (1, 8, 8, 3)
    assert "DDPMPipeline" in (out / "README.md").read_text()
    again = read_model(out).schedule
    assert again.config["_class_name"] == "FlowMatchEulerDiscreteScheduler" and len(again) == 1000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"invert_sigmas": True}, "invert_sigmas is not supported"),
        ({"shift": -1}, "shift must be a number above 0"),
        ({"_class_name": "FlowMatchLCMScheduler"}, "FlowMatchLCMScheduler"),
        ({"num_train_timesteps": "many"}, "num_train_timesteps must be a whole number"),
    ],
    ids=str,
)
def test_what_is_not_supported_is_refused_by_the_files_name(tmp_path, changes, words):
    folder = save(tmp_path / "m", schedule="flow", prediction="flow_prediction")
    change_json(folder / "scheduler" / "scheduler_config.json", **changes)
    with pytest.raises(UserError, match=words) as error:
        read_card(folder)
    assert "scheduler_config.json" in str(error.value)


def test_the_other_models_have_no_shift(tmp_path):
    card = read_card(save(tmp_path / "m"))
    assert "shift" not in card.options and not card.flow


SAMPLERS = ["ddim", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "ddpm", "euler_ancestral"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_branch_with_nothing_changed_is_its_parent_bit_for_bit(tmp_path, sampler):
    model = opened(save(tmp_path / "m", schedule="flow", prediction="flow_prediction"))
    settings = plan(sampler=sampler, count=2, eta=0.3, churn=5.0)
    trajectory = Trajectory()
    whole = draw(model, settings, trajectory=trajectory)
    for index in (0, 1, 3, trajectory.total):
        kept = trajectory.at(index)
        assert np.array_equal(draw(model, settings, start=kept), whole), index
        assert isinstance(kept, Start)
    facts = trajectory.facts()
    assert facts[0].timestep == pytest.approx(1000) and facts[0].snr == pytest.approx(0)
    assert facts[3].timestep == pytest.approx(500) and facts[3].snr == pytest.approx(1)
    noisy = trajectory.view(0, "noisy")
    noise = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(5))
    wanted = ((noise / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(noisy[0].astype(int) - wanted.astype(int)).max() <= 1, "x_1 is the noise itself"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_outside_the_mask_a_start_picture_stays_as_it_is(tmp_path, sampler):
    model = opened(save(tmp_path / "m", schedule="flow", prediction="flow_prediction"))
    source = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 255
    for strength in (1.0, 0.7):
        settings = plan(sampler=sampler, strength=strength, resamples=2)
        picture = draw(model, settings, source=source, mask=mask)[0]
        assert np.abs(picture[4:].astype(int) - source[4:]).max() <= 1
        assert np.abs(picture[:4].astype(int) - source[:4]).max() > 1
    assert np.array_equal(draw(model, plan(strength=0.0), source=source)[0], source)


def test_strength_is_t(tmp_path):
    model = opened(save(tmp_path / "m", schedule="flow", prediction="flow_prediction"))
    source = np.zeros((8, 8, 3), np.uint8)
    first = next(iter(model.previews(plan(strength=0.4), source=source)))
    assert first.timestep == pytest.approx(400)
    first = next(iter(model.previews(plan(strength=0.4, shift=3.0), source=source)))
    assert first.timestep == pytest.approx(1000 * 1.2 / 1.8)


def test_picture_k_of_a_batch_is_that_of_its_seed(tmp_path):
    model = opened(save(tmp_path / "m", schedule="flow", prediction="flow_prediction"))
    batch = draw(model, plan(count=3, spacing="karras"))
    assert np.abs(draw(model, plan(seed=7, spacing="karras"))[0].astype(int) - batch[2]).max() <= 1


# --- what is given away ---


def test_the_numbers_beside_an_onnx_network(tmp_path):
    schedule = read_model(save(tmp_path / "m", schedule="flow", prediction="flow_prediction")).schedule
    numbers = schedule_numbers(schedule.shifted(2.0), "flow_prediction")
    assert numbers == {
        "prediction_type": "flow_prediction",
        "clip_sample_range": 1.0,
        "timesteps": 1000,
        "shift": 2.0,
    }
    assert scheduler_config(schedule, "flow_prediction")["_class_name"] == "FlowMatchEulerDiscreteScheduler"


def test_the_lines_beside_an_onnx_network_generate_as_we_do(tmp_path, monkeypatch):
    folder = save(tmp_path / "m", schedule="flow", prediction="flow_prediction")
    network, card = read_model(folder).network, read_card(folder)
    text = export_readme.for_onnx(card, "given", timesteps=1000, opset=18, checked="")
    code = text.split("```python\n")[1].split("```")[0]
    given = tmp_path / "given"
    given.mkdir()
    (given / "schedule.json").write_text(
        json.dumps(schedule_numbers(read_model(folder).schedule, card.prediction))
    )
    asked, first = [], np.random.default_rng(7).standard_normal((1, 3, 8, 8)).astype(np.float32)

    class Session:
        def __init__(self, file):
            assert file == "given/model.onnx"

        def run(self, outputs, inputs):
            asked.append(float(inputs["timestep"][0]))
            with torch.no_grad():
                answer = network(torch.from_numpy(inputs["sample"]), torch.from_numpy(inputs["timestep"]))
            return [answer.numpy()]

    import sys
    import types

    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(InferenceSession=Session))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert asked == pytest.approx(np.arange(1000, 0, -20), rel=1e-6)
    from diffusion_studio.diffusion.denoiser import Denoiser
    from diffusion_studio.diffusion.flows import Flow
    from diffusion_studio.diffusion.samplers import ddim

    sigmas = SPACINGS["trailing"](Flow(), 50)
    denoise = Denoiser(network, Flow(), prediction="flow_prediction")
    with torch.no_grad():
        *_, last = ddim(denoise, torch.from_numpy(first) * (1 + sigmas[0]), sigmas, None)
    ours = ((last.x[0] + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()
    with Image.open(tmp_path / "picture.png") as picture:
        assert np.abs(np.asarray(picture).astype(float) - ours).max() <= 1
