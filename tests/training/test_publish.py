"""The sheet on a model's card shows what the model generates."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.generation.opening import open_model
from diffusion_studio.models import cards
from diffusion_studio.training import loop, publish, sample_pictures
from diffusion_studio.training.loop import train


@pytest.mark.parametrize(
    "own",
    [{"classes": False}, {"space": "haar"}, {"schedule": "flow"}, {"snapshots": 4}],
    ids=lambda own: next(iter(own)),
)
def test_the_samples_of_a_card_are_those_generate_makes_as_recommended(settings, monkeypatch, own):
    monkeypatch.setattr(publish, "SAMPLES", 2)
    monkeypatch.setattr(sample_pictures, "AT_ONCE", 3 * 8 * 8)  # guided, four rows: in two parts
    monkeypatch.setattr(loop, "MOST_OFTEN", 0.0 if "snapshots" in own else 1e9)
    list(train(replace(settings, steps=6, **own)))
    card = cards.find("Tiny")
    assert (card.path / "early").is_dir() == ("snapshots" in own)
    with Image.open(card.path / "samples.png") as page:
        shown = np.asarray(page)
    model = open_model(card, device="cpu", precision="float32")
    for seed in range(2):
        names = card.classes
        asked = replace(card.defaults(), seed=seed, class_label=names[seed % len(names)] if names else "")
        *_, last = model.previews(asked)
        cell = shown[:, 8 * seed : 8 * seed + 8].astype(int)
        assert np.abs(cell - last.result[0].astype(int)).max() <= 1  # another batch has other last bits
