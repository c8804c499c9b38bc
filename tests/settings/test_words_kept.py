"""Styles and the history of prompts: kept in files that windows share, checked as they are read."""

import json

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.settings.prompt_history import MOST, PastPrompt, PromptHistory, history_file
from diffusion_studio.settings.styles import OWN, Style, Styles, styles_file


def test_a_style_goes_around_the_prompt_and_comes_off_again():
    style = Style("oil painting of {prompt}, canvas", "photograph")
    worn = style.applied("a cat", "blurry")
    assert worn == ("oil painting of a cat, canvas", "blurry, photograph")
    assert style.removed(*worn) == ("a cat", "blurry") and style.removed("a cat", "blurry") is None
    assert Style("ink").applied("a cat", "") == ("a cat, ink", "") and Style("ink").applied("", "") == (
        "ink",
        "",
    )
    assert Style("ink").removed("ink", "x") == ("", "x")
    with pytest.raises(UserError, match="10,000"):
        style.applied("x" * 9_999, "")


def test_styles_of_the_user_come_first_and_last():
    styles = Styles()
    assert list(styles.all()) == list(OWN)
    assert styles.save("  My  ink ", Style("ink of {prompt}")) == "My ink"
    assert next(iter(Styles().all())) == "My ink" and styles.own() == ["My ink"]
    styles.remove("My ink")
    assert not styles.own()
    for name, style in (("", Style("x")), ("a", Style()), ("a", Style("x\x07"))):
        with pytest.raises(UserError):
            styles.save(name, style)


def test_styles_and_prompts_that_are_not_allowed_are_left_out(own_folders):
    for path, name, good in (
        (styles_file(), "styles", {"a": {"prompt": "x {prompt}"}, "b": 3, "c": {"prompt": 7}, "d": {}}),
        (history_file(), "prompts", [{"prompt": "a"}, 3, {"prompt": "\x07"}, {"prompt": "x" * 10_001}]),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"version": 1, name: good}))
    assert [name for name in Styles().all() if name not in OWN] == ["a"]
    assert PromptHistory().find() == [PastPrompt("a")]


def test_the_history_has_the_newest_first_and_each_prompt_once():
    history = PromptHistory()
    for words in ("a cat", "a dog", "a cat", "  "):
        history.remember(PastPrompt(words, "blurry"))
    assert [past.prompt for past in history.find()] == ["a cat", "a dog"]
    assert [past.prompt for past in history.find("DOG blur")] == ["a dog"]
    history.remove(PastPrompt("a dog", "blurry"))
    assert len(PromptHistory().find()) == 1
    history.restore([PastPrompt(str(k)) for k in range(MOST + 5)])
    assert len(history.find()) == MOST
    history.clear()
    assert not history.find()
