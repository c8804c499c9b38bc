"""Tokens counted without transformers are as many as the tokenizer makes."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.token_count import Count, chunks, count_for, count_tokens
from diffusion_studio.models.text.vocabulary import byte_letters, clip_tokenizer

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


def test_a_model_that_reads_conversations_is_counted_with_its_own_tokenizer(tmp_path):
    """Of a tokenizer.json made here, and as its model's pipeline reads it: the chat template included."""
    tokenizers = pytest.importorskip("tokenizers")
    words = ["user", ":", "a", "red", "fox", "!"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(["?", *words])}, unk_token="?")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    folder = tmp_path / "model" / "tokenizer"
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": {"content": "!"}, "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    facts = TextFacts(family="z-image", pipeline="ZImagePipeline", source=tmp_path / "model")
    assert count_for(facts, "a red fox") == Count(6, 512, parts=False, template=3)
    assert (
        count_for(replace(facts, source=tmp_path / "z.safetensors", rest=tmp_path / "model"), "fox").tokens
        == 4
    )
    # brackets are brackets
    assert count_for(facts, "(fox:1.2)").tokens > 4
    (folder / "chat_template.jinja").write_text(
        "{{ messages[0].content }}"
    )  # which counts where there are both
    assert count_for(facts, "a red fox") == Count(3, 512, parts=False)
    (folder / "tokenizer.json").write_text("{}")
    assert count_for(facts, "a red fox") == Count(3, 512, parts=False, exact=False)
    clip = TextFacts(family="sd1", pipeline="StableDiffusionPipeline", source=tmp_path / "model")
    assert count_for(clip, "a red fox") == Count(3) == count_for(None, "a red fox")


def test_the_count_is_that_of_the_pipeline(tmp_path):
    pytest.importorskip("transformers")
    import transformers

    letters = {letter: number for number, letter in enumerate(byte_letters().values())}
    theirs = transformers.Qwen2Tokenizer(vocab=letters, merges=[])
    theirs.chat_template = (
        "{%- for m in messages %}\n    {{- '<' + m.role + '>' }}{{ m.content }}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n<answer>{%- endif %}\n"
    )
    theirs.save_pretrained(tmp_path / "tokenizer")
    facts = TextFacts(family="z-image", pipeline="ZImagePipeline", source=tmp_path)
    for prompt in ("", "a red fox", "漢字 <|endoftext|>\n{{ 7 * 7 }}"):
        said = theirs.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        assert count_for(facts, prompt).tokens == len(theirs(said).input_ids)


def test_counting_brings_no_torch(tmp_path):
    code = (
        "import sys; from diffusion_studio.models.text.token_count import count_for; import tokenizers, jinja2.sandbox; "
        "count_for(None, 'a cat'); assert not {'torch', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
