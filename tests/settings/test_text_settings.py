"""Settings of models of text: prompts, sides and LoRAs, what they may be, and how they travel."""

import json

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.settings.branches import branch, parts
from diffusion_studio.settings.effects import ineffective
from diffusion_studio.settings.generation import LONGEST_PROMPT, GenerationSettings
from diffusion_studio.settings.history import Part
from diffusion_studio.settings.loras import Lora, parse_lora, split_weight, weighted
from diffusion_studio.settings.options import from_dict, to_dict, without_controls


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two\nlines\tand a tab",
        "👩‍🎨 ñ 漢字",
        "<img src='x'>",
        "((unbalanced",
        "a (x:999)",
        "x" * LONGEST_PROMPT,
    ],
)
def test_a_prompt_may_be_any_text(text):
    assert GenerationSettings(prompt=text, negative=text).prompt == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x07b", "Prompt must not contain control characters; character 2 is U+0007."),
        ("\ud800", "U+D800"),
        ("x" * (LONGEST_PROMPT + 1), "Prompt must have at most 10,000 characters, not 10,001."),
    ],
)
def test_what_is_no_text_for_people_is_refused_in_a_sentence(text, said):
    with pytest.raises(UserError) as caught:
        GenerationSettings(prompt=text)
    assert said in str(caught.value)


def test_line_breaks_are_of_one_kind_and_texts_of_others_are_cleaned():
    assert GenerationSettings(prompt="a\r\nb\rc").prompt == "a\nb\nc"
    assert GenerationSettings(prompt=without_controls("a\r\nb\x00c\udfff")).prompt == "a\nb c "


@pytest.mark.parametrize(
    ("side", "said"), [(32, "between 64 and 4096"), (5000, "between 64"), (513, "512 and 520")]
)
def test_sides_that_no_model_makes_are_refused(side, said):
    with pytest.raises(UserError, match=said):
        GenerationSettings(width=side)
    assert GenerationSettings(width=0, height=512).height == 512


@pytest.mark.parametrize(
    ("text", "lora"),
    [
        ("style", Lora("style")),
        ("style:0.8", Lora("style", weight=0.8)),
        ("a@b:c@0123abcd:-1.5", Lora("a@b:c", "0123abcd", -1.5)),
        ("v1.0@ABCDEF", Lora("v1.0", "abcdef")),
    ],
)
def test_a_lora_is_read_from_its_text_and_written_again(text, lora):
    assert parse_lora(text) == lora == parse_lora(str(lora))


@pytest.mark.parametrize(
    "value",
    ["style", [""], ["../style"], ["a\\b"], ["a\nb"], [".hidden"], ["a:99"], [{"name": "a", "weight": True}],
     [{"name": "a", "path": "/x"}], ["a", "a:0.5"], ["a"] * 30, [7], None],
)  # fmt: skip
def test_what_is_no_list_of_loras_is_refused_in_a_sentence(value):
    with pytest.raises(UserError) as caught:
        GenerationSettings(loras=value)
    assert str(caught.value).endswith(".") and len(str(caught.value)) < 200


def test_the_weight_is_what_follows_the_last_colon():
    assert split_weight("C:/x/style.safetensors:0.8") == ("C:/x/style.safetensors", 0.8)
    assert split_weight("C:/x/style.safetensors") == ("C:/x/style.safetensors", 1.0)
    assert weighted((Lora("a"), Lora("b")), 0.5) == (Lora("a", weight=0.5), Lora("b"))


def test_everything_travels_through_json_also_in_the_past_of_a_branch():
    parent = GenerationSettings(
        seed=1, prompt="a\n“b”", negative="c", loras=[Lora("x", "0123ab", 0.5)], width=64
    )
    child = branch(parent, 5, prompt="d", loras=())
    assert child.history == (Part(5, (("prompt", "a\n“b”"), ("loras", (Lora("x", "0123ab", 0.5),)))),)
    again, refused = from_dict(GenerationSettings, json.loads(json.dumps(to_dict(child))))
    assert (again, refused) == (child, []) and parts(again)[0][0] == parent and hash(again) == hash(child)


def test_a_negative_prompt_needs_guidance():
    assert "guidance above 1" in ineffective("negative", [GenerationSettings(negative="x")])
    assert not ineffective("negative", [GenerationSettings(negative="x", guidance=7)])
