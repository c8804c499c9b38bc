"""Steps shown by a small decoder: read from the files people have, used only where it fits, and in its share of the time."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from diffusion_studio.errors import UserError
from diffusion_studio.generation import sharp_views
from diffusion_studio.generation.autoencoders import Autoencoder, DiffusersAutoencoder, SmallDecoder
from diffusion_studio.generation.latents import LatentSpace
from diffusion_studio.generation.sharp_views import SharpViews, find_decoder, find_files
from diffusion_studio.generation.space import PixelSpace, to_uint8
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.jobs.film import of_trajectory
from diffusion_studio.models.text.preview_decoders import Candidate, read_decoder
from diffusion_studio.settings import previews
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage import own_files, places
from tests.tiny_text_models import SIDE

PLAN = GenerationSettings(
    prompt="a red cat", steps=4, seed=3, sampler="ddim", guidance=1.0, precision="float32", device="cpu"
)
MIXTURE = torch.tensor([[0.5, 0.2, -0.1], [-0.3, 0.4, 0.1], [0.2, -0.2, 0.6], [0.1, 0.1, 0.1]])


def taesd(seed=1, *, channels=4, levels=2):
    """diffusers' AutoencoderTiny with random weights."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(seed)
    blocks, widths = (1,) * levels, (8,) * levels
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=blocks,
        num_decoder_blocks=blocks,
        latent_channels=channels,
    ).eval()


def as_its_author_names_it(network, prefix=""):
    """The decoder alone, whose first layer there only limits what comes in."""
    parts = {name.removeprefix("decoder.layers."): tensor for name, tensor in network.state_dict().items()}
    numbered = ((name.partition("."), tensor) for name, tensor in parts.items() if not name.startswith("enc"))
    return {f"{prefix}{int(first) + 1}.{rest}": tensor for (first, _, rest), tensor in numbered}


class Twin(Autoencoder):
    """A model's autoencoder whose decoder is exactly a small one, so that it alone fits."""

    def __init__(self, tiny, channels=4, factor=2):
        super().__init__(torch.nn.ModuleList([tiny]), "cpu", channels, factor)

    def encode(self, pictures, noise):
        return 2 * torch.einsum("cr,nrhw->nchw", MIXTURE, F.avg_pool2d(pictures, 2)) + 0 * noise()

    def _decode(self, latent, count):
        return self.network[0].decode(latent).sample


@pytest.fixture
def folder(tmp_path):
    places.previews_dir().mkdir(parents=True)
    yield places.previews_dir()
    previews.ask_for("")


@pytest.fixture
def twin(sd, monkeypatch):
    """The tiny Stable Diffusion with an autoencoder that a small decoder can fit."""
    model, network = sd[0], taesd()
    monkeypatch.setattr(model, "autoencoder", Twin(network))
    monkeypatch.setattr(model, "_found", None)
    return model, network


def test_the_files_people_have_decode_as_diffusers_does(folder, tmp_path, monkeypatch):
    network, cache = taesd(), tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    snapshot = cache / "models--madebyollin--taesd" / "snapshots" / "abc"
    network.save_pretrained(snapshot)
    network.save_pretrained(folder / "b tiny one")
    save_file(as_its_author_names_it(network), folder / "taesd_decoder.safetensors")
    both = {
        **as_its_author_names_it(network, "taesd_decoder."),
        "taesd_encoder.0.weight": torch.zeros(8, 3, 3, 3),
    }
    save_file(both, folder / "both.safetensors")
    save_file(network.state_dict(), folder / "diffusers.safetensors")
    save_file({"0.weight": torch.zeros(8, 3, 3, 3)}, folder / "taesd_encoder.safetensors")
    latents = torch.randn(2, 4, 8, 8)
    wanted = network.decode(latents).sample
    found = find_files("sd1")[0]
    assert len(found) == 5 and "taesd" in str(found[0].weights)
    for candidate in found:
        small = SmallDecoder(read_decoder(candidate), "cpu")
        assert small.factor == 2 and small.channels == 4
        assert torch.allclose(small.decode(latents), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"0.weight": torch.zeros(8, 3, 3, 3), "1.weight": torch.zeros(4, 8, 3, 3)}, "holds no decoder"),
        ({"decoder.conv_in.weight": torch.zeros(8, 4, 3, 3)}, "holds no decoder"),
        ({"1.weight": torch.zeros(8, 4, 3, 3), "3.weight": torch.zeros(3, 8, 3, 3)}, "holds no decoder"),
        (b"\x80\x04not weights", "pickle"),
    ],
)
def test_other_files_are_refused_by_name(folder, content, reason):
    path = folder / "other.safetensors"
    path.write_bytes(content) if isinstance(content, bytes) else save_file(content, path)
    with pytest.raises(UserError, match=reason) as told:
        read_decoder(Candidate(path))
    assert str(path) in str(told.value)


def test_the_pickle_that_others_keep_is_named(folder):
    (folder / "taesd_decoder.pth").write_bytes(b"PK")
    remark = find_decoder(Twin(taesd()), "sd1", "Tiny", find_files("sd1")[0]).remark
    assert "taesd_decoder.pth is a pickle" in remark and "madebyollin/taesd" in remark


def test_a_folder_that_is_built_otherwise_is_refused(folder):
    taesd().save_pretrained(folder / "odd")
    config = folder / "odd" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "act_fn": "silu"}))
    with pytest.raises(UserError, match="its act_fn is not that of a TAESD"):
        read_decoder(find_files("sd1")[0][0])


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda: taesd(2), "made for other latents: its images agree with the model's own at"),
        (lambda: taesd(channels=16), "latents of 16 channels, and the model's have 4"),
        (lambda: taesd(levels=3), "enlarges latents 4 times, and the model's autoencoder 2 times"),
    ],
)
def test_one_of_another_space_is_refused_and_the_fitting_one_is_found(folder, other, reason):
    own = Twin(taesd())
    assert "madebyollin/taesd" in find_decoder(own, "sd1", "Tiny", []).remark
    other().save_pretrained(folder / "a")
    found = find_decoder(own, "sd1", "Tiny", find_files("sd1")[0])
    assert found.decoder is None and reason in found.remark and str(folder) in found.remark
    taesd().save_pretrained(folder / "b")
    assert find_decoder(own, "sd1", "Tiny", find_files("sd1")[0]).decoder is not None


@pytest.mark.parametrize(("cost", "decoded"), [(0.1, [0, 1, 2, 3, 4, 5, 6]), (0.5, [0, 3, 6])])
def test_decoding_keeps_to_its_share_of_the_time(monkeypatch, cost, decoded):
    clock, asked = [100.0], []
    monkeypatch.setattr(sharp_views.time, "perf_counter", lambda: clock[0])

    def decode(x):
        asked.append(int(x[0, 0, 0, 0]))
        clock[0] += cost
        return torch.full((1, 3, 8, 8), 0.5)

    plain = LatentSpace(Twin(taesd()), PixelSpace((3, 8, 8))).plain_views
    views = SharpViews(plain, decode, PixelSpace((3, 8, 8)))
    shown = []
    for step in range(7):
        clock[0] += 1
        shown.append(views.timely(torch.full((1, 4, 4, 4), float(step))))
    assert asked == decoded and views.spent == pytest.approx(cost * len(decoded))
    assert all(np.array_equal(shown[step], to_uint8(torch.full((1, 3, 8, 8), 0.5))) for step in decoded)
    last = torch.full((1, 4, 4, 4), 5.0)
    if 5 not in decoded:  # the linear map, with what the last decoding had beyond it
        beyond = shown[3].astype(int) - plain.preview(torch.full((1, 4, 4, 4), 3.0))
        assert np.array_equal(shown[5], (plain.preview(last) + beyond).clip(0, 255))
        assert np.array_equal(views.preview(last), plain.preview(last))
    else:
        assert np.array_equal(views.preview(last), shown[5])  # as it was seen, without decoding it again
    assert asked == decoded


def test_steps_and_films_are_sharp_where_that_is_chosen(twin, folder):
    model, network = twin

    def run():
        steps = Trajectory()
        return [(step, step.denoised) for step in model.previews(PLAN, trajectory=steps)], steps

    network.save_pretrained(folder / "taesd")
    fast, _ = run()
    own_files.change(
        places.config_dir() / "settings.json", lambda kept: {**kept, "window": {"previews": "sharp"}}
    )
    sharp, steps = run()
    wanted = to_uint8(network.decode(steps.state(2).denoised).sample)
    assert steps.views.spent > 0 and not steps.views.remark
    assert np.array_equal(steps.view(2, detailed=True), wanted)
    film = of_trajectory(steps, FilmSettings(picture=1, scale=1), detailed=True)
    assert np.array_equal(film.draw(len(film.ticks) - 1), sharp[-1][1][0])
    assert np.array_equal(sharp[0][1], to_uint8(network.decode(steps.state(0).denoised).sample))
    assert not np.array_equal(fast[0][1], sharp[0][1])
    assert np.array_equal(fast[-1][0].result, sharp[-1][0].result)  # the image itself is what it was
    previews.ask_for("fast")  # as the command line does
    assert np.array_equal(run()[0][0][1], fast[0][1])


def test_a_model_whose_own_decoder_is_small_needs_no_file(sd, folder, monkeypatch):
    network = taesd()
    monkeypatch.setattr(sd[0], "autoencoder", DiffusersAutoencoder(network, "cpu"))
    previews.ask_for("sharp")
    steps = Trajectory()
    [*sd[0].previews(replace(PLAN, steps=2), trajectory=steps)]
    wanted = to_uint8(network.decode(steps.state(1).denoised).sample)
    assert np.array_equal(steps.view(1, detailed=True), wanted) and not steps.views.remark


def test_without_a_fitting_file_they_are_fast_and_it_is_said(twin, folder):
    previews.ask_for("sharp")
    steps = Trajectory()
    *_, last = twin[0].previews(replace(PLAN, steps=2), trajectory=steps)
    assert last.result.shape == (1, SIDE, SIDE, 3) and not steps.views.spent
    assert "madebyollin/taesd" in steps.views.remark and str(folder) in steps.views.remark
    twin[1].save_pretrained(folder / "taesd")  # put there while the model is loaded
    [*twin[0].previews(replace(PLAN, steps=2), trajectory=steps)]
    assert not steps.views.remark
