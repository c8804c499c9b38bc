"""Text models stay where they are: listed by their place, told apart when they move or change, deleted without their file."""

import shutil

import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.models import cards, library
from diffusion_studio.models.import_sources import find_in_hub_cache
from diffusion_studio.models.text import registration, requirements
from diffusion_studio.models.text.parts import open_parts
from diffusion_studio.models.typed import find_typed
from diffusion_studio.storage.places import models_dir
from tests.text_pipelines import clip, network, sd1, sd2, single_file, write

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tensors():
    return single_file("sd1", sd1())


@pytest.fixture
def file(tensors, tmp_path):
    return write(tmp_path / "downloads" / "My model.safetensors", tensors)


def everything_in(folder):
    return {path.name for path in folder.rglob("[!.]*") if path.is_file()}


def test_a_file_is_listed_by_its_place_and_never_copied(file):
    card = library.import_model(file)
    assert everything_in(models_dir()) == {"source.json", "card.json"}
    assert (card.name, card.title, card.text.source, card.prompted) == ("My model", "My model", file, True)
    assert cards.installed()[0].name == "My model"
    assert card.digest and cards.find_by_hash(card.digest[:10]) == card
    assert card.text.disk == file.stat().st_size and set(card.text.parameters) == {
        "unet",
        "vae",
        "text_encoder",
    }
    assert card.defaults().steps == 25 and card.sizes[0] == (card.size, card.size)
    with pytest.raises(UserError, match="already among the models, as “My model”"):
        library.import_model(file)
    assert library.rename_model(card.name, "Other").title == "Other"
    copy = library.duplicate_model(card.name)
    assert copy.text.source == file and everything_in(models_dir()) == {"source.json", "card.json"}
    library.delete_model(card.name)
    library.delete_model(copy.name)
    assert file.is_file() and not any(found.text for found in cards.installed())


def test_one_that_was_moved_is_told_and_found_again(file, tmp_path):
    library.import_model(file)
    place = tmp_path / "elsewhere" / "renamed.safetensors"
    place.parent.mkdir()
    shutil.copy2(file, place)
    file.unlink()
    card = cards.find("My model")
    assert "was moved" in card.text.fault and card.text.fault in card.remarks
    with pytest.raises(UserError, match="models locate My model PATH"):
        open_parts(card)
    other = write(tmp_path / "another.safetensors", {"a": torch.ones(2)})
    with pytest.raises(UserError):
        registration.locate("My model", other)
    card = registration.locate("My model", place)
    assert (card.text.fault, card.text.changed, card.text.source) == ("", False, place)
    assert open_parts(card).kind == "sd1"


def test_one_that_changed_is_told_and_another_is_not_taken_for_it(file, tensors, tmp_path):
    card = library.import_model(file)
    first = next(iter(tensors))
    write(file, {**tensors, first: tensors[first] + 1})
    changed = cards.find(card.name)
    assert changed.text.changed and any("have changed" in remark for remark in changed.remarks)
    assert open_parts(changed).kind == "sd1"  # it still opens, as what it is now
    file.rename(tmp_path / "gone.safetensors")
    with pytest.raises(UserError, match="is another model than"):
        registration.locate(card.name, tmp_path / "gone.safetensors")


def test_a_typed_path_opens_without_an_import(file):
    card = find_typed(str(file))
    assert card.name == "My model" and card.text.source == file and not models_dir().exists()
    assert open_parts(card).kind == "sd1" and find_typed(str(file)) == card
    registered = library.import_model(file)
    assert find_typed(registered.name) == registered
    with pytest.raises(UserError, match="There is no model at"):
        find_typed("nothing.safetensors")


def test_folders_and_the_hubs_cache_stay_in_place_too(tmp_path, monkeypatch):
    from tqdm.auto import tqdm

    tqdm.monitor_interval = 0
    repository = tmp_path / "hub" / "models--some--painter"
    snapshot = repository / "snapshots" / "abc"
    sd1().save_pretrained(snapshot)
    (snapshot / "README.md").write_text("---\nlicense: openrail\n---\n")
    for path in list(snapshot.rglob("*.safetensors")):
        blob = repository / "blobs" / f"{path.parent.name}-{path.name}"
        blob.parent.mkdir(exist_ok=True)
        path.rename(blob)
        path.symlink_to(blob)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (found,) = find_in_hub_cache()
    assert (found.name, found.reason) == ("some/painter", "")
    card = library.import_model("some/painter")
    assert (card.name, card.licence, card.text.source) == ("painter", "openrail", snapshot)
    assert everything_in(models_dir()) == {"source.json", "card.json"} and open_parts(card).kind == "sd1"
    assert not card.text.changed


def test_a_network_alone_takes_the_rest_from_another_of_its_family(file, tmp_path):
    torch.manual_seed(4)
    alone = write(tmp_path / "unet.safetensors", network(context=768).state_dict())
    with pytest.raises(UserError, match="network of Stable Diffusion 1 alone, without vae, text_encoder"):
        library.import_model(alone)
    library.import_model(file)
    card = library.import_model(alone)
    assert card.text.rest == file and any("taken from" in remark for remark in card.remarks)
    parts = open_parts(card)
    assert parts.unet.config.cross_attention_dim == 768 and len(parts.text_encoders) == 1


def test_what_a_network_predicts_is_told_or_chosen(tmp_path):
    tensors = single_file("sd2", sd2())
    plain = library.import_model(write(tmp_path / "plain.safetensors", tensors))
    assert plain.prediction == "v_prediction" and any("does not say" in remark for remark in plain.remarks)
    chosen = library.import_model(write(tmp_path / "chosen.safetensors", tensors), prediction="epsilon")
    assert chosen.prediction == open_parts(chosen).scheduler_config["prediction_type"] == "epsilon"
    assert chosen.remarks == ()
    for said, name, wanted in (
        ({"modelspec.prediction_type": "epsilon"}, "a", "epsilon"),
        ({"modelspec.prediction_type": "v"}, "b", "v_prediction"),
        (None, "v2-1_768-ema-pruned", "v_prediction"),
        (None, "512-base-ema", "epsilon"),
    ):
        card = find_typed(str(write(tmp_path / f"{name}.safetensors", tensors, said)))
        assert (card.prediction, card.remarks) == (wanted, ())
    keyed = find_typed(str(write(tmp_path / "k.safetensors", {**tensors, "v_pred": torch.zeros(0)})))
    assert (keyed.prediction, keyed.remarks) == ("v_prediction", ())


def test_names_that_say_few_steps(tensors, tmp_path):
    card = find_typed(str(write(tmp_path / "dreamer_LCM.safetensors", tensors)))
    assert (card.defaults().steps, card.defaults().guidance) == (4, 1.0)


@pytest.mark.parametrize(
    ("name", "sampler", "steps", "size"),
    [
        ("sd_turbo", "euler_ancestral", 4, 128),
        ("sdxl_lightning_8step", "ddim", 8, 192),
        ("sdxl_lightning_1step_x0", "ddim", 1, 192),
        ("Hyper-2-steps", "ddim", 2, 192),
    ],
)
def test_forms_of_few_steps_start_as_they_were_published(name, sampler, steps, size, tmp_path):
    """A Turbo of Stable Diffusion 2 predicts the noise, at 512 pixels where others have 768 (here a quarter of them)."""
    tensors = single_file("sd2", sd2())
    card = find_typed(str(write(tmp_path / f"{name}.safetensors", tensors)))
    start = card.defaults()
    assert (start.sampler, start.steps, start.spacing, start.guidance) == (sampler, steps, "trailing", 1.0)
    assert card.prediction == ("sample" if "x0" in name else "epsilon") and card.size == size
    (remark,) = card.remarks
    assert "negative prompt has no effect" in remark and ("1 to 4 steps" in remark) == ("turbo" in name)


def test_without_the_extra_it_is_said_and_everything_else_works(file, monkeypatch):
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    with pytest.raises(requirements.TextExtraMissing, match="install-text"):
        library.import_model(file)
    with pytest.raises(requirements.TextExtraMissing):
        open_parts(file)
    assert cards.find("").name == cards.STARTER
    lora = write(file.parent / "l.safetensors", {"lora_unet_a.lora_down.weight": torch.ones(1, 1)})
    with pytest.raises(UserError, match="a LoRA"):  # and not that something is to be installed first
        library.import_model(lora)
    assert clip is not None


def z_image_in_file(transformer):
    """As the community shares the transformer alone: attention in one matrix, its own names."""
    state, found = transformer.state_dict(), {}
    for name, value in state.items():
        if ".attention.to_q." in name:
            three = [state[name.replace("to_q", f"to_{part}")] for part in "qkv"]
            found[name.replace("to_q", "qkv")] = torch.cat(three)
        elif ".attention.to_k." not in name and ".attention.to_v." not in name:
            for own, theirs in (
                ("all_final_layer.2-1.", "final_layer."),
                ("all_x_embedder.2-1.", "x_embedder."),
                ("attention.to_out.0", "attention.out"),
                ("norm_k", "k_norm"),
                ("norm_q", "q_norm"),
            ):
                name = name.replace(own, theirs)
            found[name] = value
    return found


def test_the_transformer_of_z_image_alone(tmp_path):
    from tqdm.auto import tqdm

    from tests import tiny_text_models as tiny

    tqdm.monitor_interval = 0
    pipeline = tiny.z_image(tmp_path / "whole")
    library.import_model(tmp_path / "whole")
    alone = write(tmp_path / "z_image_turbo_bf16.safetensors", z_image_in_file(pipeline.transformer))
    card = library.import_model(alone)
    assert (card.text.family, card.text.rest, card.flow) == ("z-image", tmp_path / "whole", True)
    parts = open_parts(card)
    ours, theirs = parts.unet.state_dict(), pipeline.transformer.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert len(parts.tokenizers) == len(parts.text_encoders) == 1
