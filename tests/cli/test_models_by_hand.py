"""What is typed by hand: a model's place, a class's number, an own sampler, labels with commas, names of the hub."""

import json
import shlex
from pathlib import Path

import pytest

from diffusion_studio.cli import main
from diffusion_studio.cli.generate import settings_for
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models
from diffusion_studio.models import cards, library, typed
from diffusion_studio.models.import_sources import find_source, hub_cache
from diffusion_studio.pictures import reading
from diffusion_studio.settings.axes import join_values, parse_axis, parse_values, split_values
from diffusion_studio.storage.places import models_dir
from tests.model_folders import change_json, save

CLASSES = ["red, big", "blue", "7"]


@pytest.fixture(autouse=True)
def nothing_known(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    monkeypatch.setattr(cards, "_opened", {})
    monkeypatch.setattr(typed, "_places", {})
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    yield
    close_models()


@pytest.fixture
def run(capsys):
    def carry_out(words, *more):
        status = main.main([*shlex.split(words), *map(str, more)])
        out, err = capsys.readouterr()
        return status, out, err

    return carry_out


@pytest.fixture
def installed():
    return save(
        models_dir() / "shapes", num_class_embeds=4,
        card={"classes": CLASSES, "recommended": {"sampler": "ddim", "steps": 3, "eta": 1.0, "guidance": 2.0}},
    )  # fmt: skip


def zipped(folder):
    import shutil

    return shutil.make_archive(str(folder), "zip", folder.parent, folder.name)


@pytest.mark.parametrize("pack", [str, zipped])
def test_a_folder_or_a_zip_that_is_typed_draws_and_is_not_installed(tmp_path, run, installed, pack):
    place = pack(save(tmp_path / "elsewhere"))
    status, out, err = run("generate --steps 2 --seed 1 --out", tmp_path / "o", "--model", place)
    assert status == 0, err
    record = reading.read(Path(out.splitlines()[-1]))
    assert record.settings.model == "elsewhere"  # a name, never the path
    assert [card.name for card in cards.installed()] == ["shapes"]
    status, _, err = run(
        "compare --x",
        f"model=shapes,{place}",
        "--steps 2 --seed 1 --out".split()[0],
        "2",
        "--seed",
        "1",
        "--out",
        tmp_path / "c",
    )
    assert status == 0, err


def test_an_installed_name_comes_before_a_place_and_two_of_one_name_are_kept_apart(
    tmp_path, monkeypatch, installed
):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "shapes")
    assert typed.find_typed("shapes").path == installed
    other = typed.find_typed("./shapes")
    assert other.name == "shapes-2" and other.path == (tmp_path / "shapes").resolve()
    assert typed.find_typed(str(tmp_path / "shapes")) == other == cards.find("shapes-2")
    with pytest.raises(UserError, match=r"no model at \./gone"):
        typed.find_typed("./gone")
    with pytest.raises(UserError, match="is not installed"):
        typed.find_typed("gone")


def test_a_place_in_a_picture_is_never_opened(tmp_path, installed, monkeypatch):
    place = save(tmp_path / "elsewhere")

    class Record:
        settings, refused, given = True, [], {"model": str(place)}

    monkeypatch.setattr(reading, "read", lambda path: Record)
    monkeypatch.setattr(
        "diffusion_studio.models.made_by.find_model", lambda record: cards.find(record.given["model"])
    )
    with pytest.raises(UserError, match="is not installed"):
        settings_for({}, tmp_path / "x.png")


def test_a_class_is_named_by_its_label_or_its_number(installed):
    def meant(text):
        return settings_for({"class_label": text}, None).class_label

    assert [meant(text) for text in ("red, big", "0", "BLUE", "1", "7", "")] == [
        "red, big",
        "red, big",
        "blue",
        "blue",
        "7",
        "",
    ]
    with pytest.raises(UserError, match="has no class “9”; it has: red, big, blue, 7"):
        meant("9")


def test_a_sampler_chosen_by_hand_takes_nothing_of_the_recipe(installed):
    own, by_hand = settings_for({}, None), settings_for({"sampler": "ddim"}, None)
    assert (own.sampler, own.steps, own.eta, own.guidance) == ("ddim", 3, 1.0, 2.0)
    assert (by_hand.steps, by_hand.eta, by_hand.guidance) == (20, 0.0, 2.0)
    assert settings_for({"sampler": "ddim", "eta": 0.5}, None).eta == 0.5
    assert settings_for({}, None, varied=["sampler"]).eta == 0.0
    card = cards.find("shapes")
    assert card.without_recipe(own).eta == 0.0 and card.without_recipe(own).steps == 3


def test_values_with_commas_are_quoted_or_escaped():
    assert split_values('"red, big", blue') == split_values(r"red\, big,blue") == ["red, big", "blue"]
    assert parse_axis('class="red, big",blue').values == ("red, big", "blue")
    assert parse_values("class_label", 'say "hi",b') == ('say "hi"', "b")
    assert parse_values("class_label", '"a ""b"" c",d\\\\e') == ('a "b" c', "d\\e")
    for values in (("red, big", "blue"), ('"x"', "a\\b", "c,"), ("plain",)):
        assert parse_values("class_label", join_values(values)) == values
    assert parse_values("steps", "1..3,7") == (1, 2, 3, 7)
    with pytest.raises(UserError, match="not closed"):
        parse_axis('class="red, big')


def test_classes_with_commas_and_numbers_are_compared(tmp_path, run, installed):
    for axis in ('class="red, big",blue', "class=0,1"):
        status, _, err = run("compare --steps 2 --seed 1 --out", tmp_path / "o", "--x", axis)
        assert status == 0, err


# Import ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))
    repository = hub_cache() / "models--someone--ddpm-faces"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    save(repository / "snapshots" / "abc")
    return repository


def test_a_name_an_address_or_the_folder_of_the_hubs_cache_is_imported(cached):
    for source in ("someone/ddpm-faces", "https://huggingface.co/someone/ddpm-faces/tree/main", str(cached)):
        assert library.import_model(source).name.startswith("ddpm-faces")
    assert len(cards.installed()) == 3


def test_what_is_not_on_this_computer_is_answered_with_how_to_fetch_it(cached, run):
    for source in ("someone/else", "https://huggingface.co/someone/else", "hf.co/someone/else"):
        with pytest.raises(UserError, match="nothing is downloaded.*hf download someone/else.*import"):
            find_source(source)
    with pytest.raises(UserError, match="an address, and nothing is downloaded"):
        find_source("https://example.org/model.zip")
    with pytest.raises(UserError, match="is not there"):
        find_source("./gone")
    assert run("models import someone/else")[0] == 1


def test_an_import_says_what_was_assumed_and_answers_as_json(tmp_path, run):
    folder = save(tmp_path / "faces")
    (folder / "scheduler" / "scheduler_config.json").unlink()
    status, out, err = run("models import --json", folder)
    assert status == 0 and json.loads(out)["name"] == "faces" and "assumed" in json.loads(out)["remarks"][0]
    assert "no scheduler_config.json" in err
    status, out, _ = run("info faces")
    assert "Note" in out and "assumed" in out
    change_json(folder / "model_index.json", _class_name="ScoreSdeVePipeline")
    assert run("models import", folder)[0] == 1


def test_an_option_is_never_proposed_for_itself(run):
    status, _, err = run("models export --json a b")
    assert status == 2 and "“--json” is not an option" in err and "did you mean “--json”" not in err


def test_an_import_of_a_flow_says_what_it_is(tmp_path, run):
    folder = save(tmp_path / "faces")
    place = folder / "scheduler" / "scheduler_config.json"
    place.write_text(json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.0}))
    status, _, err = run("models import", folder)
    assert status == 0 and "flow-matching model (FlowMatchEulerDiscreteScheduler)" in err
