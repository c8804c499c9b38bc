"""What is installed, told from small files alone."""

import json

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.models import cards, layout
from diffusion_studio.models.cards import find, find_by_hash, installed, read_card
from diffusion_studio.models.wording import draws
from diffusion_studio.storage.atomic import write_json
from diffusion_studio.storage.places import models_dir
from tests.model_folders import change_json, save


@pytest.fixture(autouse=True)
def starters(tmp_path, monkeypatch):
    """A folder of starter models of the test's own."""
    place = tmp_path / "starters"
    monkeypatch.setattr(cards, "resource", lambda name: place)
    return place


def put(folder, card=None, unet=None, scheduler=None):
    """A model as far as cards look at it; no weights."""
    (folder / "unet").mkdir(parents=True)
    config = {
        "sample_size": 8,
        "block_out_channels": [32],
        "down_block_types": ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"],
    }
    (folder / "unet" / "config.json").write_text(json.dumps({**config, **(unet or {})}))
    if scheduler is not None:
        (folder / "scheduler").mkdir()
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    if card is not None:
        (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_own_models_come_first_and_hide_a_starter_of_their_name(starters):
    put(models_dir() / "zebra", {"title": "Zebras"})
    put(models_dir() / "shared", {"title": "Mine"})
    put(starters / "shared", {"title": "Theirs"})
    put(starters / "apples", {"title": "Apples"})
    assert [(card.title, card.starter) for card in installed()] == [
        ("Mine", False),
        ("Zebras", False),
        ("Apples", True),
    ]


def test_broken_hidden_and_foreign_folders_hide_nothing(starters):
    put(models_dir() / "good")
    put(models_dir() / ".staged.1.0.part")
    put(models_dir() / "latent", unet={"_class_name": "UNet2DConditionModel"})
    put(models_dir() / "huge", unet={"num_class_embeds": 10**12})
    (put(models_dir() / "torn") / "unet" / "config.json").write_text("{")
    (models_dir() / "empty").mkdir()
    (models_dir() / "file").write_text("x")
    assert [card.name for card in installed()] == ["good"]


@pytest.mark.parametrize("said", ["{", "[1, 2]", '"text"', "\0" * 40, "9" * 5000])
def test_a_damaged_card_is_said_and_its_model_stays(starters, said):
    (put(models_dir() / "torn") / "card.json").write_text(said)
    put(models_dir() / "whole", {"title": "Whole"})
    torn, whole = sorted(installed(), key=lambda card: card.name)
    assert torn.name == torn.title == "torn" and "card.json" in torn.remarks[0]
    assert "described without it" in torn.remarks[0] and not any("card" in text for text in whole.remarks)


def test_nothing_a_card_says_steers_a_terminal_or_hides(starters):
    said = {"title": "A\x1b[2J\u202ecat\n\x07 b\0", "licence": "MIT\x9b\n", "description": "one\n\x1btwo"}
    put(models_dir() / "odd", said, unet={"num_class_embeds": 2})
    card = find("odd")
    assert card.title == "A [2J cat b" and card.licence == "MIT" and card.description == "one\n two"


def test_names_are_found_however_they_are_composed(starters):
    composed, apart = "Café crème", "Cafe\u0301  cre\u0300me"
    card = put(models_dir() / "a", {"title": apart, "classes": [apart, "x"]}, unet={"num_class_embeds": 2})
    assert find(composed).path == card and find(apart.upper()).path == card
    for typed in (composed, apart, composed.upper(), f" {apart} "):
        assert find("a").class_named(typed) == composed


def test_models_are_found_by_name_or_title(starters):
    put(models_dir() / "cats-32", {"title": "Cats"})
    put(models_dir() / "cats", {"title": "Other"})
    assert find("cats-32").title == "Cats"
    assert find("CATS").name == "cats"  # a name comes before a title
    assert find("other").name == "cats"
    with pytest.raises(UserError, match=r"“dogs” is not installed; installed are: cats-32, cats\."):
        find("dogs")


def test_a_path_is_never_a_name(tmp_path):
    folder = put(tmp_path / "elsewhere")
    put(models_dir() / "good")
    for name in (str(folder), "../elsewhere", "../../elsewhere"):
        with pytest.raises(UserError, match="is not installed"):
            find(name)


def test_the_default_is_the_chosen_one_else_the_starter_else_the_first(starters):
    with pytest.raises(UserError, match="No model is installed"):
        find("")
    put(models_dir() / "own")
    put(models_dir() / "other")
    assert find("").name == "other"
    put(starters / cards.STARTER)
    assert find("").name == cards.STARTER
    write_json(layout.default_file(), {"model": "own"})
    assert find("").name == "own"
    for value in ({"model": "gone"}, {"model": 7}, [], "own"):
        write_json(layout.default_file(), value)
        assert find("").name == cards.STARTER
    layout.default_file().write_text("{")
    assert find("").name == cards.STARTER


def test_weights_are_found_by_their_hash(starters):
    card = read_card(save(models_dir() / "m"))
    assert len(card.digest) == 64
    assert find_by_hash(card.digest[:10]) == card == find_by_hash(card.digest.upper())
    assert find_by_hash(card.digest[:9]) is None and find_by_hash("") is None


def test_a_card_says_what_the_model_is(tmp_path):
    card = read_card(
        put(
            tmp_path / "m",
            {
                "title": "Faces",
                "classes": ["a", "b"],
                "null_class": 2,
                "parameters": 1234,
                "recommended": {
                    "steps": 12,
                    "sampler": "unipc",
                    "guidance": 2.5,
                    "nonsense": 1,
                    "eta": "much",
                },
                "licence": "CC0",
            },
            {"num_class_embeds": 3},
            {"prediction_type": "v_prediction", "beta_schedule": "squaredcos_cap_v2"},
        )
    )
    assert (card.title, card.size, card.classes, card.class_count, card.null_class) == (
        "Faces",
        8,
        ("a", "b"),
        3,
        2,
    )
    assert (card.prediction, card.parameters, card.licence) == ("v_prediction", 1234, "CC0")
    settings = card.defaults()
    assert (settings.model, settings.steps, settings.sampler, settings.guidance, settings.eta) == (
        "m",
        12,
        "unipc",
        2.5,
        0,
    )
    assert {"class_label", "guidance"} <= card.options and card.samples is None


def test_a_model_without_a_card_is_described_by_its_configuration(tmp_path):
    card = read_card(put(tmp_path / "m", None, {"num_class_embeds": 3}))
    assert card.title == "m" and card.classes == ("class 0", "class 1", "class 2") and card.null_class is None
    assert "class_label" in card.options and "guidance" not in card.options
    settings = card.defaults()  # one that predicts epsilon needs the many noisy steps
    assert (settings.sampler, settings.steps, settings.eta) == ("ddim", 50, 1.0)
    assert not {"class_label", "guidance"} & read_card(put(tmp_path / "n")).options


@pytest.mark.parametrize(
    ("card", "classes", "null_class"),
    [
        ({"classes": ["a", "b", "c", "d"], "null_class": 3}, ("a", "b", "c"), None),
        ({"classes": ["a"], "null_class": 2}, ("a",), 2),
        ({"classes": [], "null_class": 2}, ("class 0", "class 1"), 2),
        ({"classes": "abc", "null_class": True}, ("class 0", "class 1", "class 2"), None),
        ({"classes": [1, None, ["x"]], "null_class": -1}, ("1", "class 1", "class 2"), None),
    ],
)
def test_a_card_never_names_rows_that_are_not_there(tmp_path, card, classes, null_class):
    read = read_card(put(tmp_path / "m", card, {"num_class_embeds": 3}))
    assert (read.classes, read.null_class) == (classes, null_class)


@pytest.mark.parametrize(
    "key",
    "title classes null_class parameters recommended description licence trained weights_sha256".split(),
)
def test_foreign_values_in_a_card_do_no_harm(tmp_path, key):
    folder = put(tmp_path / "m", {}, {"num_class_embeds": 2})
    for value in (None, 7, -1, 1e300, "x" * 5000, ["x"] * 9, {"a": {}}, True):
        change_json(folder / "card.json", **{key: value})
        card = read_card(folder)
        card.defaults()
        assert len(card.title) <= 120 and len(card.classes) <= 2 and card.options


@pytest.fixture
def settled(monkeypatch):
    """Files count as at rest at once, so that the cache is used."""
    monkeypatch.setattr(cards._cards, "unsettled", -(10**18))
    cards._cards.keep_only([])


@pytest.fixture
def readings(monkeypatch):
    """The folders whose cards are read."""
    read, found = cards.read_card, []
    monkeypatch.setattr(
        cards, "read_card", lambda folder, **how: found.append(folder.name) or read(folder, **how)
    )
    return found


def test_cards_are_read_once_and_again_only_where_something_changed(settled, readings):
    folders = [put(models_dir() / name, {"title": name}) for name in ("one", "two")]
    (put(models_dir() / "torn") / "unet" / "config.json").write_text("{")
    for _ in range(3):
        assert [card.name for card in installed()] == ["one", "two"]
    assert sorted(readings) == ["one", "torn", "two"]
    readings.clear()
    write_json(folders[0] / "card.json", {"title": "Another title"})
    assert [card.title for card in installed()] == ["Another title", "two"] and readings == ["one"]
    readings.clear()
    put(models_dir() / "three")
    assert [card.name for card in installed()] == ["one", "three", "two"] and readings == ["three"]
    folders[1].rename(folders[1].with_name(".two"))
    assert [card.name for card in installed()] == ["one", "three"]


def test_what_the_user_recommends_for_a_starter_is_seen_at_once(starters, settled):
    put(starters / "apples", {"recommended": {"steps": 5}})
    assert installed()[0].defaults().steps == 5
    write_json(layout.notes_file("apples"), {"recommended": {"steps": 7}})
    assert installed()[0].defaults().steps == 7


def test_a_card_overwritten_within_one_tick_of_the_clock_is_never_missed():
    folder = put(models_dir() / "quick", {"title": "00"})
    file = folder / "card.json"
    for number in range(1, 60):
        file.write_text(json.dumps({"title": f"{number:02}"}))  # in place, of the same size
        assert installed()[0].title == f"{number:02}"


@pytest.mark.parametrize(
    ("channels", "words"), [(1, "in greyscale"), (3, "in colour"), (4, "in colour with transparency")]
)
def test_a_card_says_what_its_images_have(starters, channels, words):
    folder = put(models_dir() / "one", unet={"in_channels": channels, "out_channels": channels})
    (folder / "model_index.json").write_text('{"_class_name": "DDPMPipeline"}')
    assert draws(read_card(folder)) == f"8 × 8 pixels, {words}"
