"""The few steps of a student as one recording: the same bits as step by step, and step by step where it does not fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.packed.engine import FastNetwork, Plain
from diffusion_studio.diffusion.packed.recorded import Recorded
from diffusion_studio.diffusion.packed.recorded_walk import MOST, RecordedWalks
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.generation.unet_model import UNetModel
from diffusion_studio.models.cards import read_card
from diffusion_studio.settings.generation import GenerationSettings
from tests.model_folders import change_json, save

STUDENT = GenerationSettings(seed=5, steps=3, sampler="consistency", precision="float32", device="cpu")


class Graphs:
    """In place of the graphics card's: replaying runs again on the same tensors, and writes to the same answer."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, run):
        self.recorded += 1
        answer = run().clone()

        def replay():
            self.replayed += 1
            answer.copy_(run())

        return replay, answer


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = save(tmp_path_factory.mktemp("models") / "m", num_class_embeds=4)
    change_json(folder / "scheduler" / "scheduler_config.json", _class_name="LCMScheduler")
    return read_card(folder)


def opened(card):
    """A model whose forwards were found to be fastest recorded, and the graphs of forwards and of walks."""
    model = UNetModel.open(card, "cpu", "float32")
    forwards, walks = Graphs(), Graphs()
    plain = Plain(model.checkpoint.network, torch.float32, torch.device("cpu"), torch.contiguous_format)
    network = FastNetwork({"plain, recorded": lambda: Recorded(plain, forwards)}, "n")
    network.is_alone = lambda *batch: False
    model.network, model.walks = network, RecordedWalks(network, walks)
    return model, forwards, walks


def steps(model, settings, **more):
    return [(s.index, s.total, s.sigma, s.views.view("noisy").tobytes(), s.denoised.tobytes())
            for s in model.previews(settings, **more)]  # fmt: skip


@pytest.fixture
def usual(card):
    return UNetModel.open(card, "cpu", "float32")


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_recorded_walk_gives_the_bits_of_the_steps(card, count, guidance):
    model, _, walks = opened(card)
    for seed, label in ((5, "kind 0"), (5, "kind 0"), (6, "kind 2"), (5, "kind 1")):
        settings = replace(STUDENT, seed=seed, steps=count, class_label=label, guidance=guidance)
        by_steps = steps(model, settings, trajectory=Trajectory())  # which is observed
        assert steps(model, settings) == by_steps and len(by_steps) == count + 1
    assert (walks.recorded, walks.replayed) == (1, 3)


def test_where_steps_are_asked_for_or_it_does_not_fit_it_walks_step_by_step(card):
    model, _, walks = opened(card)
    known = Trajectory()
    for settings, more in (
        (STUDENT, {"trajectory": known}),
        (STUDENT, {"start": "branch"}),
        (replace(STUDENT, until=2), {}),
        (replace(STUDENT, strength=0.5), {"source": np.zeros((8, 8, 3), np.uint8)}),
        (replace(STUDENT, count=2), {}),
        (replace(STUDENT, steps=5), {}),
        (replace(STUDENT, sampler="ddim"), {}),
    ):
        for _ in range(3):
            if "start" in more:
                more = {"start": known.at(2, (0,))}
            if "trajectory" in more:
                more = {"trajectory": (known := Trajectory())}
            list(model.previews(settings, **more))
    assert walks.recorded == 0
    for strength in (0.4, 0.5, 0.6):  # dragged: each is another walk
        list(model.previews(replace(STUDENT, guidance=1 + strength)))
    assert walks.recorded == 0
    for steps_ in (1, 1, 2, 2, 3, 3, 4, 4):
        list(model.previews(replace(STUDENT, steps=steps_)))
    for guidance in (2.0, 2.0, 3.0, 3.0):
        list(model.previews(replace(STUDENT, guidance=guidance)))
    assert walks.recorded == 6 and len(model.walks.known) == MOST


def test_what_cannot_be_recorded_and_a_network_that_is_not_walks_as_usual(card, usual):
    model, _, _ = opened(card)

    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    model.walks = RecordedWalks(model.network, refuse)
    right = steps(model, STUDENT)
    assert steps(model, STUDENT) == steps(model, STUDENT) == right and list(model.walks.known.values()) == [
        None
    ]
    usual.walks.record = refuse
    for _ in range(3):
        steps(usual, STUDENT)
    assert not usual.walks.known
