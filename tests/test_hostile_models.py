"""A model in which any file is a pipe, a device, endless or a link elsewhere: one sentence, at once, and nothing read."""

import os
import resource
import zipfile

import pytest

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.models import cards, import_sources, library, recognise
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, devices and links as POSIX has them")

EVERY = [
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "scheduler/scheduler_config.json",
    "card.json",
    "README.md",
    "LICENSE",
    "samples.png",
]


@pytest.fixture(autouse=True)
def no_starters(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def model(tmp_path):
    folder = save(tmp_path / "faces")
    (folder / "card.json").write_text("{}")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


def put(model, name, kind):
    path = model / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(1 << 42)
    else:
        path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse", "outside"])
@pytest.mark.parametrize("name", EVERY)
def test_an_import_ends_at_once_with_a_sentence_or_without_that_file(model, name, kind):
    put(model, name, kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = ""
    try:
        library.import_model(model)
    except UserError as error:
        said = str(error)
        assert str(model) in said
    if kind == "outside":
        assert name in said and "leads out of" in said
    for copied in models_dir().rglob("*"):
        assert copied.is_dir() or (copied.is_file() and copied.stat().st_size < 1 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse", "outside"])
@pytest.mark.parametrize("name", EVERY)
def test_an_installed_model_hangs_no_command(model, capsys, name, kind):
    card = library.import_model(model)
    put(card.path, name, kind)
    for verb in (["models", "list"], ["models", "verify", "faces"]):
        main.main(verb)
    assert "Traceback" not in capsys.readouterr().err
    for known in cards.installed():
        known.sample_sheet()


@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse", "outside"])
def test_a_file_named_instead_of_a_folder_is_explained_at_once(tmp_path, kind):
    for name in ("a.ckpt", "a.safetensors", "a.zip", "a"):
        put(tmp_path, name, kind)
        assert recognise.explain(tmp_path / name)
        with pytest.raises(UserError):
            library.import_model(tmp_path / name)


@pytest.mark.parametrize("part", ["unet", "scheduler"])
def test_a_linked_folder_inside_a_model_is_not_followed(tmp_path, model, part):
    (model / part).rename(tmp_path / "elsewhere")
    (model / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"{part}.*leads out of"):
        library.import_model(model)


def test_a_model_that_is_itself_a_link_is_followed(tmp_path, model):
    (tmp_path / "linked").symlink_to(model)
    assert library.import_model(tmp_path / "linked").name == "linked"


def test_a_snapshot_of_the_hub_is_imported_through_its_links(tmp_path, model):
    repository = tmp_path / "hub" / "models--me--faces"
    snapshot = repository / "snapshots" / "0123"
    (repository / "blobs").mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in model.rglob("*") if path.is_file())):
        place = snapshot / file.relative_to(model)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(repository / "blobs" / str(number))
        place.symlink_to(os.path.relpath(repository / "blobs" / str(number), place.parent))
    (found,) = import_sources.find_in_hub_cache()
    assert (found.name, found.reason) == ("me/faces", "")
    assert library.import_model(found.path).licence == "mit"
    (repository / "refs").mkdir()
    os.mkfifo(repository / "refs" / "main")
    assert [model.name for model in import_sources.find_in_hub_cache()] == ["me/faces"]


def test_a_bomb_beside_the_weights_of_a_zip_is_refused(tmp_path, model):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in model.rglob("*"):
            if file.is_file() and file.name != "README.md":
                archive.write(file, file.relative_to(model))
        with archive.open("README.md", "w", force_zip64=True) as packed:
            for _ in range(64):
                packed.write(b"\0" * (1 << 20))
    with pytest.raises(UserError, match="README.md' of 64 MB; 1 MB at most"):
        library.import_model(tmp_path / "faces.zip")
    assert not models_dir().exists() or not list(models_dir().iterdir())
