"""Text models make the images that diffusers' own pipelines make, and everything else the program does works with them too."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from diffusion_studio.diffusion.processes import process_from_config
from diffusion_studio.errors import UserError
from diffusion_studio.generation import latent_views, latents, opening
from diffusion_studio.generation.autoencoders import Autoencoder
from diffusion_studio.generation.space import PixelSpace, to_uint8
from diffusion_studio.generation.text.prompts import blend_of
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.machine import devices
from diffusion_studio.models.text.components import Prepared
from diffusion_studio.settings.branches import branch, single
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.storage.places import loras_dir
from tests.tiny_text_models import SIDE, lively, open_tiny, stable_diffusion

# of diffusers' schedulers, which make arrays of tensors
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PROMPT = "a red cat"
PLAN = GenerationSettings(
    prompt=PROMPT,
    steps=8,
    seed=3,
    sampler="ddim",
    spacing="leading",
    guidance=7.5,
    precision="float32",
    device="cpu",
)
LEADING = {"timestep_spacing": "leading"}
VELOCITY = {"prediction_type": "v_prediction"}
SCHEDULERS = {  # ours: sampler, spacing; diffusers': class and what is changed of it
    "DDIM": ("ddim", "leading", "DDIMScheduler", {}),
    "Euler": ("ddim", "leading", "EulerDiscreteScheduler", LEADING),
    "Euler ancestral": ("euler_ancestral", "leading", "EulerAncestralDiscreteScheduler", LEADING),
    "DPM++ 2M": ("dpmpp_2m", "leading", "DPMSolverMultistepScheduler", LEADING),
    "DPM++ 2M Karras": ("dpmpp_2m", "karras", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "Heun": ("heun", "leading", "HeunDiscreteScheduler", LEADING),
    "DDIM, v": ("ddim", "leading", "DDIMScheduler", VELOCITY),
    "Euler, v": ("ddim", "leading", "EulerDiscreteScheduler", {**LEADING, **VELOCITY}),
}


def generate(model, settings, **how):
    return [*model.previews(settings, **how)][-1].result


def theirs(pipeline, settings, **how):
    """What diffusers' pipeline makes of the same settings, in 0 to 255."""
    how = {
        "prompt": settings.prompt,
        "height": SIDE,
        "width": SIDE,
        "guidance_scale": settings.guidance,
        **how,
    }
    generator = torch.Generator().manual_seed(settings.seed)
    made = pipeline(num_inference_steps=settings.steps, generator=generator, output_type="np", **how)
    return made.images[0] * 255


def use(monkeypatch, model, pipeline, kind, changes):
    """Give both the same scheduler."""
    import diffusers

    config = {key: value for key, value in pipeline.scheduler.config.items() if not key.startswith("_")}
    config = {**config, **changes}
    scheduler = getattr(diffusers, kind).from_config(config)
    monkeypatch.setattr(pipeline, "scheduler", scheduler)
    monkeypatch.setattr(model, "schedule", process_from_config({**scheduler.config, "_class_name": kind}))


def assert_alike(mine, wanted):
    assert np.abs(mine - wanted).max() <= 1 and wanted.std() > 20


# The same images as diffusers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_image_is_that_of_diffusers(sd, monkeypatch, name):
    sampler, spacing, kind, changes = SCHEDULERS[name]
    use(monkeypatch, *sd, kind, changes)
    settings = replace(PLAN, sampler=sampler, spacing=spacing)
    assert_alike(generate(sd[0], settings)[0], theirs(sd[1], settings))


@pytest.mark.parametrize("guidance", [1.0, 7.5])
@pytest.mark.parametrize("negative", ["", "a blue dog"])
def test_guidance_and_the_negative_prompt_are_those_of_diffusers(sd, sdxl, guidance, negative):
    settings = replace(PLAN, guidance=guidance, negative=negative, steps=4)
    for model, pipeline in (sd, sdxl):
        wanted = theirs(pipeline, settings, negative_prompt=negative or None)
        assert_alike(generate(model, settings)[0], wanted)


@pytest.mark.parametrize(
    ("sampler", "kind"),
    [("ddim", "EulerDiscreteScheduler"), ("euler_ancestral", "EulerAncestralDiscreteScheduler")],
)
def test_a_turbo_is_that_of_diffusers(sdxl, monkeypatch, sampler, kind):
    use(monkeypatch, *sdxl, kind, {"timestep_spacing": "trailing"})
    for steps in (1, 4):
        settings = replace(PLAN, sampler=sampler, spacing="trailing", guidance=1.0, steps=steps)
        assert_alike(generate(sdxl[0], settings)[0], theirs(sdxl[1], settings, guidance_scale=0.0))


def test_one_large_model_goes_before_another_comes(sd, tmp_path, monkeypatch):
    model, _ = sd
    monkeypatch.setattr(opening, "_opened", {("old",): model})
    room = []
    load = Prepared.load

    def loading(self, dtype):
        room.append(len(opening._opened))
        return load(self, dtype)

    monkeypatch.setattr(Prepared, "load", loading)
    broken = replace(model.card, text=replace(model.card.text, source=tmp_path))
    with pytest.raises(UserError):
        opening.open_model(broken, device="cpu", precision="float32")
    assert list(opening._opened.values()) == [model]  # what is refused takes nothing away
    found = opening.open_model(model.card, device="cpu", precision="float32")
    assert room == [0, 0, 0] and list(opening._opened.values()) == [found]


def test_a_flow_is_that_of_diffusers(z_image):
    model, pipeline = z_image
    settings = replace(PLAN, guidance=1.0, spacing="trailing", steps=4)
    assert_alike(generate(model, settings)[0], theirs(pipeline, settings, guidance_scale=0.0))
    guided = replace(settings, guidance=4.0, negative="dark")  # theirs counts from 0
    wanted = theirs(pipeline, guided, guidance_scale=3.0, negative_prompt="dark")
    assert_alike(generate(model, guided)[0], wanted)


def test_a_latent_consistency_model_is_that_of_diffusers(tmp_path):
    """Its network is told the guidance, and its sampler noises every prediction anew."""
    pipeline = stable_diffusion(tmp_path / "lcm", unet={"time_cond_proj_dim": 9}, scheduler="LCMScheduler")
    model = open_tiny(tmp_path / "lcm")
    assert model.card.recommended["sampler"] == "consistency" and model.card.recommended["guidance"] == 8
    settings = replace(PLAN, sampler="consistency", spacing="trailing", steps=4)
    assert_alike(generate(model, settings)[0], theirs(pipeline, settings))


def test_a_tiny_autoencoder_is_that_of_diffusers(sd, tmp_path):
    import diffusers

    small = {"encoder_block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8]}
    blocks = {"num_encoder_blocks": [1, 1], "num_decoder_blocks": [1, 1]}
    vae = lively(diffusers.AutoencoderTiny(**small, **blocks), 6)
    pipeline = diffusers.StableDiffusionPipeline(
        **{**sd[1].components, "vae": vae}, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(tmp_path / "tiny")
    model, settings = open_tiny(tmp_path / "tiny"), replace(PLAN, steps=3)
    wanted = theirs(pipeline, settings)
    assert np.abs(generate(model, settings)[0] - wanted).max() <= 1
    assert generate(model, replace(settings, strength=0.5), source=source()).shape == (1, SIDE, SIDE, 3)


def test_a_decoder_works_on_tiles_when_memory_is_short(sd, monkeypatch):
    model = sd[0]
    plain = generate(model, replace(PLAN, steps=2))
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1)
    model.autoencoder.network.tile_latent_min_size = 12
    model.autoencoder.network.tile_sample_min_size = 24
    tiled = generate(model, replace(PLAN, steps=2))
    assert model.autoencoder.network.use_tiling
    assert tiled.shape == plain.shape and not np.array_equal(tiled, plain)
    monkeypatch.undo()
    assert np.array_equal(generate(model, replace(PLAN, steps=2)), plain)


@pytest.mark.parametrize("family", ["sd", "z_image"])
def test_a_start_image_is_that_of_diffusers(family, request):
    import diffusers
    from PIL import Image

    model, pipeline = request.getfixturevalue(family)
    flow = family == "z_image"
    kind = diffusers.ZImageImg2ImgPipeline if flow else diffusers.StableDiffusionImg2ImgPipeline
    other = kind(**pipeline.components, **({} if flow else {"requires_safety_checker": False}))
    other.set_progress_bar_config(disable=True)
    # strength is a share of the timesteps here, and of the steps there: half of 8 steps begin at timestep 376
    settings = replace(PLAN, guidance=1.0 if flow else 7.5, spacing="trailing" if flow else "leading")
    settings = replace(settings, strength=0.5 if flow else 376 / 999)
    wanted = other(
        PROMPT,
        image=Image.fromarray(source()),
        strength=0.5,
        num_inference_steps=8,
        generator=torch.Generator().manual_seed(3),
        guidance_scale=0.0 if flow else 7.5,
        output_type="np",
        **({"height": SIDE, "width": SIDE} if flow else {}),
    ).images[0]
    assert_alike(generate(model, settings, source=source())[0], wanted * 255)


def source():
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    return np.stack([across * 8, down * 8, 255 - across * 4], axis=2).astype(np.uint8)


# Prompts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 75, 200])
def test_prompts_of_any_length_are_encoded_in_chunks(sd, count):
    model, pipeline = sd
    words = " ".join(["cat", "dog", "red"][number % 3] for number in range(count))
    found = model.condition(words, 1).tokens
    tokenizer = pipeline.tokenizer
    ids = tokenizer(words, add_special_tokens=False, verbose=False).input_ids
    assert len(ids) == count
    texts = [tokenizer.decode(ids[first : first + 75]) for first in range(0, count, 75)]
    chunks = [tokenizer(text, padding="max_length", return_tensors="pt").input_ids for text in texts]
    with torch.no_grad():
        wanted = torch.cat([pipeline.text_encoder(chunk)[0][0] for chunk in chunks])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    settings = replace(PLAN, prompt=words, steps=3)
    empty = model.condition("", 1).lengthened(len(wanted))
    given = {"prompt": None, "prompt_embeds": wanted[None], "negative_prompt_embeds": empty[None]}
    assert_alike(generate(model, settings)[0], theirs(pipeline, settings, **given))


def test_weights_are_those_of_compel(sd):
    compel = pytest.importorskip("compel")
    model, pipeline = sd
    reference = compel.Compel(tokenizer=pipeline.tokenizer, text_encoder=pipeline.text_encoder)
    with torch.no_grad():
        wanted = reference.build_conditioning_tensor("a (red)1.4 cat")[0]
    found = model.condition("a (red:1.4) cat", 1).tokens
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_prompts_blend_and_break_and_skip_layers(sd):
    model, pipeline = sd
    cat, dog = model.condition("a cat", 1).tokens, model.condition("a dog", 1).tokens
    between = model.condition(blend_of("a cat", "a dog", 0.25), 1).tokens
    torch.testing.assert_close(between, 0.75 * cat + 0.25 * dog)
    parts = model.condition("a cat BREAK a dog", 1).tokens
    torch.testing.assert_close(parts, torch.cat([cat, dog]), atol=1e-5, rtol=1e-5)
    ids = pipeline.tokenizer("a cat", padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        layers = pipeline.text_encoder(ids, output_hidden_states=True).hidden_states
        wanted = pipeline.text_encoder.final_layer_norm(layers[-2])[0]
    torch.testing.assert_close(model.condition("a cat", 2).tokens, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="1 to 3"):
        model.condition("a cat", 4)


# Everything else ------------------------------------------------------------------------------------------------------


def test_loras_come_and_go_with_the_settings(sd):
    model, pipeline = sd
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"
    weight = pipeline.unet.state_dict()[f"{layer.removeprefix('unet.')}.weight"]
    ramp = torch.linspace(-3, 3, weight.shape[1] * 2)
    matrices = {"lora_A": ramp[None, ::2].contiguous(), "lora_B": ramp[: weight.shape[0], None].contiguous()}
    loras_dir().mkdir(parents=True)
    save_file(
        {f"{layer}.{part}.weight": value for part, value in matrices.items()},
        loras_dir() / "warm.safetensors",
    )
    plain = generate(model, replace(PLAN, steps=2))
    with_it = replace(PLAN, steps=2, loras=(Lora("warm", weight=0.7),))
    changed = generate(model, with_it)
    kept = weight.clone()
    with torch.no_grad():
        weight += 0.7 * matrices["lora_B"] @ matrices["lora_A"]
        wanted = theirs(pipeline, with_it)
        weight.copy_(kept)
    assert np.abs(changed[0] - wanted).max() <= 1 and not np.array_equal(changed, plain)
    assert np.array_equal(generate(model, replace(PLAN, steps=2)), plain)
    with pytest.raises(UserError, match="absent"):
        generate(model, replace(PLAN, loras=(Lora("absent"),)))
    assert np.array_equal(generate(model, replace(PLAN, steps=2)), plain)


def test_what_a_mask_leaves_alone_stays_as_it_is(sd):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:21, 8:21] = 255
    result = generate(sd[0], replace(PLAN, strength=0.8), source=source(), mask=mask)[0]
    change = np.abs(result.astype(int) - source()).max(axis=2)
    assert change[mask == 0].max() <= 1 and change[mask == 255].mean() > 10


def test_an_image_of_a_batch_is_the_same_alone(sd):
    plan = replace(PLAN, count=3, steps=4)
    batch = generate(sd[0], plan)
    assert np.array_equal(generate(sd[0], single(plan, 1))[0], batch[1])
    assert not np.array_equal(batch[0], batch[1])


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m"])
def test_a_branch_that_changes_nothing_is_its_parent(sd, sampler):
    model, settings = sd[0], replace(PLAN, sampler=sampler)
    trajectory = Trajectory()
    whole = generate(model, settings, trajectory=trajectory)
    assert np.array_equal(trajectory.view(settings.steps), whole)
    assert trajectory.view(3, "noise").shape == trajectory.view(3, "difference").shape == whole.shape
    assert np.array_equal(generate(model, branch(settings, 3), start=trajectory.at(3)), whole)
    other = branch(settings, 3, prompt="a blue dog")
    resumed = generate(model, other, start=trajectory.at(3))
    assert np.array_equal(resumed, generate(model, other)) and not np.array_equal(resumed, whole)


def test_stopping_early_decodes_what_is_there(sd):
    frames = list(sd[0].previews(replace(PLAN, until=3)))
    assert frames[-1].index == 3 and np.array_equal(frames[-1].result, frames[-1].denoised)
    whole = list(sd[0].previews(PLAN))
    assert not np.array_equal(
        frames[-1].result, whole[3].denoised
    )  # which is a cheap preview until it is saved
    assert np.array_equal(frames[-1].result, whole[3].result)


def test_a_preview_is_fitted_to_what_the_decoder_shows_and_remembered(monkeypatch):
    mixture = torch.tensor([[0.5, 0.2, -0.1], [-0.3, 0.4, 0.1], [0.2, -0.2, 0.6], [0.1, 0.1, 0.1]])
    asked = []

    def encode(pictures):
        return torch.einsum("cr,nrhw->nchw", mixture, F.avg_pool2d(pictures, 4))

    def decode(latents):
        return F.interpolate(torch.einsum("rc,nchw->nrhw", mixture.pinverse(), latents) + 0.1, scale_factor=4)

    class Mixing(Autoencoder):
        def encode(self, pictures, noise):
            asked.append(pictures)
            return encode(pictures)

        def _decode(self, latent, count):
            return decode(latent)

    for _ in range(2):  # the second time from the cache folder
        monkeypatch.setattr(latent_views, "_fitted", {})
        space = latents.LatentSpace(Mixing(torch.nn.Identity(), "cpu", 4, 4), PixelSpace((3, SIDE, SIDE)))
        views = space.views
    assert len(asked) == latent_views.PICTURES
    picture = torch.from_numpy(source()[None].astype(np.float32)).permute(0, 3, 1, 2) / 160 - 0.8
    shown = views.preview(encode(picture))
    assert np.abs(shown.astype(int) - to_uint8(decode(encode(picture)))).mean() < 12
    grey = views.noise(torch.zeros(1, 4, 8, 8))
    black = views.difference(encode(picture), encode(picture))
    assert set(grey.flatten()) == {128} and set(black.flatten()) == {0}


def test_memory_that_is_short_becomes_a_sentence(sd, monkeypatch):
    model = sd[0]

    def full(*arguments, **how):
        raise torch.OutOfMemoryError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(type(model.network), "forward", full)
        with pytest.raises(UserError, match="not enough memory"):
            generate(model, replace(PLAN, steps=2))
    assert generate(model, replace(PLAN, steps=2)).shape == (1, SIDE, SIDE, 3)


def test_sides_are_multiples_of_what_the_family_needs(z_image, monkeypatch):
    model = z_image[0]
    assert model.sides(replace(PLAN, width=96, height=64)) == (64, 96)
    monkeypatch.setattr(model, "card", replace(model.card, sizes=((32, 30),)))
    with pytest.raises(UserError, match="multiples of 4 pixels, not 30"):
        model.sides(PLAN)
