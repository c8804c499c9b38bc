"""What the Models page does that takes a while: verifying, samples, import, export, making fast."""

import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from PySide6.QtCore import Qt

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.models import cards, library, onnx
from diffusion_studio.models.folder import write_model
from diffusion_studio.storage.places import models_dir
from diffusion_studio.ui.models import export_dialog
from diffusion_studio.ui.models.export_dialog import ExportDialog
from diffusion_studio.ui.models.fast_dialog import FastDialog
from diffusion_studio.ui.train.steps import RUN
from tests.model_folders import change_json, network, save
from tests.models.test_library import cached
from tests.ui.models.conftest import choose, drop, number, rest, titles

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def test_verifying_says_what_it_found(page, window, qtbot, said):
    card = library.import_model(save(models_dir().parent / "sound"))
    page.refresh("sound")
    rest(window, qtbot)
    page.card.buttons["verify"].click()
    assert (
        page.working
        and not page.card.actions_by_name["export"].isEnabled()
        and page.activity.cancel.isVisible()
    )
    rest(window, qtbot)
    assert not page.working and page.card.actions_by_name["export"].isEnabled()
    assert said[-1] == "“sound” verified: no problems found."
    weights = next((card.path / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    page.do("verify")
    rest(window, qtbot)
    assert page.activity.isHidden() and "is damaged" in said[-1] and "cut off" in said[-1]


def test_a_copy_is_made_and_chosen(page, window, qtbot):
    save(models_dir() / "mine", seed=1)
    page.refresh("mine")
    rest(window, qtbot)
    page.card.actions_by_name["duplicate"].trigger()
    rest(window, qtbot)
    assert page.card.title.text() == "mine copy" and cards.find("mine copy").path.is_dir()


def test_samples_are_drawn_for_a_model_that_came_without(page, window, qtbot):
    library.import_model(save(models_dir().parent / "new", card={"recommended": {"steps": 2}}))
    page.refresh("new")
    rest(window, qtbot)
    assert page.card.make_samples.isVisible() and not page.card.samples.isVisible()
    page.card.make_samples.click()
    rest(window, qtbot)
    assert (
        len(page.card.samples.cells()) == 16
        and page.card.samples.isVisible()
        and not page.card.make_samples.isVisible()
    )
    assert cards.find("new").samples is not None


def test_cancelling_leaves_nothing(page, window, qtbot, tmp_path, monkeypatch):
    from diffusion_studio.events import Status
    from diffusion_studio.models import export

    def endless(*_, **__):
        while True:
            yield Status(text="Writing…")

    monkeypatch.setattr(export, "exporting", endless)
    page.tasks.export(
        cards.find("faces"), export_dialog.ExportRequest(tmp_path / "out", "float32", False, "diffusers")
    )
    qtbot.waitUntil(lambda: page.activity.words.text() == "Writing…")
    page.activity.cancel.click()
    rest(window, qtbot)
    assert (
        page.activity.isHidden()
        and not (tmp_path / "out").exists()
        and page.card.actions_by_name["export"].isEnabled()
    )


def test_a_folder_or_a_zip_is_imported_where_it_is_dropped(page, window, qtbot, tmp_path, said):
    source = save(tmp_path / "new", seed=2)
    assert drop(page, source)
    rest(window, qtbot)
    assert page.card.title.text() == "new" and said[-1].startswith("“new” imported.")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in source.rglob("*"):
            archive.write(file, file.relative_to(source))
    drop(page, tmp_path / "packed.zip")
    rest(window, qtbot)
    assert page.selected.card.name == "packed"
    window.contents.visit(0)
    assert {"new", "packed"} <= {
        window.page.panel.chooser.itemData(k) for k in range(window.page.panel.chooser.count())
    }


def test_what_is_no_model_is_told_what_it_is_and_the_model_in_use_stays(page, window, qtbot, tmp_path, said):
    window.contents.visit(0)
    window.page.request.choose_model("plain")
    window.contents.visit(number(window, "Models"))
    (tmp_path / "latent").mkdir()
    index = {"_class_name": "StableDiffusionPipeline", "vae": [], "text_encoder": []}
    (tmp_path / "latent" / "model_index.json").write_text(json.dumps(index))
    torch.save({"step": 1, "model": {}, "opt": {}, "ema": {}, "scaler": {}}, tmp_path / "model-3.pt")
    broken = save(tmp_path / "broken")
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-9])
    for name, words in {
        "latent": "unet/config.json is missing",
        "model-3.pt": "Trainer of denoising-diffusion-pytorch",
        "broken": "cut off",
    }.items():
        drop(page, tmp_path / name)
        rest(window, qtbot)
        assert words in said[-1] and page.activity.isHidden()
    assert titles(page) == ["Faces", "Plain"]
    window.contents.visit(0)
    assert window.page.request.value().model == "plain"


def test_the_hubs_cache_is_offered(page, window, qtbot, tmp_path, monkeypatch):
    hub = tmp_path / "hf" / "hub"
    monkeypatch.setenv("HF_HOME", str(hub.parent))
    folder = save(tmp_path / "source")
    cached(folder, hub, "google/ddpm-x")
    change_json(folder / "unet" / "config.json", in_channels=5, out_channels=5)
    cached(folder, hub, "a/latents")
    page.browser.tile.click()
    rest(window, qtbot)
    dialog = page._import
    assert [dialog.found.item(k).text() for k in range(dialog.found.count())] == [
        "google/ddpm-x",
        "a/latents",
    ]
    refused = dialog.found.item(1)
    assert not refused.flags() & Qt.ItemFlag.ItemIsEnabled
    assert refused.data(Qt.ItemDataRole.AccessibleTextRole).startswith("a/latents: in_channels is 5")
    assert dialog.outcome.text().startswith("1 model can be imported") and dialog.grab().width() > 0
    dialog.accept_button.click()
    rest(window, qtbot)
    assert page.selected.card.name == "ddpm-x" and page._import is None


def test_an_empty_cache_says_so(page, window, qtbot, tmp_path, monkeypatch, choose_file):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing"))
    page.ask_import()
    rest(window, qtbot)
    assert page._import.outcome.text().startswith("There are no models in ")
    assert not page._import.accept_button.isEnabled()
    chosen = save(tmp_path / "chosen")
    choose_file(chosen)
    page._import.folder.click()
    rest(window, qtbot)
    assert page.selected.card.name == "chosen"


@pytest.fixture
def dialog(qtbot, page, window, tmp_path, monkeypatch):
    monkeypatch.setattr(export_dialog, "last_place", lambda _: tmp_path)
    save(models_dir() / "mine")
    page.refresh("mine")
    rest(window, qtbot)
    page.card.actions_by_name["export"].trigger()
    return next(dialog for dialog in page.findChildren(ExportDialog) if dialog.isVisible())


def test_a_model_is_exported(dialog, page, window, qtbot, tmp_path, monkeypatch, noticed):
    revealed = []
    monkeypatch.setattr("diffusion_studio.ui.models.background.reveal", revealed.append)
    dialog.format.show_value("zip")
    dialog.precision.show_value("float16")
    assert dialog.target.value() == str(tmp_path / "mine.zip")
    dialog.accept_button.click()
    rest(window, qtbot)
    assert zipfile.is_zipfile(tmp_path / "mine.zip")
    assert "“mine” exported to" in noticed[-1][0] and noticed[-1][1] == "Show"
    noticed[-1][2]()
    assert revealed == [tmp_path / "mine.zip"]


def test_a_place_that_is_taken_is_said_before(dialog, tmp_path):
    (tmp_path / "mine").mkdir()
    dialog.target.show_value(str(tmp_path / "mine"))
    dialog.target.show_value(str(tmp_path / "mine2"))
    assert dialog.accept_button.isEnabled() and not dialog.fault.isVisible()
    dialog.target.show_value(str(tmp_path / "mine"))
    assert dialog.fault.text() == "That name is taken."
    assert not dialog.accept_button.isEnabled()
    dialog.target.show_value("relative")
    assert dialog.fault.text() == "Enter the full path to save it at."
    dialog.reject()


def test_onnx_says_what_it_needs(dialog, monkeypatch):
    assert export_dialog.NEEDED == onnx.WRITERS
    find = export_dialog.importlib.util.find_spec
    monkeypatch.setattr(
        export_dialog.importlib.util, "find_spec", lambda name: None if "onnx" in name else find(name)
    )
    dialog.format.show_value("onnx")
    assert dialog.fault.text() == "ONNX needs more packages first: pip install onnx onnxscript"
    assert not dialog.accept_button.isEnabled() and dialog.precision.findData("bfloat16") < 0
    monkeypatch.undo()
    dialog.format.show_value("folder")
    assert dialog.accept_button.isEnabled() and dialog.precision.findData("bfloat16") >= 0
    dialog.format.show_value("onnx")
    assert dialog.request.layout == "onnx"
    dialog.reject()


@pytest.mark.slow
def test_an_onnx_network_is_written_from_the_window(dialog, page, window, qtbot, tmp_path, noticed):
    """torch's exporter needs a deep stack, which the thread has."""
    pytest.importorskip("onnxscript")
    dialog.format.show_value("onnx")
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: not page.working, timeout=120_000)
    assert noticed[-1][0].startswith("“mine” exported to") and (tmp_path / "mine" / "model.onnx").is_file()


def test_it_is_made_fast_on_the_train_page(page, window, qtbot, monkeypatch):
    """From the button to the Run step of the Train page, where the distillation is reported as any training."""
    from diffusion_studio import events, training_events
    from diffusion_studio.training.records import runs

    asked = []

    def distil(settings):
        asked.append(settings)
        run = runs.create(settings.name, {"size": 8, "name": settings.name, "distil": {"steps": 4}}, {})
        yield events.Status(text="Generating images to learn from…")
        yield training_events.TrainingStarted(
            run=run.path, title=run.name, device="cpu", precision="float32", parameters=1, pictures=6,
            first_step=0, total=2,
        )  # fmt: skip
        pictures = np.zeros((2, 8, 8, 3), np.uint8)
        yield training_events.Samples(step=1, ema=pictures, raw=pictures, warming_up=True, teacher=True)

    monkeypatch.setattr("diffusion_studio.jobs.train.distil", distil)
    choose(page, "faces")
    page.card.buttons["fast"].click()
    (dialog,) = page.findChildren(FastDialog)
    assert dialog.form.fields["name"].value() == "Faces fast"
    assert dialog.form.fields["guidance"].isVisibleTo(dialog), "it has classes"
    dialog.form.fields["name"].show_value("Plain")
    dialog.form.changed.emit()
    assert not dialog.accept_button.isEnabled() and "“Plain”" in dialog.fault.text()
    dialog.form.fields["name"].show_value("Quick")
    dialog.form.fields["student_steps"].show_value(4)
    dialog.form.changed.emit()
    dialog.accept_button.click()
    assert window.contents.entries[window.contents.rail.chosen_number].label == "Train"
    rest(window, qtbot)
    ((settings,), train) = asked, window.page
    assert (settings.model, settings.name, settings.student_steps, settings.minutes) == (
        "faces",
        "Quick",
        4,
        20.0,
    )
    samples = train.run_view.samples
    assert train.steps.current == RUN and train.run_view.title.text() == "Quick"
    assert (samples.ema.text(), samples.raw.text()) == ("Fast", "Teacher") and len(
        samples.canvas.pictures
    ) == 2
    assert samples.note.text() == ""
    samples.begin(None, 8)
    assert (samples.ema.text(), samples.raw.text()) == ("EMA", "Raw")


@pytest.mark.slow
def test_a_model_of_latents_is_made_fast_from_the_window(page, window, qtbot, tmp_path):
    """With the real job: from the dialog to the samples of student and teacher, and a model with the same autoencoder."""
    torch.manual_seed(5)
    config = AutoencoderConfig(channels=4, width=8, latent_channels=2, blocks=(1, 1))
    write_model(
        models_dir() / "discs",
        network(in_channels=2, out_channels=2),
        PROCESSES["cosine"](1000),
        prediction="v_prediction",
        card={"title": "Discs", "channels": 4, "pixels": {"premultiplied": True}},
        autoencoder=TinyAutoencoder(config).eval().requires_grad_(False),
    )
    folder = tmp_path / "discs"
    folder.mkdir()
    for level in range(4):
        Image.new("RGBA", (16, 16), (60 * level, 90, 20, 255)).save(folder / f"{level}.png")
    page.refresh("discs")
    rest(window, qtbot)
    page.card.buttons["fast"].click()
    (dialog,) = page.findChildren(FastDialog)
    for name, value in {"name": "Quick", "minutes": 0.002, "folder": str(folder), "batch": 2}.items():
        dialog.form.fields[name].show_value(value)
    dialog.form.changed.emit()
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    train = window.page
    assert train.steps.current == RUN and train.run_view.title.text() == "Quick"
    qtbot.waitUntil(lambda: not train.session.running, timeout=60_000)
    rest(window, qtbot)
    samples = train.run_view.samples
    assert (samples.ema.text(), samples.raw.text()) == ("Fast", "Teacher")
    assert [picture.size for picture in samples.canvas.pictures] == [(16, 16)] * 16
    assert samples.canvas.pictures[0].pixels.shape[2] == 4 and not samples.autoencoder.isVisible()
    quick = cards.find("quick")
    assert quick.autoencoder == cards.find("discs").autoencoder and quick.trained["teacher"] == "discs"
    assert quick.defaults().steps == 2 and "Use in Generate" in [
        button.text() for button in train.run_view.outcome.buttons
    ]


def test_a_fast_model_is_not_made_fast_again(page, window, qtbot):
    save(models_dir() / "quick")
    change_json(models_dir() / "quick" / "scheduler" / "scheduler_config.json", _class_name="LCMScheduler")
    page.refresh("quick")
    rest(window, qtbot)
    button = page.card.buttons["fast"]
    assert not button.isEnabled() and "It is a fast model already" in button.toolTip()
    assert page.card.recommended.values()["sampler"] == "consistency"
