"""The signs people write into prompts: weights, brackets, tags of LoRAs."""

import pytest

from diffusion_studio.settings.prompt_syntax import (
    lora_tags,
    remarks,
    reweighted,
    weighted_parts,
    without_tags,
)


def parts(prompt):
    return [(part.text, round(part.weight, 4)) for part in weighted_parts(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", []),
        ("a cat", [("a cat", 1)]),
        ("a (cat:1.3), b", [("a ", 1), ("cat", 1.3), (", b", 1)]),
        ("((a)) [b]", [("a", 1.21), (" ", 1), ("b", 0.9091)]),
        ("(a (b:1.5))", [("a ", 1.1), ("b", 1.65)]),
        (r"\(a\) \[b\] \\", [("(a) [b] \\", 1)]),
        ("a:b, 16:9 (c:d:1.2)", [("a:b, 16:9 ", 1), ("c:d", 1.2)]),
        ("a) b]", [("a) b]", 1)]),
        ("(a", [("a", 1.1)]),
        ("([a)b]", [("a", 1), ("b", 0.9091)]),
        ("(x:999) (y:-3)", [("x", 10), (" ", 1), ("y", 0)]),
        ("a\n(b\nc:0.5)", [("a\n", 1), ("b\nc", 0.5)]),
    ],
)
def test_weights(prompt, expected):
    assert parts(prompt) == expected


@pytest.mark.parametrize("piece", ["(a", "[(", "(", ":", "\\", "(:1", "<lora:", "(a:" + " " * 90])
def test_hostile_prompts_take_no_time_that_grows_faster_than_they_do(piece):
    prompt = (piece * 10_000)[:10_000]
    weighted_parts(prompt), remarks(prompt), reweighted(prompt, 9, 9, True), without_tags(prompt)


def test_tags_of_loras():
    prompt = "a cat, <lora:ink:0.8>, hat <lyco:old style> <lora:x:1:0.5>"
    assert lora_tags(prompt) == [("ink", "0.8"), ("old style", ""), ("x", "1")]
    assert without_tags(prompt) == "a cat, hat" and without_tags("<lora:a:1>, b") == "b"


def test_what_will_not_do_what_was_meant_is_said():
    assert not remarks("a (cat:1.2) [hat] \\(")
    assert [line.split(":")[0] for line in remarks("((a) b] (c:999)")] == [
        "A bracket “(” is not closed",
        "A bracket “]” closes nothing",
        "The weight 999 is beyond 0 to 10",
    ]


@pytest.mark.parametrize(
    ("prompt", "place", "up", "expected"),
    [
        ("a cat, dog", (3, 3), True, "a (cat:1.1), dog"),
        ("a (cat:1.1), dog", (4, 4), True, "a (cat:1.2), dog"),
        ("a (cat:1.1), dog", (4, 4), False, "a cat, dog"),
        ("a cat", (3, 3), False, "a (cat:0.9)"),
        ("a (cat) b", (3, 3), True, "a (cat:1.2) b"),
        ("a big cat b", (2, 10), True, "a (big cat:1.1) b"),
        ("(cat:10)", (2, 2), True, "(cat:10)"),
        ("  ", (1, 1), True, "  "),
    ],
)
def test_the_weight_of_the_word_under_the_cursor(prompt, place, up, expected):
    changed, start, end = reweighted(prompt, *place, up)
    assert changed == expected
    if prompt.strip():
        assert changed[start:end].strip("()") in prompt
