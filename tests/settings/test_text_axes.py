"""Axes of a comparison about words: prompts, the weight of a LoRA, sides."""

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.jobs.compare import Comparison
from diffusion_studio.pictures.facts_schema import FACTS
from diffusion_studio.settings.axes import Axis, parse_axis, value_label
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora

OWN = GenerationSettings(prompt="a cat", loras=(Lora("ink"), Lora("b")), seed=1)


def test_prompts_with_commas_are_quoted():
    axis = parse_axis('prompt="a cat, at night",dog')
    assert axis.values == ("a cat, at night", "dog") and FACTS["compare"]([axis.to_dict()])
    assert (
        value_label("prompt", "x\ny" * 99).startswith("x yx y") and len(value_label("prompt", "x" * 99)) == 90
    )


def test_the_weight_of_the_first_lora_varies(models_off):
    axis = parse_axis("lora-weight=0..1:0.5")
    assert axis.values == (0, 0.5, 1) and FACTS["compare"](
        [axis.to_dict(), Axis("width", (512, 768)).to_dict()]
    )
    cells = Comparison(OWN, axis, Axis("prompt", ("a", "b"))).cells
    assert (
        cells[1, 1].settings.loras == (Lora("ink", weight=0.5), Lora("b"))
        and cells[1, 1].settings.prompt == "b"
    )
    with pytest.raises(UserError, match="no LoRA"):
        Comparison(GenerationSettings(), axis)


@pytest.mark.parametrize("text", ["lora-weight=99", "width=513", "clip-skip=0", "prompt=", "lora=1"])
def test_what_cannot_be_is_refused_in_a_sentence(text):
    with pytest.raises(UserError):
        parse_axis(text)


@pytest.fixture
def models_off(monkeypatch):
    monkeypatch.setattr("diffusion_studio.jobs.compare._name", lambda model: model)
