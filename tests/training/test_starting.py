"""Few images start from a broad model, where one is installed and nothing else was asked for."""

import json
from dataclasses import replace

import pytest

from diffusion_studio.events import Warned
from diffusion_studio.models import cards
from diffusion_studio.settings.recipes import RECIPES, applied
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import runs
from diffusion_studio.training.starting import with_start


def test_few_images_start_from_a_broad_model(settings, folder):
    list(train(settings))
    own = replace(settings, name="Second")
    assert with_start(own) == (own, None)  # there is no broad one
    card = cards.find("tiny").path / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "broad": True}))
    words = [event.text for event in train(own) if isinstance(event, Warned)]
    assert any("starts from “Tiny”" in text for text in words)
    assert runs.find("second").facts["settings"]["start_from"] == "tiny"
    for other in ({"start_from": "scratch"}, {"space": "haar"}):
        assert with_start(replace(own, **other))[1] is None
    list(train(replace(own, name="Third", start_from="scratch", steps=1)))
    assert runs.find("third").facts["settings"]["start_from"] == ""


def test_a_recipe_asks_for_no_network_and_then_has_the_steps_of_a_trained_one(settings, folder):
    list(train(replace(settings, steps=1)))
    card = cards.find("tiny").path / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "broad": True}))
    side = cards.find("tiny").size
    for size in (side, 2 * side):
        for recipe in RECIPES:
            asked = applied(recipe, TrainingSettings(folder=str(folder), name="Few", size=size))
            started, chosen = with_start(asked)
            assert chosen is not None and started.start_from == "tiny"
            assert started.steps == pytest.approx(0.6 * asked.steps, rel=0.1)
    longer = replace(asked, steps=0, minutes=20.0)
    assert with_start(longer)[0].minutes == 20 and with_start(longer)[0].start_from == "tiny"
    assert with_start(replace(longer, size=4 * side))[1] is None, "it knows images of another scale"


def test_a_short_training_of_many_images_starts_from_a_broad_model_too(settings, folder, monkeypatch):
    list(train(replace(settings, steps=1)))
    card = cards.find("tiny").path / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "broad": True}))
    monkeypatch.setattr("diffusion_studio.training.starting.FEW", 1)  # so that the folder's images are many
    asked = TrainingSettings(folder=str(folder), name="Short", size=cards.find("tiny").size)
    for short in ({"steps": 600}, {"steps": 1200, "batch": 16}, {"minutes": 5.0}):
        assert with_start(replace(asked, **short))[0].start_from == "tiny", short
    for long in ({"steps": 601}, {"steps": 600, "batch": 64}, {"minutes": 20.0}, {}):
        assert with_start(replace(asked, **long)) == (replace(asked, **long), None), long
    quick = applied("quick", asked)
    assert with_start(quick)[0].start_from == "tiny" and with_start(quick)[0].steps < quick.steps
    assert with_start(applied("good", asked))[1] is None
