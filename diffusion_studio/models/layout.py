"""Where the files of a model are, and how its small JSON files are read and judged: no torch, no weights."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.recognise import content_of, explain, explain_class
from diffusion_studio.pictures.folder_listing import JOINERS
from diffusion_studio.storage import own_files
from diffusion_studio.storage.foreign_file import read_foreign_json
from diffusion_studio.storage.places import config_dir, data_dir

CARD, SAMPLES = "card.json", "samples.png"
SOURCE = "source.json"  # in the folder of a registered model: where its files are, and what they were
EARLY = Path(
    "early", "diffusion_pytorch_model.safetensors"
)  # weights from early in the training, for autoguidance
LARGEST_SHEET = 8 << 20  # bytes of the sheet of samples
AUTOENCODER = "vqvae"  # as LDMPipeline of diffusers calls it
AVERAGED = "unet_ema"  # where trainings with diffusers keep the average of the weights


def default_file() -> Path:
    return config_dir() / "default-model.json"


def notes_file(name: str) -> Path:
    """What the user changed about a starter model, whose folder belongs to the application."""
    return data_dir() / "starters" / f"{name}.json"


def unet_folder(folder: Path) -> Path:
    """Where the network's files are: averaged in `unet_ema/`, in `unet/`, or beside the others as in the hub's first models."""
    if (folder / AVERAGED / "config.json").is_file():
        return folder / AVERAGED
    return folder / "unet" if (folder / "unet").is_dir() else folder


def schedule_file(folder: Path) -> Path:
    nested = folder / "scheduler" / "scheduler_config.json"
    return nested if nested.is_file() else folder / "scheduler_config.json"


def read_small_json(path: Path, *, within: Path | None = None) -> dict[str, Any]:
    """A JSON object from a file of at most 1 MB that belongs to the folder `within`. Raises `UserError` with its name."""
    try:
        value = read_foreign_json(path, within=within)
    except FileNotFoundError:
        raise UserError(tr("{path} is missing.", path=path)) from None
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror), str(error)
        ) from None
    except ValueError as error:
        meaning = content_of(path)
        raise UserError(
            f"{path} {f'is {meaning}' if meaning else 'cannot be read as JSON'}.", str(error)
        ) from None
    if not isinstance(value, dict):
        raise UserError(tr("{path} must hold a JSON object.", path=path))
    return value


def read_config(path: Path, *, within: Path | None = None) -> UNetConfig:
    """unet/config.json, every key and value of it checked, for a network that draws pixels."""
    if not path.is_file():
        raise UserError(tr("{path} is missing. {explain}", path=path, explain=explain(path.parent)))
    values = read_small_json(path, within=within)
    kind = str(values.get("_class_name", "UNet2DModel"))
    if kind != "UNet2DModel":
        raise UserError(
            tr(
                "{path} is {explain_class}; only a UNet2DModel (diffusion in pixels) can be opened.",
                path=path,
                explain_class=explain_class(kind),
            )
        )
    try:
        config = UNetConfig.from_dict(values)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: {error}") from None
    factor = config.smallest_factor
    # Four may be RGBA or latents: a pipeline of pixels says it is images, a network by itself says nothing.
    whole = within is not None and (within / "model_index.json").is_file()
    latent = None if within is None else read_autoencoder_config(within / AUTOENCODER, within=within)
    if latent is not None:
        if config.channels != latent.latent_channels:
            raise UserError(
                tr(
                    "{path}: in_channels is {in_channels}, and the autoencoder beside it has {latent_channels}.",
                    path=path,
                    in_channels=config.in_channels,
                    latent_channels=latent.latent_channels,
                )
            )
    elif config.channels not in ((1, 3, 4) if whole else (1, 3)):
        raise UserError(
            tr(
                "{path}: in_channels is {in_channels}, so this draws latents or something else than pictures; "
                "1 (grey), 3 (RGB) and, in a pipeline of pixels, 4 (RGBA) are allowed.",
                path=path,
                in_channels=config.in_channels,
            )
        )
    if config.out_channels not in (config.seen, 2 * config.seen):
        raise UserError(
            tr(
                "{path}: out_channels is {out_channels} where in_channels is {in_channels}; it must be as many, or twice as "
                "many where the variance is predicted too.",
                path=path,
                out_channels=config.out_channels,
                in_channels=config.in_channels,
            )
        )
    wrong = next((side for side in config.sides if side % factor), None)
    if wrong is not None:
        raise UserError(
            tr(
                "{path}: sample_size {wrong} cannot be halved at each level; it must be a multiple of {factor}.",
                path=path,
                wrong=wrong,
                factor=factor,
            )
        )
    return config


def read_autoencoder_config(place: Path, *, within: Path) -> AutoencoderConfig | None:
    """config.json of a model's own autoencoder; None where there is none. Raises `UserError` for one that is not ours."""
    path = place / "config.json"
    return AutoencoderConfig.from_diffusers(read_small_json(path, within=within)) if path.is_file() else None


def read_schedule_config(folder: Path) -> dict[str, Any]:
    """scheduler_config.json with its class, types and words checked; DDPM's own where there is none."""
    path = schedule_file(folder)
    if not path.is_file():
        return {"num_train_timesteps": 1000, "beta_schedule": "linear", "prediction_type": "epsilon"}
    values = read_small_json(path, within=folder)
    try:
        scheduler_config.check_config(values)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    return values


def is_registered(folder: Path) -> bool:
    """Whether a folder among the models is an entry for a model whose files are elsewhere."""
    return (folder / SOURCE).is_file()


def source_of(folder: Path) -> list[Path]:
    """The place of a registered model's files, which is looked at for changes as well; none of another model."""
    path = own_files.read(folder / SOURCE).get("path") if is_registered(folder) else None
    return [Path(path)] if isinstance(path, str) and path and "\0" not in path else []


# Texts in foreign files -----------------------------------------------------------------------------------------------


def line(value: object, longest: int) -> str:
    """A foreign text as one line in which nothing is unseen or steers a terminal."""
    return " ".join(text(value, longest).split())


def text(value: object, longest: int) -> str:
    """A foreign text, composed (NFC) and without control characters but line breaks."""
    text = str(value)[:longest] if isinstance(value, str | int | float) else ""
    return "".join(
        letter if letter.isprintable() or letter == "\n" or letter in JOINERS else " "
        for letter in unicodedata.normalize("NFC", text)
    )
