"""Few images start from a broad model, where one is installed and nothing else was asked for."""

import json
from dataclasses import replace

from diffusion_studio.events import Warned
from diffusion_studio.models import cards
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
