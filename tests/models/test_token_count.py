"""Tokens counted without transformers are as many as the tokenizer makes."""

import pytest

from diffusion_studio.models.text.token_count import chunks, count_tokens
from diffusion_studio.models.text.vocabulary import clip_tokenizer

PROMPTS = [
    "",
    "a cat",
    "A photograph of an astronaut riding a horse, 8k!!! it's they'll we've",
    "漢字 ñandú naïve ﬁ ² ½ 1984 a1b2",
    "👩‍🎨 painting 🎨🎨, <img src='x'>",
    "snake_case __init__ don't\ntabs\tand   spaces … “quotes” —dash",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "lorem ipsum " * 100,
]


@pytest.fixture(scope="module")
def tokenizer():
    pytest.importorskip("transformers")
    return clip_tokenizer()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_count_is_the_tokenizers(prompt, tokenizer):
    assert count_tokens(prompt) == len(tokenizer(prompt)["input_ids"]) - 2


def test_signs_of_weight_are_no_tokens_and_long_prompts_are_read_in_parts():
    assert count_tokens("a (cat:1.3) [hat]") == count_tokens("a cat hat") == 3
    assert [chunks(count) for count in (0, 75, 76, 151)] == [1, 1, 2, 3]


def test_one_endless_word_takes_no_endless_time():
    import random

    letters = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=10_000))
    assert 2000 < count_tokens(letters) < 10_000
