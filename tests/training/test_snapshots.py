"""Snapshots of a run: an EMA of any length made of them, whether a model copies its images, and which one is offered then."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from diffusion_studio.errors import UserError
from diffusion_studio.events import Warned
from diffusion_studio.models import cards
from diffusion_studio.training import averages, loop
from diffusion_studio.training.checkpoint_model import open_checkpoint
from diffusion_studio.training.data.copying import CopyRatio, TrainingImages
from diffusion_studio.training.loop import train
from diffusion_studio.training.publish import publish
from diffusion_studio.training.records import log, runs, snapshots
from diffusion_studio.training.step.flat_weights import FlatWeights
from diffusion_studio.training.step.power_ema import (
    FOLLOWED,
    PowerEmas,
    Profile,
    coefficients,
    exponent_of,
)
from diffusion_studio.training_events import Published, SnapshotSaved

# An EMA of any length -------------------------------------------------------------------------------------------------


def test_the_exponent_gives_a_profile_of_that_length():
    for length in (0.01, 0.05, 0.1, 0.25):
        gamma = exponent_of(length)
        assert (gamma + 1) ** 0.5 / (gamma + 2) / (gamma + 3) ** 0.5 == pytest.approx(length, rel=1e-6)


@pytest.mark.parametrize("length", [0.03, 0.05, 0.08, 0.2])
def test_an_ema_made_afterwards_is_the_one_that_was_not_followed(length):
    linear = nn.Linear(64, 64)
    flat = FlatWeights(linear)
    emas, draw = PowerEmas(flat), torch.Generator().manual_seed(0)
    steps, gamma = 800, exponent_of(length)
    wanted, known, profiles = flat.whole.detach().double(), [], []
    for step in range(1, steps + 1):  # weights that drift to a goal and jitter, as those of a training do
        flat.whole.data.lerp_(torch.ones_like(flat.whole), 0.004)
        flat.whole.data.add_(torch.randn(flat.whole.shape, generator=draw), alpha=0.02)
        emas.update(step)
        wanted.lerp_(flat.whole.detach().double(), 1 - (1 - 1 / step) ** (gamma + 1))
        if step % 100 == 0:
            known += [block.half().double() for block in emas.blocks]
            profiles += [Profile(step, exponent_of(width)) for width in FOLLOWED]
    shares = coefficients(profiles, Profile(steps, gamma))
    made = sum(share * block for share, block in zip(shares, known, strict=True))
    apart = (flat.whole.detach() - wanted).norm()  # what an average changes at all
    assert shares.sum() == pytest.approx(1.0)
    assert (made - wanted).norm() < 0.15 * apart


# Copies ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patterns():
    """(N, 3, 16, 16) of smooth patterns that differ."""
    draw = np.random.default_rng(0)

    def make(count):
        corners = draw.uniform(0, 255, (count, 3, 4, 4))
        return np.kron(corners, np.ones((1, 1, 4, 4))).astype(np.uint8)

    return make


def test_new_images_copies_and_blurs_are_told_apart(patterns):
    learned = patterns(60)
    images = TrainingImages(learned, mirror=True)
    new, copied = images.measure(patterns(32)), images.measure(learned[:32, :, :, ::-1])
    blurred = images.measure(np.full((32, 3, 16, 16), 127, np.uint8))
    assert new.ratio == pytest.approx(1.0, abs=0.1) and not new.copies
    assert copied.ratio < 0.05 and copied.copies
    assert blurred.ratio < 0.9 and not blurred.copies  # near to all, and to none more than to the next
    assert not TrainingImages(learned).measure(learned[:8, :, :, ::-1]).copies  # which it was not shown
    assert TrainingImages(np.repeat(learned[:1], 9, 0)).measure(learned[:4]) is None
    assert not TrainingImages(learned[:2]).few and images.few


def test_large_and_deep_images_are_compared_in_small(patterns):
    large = np.kron(patterns(20), np.ones((1, 1, 3, 3))).astype(np.uint16) * 257
    assert TrainingImages(large[:, :1]).measure(large[:4, :1]).copies


# In a run -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(loop, "MOST_OFTEN", 0.0)


@pytest.fixture
def copying_from(monkeypatch):
    """From the third measure on, the model copies."""

    def begin(after):
        measured = iter([CopyRatio(1.0 - k / 100, False) for k in range(after)] + [CopyRatio(0.2, True)] * 9)
        monkeypatch.setattr(TrainingImages, "measure", lambda self, made: next(measured))

    return begin


def test_snapshots_are_kept_measured_and_can_be_chosen(settings, often):
    events = list(train(replace(settings, snapshots=4, posthoc_ema=True)))
    run = runs.find("tiny")
    kept = snapshots.find(run.path)
    assert [event.step for event in events if isinstance(event, SnapshotSaved)] == [2, 4, 6, 8]
    assert [one.step for one in kept] == [2, 4, 6, 8] and all(one.ratio > 0 for one in kept)
    assert [entry["ratio"] for entry in log.read(run.path) if "ratio" in entry] == [one.ratio for one in kept]
    assert open_checkpoint("run:tiny@4").card.name == "run:tiny@4"
    with pytest.raises(UserError, match="8, 6, 4, 2"):
        open_checkpoint("run:tiny@3")
    end, newest = averages.of_snapshot(run, kept[-1]), averages.to_offer(run)
    for name, weight in end.network.state_dict().items():
        assert torch.allclose(weight, newest.network.state_dict()[name], rtol=1e-3, atol=1e-6), name
    short, long = averages.of_length(run, 0.05), averages.of_length(run, 0.2)
    first, followed = next(iter(short.network.parameters())), kept[-1].read("power.0")[0]
    assert torch.allclose(first, followed, atol=1e-4)
    assert not torch.equal(first, next(iter(long.network.parameters())))
    *_, published = publish("tiny", length=0.1)
    assert isinstance(published, Published)
    assert (published.path / "early" / "diffusion_pytorch_model.safetensors").is_file()
    assert cards.find(published.name).defaults().autoguidance == 1.5
    *_, published = publish("tiny", step=2)  # of which nothing is half as old
    card = cards.find(published.name)
    assert card.defaults().autoguidance == 1 and not card.keeps_early
    with pytest.raises(UserError, match=r"from 0\.03 to 0\.2"):
        averages.of_length(run, 0.5)


def test_a_resumed_run_keeps_the_snapshots_before_it_and_a_damaged_one_is_left_out(settings, often):
    job = train(replace(settings, snapshots=4))
    for event in job:
        if isinstance(event, SnapshotSaved) and event.step == 4:
            break
    job.close()
    run = runs.find("tiny")
    (run.path / "snapshots" / "00000007.safetensors").write_bytes(b"\0" * 40)
    snapshots.save(run.path, 6, 0.0, {"ema.0": torch.zeros(1)})  # of a step that will be done again
    again = [
        event.step
        for event in train(replace(settings, steps=0), resume="tiny")
        if isinstance(event, SnapshotSaved)
    ]
    assert again == [6, 8]
    assert [one.step for one in snapshots.find(run.path)] == [2, 4, 6, 8]
    snapshots.thin(run.path, 2)
    assert [one.step for one in snapshots.find(run.path)] == [2, 8]
    with pytest.raises(UserError, match="posthoc-ema"):
        averages.of_length(run, 0.1)


def test_a_model_that_begins_to_copy_is_said_and_the_last_that_does_not_is_published(
    settings, often, copying_from
):
    copying_from(2)
    events = list(train(replace(settings, snapshots=4)))
    words = [event.text for event in events if isinstance(event, Warned)]
    assert sum("now copies your images" in text for text in words) == 1
    assert any("of step 4, is made the model" in text for text in words)
    run = runs.find("tiny")
    assert averages.to_offer(run).step == 4
    again = [event.text for event in publish("tiny") if isinstance(event, Warned)]
    assert len(again) == 1 and "of step 4, is made the model" in again[0]
    from diffusion_studio.models import cards

    assert cards.find("tiny").trained["steps"] == 4


def test_where_all_copy_the_newest_is_offered(settings, often, copying_from):
    copying_from(0)
    words = [event.text for event in train(replace(settings, snapshots=2)) if isinstance(event, Warned)]
    assert "It now copies your images." in words
    assert averages.to_offer(runs.find("tiny")).step == 8


@pytest.mark.parametrize(
    ("ratios", "step", "words"),
    [
        ((1.4, 1.05, 1.0), 3, ""),
        ((1.2, 1.1, 0.95, 1.3), 3, "a copy ratio from 0.9 to 1.1, of step 3, is made the model."),
        ((1.0, 0.9, 0.8), 2, "a copy ratio from 0.9 to 1.1, of step 2, is made the model."),
        ((1.0, 1.5, -0.2), 1, "does not copy your images, of step 1, is made the model."),
        ((1.6, 1.34), 2, "It has not learned your images yet: its copy ratio is 1.34, and"),
        ((1.34, -0.3), 1, "of step 1, is made the model. It has not learned your images yet: its copy ratio is 1.34"),
        ((0.7, 0.8), 2, ""),
        ((-0.1, -0.2), None, ""),
        ((None, None), None, ""),
        ((), None, ""),
    ],
)  # fmt: skip
def test_the_newest_from_09_to_11_is_offered_and_else_the_newest_that_does_not_copy(ratios, step, words):
    known = [
        snapshots.Snapshot(
            None, place + 1, 0.0, ratio and abs(ratio), bool(ratio and ratio < 0)
        )  # < 0: copies
        for place, ratio in enumerate(ratios)
    ]
    chosen = snapshots.offered(known)
    assert (chosen and chosen.step) == step
    said = snapshots.words_on_offer(known)
    assert words in said and bool(said) == bool(words)


def test_a_model_that_has_not_learned_the_images_yet_is_said(settings, often, monkeypatch):
    monkeypatch.setattr(TrainingImages, "measure", lambda self, made: CopyRatio(1.34, False))
    words = [event.text for event in train(replace(settings, snapshots=2)) if isinstance(event, Warned)]
    assert any("has not learned your images yet: its copy ratio is 1.34" in text for text in words)
    assert averages.to_offer(runs.find("tiny")).step == 8


def test_the_command_line_lists_snapshots_and_makes_a_model_of_one(settings, often, capsys, tmp_path):
    from diffusion_studio.cli.main import main

    list(train(replace(settings, snapshots=2, posthoc_ema=True)))
    assert main(["models", "ema", "tiny"]) == 0
    shown = capsys.readouterr()
    assert "step 4" in shown.out and "copy ratio" in shown.out and "any EMA length" in shown.out
    assert "2 snapshots" in shown.err and "0.03 to 0.2; 0.13 is recommended" in shown.err
    assert main(["models", "ema", "tiny", "--length", "0.08"]) == 0
    assert capsys.readouterr().out.strip() == "tiny"
    from diffusion_studio.models import cards

    assert cards.find("tiny").trained["ema_length"] == 0.08
    sheets = [tmp_path / name for name in ("short.png", "again.png", "long.png")]
    for sheet, length in zip(sheets, ("0.03", "0.03", "0.2"), strict=True):
        assert main(["models", "ema", "tiny", "--length", length, "--sheet", str(sheet)]) == 0
    assert cards.find("tiny").trained["ema_length"] == 0.08  # a sheet makes no model
    short, again, long = (np.asarray(Image.open(sheet)) for sheet in sheets)
    assert np.array_equal(short, again) and short.shape == long.shape and not np.array_equal(short, long)
    assert main(["models", "ema", "tiny", "--length", "0.1", "--sheet", str(sheets[0])]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["models", "ema", "tiny", "--step", "5"]) == 1
    assert "it has: 8, 4" in capsys.readouterr().err


def test_another_smoothing_takes_the_place_of_the_model_and_can_be_taken_back(settings, often):
    from diffusion_studio.jobs import smoothing
    from diffusion_studio.models import cards

    list(train(replace(settings, snapshots=2, posthoc_ema=True)))
    usual = cards.find("tiny").digest
    *_, made = smoothing.smooth("tiny", 0.1)
    assert cards.find("tiny").trained["ema_length"] == 0.1 and made.before is not None
    smoothed = cards.find("tiny").digest
    (other,) = smoothing.exchange("tiny", made.place, made.before)
    assert cards.find("tiny").digest == usual != smoothed and "ema_length" not in cards.find("tiny").trained
    (other,) = smoothing.exchange("tiny", made.place, other)
    assert cards.find("tiny").digest == smoothed and runs.find("tiny").facts["published"] == "tiny"
    job = smoothing.smooth("tiny", 0.2)
    next(job)
    job.close()  # cancelled: the model is as it was
    assert cards.find("tiny").digest == smoothed
    with pytest.raises(UserError):
        list(smoothing.smooth("tiny", 0.9))
    assert cards.find("tiny").digest == smoothed
