"""What can be requested of a run. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_studio.diffusion.names import PREDICTIONS, SCHEDULES, SPACES, TIMESTEP_SAMPLINGS, WEIGHTINGS
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.distillation import Distillation, read_distillation
from diffusion_studio.settings.options import carried, check, option
from diffusion_studio.settings.run_options import (
    autosave_option,
    device_option,
    precision_option,
    sample_every_option,
    seed_option,
)

FITS = {"crop": tr("Crop to the middle"), "pad": tr("Whole, on white")}
CHANNELS = {
    "auto": tr("As the images are"),
    "rgb": tr("Colour"),
    "rgba": tr("Colour with transparency"),
    "grey": tr("Grey"),
    "grey16": tr("Grey, 16 bits"),
}
MODEL_SIZES = {"small": tr("Small"), "medium": tr("Medium"), "large": tr("Large")}
BEFORE = {
    "polish": 0.0,
    "channels": "rgb",
    "optimizer": "adamw",
}  # what older runs did, which were started before there was such an option
OPTIMIZERS = {"adamw": tr("AdamW"), "muon": tr("Muon")}
DECAYS = {
    "linear": tr("Linear, at the end"),
    "cosine": tr("Cosine"),
    "inverse_sqrt": tr("Inverse square root"),
    "constant": tr("Constant"),
}
LEAST_PATCHED = 64  # pixels of the side
SCRATCH = "scratch"  # as `start_from`: no model, however few the images
DEFAULT_MINUTES = 10.0  # of a run that is given neither steps nor minutes
LATENTS = "latents"  # in SPACES
FLOW, FLOW_PREDICTION = "flow", "flow_prediction"  # in SCHEDULES and PREDICTIONS
CHANGEABLE = (  # when a run is resumed; it keeps everything else, or it would be another run
    "steps",
    "minutes",
    "autosave",
    "autosave_steps",
    "sample_every",
    "device",
    "precision",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One run. Exactly one of `steps` and `minutes` ends it (both 0: 10 minutes)."""

    folder: str = option(
        "", label=tr("Folder"), help=tr("the images to learn from; sub-folders become classes")
    )
    name: str = option("", label=tr("Name"), help=tr("the name of the model"))
    start_from: str = option(
        "",
        label=tr("Start from"),
        flag="from",
        help=tr(
            "an installed model to start from; scratch: from nothing; empty: a starter made for that where there are few images "
            "or few steps and one is installed, else scratch"
        ),
    )
    size: int = option(32, min=8, max=256, label=tr("Size"), help=tr("side of the images, in pixels"))
    steps: int = option(
        0, min=0, max=10_000_000, more=True, label=tr("Steps"), help=tr("training steps; 0: use minutes")
    )
    minutes: float = option(
        0.0, min=0.0, max=100_000.0, label=tr("Minutes"), help=tr("time to train; 0: use steps")
    )
    batch: int = option(
        0,
        min=0,
        max=1024,
        more=True,
        label=tr("Batch"),
        help=tr(
            "images per training step; 0: as many as fit into the memory, at most 32, or 128 on a CUDA device"
        ),
    )
    model_size: str = option(
        "small", choices=MODEL_SIZES, label=tr("Model size"), help=tr("how large a network to train")
    )
    channels: str = option(
        "auto",
        choices=CHANNELS,
        more=True,
        label=tr("Channels"),
        help=tr(
            "what is learned of each image: rgb, on white where it is transparent; rgba, with its transparency; grey; grey16, "
            "all 16 bits of it; auto: rgba where at least half of the images are transparent, grey where none has colour"
        ),
    )
    space: str = option(
        "pixels",
        choices=SPACES,
        more=True,
        label=tr("Space"),
        help=tr(
            "what the network sees an image as: its pixels, or the same turned into Haar bands at half (haar) or a quarter "
            "(haar2) of the side, which learns faster; or the latents of a small autoencoder at a quarter of the side, for "
            "images of 128 pixels and more. Other programs open only models of pixels and of latents unchanged"
        ),
    )
    schedule: str = option(
        "cosine",
        choices=SCHEDULES,
        more=True,
        label=tr("Training schedule"),
        help=tr(
            "how noise is added to an image from t = 0 to the end; flow: along a straight line (flow matching)"
        ),
    )
    prediction: str = option(
        "v_prediction",
        choices=PREDICTIONS,
        more=True,
        label=tr("Prediction"),
        help=tr("what the network learns to predict; a flow always predicts its velocity"),
    )
    timesteps: int = option(
        1000, min=10, max=10_000, more=True, label=tr("Timesteps"), help=tr("steps of the forward process")
    )
    timestep_sampling: str = option(
        "uniform",
        choices=TIMESTEP_SAMPLINGS,
        more=True,
        label=tr("Timestep sampling"),
        help=tr(
            "how often each timestep is trained: all alike, or those in the middle more often (logit-normal)"
        ),
    )
    learning_rate: float = option(
        0.0,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Learning rate"),
        help=tr(
            "size of one learning step; 0: chosen for the network, smaller when it starts from another model"
        ),
    )
    warmup: int = option(
        250,
        min=0,
        max=100_000,
        more=True,
        label=tr("Warm-up"),
        help=tr("steps until the full learning rate, at most a twentieth of the run"),
    )
    decay: str = option(
        "linear",
        choices=DECAYS,
        more=True,
        label=tr("Decay"),
        help=tr(
            "how the learning rate falls: linear (level, then down over the last 40% of the run), cosine (all along), "
            "inverse_sqrt (as the inverse square root after a tenth of it), constant (not at all)"
        ),
    )
    optimizer: str = option(
        "muon",
        choices=OPTIMIZERS,
        more=True,
        label=tr("Optimizer"),
        help=tr(
            "what turns gradients into steps: muon for the matrices of the network, whose steps take longer and learn more each, "
            "or adamw for all of it"
        ),
    )
    ema: float = option(
        0.9995,
        min=0.0,
        max=0.99999,
        more=True,
        label=tr("EMA"),
        help=tr("decay of the averaged weights that generate the samples"),
    )
    posthoc_ema: bool = option(
        False,
        more=True,
        label=tr("Choose EMA afterwards"),
        help=tr(
            "follow two more averages and keep them in the snapshots, so that an EMA of any length can be made afterwards; "
            "makes snapshots three times and checkpoints one and a half times as large"
        ),
    )
    weighting: str = option(
        "min_snr",
        choices=WEIGHTINGS,
        more=True,
        label=tr("Weighting"),
        help=tr(
            "how much each noise level counts in the loss: min_snr (shapes first; a flow takes all levels alike), uncertainty "
            "(learned, so that all levels have the same say), sigmoid (by the signal-to-noise ratio), none (all levels alike)"
        ),
    )
    min_snr: float = option(
        5.0,
        min=0.0,
        max=100.0,
        more=True,
        label=tr("Min-SNR gamma"),
        help=tr(
            "of the weighting min_snr: keeps nearly clean images from dominating the loss, so that shapes are learned sooner; "
            "0: off, all levels alike"
        ),
    )
    polish: float = option(
        0.4,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Polish"),
        help=tr(
            "share of the run, at its end, over which Min-SNR is replaced by an even loss that removes the grain; 0: none"
        ),
    )
    label_dropout: float = option(
        0.1,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Label dropout"),
        help=tr("share of images shown without their class, for guidance"),
    )
    fit: str = option(
        "crop",
        choices=FITS,
        more=True,
        label=tr("Fit"),
        help=tr("how an image that is not square becomes square"),
    )
    seamless: bool = option(
        False,
        more=True,
        label=tr("Seamless"),
        help=tr("learn tiles: the left edge of an image continues its right one, and its top its bottom"),
    )
    flip: bool = option(True, label=tr("Mirror"), help=tr("show each image mirrored half of the time"))
    augment: float = option(
        0.0,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Augmentation"),
        help=tr(
            "how often an image is mirrored, turned upside down, rotated by 90°, moved or scaled, each by itself; the network is "
            "given what was changed, so that generated images are not changed. For few images; 0: never"
        ),
    )
    patches: bool = option(
        False,
        more=True,
        label=tr("Patches"),
        help=tr(
            "learn from parts of an image as well, of half or a quarter of its side, with their coordinates; steps take less "
            "time. For images of 64 pixels and more. Other programs open such a model only with the lines of its README"
        ),
    )
    classes: bool = option(True, label=tr("Classes"), help=tr("learn sub-folders as classes"))
    clip_norm: float = option(
        1.0,
        min=0.0,
        max=1000.0,
        more=True,
        label=tr("Gradient clipping"),
        help=tr("largest gradient norm; 0: off"),
    )
    validation: float = option(
        0.05,
        min=0.0,
        max=0.5,
        more=True,
        label=tr("Validation share"),
        help=tr("share of the images held out to measure the loss"),
    )
    seed: int | None = seed_option()
    autosave: float = autosave_option()
    autosave_steps: int = option(
        0,
        min=0,
        max=10_000_000,
        more=True,
        label=tr("Autosave steps"),
        help=tr("steps between checkpoints, besides the time; 0: by time only"),
    )
    snapshots: int = option(
        8,
        min=0,
        max=64,
        more=True,
        label=tr("Snapshots"),
        help=tr(
            "how often over the run its averaged weights are kept, in 16 bits, to choose from afterwards; 0: never. Each time "
            "it is measured whether they copy the images, where these are few"
        ),
    )
    sample_every: float = sample_every_option()
    precision: str = precision_option()
    device: str = device_option()

    # Of a run that makes a student of `start_from`.
    distil: Distillation | None = carried(None, read_distillation)  # noqa: RUF009

    def __post_init__(self) -> None:
        check(self)
        self._match_flow()
        self._check_changes()
        if self.steps and self.minutes:
            raise UserError(tr("A run ends after steps or after minutes, not both; give one of them."))

    @property
    def time_limit(self) -> float:
        """Seconds of a training that ends by time."""
        return 60 * (self.minutes or DEFAULT_MINUTES)

    def fraction_done(self, step: int, seconds: float) -> float:
        """How much of the run is done after so many steps and seconds of training, from 0."""
        return step / self.steps if self.steps else seconds / self.time_limit

    @property
    def from_model(self) -> bool:
        """Whether it starts from a model that is named."""
        return self.start_from not in ("", SCRATCH)

    @property
    def unused(self) -> frozenset[str]:
        """The names of options that have no effect together with the others."""
        names: set[str] = set()
        if self.from_model:  # whose network, process and prediction are kept
            names |= {"model_size", "space", "schedule", "prediction", "timesteps"}
        if self.weighting != "min_snr" or (self.schedule == FLOW and not self.from_model):
            names |= {"min_snr", "polish"}
        if not self.min_snr:
            names.add("polish")
        if not self.classes:
            names.add("label_dropout")
        return frozenset(names)

    def _check_changes(self) -> None:
        """Raises `UserError` where images cannot be cut or changed."""
        if self.patches and self.size < LEAST_PATCHED:
            raise UserError(
                tr(
                    "Patches need images of {least} pixels and more, not {size}.",
                    least=LEAST_PATCHED,
                    size=self.size,
                )
            )
        if self.patches and self.seamless:
            raise UserError(tr("Patches have edges, so they cannot be combined with seamless."))
        asked = tr("Augmentation") if self.augment else tr("Patches") if self.patches else ""
        if asked and (self.space == LATENTS or self.distil is not None):
            raise UserError(
                tr(
                    "{setting} is for pixels and Haar bands: it cannot be combined with latents or students.",
                    setting=asked,
                )
            )

    def _match_flow(self) -> None:
        """A flow and its velocity belong together: one sets the other, unless something else was chosen for it."""
        flow, velocity = self.schedule == FLOW, self.prediction == FLOW_PREDICTION
        if flow == velocity:
            return
        usual = {name: option.default for name, option in TrainingSettings.__dataclass_fields__.items()}
        if flow and self.prediction == usual["prediction"]:
            object.__setattr__(self, "prediction", FLOW_PREDICTION)
        elif velocity and self.schedule == usual["schedule"]:
            object.__setattr__(self, "schedule", FLOW)
        else:
            raise UserError(
                tr(
                    "Training schedule “{schedule}” and prediction “{prediction}” do not fit: "
                    "“{flow}” and “{flow_prediction}” are used only with each other.",
                    schedule=self.schedule,
                    prediction=self.prediction,
                    flow=FLOW,
                    flow_prediction=FLOW_PREDICTION,
                )
            )
