"""The window over a real, tiny network: torch stays out of the window's thread until it is needed, then draws."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow
SIZE = 8


@pytest.fixture
def tiny_model(own_folders, monkeypatch, tmp_path):
    from diffusion_studio.diffusion.schedules import SCHEDULES
    from diffusion_studio.diffusion.unet import UNet
    from diffusion_studio.diffusion.unet_config import UNetConfig
    from diffusion_studio.models import cards
    from diffusion_studio.models.folder import write_model

    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    config = UNetConfig(
        sample_size=SIZE,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )
    folder = own_folders / "models" / "tiny"
    write_model(
        folder, UNet(config), SCHEDULES["cosine"](1000), prediction="v_prediction", card={"title": "Tiny"}
    )


@pytest.fixture
def window(tiny_model, qtbot, qapp):
    from diffusion_studio.ui.base.settings_file import SettingsFile
    from diffusion_studio.ui.look.theme import Theme
    from diffusion_studio.ui.window.window import MainWindow

    def finish(window):
        for worker in window.workers():
            worker.cancel_all()
        qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=60_000)

    window = MainWindow(Theme(qapp), SettingsFile())
    qtbot.addWidget(window, before_close_func=finish)
    window.fill()
    window.show()
    qtbot.waitExposed(window)
    return window


def test_it_warms_up_generates_and_saves_what_the_command_line_would(window, qtbot):
    from diffusion_studio.events import Preview
    from diffusion_studio.jobs import generate as jobs
    from diffusion_studio.settings.generation import GenerationSettings

    page = window.page
    qtbot.waitUntil(lambda: "float" in window.status.device.text(), timeout=60_000)
    settings = GenerationSettings(model="tiny", steps=5, seed=3, count=2, precision="float32")
    page.request.show(settings)
    with qtbot.waitSignal(page.generation.ended, timeout=60_000):
        page.generate()
    shown = np.stack([picture.pixels for picture in page.canvas.pictures])
    alone = [event for event in jobs.generate(settings, save=False) if isinstance(event, Preview)][
        -1
    ].denoised
    assert np.array_equal(shown, alone)
    assert all(picture.path.is_file() for picture in page.canvas.pictures)
    assert page.strip.model.paths[0] == page.canvas.pictures[1].path


def test_stop_takes_effect_within_a_step(window, qtbot):
    from diffusion_studio.settings.generation import GenerationSettings

    page = window.page
    page.request.show(GenerationSettings(model="tiny", steps=1000, precision="float32"))
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 3, timeout=60_000)
    page.generation.stop()
    step = page.generation.step[0]
    qtbot.waitUntil(lambda: not page.generation.worker.busy, timeout=10_000)
    assert page.generation.step[0] == step < 1000
    assert not page.strip.model.paths


def test_hold_keep_branch_and_choose_over_the_real_thing(window, qtbot):
    from diffusion_studio.events import Preview
    from diffusion_studio.jobs import generate as jobs
    from diffusion_studio.pictures import reading
    from diffusion_studio.settings.generation import GenerationSettings

    page, steering = window.page, window.page.steering
    asked = GenerationSettings(
        model="tiny", steps=12, seed=3, count=3, sampler="dpmpp_2m_sde", precision="float32"
    )

    def finish(action):
        with qtbot.waitSignal(page.generation.ended, timeout=60_000):
            action()
        return [picture.pixels for picture in page.canvas.pictures]

    page.request.show(asked)
    parent = finish(page.generate)
    steering.timeline.step_wanted.emit(5)  # a branch with nothing changed is its parent, bit for bit
    seen = [picture.pixels for picture in page.canvas.pictures]
    for layer in page.canvas.layers:
        page.canvas.show_layer(layer)
        assert not page.canvas.pictures[0].image(layer).isNull()
    steering.branch_action.trigger()
    assert all(map(np.array_equal, finish(page.generate), parent))
    steering.timeline.step_wanted.emit(9)
    steering.branch_action.trigger()
    page.request.lock_seed(77)
    branched = finish(page.generate)
    assert not np.array_equal(branched[0], parent[0])
    path = page.canvas.pictures[1].path
    alone = [e for e in jobs.generate(reading.read(path).settings, save=False) if isinstance(e, Preview)][-1]
    assert np.array_equal(alone.denoised[0], branched[1])  # from its file alone, without the trajectory
    steering.timeline.step_wanted.emit(5)
    assert all(map(np.array_equal, [picture.pixels for picture in page.canvas.pictures], seen))

    page.request.show(asked)  # stopped early, two of three finished: the same pictures
    page.request.change(until=4)
    finish(page.generate)
    ticks = page.next_run.ticks.ticks
    ticks[0].click()
    ticks[2].click()
    chosen = finish(page.generate)
    assert np.array_equal(chosen[0], parent[0]) and np.array_equal(chosen[1], parent[2])

    page.request.show(GenerationSettings(model="tiny", steps=1000, seed=3, precision="float32"))
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 3, timeout=60_000)
    steering.toggle_pause()
    qtbot.waitUntil(lambda: page.generation._held_at is not None, timeout=60_000)
    at = page.generation.step[0]
    steering.single_step()
    qtbot.waitUntil(lambda: page.generation.step[0] == at + 1, timeout=60_000)
    kept = finish(page.generation.keep)[0]
    record = reading.read(page.canvas.pictures[0].path)
    assert record.settings.until == at + 1 and np.array_equal(record.pixels(), kept)
