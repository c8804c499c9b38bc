"""The window over a tiny Stable Diffusion with random weights: everything that pixel models can, from a prompt."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from diffusion_studio.pictures import reading
from diffusion_studio.settings.axes import Axis
from diffusion_studio.settings.generation import GenerationSettings

pytest.importorskip("diffusers")
pytest.importorskip("transformers")
pytestmark = pytest.mark.slow
ASKED = GenerationSettings(
    model="tiny-sd", prompt="a (cat:1.2) in a hat", negative="dog", guidance=5.0, steps=8, seed=3, count=2,
    sampler="dpmpp_2m_sde", precision="float32", device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    from tests.tiny_text_models import stable_diffusion

    folder = tmp_path_factory.mktemp("text") / "tiny-sd"
    stable_diffusion(folder)
    return folder


@pytest.fixture
def window(pipeline, own_folders, monkeypatch, tmp_path, open_window):
    from diffusion_studio.models import cards

    shutil.copytree(pipeline, own_folders / "models" / "tiny-sd")
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    return open_window(patience=60_000)


def test_everything_is_there_for_a_model_of_text(window, qtbot, tmp_path):
    from diffusion_studio.events import MorphImage
    from diffusion_studio.jobs.film import film
    from diffusion_studio.jobs.generate import generate
    from diffusion_studio.jobs.morph import morph
    from diffusion_studio.settings.film import FilmSettings

    page, steering = window.page, window.page.steering

    def finish(action):
        with qtbot.waitSignal(page.generation.ended, timeout=120_000):
            action()
        return [picture.pixels for picture in page.canvas.pictures]

    def result(settings):
        return [event.picture for event in generate(settings, folder=tmp_path) if hasattr(event, "picture")]

    assert page.words.isVisibleTo(page) and page.request.card.prompted
    said = page.canvas.message
    assert (said.title, said.sentence) == ("Type a prompt", "Stable Diffusion 1 · 32 × 32 · 25 steps")
    page.request.edit("prompt", "a cat")
    page.request.edit("steps", 9)
    said = page.canvas.message
    assert (said.title, said.sentence) == ("Ready to generate", "Stable Diffusion 1 · 32 × 32 · 9 steps")
    page.request.show(ASKED)
    parent = finish(page.generate)
    assert page.request.value() == ASKED and parent[0].shape == (32, 32, 3)
    assert "“a (cat:1.2) in a hat”" in page.caption.shown.text()

    # the timeline and its views
    steering.timeline.step_wanted.emit(4)
    shown, steps = page.canvas.pictures[0], steering.run.trajectory
    assert np.array_equal(shown.pixels, steps.view(4)[0]) and not np.array_equal(
        shown.pixels, steps.view(8)[0]
    )
    for layer in page.canvas.layers:
        page.canvas.show_layer(layer)
        assert not shown.image(layer).isNull()
    seen = [shown.layers[layer].tobytes() for layer in page.canvas.layers]
    assert len(set(seen)) == len(seen) == 4

    # a branch with nothing changed is its parent, bit for bit; another prompt is another image
    steering.branch_action.trigger()
    assert all(map(np.array_equal, finish(page.generate), parent))
    steering.timeline.step_wanted.emit(4)
    steering.branch_action.trigger()
    page.request.edit("prompt", "a house <b>by</b> the sea")
    branched = finish(page.generate)
    assert not np.array_equal(branched[0], parent[0])
    record = reading.read(page.canvas.pictures[1].path)
    assert dict(record.settings.history[0].values)["prompt"] == ASKED.prompt
    assert record.settings.prompt == "a house <b>by</b> the sea"
    assert np.array_equal(result(record.settings)[0], branched[1])  # from its file alone

    # few steps first: what is selected of a batch is finished as it would have been
    page.request.show(ASKED)
    page.request.change(until=3)
    finish(page.generate)
    page.next_run.ticks.ticks[1].click()
    assert np.array_equal(finish(page.generate)[0], parent[1])

    # pause, a single step, and keeping what there is
    page.request.show(
        GenerationSettings(model="tiny-sd", prompt="a cat", steps=500, seed=3, precision="float32")
    )
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 3, timeout=60_000)
    steering.toggle_pause()
    qtbot.waitUntil(lambda: page.generation._held_at is not None, timeout=60_000)
    at = page.generation.step[0]
    steering.single_step()
    qtbot.waitUntil(lambda: page.generation.step[0] == at + 1, timeout=60_000)
    finish(page.generation.keep)
    assert reading.read(page.canvas.pictures[0].path).settings.until == at + 1

    # a film of the steps, and a comparison of prompts
    path = tmp_path / "steps.png"
    steps = steering.run.trajectory
    list(film(steps, path, FilmSettings(seconds=4, scale=1)))
    with Image.open(path) as made:
        frames = {frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(made)}
    assert len(frames) >= len(steps.kept()) - 1 and steps.view(steps.kept()[0])[0].tobytes() in frames
    page.request.show(ASKED)
    page.compare.action.trigger()
    view = page.compare.view
    view.head.columns.show_axis(Axis("prompt", ("a cat", "a dog, sleeping")))
    view.head.rows.show_axis(None)
    with qtbot.waitSignal(page.compare.ended, timeout=120_000):
        page.generate()
    pictures = [cell.picture.pixels for cell in view.sheet.cells.values()]
    assert len(pictures) == 2 and not np.array_equal(*pictures)

    # from prompt to prompt, where each end is the image of its own prompt
    way = [
        event.picture
        for event in morph(replace(ASKED, count=1), [3, 3], prompts=("a cat", "a dog"), frames=2)
        if isinstance(event, MorphImage)
    ]
    ends = [result(replace(ASKED, count=1, prompt=prompt))[0] for prompt in ("a cat", "a dog")]
    assert len(way) == 3 and np.array_equal(way[0], ends[0]) and np.array_equal(way[2], ends[1])
    assert not np.array_equal(way[1], way[0]) and not np.array_equal(way[1], way[2])
