"""What a run began from and what it learns from: the network's shape, the schedule, the classes, the pictures' fingerprint.

Written into the run once, so that a later version, or a folder that has changed, is noticed instead of being trusted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from diffusion_studio.diffusion.flow_config import is_flow
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.processes import PROCESSES, process_from_config
from diffusion_studio.diffusion.scheduler_classes import is_consistency
from diffusion_studio.diffusion.scheduler_config import prediction_from_config
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.models import cards
from diffusion_studio.models.folder import read_model
from diffusion_studio.pictures.channels import format_of
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.settings.training import FLOW, LATENTS, TrainingSettings
from diffusion_studio.training.carry_over import NAMES, fit_network, with_coordinates
from diffusion_studio.training.distil.student import student_scheduler, without_variance
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.architectures import learning_rate_for
from diffusion_studio.training.step.new_network import fresh_network, shape_of


@dataclass(frozen=True, kw_only=True)
class Origin:
    config: UNetConfig
    scheduler: Mapping[str, Any]  # as in scheduler_config.json
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    pictures: int
    digest: str  # of pictures and labels: the same data, the same digest
    pixels: PixelFormat = field(default_factory=PixelFormat)  # what the channels mean
    carried: tuple[str, ...] = ()  # how the network it began from was changed, a sentence each

    @property
    def schedule(self) -> Process:
        return process_from_config(self.scheduler)

    @staticmethod
    def of(
        config: UNetConfig,
        schedule: Process,
        pictures: Pictures,
        channels: str = "rgb",
        carried: Sequence[str] = (),
    ) -> Origin:
        counts = tuple(int((pictures.labels == index).sum()) for index in range(len(pictures.classes)))
        return Origin(
            config=config,
            scheduler=dict(schedule.config),
            classes=pictures.classes,
            class_counts=counts,
            pictures=len(pictures),
            digest=fingerprint(pictures),
            pixels=format_of(pictures.images, channels),
            carried=tuple(carried),
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "config": self.config.to_dict(),
            "scheduler": dict(self.scheduler),
            "classes": list(self.classes),
            "class_counts": list(self.class_counts),
            "pictures": self.pictures,
            "digest": self.digest,
            "pixels": self.pixels.to_dict(),
            "carried": list(self.carried),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Origin:
        """Raises `UserError` where the run's file does not say."""
        try:
            return Origin(
                config=UNetConfig.from_dict(values["config"]),
                scheduler=dict(values["scheduler"]),
                classes=tuple(str(name) for name in values["classes"]),
                class_counts=tuple(int(count) for count in values["class_counts"]),
                pictures=int(values["pictures"]),
                digest=str(values["digest"]),
                pixels=PixelFormat.from_dict(values.get("pixels")),
                carried=tuple(str(words) for words in values.get("carried", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                tr("The run's file run.json is damaged: it does not say what was being trained."), str(error)
            ) from None


def fingerprint(pictures: Pictures) -> str:
    digest = hashlib.sha256(repr((pictures.images.shape, pictures.classes)).encode("utf-8", "surrogatepass"))
    digest.update(pictures.labels.tobytes())
    for image in pictures.images:
        digest.update(image)
    return digest.hexdigest()


def begin(settings: TrainingSettings, pictures: Pictures) -> tuple[TrainingSettings, UNet, Origin]:
    """What a new run trains: a fresh network, or the one of `settings.start_from`, whose schedule and prediction then hold."""
    if not settings.from_model:
        config = shape_of(settings, pictures)
        config = replace(config, padding="circular" if settings.seamless else "zeros")
        network = fresh_network(config, settings.seed or 0)
        schedule = PROCESSES[settings.schedule](settings.timesteps)
        origin = Origin.of(config, schedule, pictures, settings.channels)
        return _with_rate(settings, network), network, origin
    card = cards.find(settings.start_from)
    model = read_model(card.path)
    if settings.distil is not None:
        student = student_scheduler(
            model.schedule.config, settings.distil.method, bounded=model.autoencoder is None
        )
        model = replace(model, network=without_variance(model.network), schedule=process_from_config(student))
    if is_consistency(model.schedule.config):
        raise UserError(
            tr(
                "{title} is a consistency model, which is not trained further here: start from the model it was made from.",
                title=card.title,
            )
        )
    own = model.network.config
    latent = model.autoencoder
    if (latent is None and own.channels not in NAMES) or own.out_channels != own.seen:
        raise UserError(
            tr(
                "{title} does not generate images in grey, RGB or RGBA, so it cannot be trained further here.",
                title=card.title,
            )
        )
    scheduler = model.schedule.config
    side, channels = settings.size, pictures.images.shape[1]
    if latent is not None and (settings.augment or settings.patches):
        raise UserError(
            tr(
                "{title} generates latents, which can be neither augmented nor cut into patches: leave both off.",
                title=card.title,
            )
        )
    if latent is not None:
        side, channels = side // latent.config.factor, own.channels
    network, carried = fit_network(model.network, side, channels)
    if settings.patches:
        network = with_coordinates(network)
    network = with_classes(
        network, card.classes, card.null_class, pictures.classes, seamless=settings.seamless
    )
    if card.classes != pictures.classes:
        carried += _new_classes(card.classes, pictures.classes)
    settings = replace(
        settings,
        schedule=_name_of(scheduler, settings.schedule),
        prediction=prediction_from_config(scheduler),
        start_from=card.name,
        space=network.config.space if latent is None else LATENTS,
    )
    origin = Origin.of(network.config, model.schedule, pictures, settings.channels, carried)
    return _with_rate(settings, network), network, origin


def _new_classes(old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    added = [name for name in new if name not in old]
    if not added:
        return []
    named = ", ".join(added[:6]) + ("…" if len(added) > 6 else "")
    return [
        plural(
            "New class: {named}; it begins as the mean of all.",
            "{count} new classes: {named}; they begin as the mean of all.",
            len(added),
            named=named,
        )
    ]


def _name_of(scheduler: Mapping[str, Any], asked: str) -> str:
    """The schedule's name in the settings: of a model's own schedule, only whether it is a flow has to be right."""
    if is_flow(scheduler):
        return FLOW
    return asked if asked != FLOW else "cosine"


def _with_rate(settings: TrainingSettings, network: UNet) -> TrainingSettings:
    """The learning rate where none was asked for."""
    weights = sum(weight.numel() for weight in network.parameters())
    rate = settings.learning_rate or learning_rate_for(
        weights, settings.optimizer, new=not settings.from_model
    )
    return replace(settings, learning_rate=rate)


def with_classes(
    network: UNet, old: tuple[str, ...], null: int | None, new: tuple[str, ...], *, seamless: bool = False
) -> UNet:
    """The same network with a table for the classes `new` (and "any class"), which at first answers as before.

    A class both know keeps its row, a new one begins as "any class"; without classes that row goes into the time embedding.
    Dropout is left out: every step must follow from the seed and its number alone.
    """
    if network.config.class_embed_type is not None:
        raise UserError(tr("A model whose classes are numbers on a scale cannot be trained further here."))
    tensors = dict(network.state_dict())
    table = tensors.pop("class_embedding.weight", None)
    bias = tensors["time_embedding.linear_2.bias"]
    if table is None:
        table, old = torch.zeros(1, len(bias)), ()
        anything = table[0]
    else:
        anything = table[null] if null is not None and null < len(table) else table.mean(dim=0)
    config = replace(
        network.config,
        dropout=0.0,
        padding="circular" if seamless else network.config.padding,
        num_class_embeds=len(new) + 1 if new else None,
        sample_size=max(network.config.map_sides),
    )
    if new:
        rows: list[Tensor] = [
            table[old.index(name)] if name in old and old.index(name) < len(table) else anything
            for name in new
        ]
        tensors["class_embedding.weight"] = torch.stack([*rows, anything])
    else:
        tensors["time_embedding.linear_2.bias"] = bias + anything
    with torch.device("meta"):
        changed = UNet(config)
    changed.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
    for module in changed.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return changed
