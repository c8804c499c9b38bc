"""What cannot be saved elsewhere either is offered once more; the others of the batch are written."""

import numpy as np

from diffusion_studio.errors import UserError
from diffusion_studio.events import NotSaved
from diffusion_studio.pictures import writing
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.pictures.saved import save_in


def test_one_that_fails_again_costs_none_of_the_others(tmp_path, monkeypatch):
    real = writing.save

    def save(picture, settings, **how):
        if settings.seed == 2:
            raise UserError("2.png cannot be written as PNG.")
        return real(picture, settings, **how)

    monkeypatch.setattr(writing, "save", save)
    picture = np.zeros((8, 8, 3), np.uint8)
    events = [
        NotSaved(index=seed, settings=GenerationSettings(seed=seed), picture=picture, reason="Full.")
        for seed in (1, 2, 3)
    ]
    folder, left = save_in(tmp_path, events)
    assert folder == tmp_path and len(list(tmp_path.rglob("*.png"))) == 2
    assert [(event.settings.seed, event.reason) for event in left] == [(2, "2.png cannot be written as PNG.")]
