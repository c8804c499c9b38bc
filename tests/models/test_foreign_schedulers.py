"""A model is drawn as the class in its scheduler_config.json draws it, or it is refused by that name; held against diffusers."""

import inspect
import json

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.scheduler_classes import CLASSES
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards, export, library
from diffusion_studio.settings.generation import GenerationSettings
from tests.model_folders import TINY, calm, change_json, diffusers, save

SEED = 11
# diffusers turns numpy arrays into tensors as older versions of numpy had it
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def nothing_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    yield
    close_models()


def saved(folder, scheduler, seed=3):
    package = diffusers()
    learned = str(getattr(scheduler.config, "variance_type", "")).startswith("learned")
    changes = {"out_channels": 6} if learned and "DDPM" in type(scheduler).__name__ else {}
    network = calm(package.UNet2DModel(**{**TINY, **changes}), seed, scale=0.1)
    with torch.no_grad():
        network.conv_out.bias[3:] += 0.5  # a variance is above 0
    pipeline = package.DDPMPipeline(network, scheduler)
    pipeline.save_pretrained(folder)
    return pipeline


def drawn_by_diffusers(pipeline, settings):
    scheduler, unet = pipeline.scheduler, pipeline.unet
    scheduler.set_timesteps(settings.steps)
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn((1, 3, 8, 8), generator=generator) * scheduler.init_noise_sigma
    known = inspect.signature(scheduler.step).parameters
    how = {"generator": generator, "eta": settings.eta, "use_clipped_model_output": True}
    how = {key: value for key, value in how.items() if key in known}
    with torch.no_grad():
        for t in scheduler.timesteps:
            answer = unet(scheduler.scale_model_input(x, t), t).sample
            x = scheduler.step(answer, t, x, **how).prev_sample
    return ((x.clamp(-1, 1) + 1) * 127.5)[0].permute(1, 2, 0).numpy()


def drawn_here(card, settings):
    *_, last = open_model(card, device="cpu", precision="float32").previews(settings)
    return last.denoised[0].astype(float)


def compared(tmp_path, scheduler, **changes):
    """The largest difference in levels of 255, drawn with the defaults of the imported model."""
    pipeline = saved(tmp_path / "theirs", scheduler)
    card = library.import_model(tmp_path / "theirs", "mine")
    settings = card.defaults()
    settings = GenerationSettings(**{
        **{name: getattr(settings, name) for name in ("model", "steps", "sampler", "spacing", "clipping", "eta")},
        **changes, "seed": SEED, "precision": "float32", "device": "cpu",
    })  # fmt: skip
    right = drawn_by_diffusers(pipeline, settings)
    assert right.std() > 1  # a picture, not one colour
    return float(np.abs(drawn_here(card, settings) - right).max()), card


LARGE = {"beta_start": 0.01, "beta_end": 0.03}  # so that the least noise is seen
SAME = {
    "DDPM": ("DDPMScheduler", {}),
    "DDPM trailing": ("DDPMScheduler", {"timestep_spacing": "trailing"}),
    "DDPM, large variance": ("DDPMScheduler", {"variance_type": "fixed_large"}),
    "DDPM linspace": ("DDPMScheduler", {"timestep_spacing": "linspace", "beta_schedule": "squaredcos_cap_v2"}),
    "DDPM not clipped": ("DDPMScheduler", {"clip_sample": False, "prediction_type": "v_prediction"}),
    "DDPM in parallel": ("DDPMParallelScheduler", {"clip_sample_range": 0.5}),
    "DDPM with a threshold": (
        "DDPMScheduler", {"thresholding": True, "sample_max_value": 1.2, "dynamic_thresholding_ratio": 0.7,
                          "prediction_type": "sample"}),
    "DDIM": ("DDIMScheduler", {}),
    "DDIM trailing": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "DDIM offset": ("DDIMScheduler", {"steps_offset": 1}),
    "DDIM to timestep 0": (
        "DDIMScheduler", {"set_alpha_to_one": False, "clip_sample": False, "steps_offset": 1,
                          "beta_start": 0.01, "beta_end": 0.02, "beta_schedule": "scaled_linear"}),
    "DDIM with a threshold": (
        "DDIMScheduler", {"thresholding": True, "sample_max_value": 1.5, "prediction_type": "v_prediction"}),
    "DDIM without a signal at the end": (
        "DDIMScheduler", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing",
                          "prediction_type": "v_prediction"}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M leading": ("DPMSolverMultistepScheduler", {"timestep_spacing": "leading", "steps_offset": 1}),
    "DPM++ 2M trailing": ("DPMSolverMultistepScheduler", {"timestep_spacing": "trailing"}),
    "DPM++ 2M Karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "DPM++ 2M exponential": ("DPMSolverMultistepScheduler", {"use_exponential_sigmas": True}),
    "DPM++ 2M beta": ("DPMSolverMultistepScheduler", {"use_beta_sigmas": True}),
    "DPM++ 2M with a threshold": (
        "DPMSolverMultistepScheduler", {"thresholding": True, "sample_max_value": 1.1}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "UniPC Karras": ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    "UniPC trailing": ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler leading": ("EulerDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1}),
    "Euler trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "Euler Karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "Euler Karras trailing": (
        "EulerDiscreteScheduler", {"use_karras_sigmas": True, "timestep_spacing": "trailing"}),
    "Euler exponential": ("EulerDiscreteScheduler", {"use_exponential_sigmas": True}),
    "Euler beta": ("EulerDiscreteScheduler", {"use_beta_sigmas": True, "timestep_spacing": "leading"}),
    "Euler ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "Euler ancestral trailing": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "DDPM, learned variance": ("DDPMScheduler", {"variance_type": "learned"}),
    "DDPM, learned range": ("DDPMScheduler", {"variance_type": "learned_range", "timestep_spacing": "trailing"}),
    "DPM++ 2M to the least noise": ("DPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min"}),
    "DPM++ 2M to the least noise, second order": (
        "DPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min", **LARGE, "steps": 16}),
    "DPM++ 2M SDE to the least noise": (
        "DPMSolverMultistepScheduler",
        {"final_sigmas_type": "sigma_min", "algorithm_type": "sde-dpmsolver++", **LARGE}),
    "UniPC to the least noise": ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", **LARGE}),
    "UniPC Karras between": (
        "UniPCMultistepScheduler", {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 30.0}),
    "Euler to the least noise": ("EulerDiscreteScheduler", {"final_sigmas_type": "sigma_min"}),
    "Euler Karras between": (
        "EulerDiscreteScheduler", {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 40.0}),
    "Euler beta between": ("EulerDiscreteScheduler", {"use_beta_sigmas": True, "sigma_min": 0.1}),
    "PNDM": ("PNDMScheduler", {}),
    "PNDM, odd steps": ("PNDMScheduler", {"steps_offset": 1}),
    "PLMS": ("PNDMScheduler", {"skip_prk_steps": True}),
    "PLMS to no noise": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": True, "steps_offset": 1}),
    "PLMS trailing": ("PNDMScheduler", {"skip_prk_steps": True, "timestep_spacing": "trailing"}),
    "LMS": ("LMSDiscreteScheduler", {}),
    "LMS Karras": ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    "LMS leading": ("LMSDiscreteScheduler", {"timestep_spacing": "leading", "prediction_type": "v_prediction"}),
    "LCM": ("LCMScheduler", {}),
    "LCM, three steps": ("LCMScheduler", {"prediction_type": "v_prediction", "clip_sample": True, "steps": 3}),
    "LCM, one step": ("LCMScheduler", {"original_inference_steps": 100, "steps": 1}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "Heun Karras": ("HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    "Heun clipped": ("HeunDiscreteScheduler", {"clip_sample": True, "timestep_spacing": "trailing"}),
    "its own betas": (
        "DDIMScheduler", {"trained_betas": [0.001 + k * 1e-4 for k in range(100)], "num_train_timesteps": 100}),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_drawn_with_its_defaults_it_is_diffusers_own_picture(tmp_path, case):
    name, config = SAME[case]
    config = dict(config)
    fewer = (
        {"steps": config.pop("steps", 10)} if config else {}
    )  # each class once with as many as it asks for
    difference, card = compared(tmp_path, getattr(diffusers(), name)(**config), **fewer)
    assert difference <= 1
    assert not card.remarks


def told(folder, **config):
    """A model of ours whose scheduler_config.json says only this."""
    save(folder)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return folder


EXACT = {name for name, kind in CLASSES.items() if kind.exact is not None}


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_of_the_family_opens_and_says_where_another_sampler_draws(tmp_path, name):
    card = library.import_model(told(tmp_path / "m", _class_name=name, num_train_timesteps=1000), "mine")
    settings = GenerationSettings(
        model="mine", steps=2, seed=1, sampler=card.defaults().sampler, spacing=card.defaults().spacing
    )
    assert drawn_here(card, settings).shape == (8, 8, 3)
    said = f"{name} is not one of the samplers here" in " ".join(card.remarks)
    assert said == (name not in EXACT)


def test_every_class_of_diffusers_is_opened_or_refused_by_its_name(tmp_path):
    """None is taken for DDPM's because nobody had thought of it."""
    package = diffusers()
    names = {name for name in dir(package.schedulers) if name.endswith("Scheduler")}
    assert set(CLASSES) <= names and len(names) > 40
    for name in sorted(names - set(CLASSES)):
        with pytest.raises(UserError, match=rf"scheduler_config\.json: the model is sampled with .*{name}"):
            library.import_model(told(tmp_path / name, _class_name=name))


FAMILY = {"_class_name": "DDPMScheduler"}
EULER = {"_class_name": "EulerDiscreteScheduler"}
NOT_DONE = {
    "timestep_type": {**EULER, "timestep_type": "continuous", "sigma_max": 700.0},
    "use_flow_sigmas": {"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True},
    "use_dynamic_shifting": {"_class_name": "DEISMultistepScheduler", "use_dynamic_shifting": True},
    "prediction_type": {**FAMILY, "prediction_type": "flow_prediction"},
    "variance_type": {**FAMILY, "variance_type": "learned_somehow"},
    "final_sigmas_type": {**EULER, "final_sigmas_type": "large"},
    "timestep_spacing": {**FAMILY, "timestep_spacing": "logspace"},
    "beta_schedule": {**FAMILY, "beta_schedule": "laplace"},
    "steps_offset": {**FAMILY, "steps_offset": -1},
    "sample_max_value": {**FAMILY, "sample_max_value": "much"},
    "dynamic_thresholding_ratio": {**FAMILY, "dynamic_thresholding_ratio": 2},
    "clip_sample": {**FAMILY, "clip_sample": "no"},
    "use_beta_sigmas and use_karras_sigmas|use_karras_sigmas and use_beta_sigmas": {
        **EULER, "use_karras_sigmas": True, "use_beta_sigmas": True},
    "trained_betas": {**FAMILY, "trained_betas": ["x"]},
}  # fmt: skip


@pytest.mark.parametrize("key", NOT_DONE)
def test_what_cannot_be_done_is_refused_by_its_name(tmp_path, key):
    with pytest.raises(UserError, match=rf"scheduler_config\.json: .*({key})"):
        library.import_model(told(tmp_path / "m", **NOT_DONE[key]))


DEFAULTS = {
    "a class that does not clip": (
        {"_class_name": "PNDMScheduler"}, {"clipping": "none", "spacing": "leading", "sampler": "plms"}),
    "clip_sample": ({**FAMILY, "clip_sample": False}, {"clipping": "none", "sampler": "ddpm"}),
    "its class does not threshold": ({**EULER, "thresholding": True}, {"clipping": "none", "spacing": "linspace"}),
    "thresholding": ({**FAMILY, "thresholding": True}, {"clipping": "dynamic"}),
    "leading is DDPM's": ({**FAMILY}, {"spacing": "leading", "clipping": "range", "steps": 50}),
    "karras": ({**EULER, "use_karras_sigmas": True}, {"spacing": "karras", "sampler": "ddim", "eta": 0.0}),
    "sde": (
        {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
        {"sampler": "dpmpp_2m_sde"},
    ),
    "nothing": ({}, {"sampler": "ddim", "eta": 1.0, "spacing": "trailing", "clipping": "range"}),
    "null": ({**FAMILY, "variance_type": None, "clip_sample_range": None, "steps_offset": None}, {"sampler": "ddpm"}),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFAULTS)
def test_what_the_configuration_says_becomes_the_default(tmp_path, case):
    config, wanted = DEFAULTS[case]
    defaults = cards.read_card(told(tmp_path / "m", **config)).defaults()
    assert {name: getattr(defaults, name) for name in wanted} == wanted


def test_a_recipe_holds_only_where_its_sampler_was_not_chosen_by_hand(tmp_path):
    card = cards.read_card(told(tmp_path / "m", **FAMILY, clip_sample=False))
    by_hand = card.defaults(chosen={"sampler"})
    assert (by_hand.steps, by_hand.eta, by_hand.spacing) == (
        20,
        0.0,
        "leading",
    ) and by_hand.clipping == "none"
    guessed = cards.read_card(told(tmp_path / "n"))
    assert (guessed.defaults().eta, guessed.defaults({"sampler"}).eta, guessed.defaults({"seed"}).eta) == (
        1,
        0,
        1,
    )
    change_json(tmp_path / "m" / "card.json", recommended={"steps": 7, "guidance": 2.0})
    card = cards.read_card(tmp_path / "m")  # these steps go with no sampler in particular
    assert card.defaults({"sampler"}).steps == 7 and card.defaults({"sampler"}).guidance == 2


def test_classes_have_defaults_of_their_own(tmp_path):
    """What is not written means what it means in diffusers, not what it means for DDPM."""
    flows = {
        name for name in EXACT if name.startswith(("FlowMatch", "CMStochastic"))
    }  # which have no alpha_bar
    for name in sorted(EXACT - flows | {"DEISMultistepScheduler"}):
        right = getattr(diffusers(), name)().alphas_cumprod.double().numpy()
        place = told(tmp_path / name, _class_name=name)
        ours = open_model(library.import_model(place, name), device="cpu").checkpoint.schedule.alpha_bar
        assert np.abs(ours / right - 1).max() < 1e-4, name


def test_an_export_is_what_was_imported(tmp_path):
    """The class, and keys that nobody here knows."""
    scheduler = diffusers().DPMSolverMultistepScheduler(use_karras_sigmas=True, solver_order=3)
    saved(tmp_path / "theirs", scheduler)
    place = tmp_path / "theirs" / "scheduler" / "scheduler_config.json"
    change_json(place, of_the_future={"a": [1]})
    change_json(tmp_path / "theirs" / "model_index.json", _note="kept", _class_name="DDIMPipeline")
    before = json.loads(place.read_text()), json.loads((tmp_path / "theirs" / "model_index.json").read_text())
    card = library.import_model(tmp_path / "theirs", "mine")
    remarks = " ".join(card.remarks)
    assert "solver_order 3" in remarks and "“of_the_future”" in remarks
    given = export.export_model("mine", tmp_path / "given")
    after = (
        json.loads((given / "scheduler" / "scheduler_config.json").read_text()),
        json.loads((given / "model_index.json").read_text()),
    )
    drop = {"trained_betas", "variance_type"}  # null is what a key says that is not there
    assert {k: v for k, v in before[0].items() if k not in drop} == {
        k: v for k, v in after[0].items() if k not in drop
    }
    assert before[1] == after[1]


def test_a_schedule_that_had_to_be_guessed_is_said(tmp_path):
    folder = save(tmp_path / "m")
    (folder / "scheduler" / "scheduler_config.json").unlink()
    card = library.import_model(folder, "mine")
    assert "no scheduler_config.json" in card.remarks[0] and "assumed" in card.remarks[0]
    assert cards.find("mine").remarks == card.remarks
