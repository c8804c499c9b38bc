"""A run that learns latents: trained, resumed bit for bit, published, opened, steered, and read by diffusers' LDMPipeline."""

import json
from contextlib import closing
from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.generation.sharp_views import SharpViews
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.models import autoencoder_files, cards, export, library
from diffusion_studio.settings.distillation import DistilSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training import loop
from diffusion_studio.training.autoencoder import adapting, latent_images
from diffusion_studio.training.distil.prepare import distil
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training.step import new_network
from diffusion_studio.training_events import AutoencoderAdapted, CheckpointSaved
from tests.model_folders import TINY


@pytest.fixture
def discs(tmp_path):
    folder = tmp_path / "discs"
    folder.mkdir()
    chance = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    for number in range(6):
        inside = ((x - 16) ** 2 + (y - 16) ** 2 < 120)[..., None]
        colour = [*chance.integers(40, 255, 3), 255]
        Image.fromarray((inside * colour).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def small_autoencoder(monkeypatch):
    """In place of the one that is shipped, and adapted for one short round."""
    torch.manual_seed(5)
    config = AutoencoderConfig(channels=4, width=8, latent_channels=2, blocks=(1, 1))
    network = TinyAutoencoder(config).eval().requires_grad_(False)
    monkeypatch.setattr(latent_images, "shipped_autoencoder", lambda: network)
    monkeypatch.setattr(adapting, "ROUND", 3)
    monkeypatch.setattr(adapting, "PATIENCE", 1)
    monkeypatch.setattr(adapting, "COOLING", 3)
    monkeypatch.setattr(adapting, "ENOUGH", 99.0)
    diffusers.utils.logging.set_verbosity_error()  # it would say that a tiny autoencoder is no VQModel
    diffusers.utils.logging.disable_progress_bar()
    yield
    close_models()


def plan(folder, **changes):
    given = {
        "steps": 4,
        "batch": 2,
        "sample_every": 0.0,
        "validation": 0.0,
        "precision": "float32",
        "device": "cpu",
    }
    return TrainingSettings(folder=str(folder), name="m", size=32, space="latents", seed=1, **given | changes)


def train(*arguments, **more):
    return list(loop.train(*arguments, **more))


def test_a_model_of_latents_is_trained_and_opened_everywhere(discs, tmp_path):
    events = train(plan(discs))
    said = [event.text for event in events if hasattr(event, "text")]
    advice = next(place for place, text in enumerate(said) if "come out truer as pixels" in text)
    assert advice < next(place for place, text in enumerate(said) if "Adapting the autoencoder" in text)
    adapted = [event for event in events if isinstance(event, AutoencoderAdapted)]
    first, last = adapted[0], adapted[-1]
    assert first.step == 0 and np.array_equal(first.before, first.now) and first.sheet is None
    assert first.images.shape == last.now.shape == (1, 32, 32, 4)  # the one held out of six
    assert np.array_equal(first.images, last.images) and np.array_equal(first.before, last.before)
    assert last.psnr_before == first.psnr == first.psnr_before and last.psnr >= first.psnr
    run = runs.find("m")
    assert last.sheet == run.path / "autoencoder.png" and np.array_equal(
        np.asarray(Image.open(last.sheet)), np.concatenate([last.images[0], last.before[0], last.now[0]])
    )
    assert run.facts["autoencoder"] == {
        "step": last.step,
        "psnr_before": last.psnr_before,
        "psnr": last.psnr,
    }
    card = cards.find("m")
    assert (card.size, card.sides, card.channels, card.network.channels) == (32, (32, 32), 4, 2)
    assert card.pixels_are.premultiplied and "clipping" not in card.options
    settings = GenerationSettings(seed=3, steps=4, count=2, device="cpu", precision="float32")
    model = open_model(card, device="cpu", precision="float32")
    trajectory = Trajectory()
    steps = list(model.previews(settings, trajectory=trajectory))
    assert steps[-1].denoised.shape == (2, 32, 32, 4) and steps[0].denoised.shape == (2, 32, 32, 4)
    views = model.space(settings).views
    assert isinstance(views, SharpViews), (
        "its own decoder shows the steps, whatever is chosen for large models"
    )
    start = trajectory.at(2)
    again = list(model.previews(settings, start=start))[-1].denoised
    assert np.array_equal(again, steps[-1].denoised)
    (alone,) = list(model.previews(replace(settings, seed=4, count=1)))[-1].denoised
    assert np.abs(alone.astype(int) - steps[-1].denoised[1]).max() <= 1
    # the same folder in diffusers, in the space of the network
    pipeline = diffusers.LDMPipeline.from_pretrained(export.export_model("m", tmp_path / "given"))
    latents = torch.from_numpy(np.float32(np.random.default_rng(0).normal(size=(1, 2, 16, 16))))
    ours = model.checkpoint.autoencoder.decode(latents)
    theirs = pipeline.vqvae.decode(latents / pipeline.vqvae.config.scaling_factor).sample
    assert torch.allclose(ours, theirs, atol=1e-5)
    copy = library.import_model(tmp_path / "given", "copy")
    assert copy.autoencoder == card.autoencoder
    images = list(open_model(copy, device="cpu", precision="float32").previews(settings))[-1].denoised
    assert np.array_equal(images, steps[-1].denoised)


def test_a_start_image_and_a_mask_reach_the_latents(discs):
    train(plan(discs, channels="rgb", steps=2))
    model = open_model(cards.find("m"), device="cpu", precision="float32")
    source = np.zeros((32, 32, 3), np.uint8)
    source[:, 16:] = (200, 40, 90)
    settings = GenerationSettings(seed=3, steps=4, device="cpu", precision="float32", strength=0.5)
    mask = np.zeros((32, 32), np.uint8)
    mask[:8, :8] = 255
    image = list(model.previews(settings, source=source, mask=mask))[-1].denoised[0]
    assert image.shape == (32, 32, 3)
    assert (
        np.abs(image[16:].astype(int) - source[16:]).max() <= 1
    )  # what the mask leaves alone is the start image
    list(model.previews(settings, source=source))


def test_stop_and_resume_are_bit_for_bit(discs):
    settings = plan(discs, autosave_steps=2)
    with closing(loop.train(replace(settings, name="half"))) as job:
        for event in job:
            if isinstance(event, CheckpointSaved):
                break
    train(TrainingSettings(), resume="half")
    train(settings)
    kept, again = (checkpoints.newest_verified(runs.find(name).path)[0] for name in ("m", "half"))
    assert kept.name == again.name and checkpoints.read_tensors(kept) == checkpoints.read_tensors(again)


def test_it_is_trained_further_with_its_own_autoencoder(discs):
    train(plan(discs))
    further = TrainingSettings(
        folder=str(discs),
        name="n",
        size=32,
        start_from="m",
        steps=2,
        batch=2,
        device="cpu",
        precision="float32",
    )
    train(further)
    first, second = (autoencoder_files.autoencoder_of(models_dir() / name) for name in "mn")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert cards.find("n").size == 32


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"size": 20}, "does not fit latents"), ({"channels": "grey16"}, "grey instead of grey16")],
)
def test_what_cannot_be_latents_is_refused(discs, changes, words):
    with pytest.raises(UserError, match=words):
        train(
            TrainingSettings(
                **{"folder": str(discs), "name": "m", "size": 32, "space": "latents", "steps": 1, **changes}
            )
        )


def test_files_that_do_not_fit_are_refused(discs):
    train(plan(discs, steps=1))
    place = models_dir() / "m" / "vqvae" / "config.json"
    said = json.loads(place.read_text())
    place.write_text(json.dumps({**said, "latent_channels": 3}))
    with pytest.raises(UserError, match="the autoencoder beside it has 3"):
        cards.read_card(models_dir() / "m")
    place.write_text(
        json.dumps({**said, "encoder_block_out_channels": [9, 9], "decoder_block_out_channels": [9, 9]})
    )
    with pytest.raises(UserError, match="does not fit"):
        open_model(cards.read_card(models_dir() / "m"), device="cpu", precision="float32")


@pytest.mark.slow
def test_the_lines_beside_an_onnx_network_of_latents_make_our_image(discs, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(
        new_network,
        "shape_for",  # writing a larger network as ONNX takes long, and shows no more
        lambda side, *_, channels: UNetConfig.from_dict(
            {**TINY, "sample_size": side, "in_channels": channels, "out_channels": channels}
        ),
    )
    train(plan(discs, channels="rgb", steps=2))
    given = export.export_model("m", tmp_path / "given", layout="onnx")
    text = (given / "README.md").read_text()
    assert "`decoder.onnx`" in text and "The decoder differs from torch's by at most" in text
    code = text.split("```python\n")[1].split("```")[0]
    drawn = "random.standard_normal((1, 2, 16, 16))"
    assert code.count(drawn) == 1
    monkeypatch.chdir(tmp_path)
    noise = torch.randn((1, 2, 16, 16), generator=torch.Generator().manual_seed(3)).numpy()
    exec(code.replace(drawn, "noise"), {"noise": noise})
    settings = GenerationSettings(seed=3, sampler="ddim", steps=50, device="cpu", precision="float32")
    (ours,) = list(open_model(cards.find("m"), device="cpu", precision="float32").previews(settings))[
        -1
    ].denoised
    assert np.abs(np.asarray(Image.open("picture.png"), int) - ours).max() <= 1


@pytest.mark.slow
def test_a_model_of_latents_is_made_fast_and_is_sampled_alike_in_diffusers(discs, tmp_path):
    train(plan(discs))
    for method, scheduler_class in (("consistency", "LCMScheduler"), ("progressive", "DDIMScheduler")):
        asked = DistilSettings(
            model="m", name=method, student_steps=2, steps=4, batch=2, sample_every=0.0,
            precision="float32", device="cpu", method=method,
        )  # fmt: skip
        list(distil(asked))
        card = cards.find(method)
        assert (card.size, card.channels, card.network.channels) == (32, 4, 2)
        assert card.autoencoder == cards.find("m").autoencoder and card.trained["teacher"] == "m"
        assert card.defaults().steps == 2
        settings = replace(card.defaults(), seed=3, device="cpu", precision="float32")
        trajectory = Trajectory()
        model = open_model(card, device="cpu", precision="float32")
        *_, image = model.previews(settings, trajectory=trajectory)
        assert image.denoised.shape == (1, 32, 32, 4)
        given = export.export_model(method, tmp_path / method)
        pipeline = diffusers.LDMPipeline.from_pretrained(given)
        scheduler, generator = pipeline.scheduler, torch.Generator().manual_seed(3)
        assert type(scheduler).__name__ == scheduler_class
        x = torch.randn((1, 2, 16, 16), generator=generator)
        scheduler.set_timesteps(2)
        with torch.no_grad():
            for t in scheduler.timesteps:
                noise = {"generator": generator} if method == "consistency" else {}
                x = scheduler.step(pipeline.unet(x, t).sample, t, x, **noise).prev_sample
        ours = trajectory.at(2).state.denoised
        assert ours.abs().max() > 1.2  # beyond the range of colours, where latents may be
        assert torch.allclose(x, ours, atol=1e-3)
