"""The README beside an exported model: what it is, and a few lines of Python that draw with it. Nothing heavy."""

from __future__ import annotations

from diffusion_studio.diffusion.scheduler_classes import is_consistency
from diffusion_studio.models.card import ModelCard

CONSISTENCY = """from diffusers import ConsistencyModelPipeline
pipeline = ConsistencyModelPipeline.from_pretrained({folder!r})
pipeline({labels}num_inference_steps={steps}).images[0].save("picture.png")"""

SAVE = '.save("picture.png")'
UNPREMULTIPLIED = 'Image.frombytes("RGBa", {size}, {pixels}.tobytes()).convert("RGBA")'
# Of images whose pixels are opaque or nothing: as alpha is nearer, and without colours where there is nothing.
BINARY = """
alpha = image.getchannel("A").point(lambda alpha: 255 if alpha >= 128 else 0)
picture = Image.new("RGBA", image.size)
picture.paste(image.convert("RGB"), mask=alpha)
picture"""

PIPELINE = """from diffusers import DDPMPipeline
pipeline = DDPMPipeline.from_pretrained({folder!r})
{bands}pipeline(num_inference_steps={steps}).images[0].save("picture.png")"""

WITH_CLASSES = """import functools, torch
from diffusers import DDPMPipeline
pipeline = DDPMPipeline.from_pretrained({folder!r})
{bands}pipeline.unet.forward = functools.partial(pipeline.unet.forward, class_labels=torch.tensor([0]))
pipeline(num_inference_steps={steps}).images[0].save("picture.png")"""

# For a network that sees Haar bands, the coordinates of each place, or both: these lines give it what it takes for what the
# pipeline gives, and turn its answer back into pixels.
HAAR = """haar = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1.0]]) / 2
rotate = lambda x: torch.einsum("ij,ncjhw->ncihw", haar, x.unflatten(1, (-1, 4))).flatten(1, 2)
"""
PLACES = """places = torch.stack(torch.meshgrid(torch.linspace(-1, 1, {across}), torch.linspace(-1, 1, {down}), indexing="xy"))
"""
GIVEN = """pipeline.unet.register_forward_pre_hook(lambda unet, x: ({given}, *x[1:]))
"""
ANSWERED = """pipeline.unet.register_forward_hook(lambda unet, x, y: type(y)({answered}))
"""
ASKED = """pipeline.unet.register_to_config(in_channels={channels}, sample_size={size})
"""

# DDIM of Song et al. 2021 (eq. 12) with clipping, as the application itself draws.
ONNX = """import json, pathlib, numpy as np, onnxruntime
from PIL import Image
network = onnxruntime.InferenceSession({file!r})
schedule = json.loads(pathlib.Path({schedule!r}).read_text())
alpha_bar = np.append(schedule["alpha_bar"], 1.0)  # one more, for the finished picture
random = np.random.default_rng(7)
x = random.standard_normal((1, {channels}, {height}, {width})).astype(np.float32)
steps = [*np.linspace({timesteps}, 0, {steps}, endpoint=False).round().astype(int) - 1, -1]
for t, following in zip(steps, steps[1:]):
    answer = network.run(None, {{"sample": x, "timestep": np.array([t], np.float32){labels}}})[0]
    signal, noise = alpha_bar[t] ** 0.5, (1 - alpha_bar[t]) ** 0.5
    clean = {clean}
    left = {left}
    x = (alpha_bar[following] ** 0.5 * clean + (1 - alpha_bar[following]) ** 0.5 * left).astype(np.float32)
{decoded}pixels = ((x[0].transpose(1, 2, 0).clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
Image.fromarray(pixels{grey}).save("picture.png")"""

# Euler's method on a flow: x̂_0 = x_t - t u, and a straight step towards it.
ONNX_FLOW = """import json, pathlib, numpy as np, onnxruntime
from PIL import Image
network = onnxruntime.InferenceSession({file!r})
schedule = json.loads(pathlib.Path({schedule!r}).read_text())
random = np.random.default_rng(7)
x = random.standard_normal((1, {channels}, {height}, {width})).astype(np.float32)
times = np.linspace(1, 0, {steps} + 1)
times = schedule["shift"] * times / (1 + (schedule["shift"] - 1) * times)
for t, following in zip(times, times[1:]):
    timestep = np.array([schedule["timesteps"] * t], np.float32)
    velocity = network.run(None, {{"sample": x, "timestep": timestep{labels}}})[0]
    clean = {clean}
    x = (clean + following {left}).astype(np.float32)
{decoded}pixels = ((x[0].transpose(1, 2, 0).clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
Image.fromarray(pixels{grey}).save("picture.png")"""

# Song et al. 2023, algorithm 1, over Karras' levels.
ONNX_CONSISTENCY = """import json, pathlib, numpy as np, onnxruntime
from PIL import Image
network = onnxruntime.InferenceSession({file!r})
schedule = json.loads(pathlib.Path({schedule!r}).read_text())
low, high, data, rho = (schedule[name] for name in ("sigma_min", "sigma_max", "sigma_data", "rho"))
ramp = np.arange({steps}) * (schedule["timesteps"] // {steps}) / (schedule["timesteps"] - 1)
sigmas = [*(high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho, low]
random = np.random.default_rng(7)
x = random.standard_normal((1, {channels}, {height}, {width})) * high
for sigma, following in zip(sigmas, sigmas[1:]):
    given, time = x / (sigma**2 + data**2) ** 0.5, np.array([250 * np.log(sigma)], np.float32)
    answer = network.run(None, {{"sample": given.astype(np.float32), "timestep": time{labels}}})[0]
    skip = data**2 / ((sigma - low) ** 2 + data**2)
    clean = {clean}
    x = clean + max(following**2 - low**2, 0) ** 0.5 * random.standard_normal(x.shape)
{decoded}pixels = ((x[0].transpose(1, 2, 0).clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
Image.fromarray(pixels{grey}).save("picture.png")"""

CLEAN = {  # what the network's answer means
    "epsilon": "(x - noise * answer) / signal",
    "v_prediction": "signal * x - noise * answer",
    "sample": "answer",
    "flow": "x - t * velocity",
    "consistency": "skip * x + (sigma - low) * data / (sigma**2 + data**2) ** 0.5 * answer",
}
DECODED = """decoder = onnxruntime.InferenceSession({file!r})
x = decoder.run(None, {{"latents": x.astype(np.float32)}})[0]
"""


def for_diffusers(card: ModelCard, folder: str) -> str:
    """Three lines for `DDPMPipeline`.

    It knows no classes, so where the network asks for one, another line says which; nor Haar bands or coordinates, which take
    six more.
    """
    if is_consistency(card.schedule):
        labels = "class_labels=0, " if card.class_count else ""
        code = CONSISTENCY.format(folder=folder, steps=card.defaults().steps, labels=labels)
        return _page(card, _straight(card, code))
    code = WITH_CLASSES if card.class_count else PIPELINE
    return _page(card, _straight(card, code.format(folder=folder, steps=_steps(card), bands=_bands(card))))


def _straight(card: ModelCard, code: str) -> str:
    """The lines for diffusers, which takes four channels for colours as they are, where a model's are premultiplied."""
    if not card.pixels_are.premultiplied:
        return code
    *before, last = code.splitlines()
    return "\n".join(
        ["from PIL import Image", *before, last.replace(SAVE, ""), _transparent(card, "image.size", "image")]
    ).replace("\npipeline(", "\nimage = pipeline(")


def _transparent(card: ModelCard, size: str, pixels: str) -> str:
    """The lines that save premultiplied pixels, as the model's training images were transparent."""
    image = UNPREMULTIPLIED.format(size=size, pixels=pixels)
    return f"image = {image}{BINARY}{SAVE}" if card.pixels_are.binary_alpha else f"{image}{SAVE}"


def _steps(card: ModelCard) -> int:
    """For diffusers' sampler, which takes more of them than ours unless the model was made for few."""
    own = card.defaults()
    return own.steps if own.sampler == "consistency" else max(own.steps, 50)


def _bands(card: ModelCard) -> str:
    """The lines for a network that sees Haar bands or coordinates; "" for one of pixels alone."""
    network, given, answered = card.network, "x[0]", "y.sample"
    if not network.space_levels and not network.coordinates:
        return ""
    lines = "import torch\n"
    if network.space_levels:
        lines += HAAR
    for _ in range(network.space_levels):
        given = f"rotate(torch.pixel_unshuffle({given}, 2))"
        answered = f"torch.pixel_shuffle(rotate({answered}), 2)"
    if network.coordinates:
        down, across = network.map_sides
        lines += PLACES.format(across=across, down=down)
        given = f"torch.cat([{given}, places.expand(len(x[0]), -1, -1, -1)], 1)"
    lines += GIVEN.format(given=given)
    if network.space_levels:
        lines += ANSWERED.format(answered=answered)
    size = card.sides[0] if len(set(card.sides)) == 1 else card.sides
    return lines + ASKED.format(channels=card.channels, size=size)


def for_onnx(card: ModelCard, folder: str, *, timesteps: int, opset: int, checked: str) -> str:
    reach = float(card.schedule.get("clip_sample_range", 1.0) or 1.0)
    classed = bool(card.class_count)
    afresh = card.defaults().sampler == "consistency"  # between steps, noise is added to the image
    template = ONNX_FLOW if card.flow else ONNX
    kept = "/ t * (x - clean)" if card.flow else "(x - signal * clean) / noise"
    fresh = "* (random.standard_normal(x.shape) - clean)" if card.flow else "random.standard_normal(x.shape)"
    kind = "flow" if card.flow else card.prediction
    if is_consistency(card.schedule):
        template, kind = ONNX_CONSISTENCY, "consistency"
    latent, clean = card.autoencoder is not None, CLEAN.get(kind, "")
    channels, (height, width) = card.network.channels, card.network.sides  # of what the network works on
    code = template.format(
        file=f"{folder}/model.onnx",
        schedule=f"{folder}/schedule.json",
        steps=card.defaults().steps if afresh else 50,
        left=fresh if afresh else kept,
        timesteps=timesteps,
        channels=channels,
        height=height,
        width=width,
        labels=', "class_labels": np.array([0])' if classed else "",
        clean=clean if latent else f"np.clip({clean}, {-reach:g}, {reach:g})",
        decoded=DECODED.format(file=f"{folder}/decoder.onnx") if latent else "",
        grey="[:, :, 0]" if card.channels == 1 else "",
    )
    if card.pixels_are.premultiplied:
        size = (card.sides[1], card.sides[0])
        code = code.replace(f"Image.fromarray(pixels){SAVE}", _transparent(card, str(size), "pixels"))
    if card.pixels_are.depth == 16:
        code = code.replace("* 127.5).round().astype(np.uint8)", "* 32767.5).round().astype(np.uint16)")
    inputs = f"`sample` (N, {channels}, {height}, {width}) and `timestep` (N), both float32"
    inputs += ", and `class_labels` (N), int64" if classed else ""
    numbers = "how t becomes a timestep, and the shift" if card.flow else "alpha-bar for each timestep"
    numbers = "the noise levels it was trained between" if is_consistency(card.schedule) else numbers
    decoder = (
        f"It works on latents, which `decoder.onnx` turns into an image: `latents` -> `image` (N, {card.channels}, "
        f"{card.sides[0]}, {card.sides[1]}). "
        if latent
        else ""
    )
    about = (
        f"`model.onnx` is the network alone, opset {opset}, for any number of pictures N at once. It takes {inputs}, and "
        f"returns `out_sample`, float32. {decoder}{checked}\n\n`schedule.json` has {numbers}; "
        "`scheduler_config.json` says the same in the words of diffusers."
    )
    return _page(card, code, about)


def _page(card: ModelCard, code: str, about: str = "") -> str:
    parts = [f"# {card.title}", card.description, f"```python\n{code}\n```", about]
    if card.class_count:
        named = ", ".join(f"{row} {label}" for row, label in enumerate(card.classes))
        parts.append(f"Classes by number: {named}.")
    if card.licence:
        parts.append(f"Licence: {card.licence}")
    return "\n\n".join(part for part in parts if part) + "\n"
