"""Making a model fast: what a student learns to agree with, a run that resumes bit for bit, and the model it ends in."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.diffusion.processes import PROCESSES, process_from_config
from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards, library
from diffusion_studio.models.export import export_model
from diffusion_studio.models.wording import training
from diffusion_studio.settings.distillation import Distillation, DistilSettings
from diffusion_studio.settings.options import from_dict, to_dict
from diffusion_studio.settings.recipes import expected
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training.distil.objective import ConsistencyObjective, stage_of
from diffusion_studio.training.distil.prepare import (
    distil,
    generated_images,
    images_folder,
    training_settings,
)
from diffusion_studio.training.distil.student import student_scheduler
from diffusion_studio.training.distil.trainer import ConsistencyTrainer
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training_events import CheckpointSaved, Loss, Published, Samples, TrainingStarted
from tests.model_folders import diffusers, network, save

CPU = torch.device("cpu")
CLASSES = ("bright", "dark")


@pytest.fixture(autouse=True)
def no_starters(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    yield
    close_models()


@pytest.fixture
def teacher():
    """A model of two classes, as the folder has them."""
    save(
        models_dir() / "teacher",
        num_class_embeds=3,
        card={"classes": list(CLASSES), "recommended": {"guidance": 2.0}},
    )
    return cards.find("teacher")


@pytest.fixture
def wanted(folder, teacher):
    return DistilSettings(
        model="teacher", folder=str(folder), name="Quick", student_steps=2, steps=8, batch=4, seed=3,
        sample_every=0.0, autosave=86_400.0, precision="float32", device="cpu", guidance=1.0,
    )  # fmt: skip


def weights_of(name):
    newest, _ = checkpoints.newest_verified(runs.find(name).path)
    return (newest / "state.safetensors").read_bytes()


def published(events):
    (found,) = [event for event in events if isinstance(event, Published)]
    return cards.read_card(found.path)


# --- the objective ---


@pytest.mark.parametrize("name", ["cosine", "linear", "flow", "cosine_zero_snr"])
def test_noise_levels_are_drawn_over_the_whole_process_and_known_by_their_timestep(name):
    process = PROCESSES[name](1000)
    objective = ConsistencyObjective(process, process.predictions[-1], device=CPU)
    drawn = objective.draw(4000, torch.Generator().manual_seed(0))
    assert drawn.min() >= process.timesteps[0] and drawn.max() <= process.timesteps[-1]
    top = objective.timestep(torch.tensor([objective.highest]))
    assert 0.05 < (drawn >= top).float().mean() < 0.2
    sigma = objective.sigma(drawn)
    assert torch.allclose(objective.timestep(sigma), drawn, atol=2e-2)
    for stage in range(4):
        lower = objective.lower(sigma, stage)
        assert (lower < sigma).all() and ((lower == 0) | (lower >= objective.lowest)).all()
    assert (objective.lower(sigma, 3) >= objective.lower(sigma, 0)).all()
    assert (objective.rows(drawn) >= 0).all() and (objective.rows(drawn) < 1000).all()
    assert [stage_of(share) for share in (0, 0.3, 0.6, 0.9, 1.0)] == [0, 1, 2, 3, 3]


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample", "flow_prediction"])
def test_a_network_that_knows_the_picture_loses_nothing_and_only_the_noisier_side_learns(prediction):
    process = PROCESSES["flow" if prediction == "flow_prediction" else "cosine"](1000)
    settings = TrainingSettings(
        size=8, batch=4, prediction=prediction, schedule="flow" if prediction == "flow_prediction" else "cosine",
        distil=Distillation(), validation=0.0, seed=1,
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 8, 8), dtype=np.uint8)
    pictures = Pictures(images, np.zeros(8, np.int64), (), [str(k) for k in range(8)])
    trainer = ConsistencyTrainer(
        settings, pictures, device="cpu", precision="float32", network=network(), schedule=process
    )
    try:
        batch, space = trainer.batch(0), trainer.consistency
        asked = []

        def knowing(given, timestep, labels):
            sigma = space.sigma(timestep)[:, None, None, None]
            asked.append(given.requires_grad or torch.is_grad_enabled())
            answers = {
                "epsilon": batch.noise, "sample": batch.clean, "flow_prediction": batch.noise - batch.clean,
                "v_prediction": (batch.noise - sigma * batch.clean) / (1 + sigma**2).sqrt(),
            }  # fmt: skip
            return answers[prediction]

        trainer.stage = 3
        loss = trainer.loss(knowing, batch, weighted=False)
        assert loss.max() < 1e-3 and asked == [False, True]
        assert (trainer.loss(knowing, batch) < 0.2).all()
    finally:
        trainer.close()


def test_it_learns_to_draw_in_one_step():
    """All images alike: after a few steps, one step from noise gives about that image."""
    settings = TrainingSettings(
        size=8,
        batch=8,
        distil=Distillation(steps=1),
        validation=0.0,
        learning_rate=5e-3,
        optimizer="adamw",
        warmup=2,
        ema=0.9,
        seed=1,
    )
    image = np.full((3, 8, 8), 200, np.uint8)
    image[:, :4] = 60
    pictures = Pictures(np.stack([image] * 4), np.zeros(4, np.int64), (), list("abcd"))
    process = PROCESSES["cosine"](1000)
    trainer = ConsistencyTrainer(
        settings, pictures, device="cpu", precision="float32", network=network(), schedule=process
    )
    try:
        noise = torch.randn((8, 3, 8, 8), generator=torch.Generator().manual_seed(5))
        top = torch.full((8,), float(process.sigma[-1]))
        clean = torch.from_numpy(image).float() / 127.5 - 1

        def error():
            found = trainer.consistency.clean(trainer.asked(trainer.network), noise * top[0], top, None)
            return float((found - clean).abs().mean().detach())

        before = error()
        for step in range(60):
            trainer.step(step / 60)
        assert error() < 0.5 * before
    finally:
        trainer.close()


# --- the run ---


@pytest.mark.parametrize("targets", ["images", "teacher"])
def test_a_distillation_resumes_bit_for_bit_also_when_its_teacher_is_gone(wanted, targets):
    wanted = replace(wanted, targets=targets, guidance=2.0)
    events = list(distil(replace(wanted, name="Whole")))
    job = distil(replace(wanted, name="Parts"))
    for event in job:
        if isinstance(event, Loss) and event.step >= 3:
            break
    job.close()
    assert runs.find("Parts").state == "stopped"
    shutil.rmtree(models_dir() / "teacher")
    list(train(TrainingSettings(), resume="Parts", given={}))
    assert weights_of("Parts") == weights_of("Whole")
    card = published(events)
    assert {name: card.recommended[name] for name in ("sampler", "steps", "spacing")} == {
        "sampler": "consistency", "steps": 2, "spacing": "trailing"}  # fmt: skip
    assert card.trained["teacher"] == "teacher" and "made fast from teacher" in training(card)
    assert "in 2 steps" in card.description and card.classes == CLASSES and card.samples is not None
    assert card.remarks == () and card.defaults().guidance == 1
    kept = card.trained["settings"]["distil"]
    assert kept["targets"] == targets and kept["guidance"] == 2.0


def test_samples_are_shown_beside_the_teachers_from_the_same_noise(wanted, monkeypatch):
    from diffusion_studio.training import loop

    monkeypatch.setattr(loop, "SAMPLE_COUNT", 2)
    events = list(distil(replace(wanted, sample_every=1e-4, steps=3)))
    sheets = [event for event in events if isinstance(event, Samples)]
    assert len(sheets) > 1 and all(sheet.teacher for sheet in sheets)
    assert all(np.array_equal(sheet.raw, sheets[0].raw) for sheet in sheets)
    assert not np.array_equal(sheets[0].ema, sheets[0].raw)
    assert any(isinstance(event, (CheckpointSaved, TrainingStarted)) for event in events)


def drawn_by_diffusers(folder, steps, seed=11):
    """DDPMPipeline's loop over the scheduler of the folder, whichever it is."""
    pipeline = diffusers().DDPMPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    generator, scheduler = torch.Generator().manual_seed(seed), pipeline.scheduler
    x = torch.randn((1, 3, 8, 8), generator=generator)
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            answer = pipeline.unet(x, t, class_labels=torch.tensor([1])).sample
            x = scheduler.step(answer, t, x, generator=generator).prev_sample
    return ((x.clamp(-1, 1) + 1) * 127.5)[0].permute(1, 2, 0).numpy(), pipeline


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_student_is_exported_as_what_diffusers_samples_alike(wanted, tmp_path, monkeypatch):
    card = published(distil(wanted))
    given = export_model(card.name, tmp_path / "given")
    for steps in (1, 2, 4):
        right, pipeline = drawn_by_diffusers(given, steps)
        assert type(pipeline.scheduler).__name__ == "LCMScheduler"
        settings = replace(
            card.defaults(), steps=steps, seed=11, class_label="dark", precision="float32", device="cpu"
        )
        *_, last = open_model(card, device="cpu", precision="float32").previews(settings)
        assert np.abs(last.denoised[0].astype(float) - right).max() <= 1
    text = (given / "README.md").read_text()
    assert "num_inference_steps=2" in text
    assert library.import_model(given, "back").defaults().sampler == "consistency"
    text = replace(cards.find("teacher"), prompted=True)
    with monkeypatch.context() as patched:
        patched.setattr(cards, "find", lambda name: text)
        with pytest.raises(UserError, match="is a text model"):
            list(distil(replace(wanted, name="Words")))
    with pytest.raises(UserError, match="is a fast model already"):
        list(distil(replace(wanted, model=card.name, name="Again")))


def test_a_flow_becomes_a_flow_that_is_noised_anew(folder):
    save(models_dir() / "flowing", schedule="flow", prediction="flow_prediction")
    job = distil(DistilSettings(
        model="flowing", folder=str(folder), steps=2, batch=4, sample_every=0.0, precision="float32", device="cpu"
    ))  # fmt: skip
    card = published(list(job))
    assert card.flow and card.schedule["stochastic_sampling"] and card.remarks == ()
    assert card.title == "flowing fast" and card.defaults().sampler == "consistency"
    config = student_scheduler({"_class_name": "FlowMatchHeunDiscreteScheduler", "shift": 3.0})
    assert process_from_config(config).shift == 3.0


# --- the images ---


def test_without_a_folder_it_learns_from_images_the_teacher_generates(wanted):
    wanted = replace(wanted, folder="", generated=20, guidance=0.0)
    job = distil(wanted)
    for event in job:  # stopped after the first batch: what is there stays
        if isinstance(event, Status) and "16 of 20" in event.text:
            break
    job.close()
    place = images_folder(cards.find("teacher"))
    first = sorted(place.rglob("*.png"))
    assert len(first) == 16 and {path.parent.name for path in first} == set(CLASSES)
    times = [path.stat().st_mtime_ns for path in first]
    card = published(list(distil(wanted)))
    assert len(list(place.rglob("*.png"))) == 20 and [path.stat().st_mtime_ns for path in first] == times
    kept = card.trained["settings"]["distil"]
    assert kept["guidance"] == 1.0 and kept["targets"] == "images", "guidance is in the images already"
    model = open_model(cards.find("teacher"), device="cpu", precision="float32")
    own = replace(cards.find("teacher").defaults(), count=16, seed=0, device="cpu", precision="float32")
    *_, last = model.previews(own)
    assert np.array_equal(np.asarray(Image.open(first[0])), last.denoised[0])


def test_the_images_it_generates_keep_all_of_their_bits():
    save(
        models_dir() / "deep", in_channels=1, out_channels=1, card={"pixels": {"depth": 16}},
    )  # fmt: skip
    asked = DistilSettings(model="deep", generated=16, device="cpu", precision="float32")
    list(generated_images(cards.find("deep"), asked))
    first = sorted(images_folder(cards.find("deep")).rglob("*.png"))[0]
    kept = np.asarray(Image.open(first)).astype(int)
    assert kept.shape == (8, 8) and kept.max() > 255 and (kept % 257).any()


def test_the_images_of_the_run_that_made_the_model_are_found(settings, folder):
    list(train(replace(settings, steps=2)))
    card = cards.find("tiny")
    list(
        distil(
            DistilSettings(
                model="tiny", steps=2, batch=4, sample_every=0.0, device="cpu", precision="float32"
            )
        )
    )
    made = cards.find("tiny-fast")
    kept = TrainingSettings(**{**made.trained["settings"], "folder": ""})
    assert runs.find("Tiny fast").facts["settings"]["folder"] == str(folder)
    assert kept.flip and kept.distil.targets == "teacher" and kept.distil.guidance == card.defaults().guidance


def test_what_is_asked_becomes_the_settings_of_the_run(teacher, folder):
    own = training_settings(teacher, DistilSettings(model="teacher", student_steps=4), folder, "Quick")
    assert (own.minutes, own.steps, own.flip, own.weighting) == (20.0, 0, False, "none")
    assert own.distil == Distillation(steps=4, guidance=2.0, targets="teacher", teacher="teacher")
    assert [expected(own, steps, 32) for steps in (10, 100, 400)] == ["noise", "recognisable", "good"]
    again, refused = from_dict(TrainingSettings, to_dict(own))
    assert again == own and not refused
    _, refused = from_dict(TrainingSettings, {"distil": {"steps": 99}})
    assert "distillation cannot be understood" in refused[0]
    with pytest.raises(UserError, match="steps or after minutes, not both"):
        DistilSettings(steps=3, minutes=1.0)
