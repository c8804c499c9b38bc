"""The loop: what a batch is drawn from, what the loss is, what a resume needs, and what never gets into the weights."""

import hashlib
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.schedules import SCHEDULES
from diffusion_studio.errors import UserError
from diffusion_studio.training.data.data_order import _shuffled, order, split
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.architectures import learning_rate_for
from diffusion_studio.training.step.ema import Ema
from diffusion_studio.training.step.flat_weights import FlatWeights
from diffusion_studio.training.step.gradients import Gradients
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training.step.trainer import NotFinite, Trainer
from diffusion_studio.training.step.weighting import min_snr_weights


@pytest.fixture
def pictures():
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (30, 3, 8, 8), dtype=np.uint8)
    return Pictures(images, np.arange(30) % 2, ("a", "b"), [str(k) for k in range(30)])


@pytest.fixture
def make(settings, pictures):
    made = []

    def build(own=pictures, precision="float32", **changes):
        trainer = Trainer(replace(settings, **changes), own, device="cpu", precision=precision)
        made.append(trainer)
        return trainer

    yield build
    for trainer in made:
        trainer.close()


def digest(trainer):
    result = hashlib.sha256()
    for name, tensor in sorted(trainer.state().items()):
        result.update(name.encode() + tensor.numpy().tobytes())
    return result.hexdigest()


# What is drawn --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1, 5, 32])
def test_every_epoch_shows_every_picture_once(total):
    epochs = order(total, seed=1, start=0, count=3 * total).reshape(3, total)
    assert all(sorted(epoch.tolist()) == list(range(total)) for epoch in epochs)
    if total > 5:
        assert epochs[0].tolist() != epochs[1].tolist()


def test_the_order_is_the_same_in_whatever_pieces_it_is_asked_for():
    whole = order(10, seed=2, start=0, count=37)
    pieces = [order(10, seed=2, start=start, count=min(4, 37 - start)) for start in range(0, 37, 4)]
    assert torch.equal(whole, torch.cat(pieces))


def test_an_epoch_is_shuffled_once_and_its_order_is_nobodys_to_change(monkeypatch):
    _shuffled.cache_clear()
    real, made = torch.randperm, []
    monkeypatch.setattr(torch, "randperm", lambda *given, **how: made.append(given) or real(*given, **how))
    first = order(10, seed=3, start=0, count=4)
    right = first.clone()
    first.zero_()
    assert torch.equal(order(10, seed=3, start=0, count=4), right)
    for start in range(0, 20, 4):
        order(10, seed=3, start=start, count=4)
    assert len(made) == 2  # epochs


def test_the_order_of_the_pictures_is_the_one_runs_were_begun_with():
    def before(total, seed, epoch):  # as the first version drew it: a run begun then resumes bit for bit
        return torch.randperm(total, generator=torch.Generator().manual_seed((seed * 7_919 + epoch) % 2**63))

    expected = torch.cat([before(7, 5, epoch) for epoch in range(3)])
    assert torch.equal(order(7, seed=5, start=0, count=21), expected)
    assert torch.equal(order(7, seed=5, start=5, count=11), expected[5:16])


def test_a_batch_follows_from_seed_and_step_alone(make):
    one, other, third = make(), make(), make(seed=4)
    other.step(0.0)
    torch.manual_seed(99)
    for a, b in zip(one.batch(5), other.batch(5), strict=True):
        assert a is b is None or torch.equal(a, b)
    assert not torch.equal(one.batch(5).noise, one.batch(6).noise)
    assert not torch.equal(one.batch(5).noise, third.batch(5).noise)


def test_a_batch_is_what_it_says(make):
    batch = make(batch=256, label_dropout=0.25).batch(0)
    assert batch.clean.min() >= -1
    assert batch.clean.max() <= 1
    assert batch.clean.std() > 0.4
    assert 0.15 < (batch.labels == 2).float().mean() < 0.35  # dropped labels are the row after the classes
    assert abs(batch.noise.mean()) < 0.02
    assert {int(t) // 250 for t in batch.timestep} == {0, 1, 2, 3}


def test_mirroring_shows_about_half_of_the_pictures_the_other_way_round(make):
    plain, mirrored = make(batch=200, flip=False).batch(0).clean, make(batch=200, flip=True).batch(0).clean
    turned = [torch.equal(m, p.flip(-1)) for p, m in zip(plain, mirrored, strict=True)]
    assert all(t or torch.equal(m, p) for t, p, m in zip(turned, plain, mirrored, strict=True))
    assert 60 < sum(turned) < 140


def test_held_out_pictures_are_not_learned_from(pictures):
    learn, held = split(pictures, 0.2, seed=0)
    assert len(held) == 6
    assert sorted([*learn.tolist(), *held.tolist()]) == list(range(30))
    few = Pictures(pictures.images[:19], pictures.labels[:19], (), pictures.names[:19])
    assert len(split(few, 0.2, seed=0)[1]) == 0


# The loss -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_loss_is_the_formula(make, prediction):
    trainer = make(prediction=prediction, min_snr=5.0, schedule="linear")
    batch = trainer.batch(0)
    seen = {}

    def network(x, timestep, labels, **_):
        seen.update(x=x, timestep=timestep, labels=labels)
        return torch.full_like(x, 0.3)

    losses = trainer.loss(network, batch)
    alpha_bar = torch.tensor(SCHEDULES["linear"](1000).alpha_bar)[batch.timestep]
    root, rest = (value.sqrt()[:, None, None, None] for value in (alpha_bar, 1 - alpha_bar))
    target = {
        "epsilon": batch.noise,
        "v_prediction": root * batch.noise - rest * batch.clean,
        "sample": batch.clean,
    }[prediction]
    snr = alpha_bar / (1 - alpha_bar)
    weight = (
        snr.clamp(max=5)
        / {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}[prediction]
    )
    expected = weight * (0.3 - target).square().mean(dim=(1, 2, 3))
    assert torch.allclose(seen["x"].double(), root * batch.clean + rest * batch.noise, atol=1e-6)
    assert torch.equal(seen["labels"], batch.labels)
    assert torch.allclose(losses.double(), expected, rtol=1e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_towards_the_end_min_snr_gives_way_to_an_even_loss(make, prediction):
    trainer = make(prediction=prediction, min_snr=5.0, polish=0.4)
    plain = min_snr_weights(trainer.schedule, prediction, 5.0)
    assert torch.equal(trainer.weighting.at(0.0), plain) and torch.equal(trainer.weighting.at(0.6), plain)
    assert torch.equal(trainer.weighting.at(0.8), plain.clamp(min=trainer.weighting.at(0.8).min()))
    assert trainer.weighting.at(0.8).min() == pytest.approx(0.5)
    assert torch.equal(trainer.weighting.at(1.0), torch.ones(1000))
    assert torch.equal(make(prediction=prediction, polish=0.0).weighting.at(1.0), plain)
    trainer.step(1.0)
    assert torch.equal(trainer.weights, torch.ones(1000))


def test_the_weights_of_clean_pictures_and_of_none_stay(make):
    for changes in ({"prediction": "sample"}, {"min_snr": 0.0}):
        trainer = make(**changes)
        assert torch.equal(trainer.weighting.at(1.0), trainer.weighting.at(0.0))


def test_the_loss_that_is_told_is_without_weights(make):
    trainer = make(min_snr=5.0, polish=0.0)
    batch = trainer.batch(0)
    with torch.no_grad():
        plain, weighted = (trainer.loss(trainer.network, batch, weighted=w).mean() for w in (False, True))
    told = trainer.step(0.0)
    assert told == pytest.approx(float(plain), rel=1e-5) and told != pytest.approx(float(weighted), rel=1e-2)


def test_min_snr_weighs_the_same_error_of_the_clean_picture_alike():
    schedule = SCHEDULES["cosine"](1000)
    snr = torch.tensor(schedule.alpha_bar / (1 - schedule.alpha_bar))
    in_clean = {
        "epsilon": snr,
        "v_prediction": snr + 1,
        "sample": torch.ones_like(snr),
    }  # squared errors per x_0's
    for prediction, factor in in_clean.items():
        weight = min_snr_weights(schedule, prediction, 5.0).double()
        assert torch.allclose(weight * factor, snr.clamp(max=5), rtol=1e-5)
    assert torch.equal(min_snr_weights(schedule, "epsilon", 0.0), torch.ones(1000))


def test_learning_rate_warms_up_stays_and_falls(make):
    trainer = make(warmup=10, learning_rate=1e-3)
    assert trainer.learning_rate(0.0) == pytest.approx(1e-4)
    trainer.done = 9
    assert [trainer.learning_rate(f) for f in (0.0, 0.6, 0.8, 1.0)] == pytest.approx([1e-3, 1e-3, 5e-4, 5e-5])


def test_training_lowers_the_loss(make, pictures):
    one = Pictures(pictures.images[:1] // 2, pictures.labels[:1], (), ["only"])
    trainer = make(one, learning_rate=3e-3, batch=16, flip=False)
    losses = [trainer.step(0.0) for _ in range(40)]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])


# The average ----------------------------------------------------------------------------------------------------------


def test_the_average_warms_up_by_the_formula():
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    ema, expected = Ema(FlatWeights(layer), 0.9), 0.0
    for step in range(1, 200):
        layer.weight.data.fill_(float(step))
        ema.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert ema.decay(step) == decay
    assert ema.average[0].item() == pytest.approx(expected, rel=1e-5)
    assert ema.warming_up(79)
    assert not ema.warming_up(80)


def test_looking_at_the_average_leaves_no_trace(make):
    trainer = make()
    trainer.step(0.0)
    before = digest(trainer)
    with trainer.averaged() as network:
        assert torch.equal(next(network.parameters()), trainer.parameters[0])
        assert digest(trainer) != before
    assert digest(trainer) == before
    assert trainer.network.training


# Number formats, shards, parts ----------------------------------------------------------------------------------------


def test_bfloat16_goes_the_same_way_as_float32(make):
    short, whole = make(precision="bfloat16"), make()
    for _ in range(3):
        assert short.step(0.0) == pytest.approx(whole.step(0.0), rel=0.03)
    assert all(weight.dtype == torch.float32 for weight in short.parameters)
    copies = zip(short.gradients.copy.parameters, short.parameters, strict=True)
    assert all(torch.equal(copy, weight.bfloat16()) for copy, weight in copies)


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_give_the_gradient_of_the_whole_batch(make, parts):
    trainer = make()
    loss, errors = trainer.fill_gradients(trainer.batch(0))
    whole = trainer.gradients.whole.clone()
    trainer.gradients.parts = parts
    again, same_errors = trainer.fill_gradients(trainer.batch(0))
    assert torch.allclose(again, loss) and torch.allclose(same_errors, errors)
    assert whole.any() and torch.allclose(trainer.gradients.whole, whole, rtol=1e-3, atol=1e-6)


def test_shards_give_the_gradient_of_the_whole_batch_and_the_same_bits_each_time(make):
    trainer = make()
    batch = trainer.batch(0)
    trainer.fill_gradients(batch)
    whole = trainer.gradients.whole.clone()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        sharded = Gradients(trainer.network, trainer.flat, torch.float32, torch.device("cpu"), pixels=10_000)
        asked = []
        other = threading.Thread(target=lambda: asked.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert asked == [2]  # nobody else is left with the workers' one thread
        runs = []
        for _ in range(2):
            sharded.fill(lambda network, rows: trainer.loss(network, batch.rows(rows)), 4)
            runs.append(sharded.whole.clone())
    finally:
        sharded.close()
        torch.set_num_threads(threads)
    assert sharded.shards == 2
    assert torch.equal(*runs)
    assert torch.allclose(runs[0], whole, rtol=1e-3, atol=1e-6)


def test_out_of_memory_halves_the_parts_once_and_says_so(make, monkeypatch):
    trainer, twin = make(), make()
    calls = []
    fill = trainer.gradients.fill

    def short_of_memory(*arguments):
        calls.append(trainer.gradients.parts)
        if trainer.gradients.parts == 1:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
            )
        return fill(*arguments)

    monkeypatch.setattr(trainer.gradients, "fill", short_of_memory)
    assert trainer.step(0.0) == pytest.approx(twin.step(0.0), rel=1e-5)
    trainer.step(0.0)
    assert calls == [1, 2, 2]
    assert len(trainer.notes) == 1
    assert "memory" in trainer.notes[0]


def test_out_of_memory_twice_is_an_error_and_other_faults_are_not_mistaken_for_it(make, monkeypatch):
    trainer = make()
    monkeypatch.setattr(
        trainer.gradients,
        "fill",
        lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory")),
    )
    with pytest.raises(UserError, match="memory"):
        trainer.step(0.0)
    assert trainer.gradients.parts == 2
    monkeypatch.setattr(
        trainer.gradients, "fill", lambda *_: (_ for _ in ()).throw(RuntimeError("a real fault"))
    )
    with pytest.raises(RuntimeError, match="real fault"):
        trainer.step(0.0)


# Resume ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {"precision": "float32"},
        {"precision": "bfloat16"},
        {"precision": "bfloat16", "optimizer": "muon", "decay": "cosine", "posthoc_ema": True},
    ],
)
def test_a_resume_is_bit_for_bit(make, how):
    straight = make(**how)
    for _ in range(6):
        straight.step(0.1)
    first, second = make(**how), make(**how)
    for _ in range(3):
        first.step(0.1)
    second.load(first.state())
    for _ in range(3):
        second.step(0.1)
    assert digest(second) == digest(straight)


@pytest.mark.parametrize(
    "piece", ["weights", "ema", "exp_avg", "exp_avg_sq", "step", "done", "learning rate", "seed"]
)
def test_a_resume_that_forgets_a_piece_is_another_run(make, piece):
    straight, first = make(), make()
    for _ in range(6):
        straight.step(0.7)
    for _ in range(3):
        first.step(0.7)
    state = first.state()
    second = make(seed=4) if piece == "seed" else make()
    untouched = second.state()
    for name, tensor in state.items():
        if name.startswith(piece + ".") or name.endswith("." + piece) or name == piece:
            state[name] = untouched.get(name, torch.zeros_like(tensor))
    second.load(state)
    for _ in range(3):
        second.step(0.0 if piece == "learning rate" else 0.7)
    assert digest(second) != digest(straight)


# Numbers that are not finite ------------------------------------------------------------------------------------------


def poison(trainer, monkeypatch, steps, value=float("nan")):
    """From the given steps the gradient has one bad number, as if the network had overflowed there."""
    fill = trainer.gradients.fill

    def bad_fill(*arguments):
        loss = fill(*arguments)
        if trainer.done in steps:
            trainer.gradients.whole[trainer.flat.starts[5]] = value
        return loss

    monkeypatch.setattr(trainer.gradients, "fill", bad_fill)


@pytest.mark.parametrize(("step", "value"), [(0, float("nan")), (1, float("inf")), (3, float("nan"))])
def test_a_bad_gradient_never_reaches_the_weights(make, monkeypatch, step, value):
    trainer = make()
    poison(trainer, monkeypatch, {step}, value)
    for done in range(4):
        before = digest(trainer) if done == step else None
        trainer.step(0.0)
        if done == step:
            state = trainer.state()
            assert trainer.bad == 1
            trainer.done, trainer.bad = step, 0
            assert digest(trainer) == before
            trainer.load(state)
        assert all(torch.isfinite(tensor).all() for tensor in trainer.state().values())
    assert trainer.done == 4


def test_a_bad_loss_is_skipped_too(make, monkeypatch):
    trainer = make()
    fill = trainer.gradients.fill
    monkeypatch.setattr(
        trainer.gradients, "fill", lambda *a: fill(*a) * (float("nan") if trainer.done == 1 else 1)
    )
    trainer.step(0.0)
    before = [weight.clone() for weight in trainer.parameters]
    trainer.step(0.0)
    assert all(torch.equal(weight, old) for weight, old in zip(trainer.parameters, before, strict=True))


def test_three_bad_steps_in_a_row_stop(make, monkeypatch):
    trainer = make()
    poison(trainer, monkeypatch, {1, 2, 4, 5, 6})
    for _ in range(6):
        trainer.step(0.0)
    with pytest.raises(NotFinite):
        trainer.step(0.0)
    trainer.state()


@pytest.mark.parametrize("where", ["weight", "average", "moment"])
def test_a_state_that_is_not_finite_is_not_handed_out(make, where):
    trainer = make()
    trainer.step(0.0)
    weight = trainer.parameters[3]
    victim = {
        "weight": weight.data,
        "average": trainer.ema.average[3],
        "moment": trainer.optimizer.moments["exp_avg"],
    }
    victim[where].view(-1)[0] = float("nan")
    with pytest.raises(NotFinite):
        trainer.state()


def test_float16_overflow_halves_the_scale_and_is_no_fault(make, monkeypatch):
    trainer = make(precision="float16")
    poison(trainer, monkeypatch, {0, 1, 2}, float("inf"))
    first = trainer.scale
    for _ in range(4):
        trainer.step(0.0)
    assert trainer.scale == first / 8
    assert trainer.bad == 0
    other = make(precision="float16")
    other.load(trainer.state())
    assert (other.scale, other.calm) == (trainer.scale, 1)


def test_a_scaled_loss_gives_the_same_gradient(make):
    trainer, scaled = make(), make()
    scaled.scale = 1024.0
    trainer.step(0.0)
    scaled.step(0.0)
    for one, other in zip(trainer.parameters, scaled.parameters, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_first_weights_follow_from_the_seed_and_touch_nobody_elses_randomness(make):
    config = make().network.config
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, other = fresh_network(config, 1), fresh_network(config, 1)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not one.conv_out.weight.any()


# One block of memory --------------------------------------------------------------------------------------------------


def test_a_network_is_the_same_network_in_one_block():
    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 2))
    x = torch.randn(4, 3)
    before, expected = [weight.clone() for weight in network.parameters()], network(x)
    block = FlatWeights(network)
    assert torch.equal(network(x), expected)
    assert all(torch.equal(a, b) for a, b in zip(before, block.views(block.whole), strict=True))
    assert torch.equal(block.gather(before), block.whole)
    with torch.no_grad():
        block.whole.zero_()
    assert not network(x).any()


def test_an_optimizer_over_the_block_does_what_one_over_each_weight_does(make):
    plain, whole = torch.nn.Linear(7, 3), torch.nn.Linear(7, 3)
    whole.load_state_dict(plain.state_dict())
    block = FlatWeights(whole)
    block.whole.grad = block.zeros()
    how = {"lr": 0.1, "weight_decay": 0.01, "fused": True}
    one, other = torch.optim.AdamW(plain.parameters(), **how), torch.optim.AdamW([block.whole], **how)
    for _ in range(5):
        for weight, place in zip(plain.parameters(), block.views(block.whole.grad), strict=True):
            weight.grad = torch.randn_like(weight)
            place.copy_(weight.grad)
        one.step()
        other.step()
    for a, b in zip(plain.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-6)
    gaps = torch.ones_like(block.whole, dtype=torch.bool)
    for place in block.views(gaps):
        place.fill_(False)
    assert gaps.any() and not block.whole[gaps].any()


def test_the_learning_rate_suits_the_network_where_none_is_asked_for(make):
    assert learning_rate_for(6_000_000, "adamw") == 1e-3
    assert learning_rate_for(32_000_000, "adamw") == pytest.approx(5e-4)
    assert learning_rate_for(32_000_000, "adamw", new=False) < 2e-4
    assert learning_rate_for(8_000_000, "muon", new=False) == 1e-3
    for optimizer, rate in (("adamw", 1e-3), ("muon", 2e-3)):
        trainer = make(warmup=0, learning_rate=0.0, optimizer=optimizer)
        assert trainer.learning_rate(0.0) == rate
