"""A network as an ONNX file, for programs without torch: web pages, games, other languages.

Needs the `onnx` extra to be written; where onnxruntime is installed, its answers are compared with torch's.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.machine.devices import DTYPES

OPSET = 18  # the first whose GroupNormalization and Resize are as the exporter writes them; onnxruntime 1.14 and later
WRITERS = ("onnx", "onnxscript")
FORMATS = ("float32", "float16")  # onnxruntime has no convolutions in bfloat16
SAMPLE, TIMESTEP, LABELS, ANSWER = "sample", "timestep", "class_labels", "out_sample"
LATENTS, IMAGE = "latents", "image"  # of a decoder
LEVELS = {"float32": 1.0, "float16": 8.0}  # of 255, by which a decoder's answer may differ
TOLERANCES = {"float32": 1e-3, "float16": 5e-2}  # of the greatest answer


def missing_packages() -> str:
    """What to install before a network can be written as ONNX, in a sentence; "" where nothing is missing."""
    missing = [name for name in WRITERS if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    names = " and ".join(missing)
    return plural(
        "ONNX needs the package {names}: pip install {missing}.",
        "ONNX needs the packages {names}: pip install {missing}.",
        len(missing),
        names=names,
        missing=" ".join(missing),
    )


def check_possible(network: UNet, dtype: str) -> None:
    """Raises `UserError` saying why this network cannot be exported, or what to install."""
    if dtype not in FORMATS:
        raise UserError(
            tr(
                "As ONNX a network can be written as {formats}, not as {dtype}.",
                formats=" or ".join(FORMATS),
                dtype=dtype,
            )
        )
    if network.config.class_embed_type == "identity":
        raise UserError(
            tr("This network needs a row of numbers with each image, which the ONNX export does not support.")
        )
    if missing_packages():
        raise UserError(missing_packages())


def write_onnx(network: UNet, file: Path, dtype: str = "float32") -> float | None:
    """Write a network; returns the greatest difference from torch as a share of the answer, None where it was not checked.

    Its inputs: sample (N, C, H, W) and timestep (N,) float32, class_labels (N,) int64 where it has classes; its answer
    is float32 too, whatever the weights are. Raises `UserError` where the answers differ.
    """
    check_possible(network, dtype)
    plain = _Plain(network, DTYPES[dtype]).eval()
    _write(plain, questions(network, 2), ANSWER, file)
    return compare(plain, network, file, TOLERANCES[dtype])


def write_decoder(
    network: TinyAutoencoder, channels: int, sides: tuple[int, int], file: Path, dtype: str = "float32"
) -> float | None:
    """Write what makes images of latents; returns the greatest difference from torch in levels of 255, None where not checked.

    latents (N, C, *sides) float32 -> image (N, channels, H, W) float32, about -1 to 1. Raises `UserError` where the answers
    differ.
    """
    decoder = _Decoder(network, channels, DTYPES[dtype]).eval()
    shape = (network.config.latent_channels, *sides)

    def latents(count: int) -> Tensor:
        return torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))

    _write(decoder, {LATENTS: latents(2)}, IMAGE, file)
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    worst = 0.0
    for count in (1, 3):
        with torch.no_grad():
            right = decoder(latents(count)).clamp(-1, 1)
        (answer,) = _session(file).run([IMAGE], {LATENTS: latents(count).numpy()})
        worst = max(worst, float((torch.from_numpy(answer).clamp(-1, 1) - right).abs().max()) * 127.5)
    if not worst <= LEVELS[dtype]:
        raise UserError(
            tr(
                "The ONNX decoder answers otherwise than torch's (by {worst:.1f} of 255 levels), so it was not kept.",
                worst=worst,
            )
        )
    return worst


def _write(module: nn.Module, inputs: Mapping[str, Tensor], answer: str, file: Path) -> None:
    """Write a module that is called with these, for any number of them at once."""
    batch = torch.export.Dim("batch")
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[answer],
            dynamic_shapes=tuple({0: batch} for _ in inputs),
        )
        if program is None:
            raise UserError(tr("torch wrote no ONNX network."))
        program.save(str(file), external_data=False)


def _session(file: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def questions(network: UNet, count: int, seed: int = 0) -> dict[str, Tensor]:
    """A batch as the network is asked: pictures of noise, timesteps, and classes where it has them."""
    config, generator = network.config, torch.Generator().manual_seed(seed)
    inputs = {
        SAMPLE: torch.randn(count, config.channels, *config.sides, generator=generator),
        TIMESTEP: torch.linspace(999, 0, count).round(),
    }
    if network.class_embedding is not None:
        rows = config.num_class_embeds or 1000
        inputs[LABELS] = torch.arange(count) % rows
    return inputs


def compare(plain: nn.Module, network: UNet, file: Path, tolerance: float) -> float | None:
    """Ask torch and onnxruntime the same, in batches of 1 and 3, of which neither was exported."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    session = _session(file)
    worst = 0.0
    for count in (1, 3):
        inputs = questions(network, count, seed=count)
        with torch.no_grad():
            right = plain(*inputs.values())
        (answer,) = session.run([ANSWER], {name: tensor.numpy() for name, tensor in inputs.items()})
        difference = (torch.from_numpy(answer) - right).abs().max() / right.abs().max().clamp(min=1e-6)
        worst = max(worst, float(difference))
    if not worst <= tolerance:  # a difference that is not a number too
        raise UserError(
            tr(
                "The ONNX network answers otherwise than torch's (by {worst:.1%}), so it was not kept.",
                worst=worst,
            )
        )
    return worst


class _Plain(nn.Module):
    """The network with float32 at both ends, so that callers need not know the format of its weights."""

    def __init__(self, network: UNet, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        if dtype != torch.float32:
            self.network = UNet(network.config)
            self.network.load_state_dict(network.state_dict())
            self.network.to(dtype)

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor | None = None) -> Tensor:
        prediction: Tensor = self.network(sample.to(self.dtype), timestep, class_labels)
        return prediction.float()


class _Decoder(nn.Module):
    """The half of an autoencoder that makes images, with float32 at both ends."""

    def __init__(self, network: TinyAutoencoder, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).to("cpu", dtype)
        self.channels, self.dtype = channels, dtype

    def forward(self, latents: Tensor) -> Tensor:
        return self.network.decode_image(latents.to(self.dtype), self.channels).float()


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter writes notes about itself that no user can follow, and draws bars whose watching thread never ends."""
    from tqdm import tqdm

    logger = logging.getLogger("torch.onnx")
    before, interval = logger.level, tqdm.monitor_interval
    tqdm.monitor_interval = 0
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(tr("torch could not write this network as ONNX."), details=str(error)) from None
    finally:
        logger.setLevel(before)
        tqdm.monitor_interval = interval


def describe_check(difference: float | None) -> str:
    """A sentence for the README and the user."""
    if difference is None:
        return tr("It was not compared with torch's answers, because onnxruntime is not installed.")
    return tr(
        "Compared with torch through onnxruntime: the greatest difference is {difference:.1e} of the answer.",
        difference=difference,
    )


def describe_decoder(levels: float) -> str:
    """The same of what makes images of latents."""
    return tr("The decoder differs from torch's by at most {levels:.1g} of 255 levels.", levels=levels)
