"""Models coming in, going out and kept: folders, zips, the hub's cache, the trash, and the command line's `models`."""

import json
import random
import re
import shutil
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.models import cards, export, import_sources, layout, library, verify
from diffusion_studio.models.cards import find, installed, read_card
from diffusion_studio.models.folder import WEIGHTS, read_model
from diffusion_studio.storage import foreign_file, places
from diffusion_studio.storage.places import models_dir
from tests.model_folders import ARCHITECTURES, change_json, diffusers, diffusers_pipeline, save


@pytest.fixture(autouse=True)
def no_starters(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "starters"


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "faces", num_class_embeds=4)


def zipped(folder, path, inside="faces/"):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, inside + str(file.relative_to(folder)))
    return path


def same(first, second):
    first, second = read_model(first).network.state_dict(), read_model(second).network.state_dict()
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


# Import ---------------------------------------------------------------------------------------------------------------


def test_of_imports_of_one_name_at_once_none_replaces_another(folder, tmp_path):
    other = save(tmp_path / "else" / "faces", num_class_embeds=6)
    with ThreadPoolExecutor() as pool:
        given = list(pool.map(library.import_model, [folder, other, folder, other]))
    assert sorted(card.name for card in given) == ["faces", "faces-2", "faces-3", "faces-4"]
    assert sorted(card.class_count for card in installed()) == [4, 4, 6, 6]
    for card, source in zip(given, [folder, other, folder, other], strict=True):
        assert same(card.path, source)


def test_a_pipeline_is_imported_with_what_belongs_to_it(folder):
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Faces\n")
    (folder / "setup.py").write_text("raise SystemExit")
    card = library.import_model(folder)
    assert card == find("faces") and card.path == models_dir() / "faces" and same(folder, card.path)
    assert card.classes == ("kind 0", "kind 1", "kind 2") and card.parameters > 1000
    assert card.licence == "apache-2.0" and len(card.digest) == 64
    assert not (card.path / "setup.py").exists() and (card.path / "README.md").is_file()


def test_a_second_of_the_same_name_gets_another(folder):
    assert [library.import_model(folder).name for _ in range(2)] == ["faces", "faces-2"]
    assert library.import_model(folder, "../My: model?").name == "My- model"
    assert find("My- model").title == "../My: model?" and len(installed()) == 3


def test_a_second_of_the_same_title_gets_a_number_and_its_rename_is_undone(folder):
    change_json(folder / "card.json", title="Faces of mine")
    titles = [library.import_model(folder).title for _ in range(3)]
    assert titles == ["Faces of mine", "Faces of mine 2", "Faces of mine 3"]
    library.rename_model("faces-2", "Others")
    assert library.rename_model("faces-2", titles[1]).title == titles[1]


def test_a_network_alone_or_inside_its_pipeline(tmp_path, folder):
    assert (
        library.import_model(folder / "unet", "a").prediction == "v_prediction"
    )  # its pipeline lies around it
    alone = shutil.copytree(folder / "unet", tmp_path / "alone")
    card = library.import_model(alone)
    assert card.name == "alone" and card.prediction == "epsilon" and same(folder, card.path)
    usual = shutil.copytree(alone, tmp_path / "my model" / "unet")
    assert library.import_model(usual).name == "my model"  # “unet” would tell nobody which


@pytest.mark.parametrize("name", ["ddpm-cifar10-32", "class-conditional", "scale and shift"])
def test_what_diffusers_saved_comes_in_and_goes_out_unchanged(tmp_path, name):
    pipeline = diffusers_pipeline(ARCHITECTURES[name], variance_type="fixed_large")
    pipeline.save_pretrained(tmp_path / "theirs")
    card = library.import_model(tmp_path / "theirs", "mine")
    export.export_model("mine", tmp_path / "back")
    again = diffusers().DDPMPipeline.from_pretrained(tmp_path / "back", low_cpu_mem_usage=False)
    before, after = pipeline.unet.state_dict(), again.unet.state_dict()
    assert set(before) == set(after) and all(torch.equal(before[key], after[key]) for key in before)
    assert again.scheduler.config.variance_type == "fixed_large" and card.defaults().sampler == "ddpm"


@pytest.mark.parametrize("inside", ["faces/", "", "a/b/"])
def test_a_zip_of_a_model(tmp_path, folder, inside):
    card = library.import_model(zipped(folder, tmp_path / "faces.zip", inside))
    assert card.name == "faces" and same(folder, card.path)


def entry(name, kind=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = kind << 16
    return info


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([entry("../evil")], "outside its folder"),
        ([entry("/etc/evil")], "outside its folder"),
        ([entry("a/../../evil")], "outside its folder"),
        ([entry("C:evil")], "outside its folder"),
        ([entry("config.json", stat.S_IFLNK)], "holds a link"),
        ([entry("README.md"), entry("readme.md")], "twice"),
        ([entry(f"{k}.json") for k in range(1001)], "1001 files"),
    ],
)
def test_zips_that_reach_out_are_refused(tmp_path, names, said):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for info in names:
            archive.writestr(info, "x")
    with pytest.raises(UserError, match=said) as caught:
        library.import_model(tmp_path / "bad.zip")
    assert "bad.zip" in str(caught.value) and not list(tmp_path.rglob("evil"))


def test_a_zip_larger_than_the_room_is_refused(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(import_sources.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="more than there is room for"):
        library.import_model(zipped(folder, tmp_path / "faces.zip"))


def test_damaged_zips_are_refused(tmp_path, folder):
    whole = zipped(folder, tmp_path / "faces.zip").read_bytes()
    chance = random.Random(2)
    for number in range(40):
        blob = bytearray(whole)
        for _ in range(4):
            blob[chance.randrange(len(blob))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.zip"
        path.write_bytes(blob if number % 4 else blob[: chance.randrange(len(blob))])
        fault = None
        try:
            library.import_model(path, "damaged")
        except UserError as error:
            fault = str(error)
        assert fault is None or str(path) in fault
    for card in installed():
        assert verify.verify_model(card.name) == []


def test_what_is_refused_leaves_nothing(tmp_path, folder):
    (folder / "unet" / WEIGHTS).write_bytes(b"x" * 100)
    with pytest.raises(UserError, match="not a safetensors file"):
        library.import_model(folder)
    assert not models_dir().exists() or not list(models_dir().iterdir())


def other(tmp_path, **files):
    place = tmp_path / "other"
    place.mkdir()
    for name, content in files.items():
        content = content if isinstance(content, str) else json.dumps(content)
        (place / name.replace("__", ".")).write_text(content)
    return place


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"model_index__json": {"_class_name": "StableDiffusionPipeline", "vae": [], "text_encoder": []}},
            "unet/config.json is missing",
        ),
        ({"model_index__json": {"_class_name": "LDMPipeline", "vqvae": []}}, "a latent pipeline"),
        ({"config__json": {"_class_name": "UNet2DConditionModel"}}, "latent text-to-image model"),
        ({"config__json": {"_class_name": "SD3Transformer2DModel"}}, "diffusion transformer"),
        ({"adapter_config__json": {}}, "a LoRA"),
        ({"model__pt": "x"}, "pickles"),
        ({"notes__txt": "x"}, "without a model"),
        ({"model__safetensors": "x"}, "without a config.json"),
    ],
)
def test_other_folders_are_told_what_they_are(tmp_path, files, said):
    place = other(tmp_path, **files)
    with pytest.raises(UserError, match=said) as caught:
        library.import_model(place)
    assert str(place) in str(caught.value)


@pytest.mark.parametrize("network", ["UNet2DConditionModel", "UNet2DModel"])
def test_a_latent_pipeline_is_told_as_such_whatever_its_network(tmp_path, folder, network):
    """Unconditional latent models have a UNet2DModel of three channels, which would draw something that is no picture."""
    index = {"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"], "unet": ["diffusers", network]}
    (folder / "model_index.json").write_text(json.dumps(index))
    change_json(folder / "unet" / "config.json", _class_name=network)
    with pytest.raises(
        UserError, match=r"is a latent pipeline \(LDMPipeline\), which does not generate pixels"
    ):
        library.import_model(folder)


def test_other_files_are_told_what_they_are(tmp_path):
    from safetensors.torch import save_file

    trainer = {"step": 1, "model": {}, "opt": {}, "ema": {}, "scaler": None, "version": "2.2.5"}
    torch.save(trainer, tmp_path / "model-7.pt")
    torch.save(trainer, tmp_path / "renamed.ckpt")
    torch.save(trainer, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "model-8.pt").write_bytes(b"torn")
    torch.save({"state_dict": {"model.diffusion_model.x": torch.zeros(1)}}, tmp_path / "sd.ckpt")
    guided = {"time_embed.0.weight": torch.zeros(1), "input_blocks.0.0.weight": torch.zeros(1)}
    torch.save(guided, tmp_path / "guided.pt")
    torch.save({"conv_in.weight": 1, "conv_out.weight": 1}, tmp_path / "unet.pt")
    torch.save({"x": 1}, tmp_path / "weights.zip.safetensors")
    save_file({"unet.lora_down.weight": torch.zeros(1)}, tmp_path / "style.safetensors")
    save_file({"first_stage_model.x": torch.zeros(1)}, tmp_path / "sd.safetensors")
    save_file(
        {"conv_in.weight": torch.zeros(1), "conv_out.weight": torch.zeros(1)}, tmp_path / "unet.safetensors"
    )
    said = {
        "model-7.pt": "Trainer of denoising-diffusion-pytorch.*trainer.ema.ema_model.sample",
        "renamed.ckpt": "Trainer of denoising-diffusion-pytorch",
        "old.pt": "Trainer of denoising-diffusion-pytorch",
        "model-8.pt": "Trainer of denoising-diffusion-pytorch",
        "sd.ckpt": "a Stable Diffusion checkpoint.*in a pickle",
        "guided.pt": "OpenAI's guided-diffusion",
        "unet.pt": r"UNet2DModel.from_pretrained\(FOLDER\)",
        "weights.zip.safetensors": "a pickle",
        "style.safetensors": "a LoRA",
        "sd.safetensors": "Stable Diffusion checkpoint",
        "unet.safetensors": "without the config.json",
        "gone": "is not there",
    }
    for name, words in said.items():
        with pytest.raises(UserError, match=words):
            library.import_model(tmp_path / name)


def test_a_pickle_is_looked_through_and_never_unpickled(tmp_path):
    """What it would do if it were opened is not done."""

    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "opened"), "w")

    torch.save({"step": 1, "model": Evil(), "opt": 0, "ema": 0, "scaler": 0}, tmp_path / "model-1.pt")
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "model-1.pt", tmp_path / "folder")
    for source in ("model-1.pt", "folder"):
        with pytest.raises(UserError, match="Trainer of denoising-diffusion-pytorch"):
            library.import_model(tmp_path / source)
    assert not (tmp_path / "opened").exists()


# The hub's cache ------------------------------------------------------------------------------------------------------


def cached(folder, hub, name):
    """As the hub's tools lay it out: blobs, and snapshots full of links to them."""
    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "abc123"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    for number, file in enumerate(path for path in sorted(folder.rglob("*")) if path.is_file()):
        shutil.copy(file, repository / "blobs" / str(number))
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(repository / "blobs" / str(number))
    return snapshot


@pytest.mark.parametrize("where", ["HF_HOME", "HF_HUB_CACHE", "default"])
def test_models_in_the_hubs_cache_are_found_and_imported(tmp_path, folder, monkeypatch, where):
    hub = tmp_path / "cache" / "huggingface" / "hub" if where == "default" else tmp_path / "hf" / "hub"
    if where != "default":
        monkeypatch.setenv(where, str(hub.parent if where == "HF_HOME" else hub))
    assert import_sources.find_in_hub_cache() == []
    (folder / "card.json").unlink()
    snapshot = cached(folder, hub, "google/ddpm-x")
    change_json(folder / "unet" / "config.json", in_channels=5, out_channels=5)
    cached(folder, hub, "a/latents")
    change_json(folder / "unet" / "config.json", _class_name="UNet2DConditionModel")
    cached(folder, hub, "b/text")
    (hub / "models--c--empty").mkdir()
    found = import_sources.find_in_hub_cache()
    assert [(model.name, bool(model.reason)) for model in found] == [
        ("google/ddpm-x", False),
        ("a/latents", True),
    ]
    card = library.import_model(found[0].path)
    assert card.name == "ddpm-x" and same(card.path, snapshot)
    assert not any(path.is_symlink() for path in card.path.rglob("*"))


# Keeping --------------------------------------------------------------------------------------------------------------


def test_what_is_deleted_can_be_restored(folder):
    card = library.import_model(folder)
    trashed = library.delete_model("faces")
    assert not card.path.exists() and installed() == []
    places.restore(trashed, card.path)
    assert find("faces") == card and verify.verify_model("faces") == []


def test_starters_stay_but_can_be_copied(no_starters):
    save(no_starters / "starter")
    with pytest.raises(UserError, match="comes with the application and cannot be deleted"):
        library.delete_model("starter")
    with pytest.raises(UserError, match="cannot be renamed"):
        library.rename_model("starter", "Mine")
    copy = library.duplicate_model("starter")
    assert (copy.name, copy.title, copy.starter) == ("starter copy", "starter copy", False)
    assert same(copy.path, no_starters / "starter")
    library.delete_model(copy.name)
    with pytest.raises(UserError, match="Name the model"):
        library.delete_model("")


def test_a_model_is_renamed_without_moving(folder):
    library.import_model(folder)
    card = library.rename_model("faces", "  All \n faces ")
    assert (card.title, card.name) == ("All faces", "faces") and find("all faces") == card
    library.import_model(folder, "other")
    for title, said in ((" ", "at least one letter"), ("OTHER", "Another model")):
        with pytest.raises(UserError, match=said):
            library.rename_model("faces", title)


def test_copies_are_named_apart(folder):
    library.import_model(folder)
    titles = [library.duplicate_model("faces").title for _ in range(2)]
    assert titles == ["faces copy", "faces copy 2"]
    assert library.duplicate_model("faces", "Second: try").name == "Second- try"
    with pytest.raises(UserError, match="Another model is called"):
        library.duplicate_model("faces", "FACES")


WISHED = {"sampler": "heun", "steps": 9, "guidance": 2.0, "churn": 5.0}


def test_what_is_recommended_is_kept_in_the_card_and_travels(tmp_path, folder):
    first = library.import_model(folder)
    card = library.recommend("faces", {**WISHED, "seed": 5, "model": "/etc"})
    assert card == find("faces") and card.recommended == WISHED and card.changed and not first.changed
    assert (card.defaults().sampler, card.defaults().steps, card.defaults().seed) == ("heun", 9, None)
    again = library.import_model(export.export_model("faces", tmp_path / "given"))
    assert again.recommended == WISHED and not again.changed
    with pytest.raises(UserError, match="Steps must be between"):
        library.recommend("faces", {"steps": 0})
    assert library.recommend("faces", None).defaults() == first.defaults() and not find("faces").changed


def test_what_is_recommended_for_a_starter_lies_beside_it(tmp_path, no_starters):
    place = save(no_starters / "starter", card={"recommended": {"steps": 30}})
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    card = library.recommend("starter", WISHED)
    assert card == find("starter") and card.recommended == WISHED and card.starter and card.changed
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert library.duplicate_model("starter").recommended == WISHED
    export.export_model("starter", tmp_path / "given")
    assert read_card(tmp_path / "given").recommended == WISHED
    layout.notes_file("starter").write_text("{")  # damaged notes are none
    assert find("starter").recommended == {"steps": 30}
    library.recommend("starter", WISHED)
    assert library.recommend("starter", None).recommended == {"steps": 30}
    assert json.loads(layout.notes_file("starter").read_text()) == {} and not find("starter").changed


def test_verifying_says_how_far_it_is(folder, monkeypatch):
    monkeypatch.setattr(foreign_file, "BLOCK", 1000)
    card = library.import_model(folder)
    *hashed, opening, verdict = verify.verify("faces")
    size = (card.path / "unet" / WEIGHTS).stat().st_size
    assert [event.done for event in hashed] == [
        *range(1000, size, 1000),
        size,
    ] and opening.text == "Opening it…"
    assert verdict == verify.ModelVerdict(name="faces", faults=(), compared=True)
    change_json(card.path / "card.json", weights_sha256=None)
    *_, verdict = verify.verify("faces")
    assert verdict.faults == () and not verdict.compared


def test_verifying_finds_what_is_wrong(folder):
    card = library.import_model(folder)
    assert verify.verify_model("faces") == []
    weights = card.path / "unet" / WEIGHTS
    blob = bytearray(weights.read_bytes())
    blob[-2] ^= 1
    weights.write_bytes(blob)
    assert "not those its card names" in verify.verify_model("faces")[0]
    weights.write_bytes(blob[:-1])
    assert "cut off" in verify.verify_model("faces")[0]


def test_the_default_is_kept(folder):
    for name in ("b", "a"):
        library.import_model(folder, name)
    assert find("").name == "a"
    assert library.set_default("b").name == "b" and find("").name == "b"
    library.delete_model("b")
    assert find("").name == "a"
    with pytest.raises(UserError, match="is not installed"):
        library.set_default("b")


# The command line -----------------------------------------------------------------------------------------------------


def test_models_on_the_command_line(tmp_path, folder, capsys):
    def run(*words):
        status = main.main(["models", *map(str, words)])
        return status, capsys.readouterr()

    assert run("import", folder)[1].out == "faces\n"
    assert run("import", folder, "--name", "second")[1].out == "second\n"
    assert [line.split()[0] for line in run()[1].out.splitlines()] == ["faces", "second"]
    assert run()[1].out == run("list")[1].out
    assert [json.loads(line)["name"] for line in run("--json")[1].out.splitlines()] == ["faces", "second"]
    assert run("list", "--json")[1].out == run("--json")[1].out == run("--json", "list")[1].out
    assert json.loads(run("info", "second", "--json")[1].out)["classes"][0] == "kind 0"
    assert run("default", "second")[1].out == run("default")[1].out == "second\n"
    assert run("verify")[1].out == "faces: no problems found\nsecond: no problems found\n"
    status, said = run("export", "faces", tmp_path / "out.zip", "--dtype", "float16")
    assert (
        status == 0 and said.out == f"{tmp_path / 'out.zip'}\n" and zipfile.is_zipfile(tmp_path / "out.zip")
    )
    assert run("export", "faces", tmp_path / "out.zip")[0] == 1
    (tmp_path / "out.zip").write_bytes(b"another")
    status, said = run("export", "faces", tmp_path / "out.zip", "--overwrite")
    assert status == 0 and "in the trash" in said.err and zipfile.is_zipfile(tmp_path / "out.zip")
    assert Path(said.err.split("trash: ")[1].strip()).read_bytes() == b"another"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear")
    status, said = run("export", "faces", tmp_path / "mine", "--overwrite")
    assert (
        status == 1 and "is not an exported model" in said.err and (tmp_path / "mine" / "diary.txt").is_file()
    )
    assert run("rename", "second", "The second")[1].out == "The second\n"
    assert run("duplicate", "second", "--title", "third")[1].out == "third\n"
    rows = run("info", "third")[1].out
    assert re.search("U-Net, 2 levels, [0-9,]+ parameters, attention at 4×4", rows) and "On disk" in rows
    assert run("delete", "third")[0] == 0
    status, said = run("delete", "second")
    assert status == 0 and "gallery trash restore" in said.err and run("default")[1].out == "faces\n"
    (find("faces").path / "unet" / WEIGHTS).write_bytes(b"")
    for words in (
        ["verify"],
        ["export", "faces", tmp_path / "x"],
        ["delete", "gone"],
        ["import", tmp_path / "gone"],
        ["import"],
    ):
        status, said = run(*words)
        assert status == 1 and len(said.err.splitlines()) == 1
    assert run("nonsense")[0] == 2
    assert read_card(find("faces").path).name == "faces"
