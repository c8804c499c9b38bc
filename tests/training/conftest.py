"""A small folder of pictures and a tiny training on it, a few milliseconds a step."""

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.settings.training import TrainingSettings


@pytest.fixture(autouse=True)
def small_sheets(monkeypatch):
    """The sheet on a model's card is drawn at the end of every run: two pictures will do here."""
    from diffusion_studio.training import publish

    monkeypatch.setattr(publish, "SAMPLES", 2)


@pytest.fixture
def folder(tmp_path):
    """30 pictures of 8×8 in two classes, smooth enough to be learned from."""
    place = tmp_path / "pictures"
    for number in range(30):
        own = place / ("dark" if number % 3 else "bright")
        own.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng(number)
        level = draw.uniform(20, 90) if number % 3 else draw.uniform(160, 230)
        ramp = np.linspace(-20, 20, 8)[:, None, None] * draw.uniform(-1, 1, 3)
        picture = np.clip(level + ramp + np.zeros((8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(own / f"{number:02}.png")
    return place


@pytest.fixture
def settings(folder):
    return TrainingSettings(
        folder=str(folder),
        name="Tiny",
        size=8,
        batch=4,
        steps=8,
        warmup=2,
        seed=3,
        precision="float32",
        sample_every=0.0,
        autosave=86_400.0,
    )
