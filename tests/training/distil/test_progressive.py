"""Halving the steps of a model: one step of the student ends where two of its teacher do, in a run that resumes bit for bit."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.denoiser import TO_CLEAN
from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards
from diffusion_studio.models.fast import is_fast, keep_step_seconds, live_plan
from diffusion_studio.settings.distillation import Distillation, DistilSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training.distil.objective import wide
from diffusion_studio.training.distil.prepare import distil
from diffusion_studio.training.distil.progressive import ProgressiveTrainer, steps_of
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training_events import Loss
from tests.model_folders import network, save
from tests.training.distil.test_distil import drawn_by_diffusers, no_starters, published, teacher  # noqa: F401

PREDICTIONS = {
    "cosine": "v_prediction",
    "linear": "epsilon",
    "flow": "flow_prediction",
    "cosine_zero_snr": "v_prediction",
}


@pytest.fixture
def wanted(folder, teacher):  # noqa: F811
    return DistilSettings(
        model="teacher", folder=str(folder), name="Halved", student_steps=2, steps=8, batch=4, seed=3,
        sample_every=0.0, autosave=86_400.0, precision="float32", device="cpu", guidance=2.0, method="progressive",
    )  # fmt: skip


@pytest.mark.parametrize("name", PREDICTIONS)
def test_one_step_by_the_target_ends_where_two_steps_of_the_teacher_do(name):
    process, prediction = PROCESSES[name](1000), PREDICTIONS[name]
    settings = TrainingSettings(
        size=8, batch=6, prediction=prediction, schedule="flow" if name == "flow" else "cosine", validation=0.0,
        distil=Distillation(steps=2, method="progressive"), seed=1,
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 8, 8), dtype=np.uint8)
    pictures = Pictures(images, np.zeros(8, np.int64), (), [str(k) for k in range(8)])
    trainer = ProgressiveTrainer(
        settings,
        pictures,
        device="cpu",
        precision="float32",
        network=network(),
        schedule=process,
        teacher=network(1),
    )
    try:
        halving = trainer.halving
        assert [steps_of(stage, 2) for stage in range(4)] == [16, 8, 4, 2] and len(halving.levels) == 33
        batch = trainer.batch(0)
        places = torch.tensor([2, 6, 10, 20, 28, 30])
        high, middle, low = (halving.levels[places + k] for k in range(3))
        x = batch.clean + wide(high) * batch.noise
        with torch.no_grad():
            target = trainer.target(x, batch.clean, batch.noise, places, None)
            first = trainer.by_guide(x, high, None)
            there = first + wide(middle / high) * (x - first)
            then = trainer.by_guide(there, middle, None)
            end = then + wide(low / middle) * (there - then)
        by_target = target + wide(low / high) * (x - target)
        free = target.abs() < 0.999  # elsewhere it was clipped
        assert free.float().mean() > 0.3
        assert torch.allclose(by_target[free], end[free], atol=2e-3 * float(1 + low.max()))
        assert TO_CLEAN[prediction] and torch.isfinite(trainer.loss(trainer.network, batch)).all()
        drawn = halving.draw(500, torch.Generator().manual_seed(0))
        assert set(drawn.tolist()) == set(halving.starts.tolist())
        assert torch.equal(halving.starts[halving.places(drawn)], drawn)
    finally:
        trainer.close()


def test_it_resumes_bit_for_bit_in_a_later_stage_with_that_stages_teacher(wanted):
    def weights_of(name):
        newest, _ = checkpoints.newest_verified(runs.find(name).path)
        return (newest / "state.safetensors").read_bytes()

    card = published(list(distil(replace(wanted, name="Whole"))))
    job = distil(replace(wanted, name="Parts"))
    for event in job:
        if isinstance(event, Loss) and event.step >= 5:
            break
    job.close()
    shutil.rmtree(models_dir() / "teacher")
    list(train(TrainingSettings(), resume="Parts", given={}))
    assert weights_of("Parts") == weights_of("Whole")
    assert {name: card.recommended[name] for name in ("sampler", "steps")} == {"sampler": "ddim", "steps": 2}
    assert "halving its steps" in card.description and is_fast(card) and card.defaults().guidance == 1
    keep_step_seconds(card, 0.001)
    assert live_plan(card, [card]).steps == 2, "the noise levels it learned, and no others"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_student_is_what_ddim_of_diffusers_samples_alike(wanted):
    card = published(list(distil(wanted)))
    right, pipeline = drawn_by_diffusers(card.path, 2)
    assert type(pipeline.scheduler).__name__ == "DDIMScheduler"
    settings = GenerationSettings(
        model=card.name,
        sampler="ddim",
        steps=2,
        seed=11,
        class_label="dark",
        precision="float32",
        device="cpu",
    )
    *_, last = open_model(card, device="cpu", precision="float32").previews(settings)
    assert np.abs(last.denoised[0].astype(float) - right).max() <= 2
    close_models()


def test_a_flow_is_halved_as_a_flow(folder):
    save(models_dir() / "flowing", schedule="flow", prediction="flow_prediction")
    job = distil(DistilSettings(
        model="flowing", folder=str(folder), steps=4, batch=4, sample_every=0.0, precision="float32", device="cpu",
        method="progressive",
    ))  # fmt: skip
    card = published(list(job))
    assert card.flow and not card.schedule.get("stochastic_sampling") and card.defaults().sampler == "ddim"
    assert cards.find(card.name).remarks == ()
