"""The fast way through the network: the same answers as the plain module, the same bits each time, a way out where it fails."""

import threading

import pytest
import torch

from diffusion_studio.diffusion.packed import engine
from diffusion_studio.diffusion.packed import network as engine_network
from diffusion_studio.diffusion.packed.engine import Plain, build, choose, packed
from diffusion_studio.diffusion.packed.network import Engine
from diffusion_studio.diffusion.packed.threads import STACK, settled_workers
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig

SMALL = {
    "sample_size": 16,
    "block_out_channels": (16, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 8,
}
CIFAR = {
    **SMALL,
    "block_out_channels": (16, 32, 32, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "layers_per_block": 2,
    "attention_head_dim": None,
    "norm_eps": 1e-6,
}
CAT = {
    **CIFAR,
    "block_out_channels": (16, 16, 32, 32, 48, 48),
    "down_block_types": ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
}
RESAMPLED = {
    **SMALL,
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "block_out_channels": (16, 16, 32),
    "down_block_types": ("AttnDownBlock2D",) * 3,
    "up_block_types": ("AttnUpBlock2D",) * 3,
}
SHIFTED = {"resnet_time_scale_shift": "scale_shift"}
ARCHITECTURES = {
    "small": SMALL,
    "ddpm-cifar10-32": CIFAR,
    "ddpm-cat-256": CAT,
    "padded": {**CIFAR, "downsample_padding": 1},
    "classes": {**SMALL, "num_class_embeds": 5},
    "class as a timestep": {**SMALL, "class_embed_type": "timestep"},
    "class as an embedding": {**SMALL, "class_embed_type": "identity"},
    "scale and shift": {**SMALL, **SHIFTED},
    "scale and shift, classes": {**SMALL, **SHIFTED, "num_class_embeds": 5, "attn_norm_num_groups": 4},
    "resampled in residual blocks": RESAMPLED,
    "resampled in residual blocks, scale and shift": {**RESAMPLED, **SHIFTED},
    "one head": {**SMALL, "attention_head_dim": None},
    "heads that leave channels over": {**SMALL, "attention_head_dim": 12},
    "no attention in the middle": {**SMALL, "add_attention": False},
    "no middle": {**SMALL, "mid_block_type": None},
    "scaled middle": {**SMALL, "mid_block_scale_factor": 1.7},
    "one level": {
        **SMALL,
        "block_out_channels": (16,),
        "down_block_types": ("AttnDownBlock2D",),
        "up_block_types": ("AttnUpBlock2D",),
    },
    "odd widths": {**SMALL, "block_out_channels": (15, 25), "norm_num_groups": 5, "attention_head_dim": 5},
    "grey, six channels out": {**SMALL, "in_channels": 1, "out_channels": 6},
    "input from 0 to 1": {**SMALL, "center_input_sample": True},
    "learned time": {**SMALL, "time_embedding_type": "learned", "num_train_timesteps": 100},
    "wide time": {**SMALL, "time_embedding_dim": 50},
    "no known size": {**SMALL, "sample_size": None},
    **{f"activation {name}": {**SMALL, "act_fn": name} for name in ("swish", "mish", "gelu", "relu")},
}
CLOSE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def make(**config):
    """A network whose every parameter is away from its first value, so that a swapped one shows."""
    torch.manual_seed(0)
    network = UNet(UNetConfig(**{**SMALL, **config})).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.03)
    return network


def batch(network, count, height=16, width=16, seed=1):
    """Pictures, unlike timesteps and unlike labels."""
    config, generator = network.config, torch.Generator().manual_seed(seed)
    x = torch.randn(count, config.in_channels, height, width, generator=generator)
    timestep = torch.linspace(0.25, 99, count + 1)[1:]
    if config.num_class_embeds:
        labels = (torch.arange(count) * 2 + 1) % config.num_class_embeds
    elif config.class_embed_type == "timestep":
        labels = timestep / 3
    elif config.class_embed_type == "identity":
        labels = torch.randn(count, 4 * config.block_out_channels[0], generator=generator)
    else:
        labels = None
    return x, timestep, labels


def pack(network, dtype=torch.float32):
    made = packed(network, dtype)
    if made is None and (
        not torch.backends.mkldnn.is_available()
        or (dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported())
    ):
        pytest.skip("oneDNN does not run this format on this processor")
    assert made is not None, "the packed network was declined"
    return made


def plain(network, x, timestep, labels):
    with torch.no_grad():
        return network(x, timestep, labels)


def distance(answer, right):
    return float((answer - right).norm() / right.norm())


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_packed_answers_as_the_plain_module(name, dtype):
    """One picture and three unlike ones, of several shapes, attention written out or not."""
    network = make(**ARCHITECTURES[name])
    fast = pack(network, dtype)
    factor = network.config.smallest_factor
    for count, height, width in ((1, 2 * factor, 2 * factor), (3, 4 * factor, factor), (1, 64, 32)):
        question = batch(network, count, height, width)
        right = plain(network, *question)
        assert distance(fast(*question), right) < CLOSE[dtype]
        assert distance(fast(*question, explicit=4096), right) < CLOSE[dtype]


@pytest.mark.parametrize("shift", ["default", "scale_shift"])
def test_a_batch_told_the_same_and_one_told_different_things(shift):
    network = make(num_class_embeds=5, resnet_time_scale_shift=shift)
    fast = pack(network)
    x, timestep, labels = batch(network, 3)
    for t, y in (
        (timestep, labels),
        (timestep[:1].expand(3), labels),
        (timestep, labels[:1].expand(3)),
        (timestep[:1].expand(3), labels[:1].expand(3)),
    ):
        assert distance(fast(x, t.contiguous(), y.contiguous()), plain(network, x, t, y)) < 1e-5


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
def test_the_same_call_gives_the_same_bits_whatever_came_before(dtype, monkeypatch):
    network = make(num_class_embeds=5)
    fast = pack(network, dtype)
    question = batch(network, 3)
    first = fast(*question)
    assert torch.equal(fast(*question), first)
    fast(*batch(network, 2))
    assert torch.equal(fast(*question), first)
    assert torch.equal(pack(network, dtype)(*question), first)
    monkeypatch.setattr(engine_network, "TABLE_BYTES", 1)  # nothing is remembered any more
    fast(*batch(network, 1))
    assert len(fast.times.known) == 1
    assert torch.equal(fast(*question), first)


def test_what_is_remembered_of_timesteps_stays_small(monkeypatch):
    network = make()
    fast = pack(network)
    x, _, _ = batch(network, 1)
    fast.times.known.clear()
    fast.times.bytes = 0
    fast(x, torch.tensor([1.0]), None)
    one = fast.times.bytes
    monkeypatch.setattr(engine_network, "TABLE_BYTES", 5 * one)
    for timestep in range(2, 20):
        fast(x, torch.tensor([float(timestep)]), None)
    assert len(fast.times.known) == 5 and fast.times.bytes == 5 * one
    assert fast.times.known.keys() == {
        (torch.tensor([float(t)]).numpy().tobytes(), b"") for t in range(15, 20)
    }


def test_without_torchscript_the_same_bits(monkeypatch):
    network = make(num_class_embeds=5)
    question = batch(network, 3)
    compiled = pack(network)
    assert isinstance(compiled.body, torch.jit.ScriptModule)
    monkeypatch.setattr(torch.jit, "script", lambda module: 1 / 0)
    interpreted = pack(network)
    assert not isinstance(interpreted.body, torch.jit.ScriptModule)
    assert torch.equal(interpreted(*question), compiled(*question))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_built_it_answers_in_float32_and_leaves_the_network_alone(dtype):
    network = make(num_class_embeds=5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    x, timestep, labels = batch(network, 2)
    kept = x.clone()
    fast = build(network, dtype=dtype, device="cpu")
    answer = fast(x, timestep, labels)
    assert answer.dtype == torch.float32 and answer.is_contiguous() and not answer.is_inference()
    assert distance(answer, plain(network, x, timestep, labels)) < 2e-2
    answer.add_(1)  # it belongs to the caller
    assert torch.equal(x, kept)
    assert distance(fast(x, timestep, labels), answer - 1) < 1e-5
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_timesteps_as_the_samplers_and_others_give_them():
    network = make()
    fast = build(network, dtype=torch.float32, device="cpu")
    x, _, _ = batch(network, 2)
    right = plain(network, x, torch.tensor([7.0, 7.0]), None)
    for timestep in (
        torch.tensor(7.0),
        torch.tensor(7),
        torch.tensor([7.0]),
        torch.tensor([7, 7], dtype=torch.float64),
    ):
        assert distance(fast(x, timestep), right) < 1e-5


def test_a_wrong_label_is_refused_and_the_next_call_works():
    network = make(num_class_embeds=5)
    fast = build(network, dtype=torch.float32, device="cpu")
    x, timestep, labels = batch(network, 2)
    with pytest.raises(ValueError, match="labels"):
        fast(x, timestep, None)
    with pytest.raises(IndexError):
        fast(x, timestep, torch.tensor([0, 5]))
    assert distance(fast(x, timestep, labels), plain(network, x, timestep, labels)) < 1e-5


def test_built_and_called_within_inference_mode_and_without():
    network = make()
    question = batch(network, 1)
    right = plain(network, *question)
    with torch.inference_mode():
        fast = build(network, dtype=torch.float32, device="cpu")
        assert distance(fast(*question), right) < 1e-5
    assert distance(fast(*question), right) < 1e-5


def test_a_network_in_training_is_run_without_dropout_and_stays_in_training():
    network = make(dropout=0.5).train()
    fast = build(network, dtype=torch.float32, device="cpu")
    question = batch(network, 1)
    assert network.training
    assert distance(fast(*question), plain(network.eval(), *question)) < 1e-5


def test_two_threads_at_once_get_their_own_answers():
    network = make(num_class_embeds=5)
    fast = build(network, dtype=torch.float32, device="cpu")
    questions = [batch(network, 2, seed=seed) for seed in range(4)]
    right = [fast(*question) for question in questions]
    answers = [[] for _ in questions]

    def ask(place):
        answers[place] = [fast(*questions[place]) for _ in range(5)]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, one in zip(answers, right, strict=True):
        assert len(mine) == 5 and all(torch.equal(answer, one) for answer in mine)


class Broken(Engine):
    def __call__(self, *question, **options):
        return super().__call__(*question, **options) * 1.3


def gone(*_, **__):
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_convolution_pointwise'")


@pytest.mark.parametrize("stand_in", [Broken, gone])
def test_where_the_packed_network_fails_or_errs_the_plain_module_runs(stand_in, monkeypatch):
    network = make()
    monkeypatch.setattr(engine, "Engine", stand_in)
    fast = build(network, dtype=torch.float32, device="cpu")
    assert list(fast.ways) == ["plain", "plain, channels last"]
    question = batch(network, 2)
    assert distance(fast(*question), plain(network, *question)) < 1e-5


def test_several_pictures_have_weights_packed_for_several():
    """Packed when they are first asked for; where that fails, those for one picture serve."""
    both = engine.Packed(make(), pack(make()))
    both(*batch(make(), 1))
    assert both.several is None
    both(*batch(make(), 3))
    assert both.several not in (None, both.one)

    refused = engine.Packed(make(), both.one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "packed", lambda *_: None)
        question = batch(make(), 3)
        assert distance(refused(*question), plain(make(), *question)) < 1e-5
    assert refused.several is both.one


def test_formats_that_onednn_does_not_pack_run_plainly():
    assert packed(make(), torch.float16) is None
    assert "packed" not in build(make(), dtype=torch.float16, device="cpu").ways


def test_the_way_chosen_once_is_kept_by_remember(monkeypatch):
    """Per shape, beyond the process; never timed again, so that the bits stay."""
    network, memory = make(), {}

    def remember(key, value=None):
        if value is not None:
            memory[key] = value
        return memory.get(key)

    fast = build(network, dtype=torch.float32, device="cpu", remember=remember)
    small, large = batch(network, 1), batch(network, 2)
    fast(*small)
    assert len(memory) == 1
    fast(*large)
    fast(*large)
    assert len(memory) == 2 and set(memory.values()) <= set(fast.ways)

    memory.update(dict.fromkeys(memory, "plain, channels last"))
    monkeypatch.setattr(engine, "measure", lambda *_: pytest.fail("timed again"))
    again = build(network, dtype=torch.float32, device="cpu", remember=remember)
    again(*small)
    again(*large)
    assert set(again.chosen.values()) == {"plain, channels last"} and list(again.made) == [
        "plain, channels last"
    ]


def test_a_remembered_way_that_there_is_not_is_chosen_anew():
    network = make()
    fast = build(
        network, dtype=torch.float32, device="cpu", remember=lambda key, value=None: value or "warp drive"
    )
    fast(*batch(network, 1))
    assert set(fast.chosen.values()) <= set(fast.ways)


def test_the_key_tells_architectures_formats_shapes_and_threads_apart(monkeypatch):
    keys = set()
    for network in (make(), make(num_class_embeds=5)):
        for dtype in (torch.float32, torch.bfloat16):
            fast = build(network, dtype=dtype, device="cpu")
            for threads in (1, 2):
                monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
                keys |= {fast.key((1, 3, 16, 16)), fast.key((2, 3, 16, 16)), fast.key((1, 3, 16, 32))}
    assert len(keys) == 2 * 2 * 2 * 3


def choose_by(monkeypatch, speeds, count):
    """What is chosen where a picture takes speeds[name] seconds a part, and which parts of the batch were timed."""
    clock, parts = [0.0], []
    monkeypatch.setattr(engine.time, "perf_counter", lambda: clock[0])

    def run(name, part):
        parts.append((name, part))
        clock[0] += speeds[name](part)

    return choose(list(speeds), run, count, budget=1.0), parts


def test_the_fastest_way_is_chosen_on_the_whole_batch_where_time_allows(monkeypatch):
    speeds = {"a": lambda n: 0.001 * n, "b": lambda n: 0.0003 + 0.0008 * n, "c": lambda n: 0.01 * n}
    name, parts = choose_by(monkeypatch, speeds, 16)
    assert name == "b"
    assert {part for name, part in parts if name == "b"} == {2, 4, 8, 16}
    assert {part for name, part in parts if name == "c"} == {2}  # hopeless from the first


def test_a_gain_within_the_noise_does_not_displace_the_first_way(monkeypatch):
    assert choose_by(monkeypatch, {"a": lambda n: 1.0e-3, "b": lambda n: 0.98e-3}, 1)[0] == "a"
    assert choose_by(monkeypatch, {"a": lambda n: 1.0e-3, "b": lambda n: 0.96e-3}, 1)[0] == "b"


def test_where_time_allows_only_a_few_turns_the_gain_must_be_large(monkeypatch):
    assert choose_by(monkeypatch, {"a": lambda n: 0.3, "b": lambda n: 0.27}, 1)[0] == "a"
    assert choose_by(monkeypatch, {"a": lambda n: 0.3, "b": lambda n: 0.24}, 1)[0] == "b"


def test_a_slow_first_call_does_not_count_against_a_way(monkeypatch):
    """oneDNN makes its kernels then: at 1 x 64 pixels the plain module takes 25 ms and its first call three times as long."""
    called = {"packed": 0, "plain": 0}

    def seconds(name, usual, cold):
        called[name] += 1
        return cold if called[name] == 1 else usual

    speeds = {
        "packed": lambda n: seconds("packed", 0.0279, 0.035),
        "plain": lambda n: seconds("plain", 0.0251, 0.075),
    }
    assert choose_by(monkeypatch, speeds, 1)[0] == "plain"


def test_other_work_during_some_turns_does_not_mislead(monkeypatch):
    turns = []

    def disturbed(usual):
        turns.append(usual)
        return usual * (3 if len(turns) % 3 == 0 else 1)

    speeds = {"a": lambda n: disturbed(1.0e-3), "b": lambda n: disturbed(0.9e-3)}
    assert choose_by(monkeypatch, speeds, 1)[0] == "b"


def test_a_network_too_large_to_be_timed_runs_the_first_way_after_one_call(monkeypatch):
    name, parts = choose_by(monkeypatch, {"a": lambda n: 5.0 * n, "b": lambda n: 1.0 * n}, 8)
    assert name == "a" and parts == [("a", 2)]


def test_the_plain_module_is_copied_only_for_another_format():
    network, cpu = make(), torch.device("cpu")
    assert Plain(network, torch.float32, cpu, torch.contiguous_format).network is network
    for dtype, layout in ((torch.bfloat16, torch.contiguous_format), (torch.float32, torch.channels_last)):
        copied = Plain(network, dtype, cpu, layout).network
        assert copied is not network and copied.conv_out.weight.dtype == dtype
        assert copied.mid_block.resnets[0].conv1.weight.is_contiguous(memory_format=layout)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def noting(threads, seconds):
    """A network's only way, which notes the threads it is computed with and takes seconds[threads] of a clock."""
    clock = [0.0]

    def forward(x, timestep, labels):
        threads.append(torch.get_num_threads())
        clock[0] += seconds[threads[-1]]
        return x

    return {"plain": lambda: forward}, clock


@pytest.mark.parametrize(
    ("one", "both", "expected"),
    [(0.010, 0.008, 1), (0.010, 0.005, 2), (0.010, 0.150, 1), (0.080, 0.079, 2)],
    ids=["a little faster", "much faster", "busy", "long"],
)
def test_one_small_image_is_computed_on_one_thread_unless_more_are_worth_it(
    monkeypatch, two_threads, one, both, expected
):
    threads, memory = [], {}

    def remember(key, value=None):
        return memory.setdefault(key, value) if value else memory.get(key)

    ways, clock = noting(threads, {1: one, 2: both})
    monkeypatch.setattr(engine.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(engine, "CLOCK", lambda: clock[0])
    image, several = torch.zeros(1, 3, 8, 8), torch.zeros(3, 3, 8, 8)
    for _ in range(2):  # another process remembers it
        network = engine.FastNetwork(ways, "n", remember)
        network.briefly(image, torch.tensor(1.0))
        threads.clear()
        network.briefly(image, torch.tensor(1.0))
        assert threads == [expected]
        network(image, torch.tensor(1.0))
        assert threads[-1] == 2, "a run of many steps has all of them"
        monkeypatch.setattr(engine, "measure", lambda *_: pytest.fail("timed again"))
    network.briefly(several, torch.tensor(1.0))
    assert threads[-1] == 2 and torch.get_num_threads() == 2
    asked = []
    other = threading.Thread(target=lambda: asked.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert asked == [2]  # no other thread is left with one


def test_what_fails_on_the_one_thread_is_raised_to_the_caller(two_threads):
    def broken(x, timestep, labels):
        raise ValueError("wrong label")

    network = engine.FastNetwork({"plain": lambda: broken}, "n", None)
    network.alone[1, 3, 8, 8] = True
    with pytest.raises(ValueError, match="wrong label"):
        network.briefly(torch.zeros(1, 3, 8, 8), torch.tensor(1.0))


def test_one_image_has_the_same_bits_as_in_a_process_of_one_thread(two_threads):
    network, image = make(), batch(make(), 1)
    torch.set_num_threads(1)
    alone = build(network, dtype=torch.float32, device="cpu", remember=lambda key, value=None: "packed")
    expected = alone(*image)
    torch.set_num_threads(2)
    known = {"threads": "one"}
    beside = build(
        network,
        dtype=torch.float32,
        device="cpu",
        remember=lambda key, value=None: known.get(key.split()[0], "packed"),
    )
    assert torch.equal(beside.briefly(*image), expected)


def test_settled_workers_have_their_threads_and_room_and_leave_others_theirs(two_threads, monkeypatch):
    set_sizes, own = [], threading.stack_size
    monkeypatch.setattr(threading, "stack_size", lambda size: set_sizes.append(size) or own(size))
    with settled_workers(2, 1, "settled") as workers:
        assert set(workers.map(lambda _: torch.get_num_threads(), range(4))) == {1}
    assert set_sizes == [STACK, own()] and torch.get_num_threads() == 2
