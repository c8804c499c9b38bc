"""Training a flow: what is drawn and learned, a run that resumes bit for bit, and one that learns what it should."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.flows import Flow
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.schedules import SPACINGS
from diffusion_studio.errors import UserError
from diffusion_studio.models.cards import read_card
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training.step.objectives import FlowObjective, objective_of
from diffusion_studio.training.step.trainer import Trainer
from diffusion_studio.training.step.validation import validate
from diffusion_studio.training_events import Loss, Published
from tests.model_folders import network

CPU = torch.device("cpu")


@pytest.fixture
def flow(settings):
    return replace(settings, schedule="flow", prediction="flow_prediction")


@pytest.fixture
def make(flow):
    made = []
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 8, 8), dtype=np.uint8)
    pictures = Pictures(images, np.zeros(30, np.int64), (), [str(k) for k in range(30)])

    def build(own=pictures, network=None, **changes):
        trainer = Trainer(replace(flow, **changes), own, device="cpu", precision="float32", network=network)
        made.append(trainer)
        return trainer

    yield build
    for trainer in made:
        trainer.close()


def test_a_flow_and_its_velocity_bring_each_other():
    assert TrainingSettings(schedule="flow").prediction == "flow_prediction"
    assert TrainingSettings(prediction="flow_prediction").schedule == "flow"
    for wrong in (
        {"schedule": "flow", "prediction": "epsilon"},
        {"schedule": "linear", "prediction": "flow_prediction"},
    ):
        with pytest.raises(UserError, match="“flow” and “flow_prediction” are used only with each other"):
            TrainingSettings(**wrong)


def test_the_loss_is_the_squared_error_of_the_velocity(make):
    trainer = make(min_snr=5.0)
    batch, seen = trainer.batch(0), {}

    def network(x, timestep, labels, **_):
        seen.update(x=x, timestep=timestep)
        return torch.full_like(x, 0.3)

    loss = trainer.loss(network, batch)
    t = (batch.timestep / 1000)[:, None, None, None]
    assert torch.allclose(seen["x"], (1 - t) * batch.clean + t * batch.noise, atol=1e-6)
    assert torch.equal(seen["timestep"], batch.timestep) and batch.timestep.dtype == torch.float32
    wanted = (0.3 - (batch.noise - batch.clean)).square().mean(dim=(1, 2, 3))
    assert torch.allclose(loss, wanted)
    assert torch.equal(trainer.loss(network, batch, weighted=False), loss), "Min-SNR has no part in it"
    assert torch.equal(trainer.weighting.at(0.0), torch.ones(1000))


@pytest.mark.parametrize("sampling", ["uniform", "logit_normal"])
def test_timesteps_are_drawn_as_asked(sampling):
    objective = FlowObjective(Flow(1000), sampling=sampling, device=CPU)
    drawn = objective.draw(20_000, torch.Generator().manual_seed(0)) / 1000
    assert drawn.min() > 0 and drawn.max() <= 1
    quarters = torch.histc(drawn, 4, 0, 1) / len(drawn)
    middle = 0.25 if sampling == "uniform" else 0.3640  # half the normal's share within logit(3/4)
    assert quarters[1:3].tolist() == pytest.approx([middle] * 2, abs=0.012)
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)


def test_logit_normal_timesteps_of_a_schedule_are_whole_and_within_it():
    from diffusion_studio.diffusion.schedules import SCHEDULES

    objective = objective_of(SCHEDULES["cosine"](100), "epsilon", sampling="logit_normal", device=CPU)
    drawn = objective.draw(5000, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64 and drawn.min() >= 0 and drawn.max() <= 99
    assert (drawn // 25).bincount()[1:3].sum() > 0.68 * 5000


def test_validation_measures_from_the_picture_to_pure_noise(make):
    *_, found = validate(make(validation=0.3))
    assert [t for t, _ in found.by_timestep] == [1, 143, 286, 429, 571, 714, 857, 1000]
    assert found.loss > 0 and all(loss > 0 for _, loss in found.by_timestep)


def digest(run):
    checkpoint, _ = checkpoints.newest_verified(run.path)
    return (
        (checkpoint / "state.safetensors").read_bytes()
        if (checkpoint / "state.safetensors").is_file()
        else sorted(
            (file.name, file.read_bytes()) for file in checkpoint.iterdir() if file.suffix == ".safetensors"
        )
    )


@pytest.mark.parametrize("sampling", ["uniform", "logit_normal"])
def test_a_run_resumes_bit_for_bit_and_ends_in_a_flow(flow, sampling):
    flow = replace(flow, timestep_sampling=sampling)
    events = list(train(replace(flow, name="Whole")))
    whole = digest(runs.find("Whole"))
    job = train(replace(flow, name="Parts"))
    for event in job:
        if isinstance(event, Loss) and event.step >= 3:
            break
    job.close()
    list(train(replace(flow, name="Parts"), resume="Parts"))
    assert digest(runs.find("Parts")) == whole
    (published,) = [event for event in events if isinstance(event, Published)]
    card = read_card(published.path)
    assert card.flow and card.prediction == "flow_prediction" and card.samples is not None
    assert card.schedule["_class_name"] == "FlowMatchEulerDiscreteScheduler"
    assert card.trained["settings"]["timestep_sampling"] == sampling
    assert card.defaults().spacing == "trailing"


def test_training_goes_on_from_a_flow_as_a_flow(flow):
    list(train(replace(flow, name="First", classes=False)))
    further = replace(flow, name="Second", schedule="cosine", prediction="v_prediction", start_from="First")
    *_, published = (event for event in train(further) if isinstance(event, Published))
    assert read_card(published.path).flow


def test_a_toy_flow_learns_its_pictures(make):
    """Two flat grounds, dark and bright: after a few hundred steps samples are one or the other, about as often."""
    levels = np.array([64, 192], np.uint8)[np.arange(64) % 2]
    images = np.broadcast_to(levels[:, None, None, None], (64, 3, 8, 8)).copy()
    pictures = Pictures(images, np.zeros(64, np.int64), (), [str(k) for k in range(64)])
    trainer = make(
        own=pictures,
        network=network(),
        batch=16,
        steps=300,
        learning_rate=3e-3,
        flip=False,
        ema=0.98,
        validation=0.0,
    )
    losses = [trainer.step(k / 300) for k in range(300)]
    assert np.mean(losses[-50:]) < 0.25 * np.mean(losses[:5]), (
        "from E|n - x_0|² = 1.25 towards what cannot be known"
    )
    flow, noise = Flow(1000), torch.randn((64, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    sigmas = SPACINGS["trailing"](flow, 12)
    with trainer.averaged() as trained, torch.no_grad():
        denoise = Denoiser(
            lambda x, t, labels: trained(x, t, labels).float(), flow, prediction="flow_prediction"
        )
        *_, last = SAMPLERS["ddim"](denoise, noise * flow.spread(sigmas[0]), sigmas, None)
    means = last.x.mean(dim=(1, 2, 3))
    nearest = torch.where(means > 0, 192 / 127.5 - 1, 64 / 127.5 - 1)
    assert (means - nearest).abs().mean() < 0.12, "each sample is one of the two grounds"
    assert (last.x - nearest[:, None, None, None]).abs().mean() < 0.25
    assert 0.25 < (means > 0).float().mean() < 0.75
