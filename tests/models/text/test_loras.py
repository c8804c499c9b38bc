"""LoRA files of every layout, added to a model's weights as diffusers adds them, and taken away again bit for bit."""

import copy
import json

import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.models.text import loras
from diffusion_studio.models.text.weight_changes import Change
from diffusion_studio.settings.loras import Lora
from diffusion_studio.storage.places import loras_dir
from tests.lora_files import write_lora
from tests.text_pipelines import MAKERS, latent_name, write

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def pipelines():
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its monitor is a thread that never ends
    return {name: MAKERS[name]() for name in ("sd1", "sdxl")}


def layers_of(module, words=("to_q", "to_k", "to_v", "to_out.0")):
    return {name: layer for name, layer in module.named_modules() if name.endswith(words)}


def matrices(layer, rank=4):
    weight = layer.weight
    return torch.randn(rank, *weight.shape[1:]) * 0.2, torch.randn(weight.shape[0], rank) * 0.2


def kohya(pipeline, *, by_number=False, alpha=2.0):
    """As kohya's scripts write: names flattened, by CompVis' numbering for SDXL, with alphas."""
    torch.manual_seed(5)
    crossed = [kind.startswith("Cross") for kind in pipeline.unet.config.up_block_types]
    found = {}
    encoders = [("lora_te1_" if by_number else "lora_te_", pipeline.text_encoder)]
    if by_number:
        encoders.append(("lora_te2_", pipeline.text_encoder_2))
    for prefix, module in (("lora_unet_", pipeline.unet), *encoders):
        for name, layer in layers_of(module, ("to_q", "to_out.0", "proj_in", "q_proj", "fc1")).items():
            if prefix == "lora_unet_" and by_number:
                name = latent_name(name + ".weight", 1, crossed).removesuffix(".weight")
            elif prefix != "lora_unet_" and not name.startswith("text_model."):
                name = "text_model." + name
            down, up = matrices(layer)
            up = up[..., None, None] if down.ndim == 4 else up
            base = prefix + name.replace(".", "_")
            found |= {
                f"{base}.lora_down.weight": down,
                f"{base}.lora_up.weight": up,
                f"{base}.alpha": torch.tensor(alpha),
            }
    return found


def of_peft(pipeline):
    torch.manual_seed(6)
    found = {}
    for prefix, module in (("unet.", pipeline.unet), ("text_encoder.", pipeline.text_encoder)):
        for name, layer in layers_of(module, ("to_q", "to_out.0", "q_proj")).items():
            down, up = matrices(layer)
            inner = "" if prefix == "unet." or name.startswith("text_model.") else "text_model."
            found |= {
                f"{prefix}{inner}{name}.lora_A.weight": down,
                f"{prefix}{inner}{name}.lora_B.weight": up,
            }
    return found


def fused(pipeline, family, path, weight):
    """The same weights as diffusers fuses them, in a pipeline of its own."""
    theirs = MAKERS[family]()
    for name in ("unet", "text_encoder", "text_encoder_2"):
        if hasattr(pipeline, name):
            getattr(theirs, name).load_state_dict(getattr(pipeline, name).state_dict())
    theirs.load_lora_weights(str(path.parent), weight_name=path.name, local_files_only=True)
    theirs.fuse_lora(lora_scale=weight)
    theirs.unload_lora_weights()
    return theirs


def by_hand(state, tensors, prefix, weight):
    """W + w · alpha / rank · up · down for the layers of an encoder."""
    found = dict(state)
    for name in state:
        bare = name.removesuffix(".weight").removeprefix("text_model.").replace(".", "_")
        first = (
            "lora_te1_"
            if prefix == "lora_te_" and f"lora_te_text_model_{bare}.alpha" not in tensors
            else prefix
        )
        base = f"{first}text_model_{bare}"
        if f"{base}.alpha" in tensors:
            down, up = tensors[f"{base}.lora_down.weight"], tensors[f"{base}.lora_up.weight"]
            found[name] = state[name] + weight * tensors[f"{base}.alpha"] / len(down) * up @ down
    return found


def encoders_of(pipeline):
    return [getattr(pipeline, name) for name in ("text_encoder", "text_encoder_2") if hasattr(pipeline, name)]


def states(pipeline):
    return [
        {name: value.clone() for name, value in module.state_dict().items()}
        for module in (pipeline.unet, *encoders_of(pipeline))
    ]


@pytest.mark.parametrize(
    ("family", "make"),
    [("sd1", kohya), ("sd1", of_peft), ("sdxl", lambda pipeline: kohya(pipeline, by_number=True))],
    ids=["kohya", "peft", "kohya-sdxl"],
)
def test_a_lora_changes_the_weights_as_diffusers_does_and_goes_again(pipelines, family, make, tmp_path):
    pipeline = pipelines[family]
    path = write(tmp_path / "style.safetensors", make(pipeline))
    before = states(pipeline)
    theirs = fused(pipeline, family, path, 0.7)
    applied = loras.apply(pipeline.unet, encoders_of(pipeline), [(loras.find(path), 0.7)])
    try:
        tensors = make(pipeline)
        downs = [name for name in tensors if name.endswith((".lora_down.weight", "lora_A.weight"))]
        assert len(applied.kept) == len(downs)
        for place, (ours, other) in enumerate(zip(states(pipeline), states(theirs), strict=True)):
            if place and "lora_te" in "".join(tensors):  # diffusers 0.42 loses these beside transformers 5.24
                other = by_hand(before[place], tensors, ("", "lora_te_", "lora_te2_")[place], 0.7)
            assert ours.keys() == other.keys()
            assert max((ours[name] - other[name]).abs().max().item() for name in ours) < 1e-5
            assert max((ours[name] - before[place][name]).abs().max().item() for name in ours) > 1e-2
    finally:
        applied.restore()
    for ours, first in zip(states(pipeline), before, strict=True):
        assert all(torch.equal(ours[name], first[name]) for name in ours)


def test_several_add_up_and_a_weight_of_nothing_changes_nothing(pipelines, tmp_path):
    pipeline = pipelines["sd1"]
    paths = [
        write(tmp_path / "one.safetensors", kohya(pipeline)),
        write(tmp_path / "two.safetensors", of_peft(pipeline)),
    ]
    one, two = map(loras.find, paths)
    name = next(name for name in layers_of(pipeline.unet, ("to_q",)))
    weight, sums = pipeline.unet.get_submodule(name).weight, []
    first = weight.clone()
    for chosen in ([(one, 0.5)], [(two, -1.5)], [(one, 0.5), (two, -1.5)], [(one, 0.0)]):
        applied = loras.apply(pipeline.unet, [pipeline.text_encoder], chosen)
        sums.append(weight - first)
        applied.restore()
    assert torch.allclose(sums[0] + sums[1], sums[2], atol=1e-6) and sums[0].abs().max() > 1e-3
    assert not sums[3].any()


def test_what_a_file_says_of_itself(pipelines):
    tags = {"1_a": {"red fox": 3, "snow": 7}, "2_b": {"red fox": 5}}
    metadata = {"ss_base_model_version": "sd_v1", "ss_tag_frequency": json.dumps(tags)}
    path = write(loras_dir() / "inner" / "Fox.safetensors", kohya(pipelines["sd1"]), metadata)
    write(loras_dir() / "no lora.safetensors", {"a.weight": torch.ones(2, 2)})
    for _ in range(2):  # read, then remembered
        (found,) = loras.list_loras()
        assert (found.name, found.path, found.base, found.rank) == ("Fox", path, "sd1", 4)
        assert found.triggers == ("red fox", "snow") and found.size == path.stat().st_size
    assert loras.find("fox") == found == loras.find_named(found.setting(0.5))
    assert loras.find_named(Lora("another name", found.file_digest[:10])) == found
    with pytest.raises(UserError, match="other weights"):
        loras.find_named(Lora("Fox", "0123456789"))
    with pytest.raises(UserError, match="there are: Fox"):
        loras.find("wolf")
    write(path, kohya(pipelines["sd1"]), {"ss_tag_frequency": "{broken"})
    (again,) = loras.list_loras()
    assert again.digest == found.digest and again.triggers == () and again.file_digest != found.file_digest


def test_one_from_elsewhere_is_remembered_and_told_when_it_was_moved(tmp_path):
    story = {"ss_tag_frequency": json.dumps({"1_a": {f"word {number}": 1 for number in range(150_000)}})}
    assert len(story["ss_tag_frequency"]) > 2 << 20
    path = write_lora(tmp_path / "far" / "Snow.safetensors", metadata=story)
    added = loras.find(path)
    assert loras.list_loras() == [added] and loras.find_named(added.setting()) == added
    again = write_lora(tmp_path / "far" / "Rain.safetensors", width=2048)
    loras.find(again)
    path.rename(tmp_path / "Snow.safetensors")
    assert [entry.name for entry in loras.list_loras()] == ["Rain"]
    with pytest.raises(UserError, match="was added from .*Snow.safetensors, where it is not any more"):
        loras.find_named(added.setting())
    loras.find(tmp_path / "Snow.safetensors")
    assert loras.find_named(added.setting()).path == tmp_path / "Snow.safetensors"


def test_one_that_does_not_fit_is_refused_and_nothing_is_changed(pipelines, tmp_path):
    sd1, sdxl = pipelines["sd1"], pipelines["sdxl"]
    before = states(sd1)
    foreign = loras.find(write(tmp_path / "xl.safetensors", kohya(sdxl, by_number=True)))
    assert foreign.base == "sdxl"
    with pytest.raises(
        UserError, match="“xl” was made for Stable Diffusion XL, and mine is Stable Diffusion 1"
    ):
        loras.apply(sd1.unet, [sd1.text_encoder], [(foreign, 1.0)], family="sd1", title="mine")
    with pytest.raises(UserError, match="does not fit"):
        loras.apply(sd1.unet, [sd1.text_encoder], [(foreign, 1.0)])
    tensors = kohya(sd1)
    for name in list(tensors)[-3:]:
        tensors[name] = torch.ones(3, 3) if tensors[name].ndim else tensors[name]
    bent = loras.find(write(tmp_path / "bent.safetensors", tensors))
    with pytest.raises(UserError, match="does not fit this model"):
        loras.apply(sd1.unet, [sd1.text_encoder], [(bent, 1.0)])
    for ours, first in zip(states(sd1), before, strict=True):
        assert all(torch.equal(ours[name], first[name]) for name in ours)


def of_peft_kind(kind, unet):
    """A network with random changes of this kind merged by peft, and the changes as kohya names them."""
    import peft

    layers = ["to_q", "to_out.0", "conv1"]  # matrices and kernels
    configs = {
        "LoHa": peft.LoHaConfig(r=4, alpha=2, target_modules=layers, init_weights=False),
        "LoKr": peft.LoKrConfig(
            r=2, alpha=3, target_modules=layers, init_weights=False, decompose_both=True, decompose_factor=4
        ),
        "LoKr, whole": peft.LoKrConfig(r=64, alpha=64, target_modules=layers, init_weights=False),
        "DoRA": peft.LoraConfig(
            r=4, lora_alpha=2, target_modules=layers, use_dora=True, init_lora_weights=False
        ),
    }
    torch.manual_seed(8)
    config = configs[kind]
    wrapped = peft.get_peft_model(copy.deepcopy(unet), config)
    tensors = {}
    for name, value in wrapped.state_dict().items():
        mark = next((mark for mark in (".hada_", ".lokr_", ".lora_") if mark in name), None)
        if mark is None:
            continue
        layer, _, matrix = name.partition(mark)
        if "magnitude" in matrix:
            with torch.no_grad():
                value.mul_(torch.linspace(0.5, 1.5, value.numel()).reshape(value.shape))
        base = "lora_unet_" + layer.removeprefix("base_model.model.").replace(".", "_")
        tensors[f"{base}{mark}{matrix.replace('.default', '')}"] = value.clone()
        tensors[f"{base}.alpha"] = torch.tensor(float(getattr(config, "alpha", 2.0)))
    return wrapped.merge_and_unload(), tensors


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "LoKr, whole", "DoRA"])
def test_the_kin_of_loras_change_the_weights_as_peft_does(pipelines, kind, tmp_path):
    unet = pipelines["sd1"].unet
    wanted, tensors = of_peft_kind(kind, unet)
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    entry = loras.find(write(tmp_path / "kin.safetensors", tensors))
    applied = loras.apply(unet, [], [(entry, 1.0)])
    mine, theirs = unet.state_dict(), wanted.state_dict()
    far = max((mine[name] - theirs[name]).abs().max().item() for name in mine)
    moved = sum(not torch.equal(mine[name], before[name]) for name in mine)
    applied.restore()
    assert far < 1e-4 and moved == len({name.split(".")[0] for name in tensors})
    assert all(torch.equal(unet.state_dict()[name], value) for name, value in before.items())


def test_lengths_of_columns_are_those_of_kohyas_dora():
    torch.manual_seed(9)
    weight, down, up = torch.randn(6, 8), torch.randn(2, 8), torch.randn(6, 2)
    lengths = torch.rand(1, 8) + 0.5
    change = Change({"down": down, "up": up, "dora_scale": lengths}, alpha=1.0)
    changed = weight + change.delta(weight)
    assert torch.allclose(changed.norm(dim=0), lengths[0], atol=1e-5)
    plain = weight + up @ down / 2
    assert torch.allclose(changed / changed.norm(dim=0), plain / plain.norm(dim=0), atol=1e-5)
    with pytest.raises(ValueError, match="5 lengths for 6 rows and 8 columns"):
        Change({"down": down, "up": up, "dora_scale": torch.ones(5)}).delta(weight)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"lora_unet_x.oft_blocks": torch.ones(2, 2)}, "OFT"),
        ({"lora_unet_mid_block_resnets_0_conv1.hada_w1_a": torch.ones(2, 2)}, "hada_w1_b is missing"),
        ({"lora_unet_x.lora_down.weight": torch.ones(2, 2), "surprise": torch.ones(2)}, "surprise"),
    ],
)
def test_other_small_changes_are_refused_by_name(pipelines, tensors, sentence, tmp_path):
    path = write(tmp_path / "x.safetensors", tensors)
    with pytest.raises(UserError, match=sentence):
        loras.apply(pipelines["sd1"].unet, [], [(loras.find(path), 1.0)])
