"""Models going out: folders for diffusers, ONNX networks, zips, and the lines of Python in the README beside them."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards, export, library
from diffusion_studio.models import onnx as onnx_network
from diffusion_studio.models.cards import read_card
from diffusion_studio.models.export import export_model
from diffusion_studio.models.folder import read_model
from diffusion_studio.pictures.channels import premultiplied
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import models_dir
from tests.model_folders import ALIKE, diffusers, save


@pytest.fixture(autouse=True)
def no_starters(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    yield
    close_models()


@pytest.fixture
def faces():
    return save(models_dir() / "faces", num_class_embeds=4)


def same(first, second):
    first, second = read_model(first).network.state_dict(), read_model(second).network.state_dict()
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_an_export_opens_in_diffusers_and_here(tmp_path, faces, dtype):
    target = export_model("faces", tmp_path / "out", dtype=dtype)
    unet = diffusers().DDPMPipeline.from_pretrained(target, low_cpu_mem_usage=False).unet
    wanted = read_model(faces).network.state_dict()
    for name, weight in unet.state_dict().items():
        assert torch.equal(weight.float(), wanted[name].to(getattr(torch, dtype)).float())
    assert library.import_model(target).classes == ("kind 0", "kind 1", "kind 2")


def lines(folder, **changed):
    """The Python in an export's README, with some of its words exchanged."""
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    for old, new in changed.values():
        assert code.count(old) == 1, code
        code = code.replace(old, new)
    return code


@pytest.mark.parametrize("classes", [None, 4])
def test_the_lines_of_the_readme_work(tmp_path, monkeypatch, classes):
    diffusers()
    save(models_dir() / "m", num_class_embeds=classes)
    export_model("m", tmp_path / "it's given")
    code = lines(tmp_path / "it's given", steps=("50", "2"))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (8, 8)
    assert len(code.strip().splitlines()) == (3 if classes is None else 5)


def learned_transparent(folder, *, binary):
    """Let a model of four channels be one of premultiplied RGBA; `binary`: its images were opaque or nothing."""
    card = folder / "card.json"
    facts = json.loads(card.read_text()) if card.is_file() else {}
    card.write_text(json.dumps({**facts, "pixels": {"premultiplied": True, "binary_alpha": binary}}))


@pytest.mark.parametrize("binary", [False, True])
def test_the_lines_beside_a_model_of_rgba_give_straight_colours(tmp_path, monkeypatch, binary):
    diffusers()
    folder = save(models_dir() / "m", in_channels=4, out_channels=4)
    learned_transparent(folder, binary=binary)
    export_model("m", tmp_path / "given")
    assert read_card(tmp_path / "given").pixels_are.premultiplied
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(lines(tmp_path / "given", steps=("50", "2")), names)
    with Image.open("picture.png") as picture:
        assert picture.mode == "RGBA"
        pixels = np.asarray(picture)
    if binary:  # as alpha is nearer, and nothing lies hidden
        assert set(np.unique(pixels[..., 3])) == {0, 255} and not pixels[pixels[..., 3] == 0].any()
        assert np.array_equal(pixels[..., 3] == 255, np.asarray(names["image"])[..., 3] >= 128)
        return
    seen = np.asarray(names["image"])  # as the pipeline has it
    assert np.array_equal(seen[..., 3], pixels[..., 3])
    full = pixels[..., 3] == 255
    assert np.array_equal(seen[full], pixels[full])
    half = (seen[..., 3] > 40) & (seen[..., 3] < 200) & (seen[..., 0] < seen[..., 3]) & (seen[..., 0] > 9)
    assert (pixels[half][:, 0] > seen[half][:, 0]).all()


def test_a_zip_goes_out_and_comes_in(tmp_path, faces):
    target = export_model("faces", tmp_path / "given", zip=True)
    assert target.name == "given.zip" and same(faces, library.import_model(target).path)


def test_an_export_never_overwrites(tmp_path, faces):
    (tmp_path / "there").mkdir()
    (tmp_path / "there.zip").write_text("mine")
    for how in ({}, {"zip": True}, {"layout": "onnx"}):
        with pytest.raises(UserError, match="is there already"):
            export_model("faces", tmp_path / "there", **how)
    with pytest.raises(UserError, match="not as “int8”"):
        export_model("faces", tmp_path / "new", dtype="int8")
    with pytest.raises(UserError, match="not for “gguf”"):
        export_model("faces", tmp_path / "new", layout="gguf")
    assert (tmp_path / "there.zip").read_text() == "mine" and not (tmp_path / "new").exists()


# ONNX -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def onnxruntime():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("onnxruntime")


SPRITES = {"num_class_embeds": 4, "in_channels": 4, "out_channels": 4}


@pytest.fixture
def sprites():
    """A model of RGBA with classes."""
    return save(models_dir() / "sprites", **SPRITES)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The network of `sprites` as ONNX, which takes seconds to write and is the same each time; its answers were compared."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    place = tmp_path_factory.mktemp("onnx")
    network = read_model(save(place / "sprites", **SPRITES)).network
    assert onnx_network.write_onnx(network, place / "model.onnx") < 1e-4
    return network, place / "model.onnx"


@pytest.fixture
def given_again(written, monkeypatch):
    """A float32 export of `sprites` takes the file that was written; everything after it, comparing included, is done."""
    network, file = written

    def write(plain, inputs, answer, target):
        right = network.state_dict()
        assert all(torch.equal(weight, right[name]) for name, weight in plain.network.state_dict().items())
        shutil.copy(file, target)

    monkeypatch.setattr(onnx_network, "_write", write)


def drawn_here(folder, seed, **settings):
    plan = GenerationSettings(seed=seed, sampler="ddim", precision="float32", device="cpu", **settings)
    return list(open_model(read_card(folder), device="cpu", precision="float32").previews(plan))[-1].denoised[
        0
    ]


HOW = {
    "cosine v with classes, rgba": (SPRITES, {"class_label": "kind 0"}),  # the network of `written`
    "zero snr, grey, 300 timesteps": (
        {"schedule": "linear_zero_snr", "timesteps": 300, "in_channels": 1, "out_channels": 1},
        {},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOW)
def test_the_lines_beside_an_onnx_network_draw_our_picture(tmp_path, monkeypatch, onnxruntime, request, name):
    """With our noise in place of numpy's, the few lines of numpy give the picture that is drawn here."""
    how, chosen = HOW[name]
    if chosen:
        request.getfixturevalue("given_again")
    folder = save(models_dir() / "m", **how)
    if how is SPRITES:
        learned_transparent(folder, binary=False)
    given = export_model("m", tmp_path / "given.onnx", layout="onnx")
    assert given == tmp_path / "given"
    assert sorted(path.name for path in given.iterdir()) == [
        *("README.md", "card.json", "model.onnx", "schedule.json", "scheduler_config.json")
    ]
    card = read_card(folder)
    noise = torch.randn((1, card.channels, 8, 8), generator=torch.Generator().manual_seed(3)).numpy()
    drawn = f"random.standard_normal((1, {card.channels}, 8, 8))"
    code = lines(given, noise=(drawn, "noise"))
    monkeypatch.chdir(tmp_path)
    exec(code, {"noise": noise})
    here = drawn_here(folder, 3, steps=50, **chosen)
    picture = np.asarray(Image.open("picture.png").convert("RGBA" if here.shape[2] == 4 else "RGB"))
    if here.shape[2] == 4:  # colours of what is almost transparent differ by more than they are seen
        picture, here = premultiplied(picture), premultiplied(here)
    assert np.abs(picture.astype(int) - here).max() <= 1
    exec(lines(given), {})  # as it stands, too
    text = (given / "README.md").read_text()
    assert "Compared with torch through onnxruntime" in text and f"opset {onnx_network.OPSET}" in text


@pytest.mark.slow
def test_an_onnx_network_answers_as_torch_does(tmp_path, onnxruntime):
    """For one image or many, at fractional timesteps too, with all that a network can have beside the usual."""
    config = {**ALIKE, "resnet_time_scale_shift": "scale_shift", "class_embed_type": "timestep"}
    network = read_model(save(tmp_path / "m", **config)).network
    difference = onnx_network.write_onnx(network, tmp_path / "model.onnx")
    assert difference < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = onnx_network.questions(network, 5, seed=9)
    inputs["timestep"] = inputs["timestep"] + 0.5
    with torch.no_grad():
        right = network(*inputs.values()).numpy()
    (answer,) = session.run(["out_sample"], {name: tensor.numpy() for name, tensor in inputs.items()})
    assert np.abs(answer - right).max() <= 1e-4 * np.abs(right).max()


@pytest.mark.slow
def test_an_onnx_network_of_half_the_size(tmp_path, faces, onnxruntime):
    given = export_model("faces", tmp_path / "half", layout="onnx", dtype="float16", zip=True)
    with zipfile.ZipFile(given) as archive:
        archive.extractall(tmp_path)
    session = onnxruntime.InferenceSession(
        tmp_path / "half" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    assert [entry.type for entry in session.get_inputs()] == [
        "tensor(float)",
        "tensor(float)",
        "tensor(int64)",
    ]
    import onnx

    kinds = {tensor.data_type for tensor in onnx.load(tmp_path / "half" / "model.onnx").graph.initializer
             if np.prod(tensor.dims) > 100}  # fmt: skip
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_an_onnx_network_of_sprites_makes_images_that_are_opaque_or_nothing(
    tmp_path, sprites, given_again, onnxruntime, monkeypatch
):
    learned_transparent(sprites, binary=True)
    given = export_model("sprites", tmp_path / "given", layout="onnx")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(lines(given, steps=(", 0, 50,", ", 0, 4,")), names)
    picture = np.asarray(Image.open("picture.png"))
    assert picture.shape == (8, 8, 4) and set(np.unique(picture[..., 3])) == {0, 255}
    assert not picture[picture[..., 3] == 0].any()
    assert np.array_equal(picture[..., 3] == 255, names["pixels"][..., 3] >= 128)


def test_an_onnx_network_that_answers_otherwise_is_not_kept(tmp_path, sprites, given_again, monkeypatch):
    other = read_model(save(tmp_path / "other", seed=1, **SPRITES)).network
    compare = onnx_network.compare
    monkeypatch.setattr(onnx_network, "compare", lambda _, __, *how: compare(other, other, *how))
    with pytest.raises(UserError, match="answers otherwise than torch's"):
        export_model("sprites", tmp_path / "given", layout="onnx")
    assert not (tmp_path / "given").exists()


def without(monkeypatch, *gone):
    found = onnx_network.importlib.util.find_spec
    monkeypatch.setattr(
        onnx_network.importlib.util, "find_spec", lambda name: None if name in gone else found(name)
    )


def test_what_onnx_needs_is_said(tmp_path, faces, monkeypatch):
    without(monkeypatch, "onnx", "onnxscript")
    with pytest.raises(
        UserError, match="needs the packages onnx and onnxscript: pip install onnx onnxscript"
    ):
        export_model("faces", tmp_path / "given", layout="onnx")
    with pytest.raises(UserError, match="float32 or float16, not as bfloat16"):
        export_model("faces", tmp_path / "given", layout="onnx", dtype="bfloat16")
    assert not (tmp_path / "given").exists()


def test_a_network_that_was_not_compared_says_so(tmp_path, faces, monkeypatch):
    without(monkeypatch, "onnxruntime", "onnx", "onnxscript")
    monkeypatch.setattr(onnx_network, "missing_packages", lambda: "")
    monkeypatch.setattr(
        onnx_network,
        "write_onnx",
        lambda network, file, dtype: onnx_network.compare(network, network, file, 1),
    )
    given = export_model("faces", tmp_path / "given", layout="onnx")
    assert "It was not compared with torch's answers" in (given / "README.md").read_text()
    schedule = json.loads((given / "schedule.json").read_text())
    assert np.allclose(schedule["alpha_bar"], read_model(faces).schedule.alpha_bar, rtol=1e-9)
    assert schedule["prediction_type"] == "v_prediction"


def test_onnx_on_the_command_line(tmp_path, sprites, given_again, capsys):
    assert main.main(["models", "export", "sprites", "--onnx", str(tmp_path / "web")]) == 0
    assert (
        capsys.readouterr().out == f"{tmp_path / 'web'}\n" and (tmp_path / "web" / export.ONNX_FILE).is_file()
    )
    assert main.main(["models", "export", "sprites", "--onnx", str(tmp_path / "web")]) == 1
    assert "is there already" in capsys.readouterr().err
