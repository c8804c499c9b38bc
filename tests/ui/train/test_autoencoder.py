"""The autoencoder of a run of latents: its images before and now are shown until there are samples, and kept with the run."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtGui import QColor

from diffusion_studio.training.records import runs
from diffusion_studio.training_events import AutoencoderAdapted
from diffusion_studio.ui.train.autoencoder import AutoencoderView
from tests.ui.train.conftest import SIZE, wait_for_steps

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

LEVELS = (250, 130, 40)  # of images, before and now


def adapted(**facts):
    images, before, now = (np.full((2, SIZE, SIZE, 3), level, np.uint8) for level in LEVELS)
    return AutoencoderAdapted(
        step=100, psnr_before=24.1, psnr=27.84, images=images, before=before, now=now, **facts
    )


@pytest.fixture
def kept(monkeypatch):
    """A new run has what a training of latents keeps of its autoencoder."""
    create = runs.create

    def with_comparison(*facts):
        run = create(*facts)
        sheet = np.concatenate([np.full((SIZE, 2 * SIZE, 3), level, np.uint8) for level in LEVELS])
        Image.fromarray(sheet).save(run.path / "autoencoder.png")
        run.note(autoencoder={"step": 100, "psnr_before": 24.1, "psnr": 27.84})
        return run

    monkeypatch.setattr(runs, "create", with_comparison)


def test_it_is_shown_until_the_network_has_samples(ready, backend, kept, qtbot):
    backend.adapting, backend.pause, backend.steps = (adapted(),), 0.05, 40
    view, page = ready.run_view.samples, ready
    seen = []
    page.session.adapted.connect(
        lambda event: seen.append((view.autoencoder.isVisible(), view.autoencoder.title))
    )
    page.recipe.train_button.click()
    wait_for_steps(page, qtbot)
    assert seen == [(True, "Autoencoder · 24.1 → 27.8 dB")]
    qtbot.waitUntil(lambda: view.canvas.isVisible() and bool(view.canvas.pictures))
    assert not view.autoencoder.isVisible() and view.reconstruction.isVisible()
    view.reconstruction.click()
    assert view.autoencoder.isVisible() and not view.canvas.isVisible()
    view.raw.click()
    assert view.canvas.isVisible() and view.weights == "raw"
    with qtbot.waitSignal(page.session.ended, timeout=10_000):
        page.session.stop()


def test_a_run_without_samples_shows_what_was_kept(page, kept, qtbot):
    from diffusion_studio.settings.options import to_dict
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.ui.train.records import read_row

    run = runs.create("mine", to_dict(TrainingSettings(name="mine", size=SIZE, space="latents")), {})
    row = read_row(run)
    assert row.words.endswith("autoencoder 24.1 → 27.8 dB")
    view = page.run_view.samples
    page._show_row(row)
    qtbot.waitUntil(lambda: view.autoencoder.isVisible())
    assert view.note.text() == "No samples yet"
    other = runs.create("other", to_dict(TrainingSettings(name="other", size=SIZE)), {})
    (other.path / "autoencoder.png").write_bytes(b"no picture")
    page._show_row(read_row(other))
    qtbot.waitUntil(lambda: page.run_view.title.text() == "other")
    assert view.canvas.isVisible() and not view.reconstruction.isVisible()


def test_rows_are_images_before_and_now(qtbot):
    view = AutoencoderView()
    qtbot.addWidget(view)
    view.resize(300, 260)
    event = adapted()
    view.show_rows((event.images, event.before, event.now), event.psnr_before, event.psnr)
    pixels = view.grab().toImage()
    column = [QColor(pixels.pixel(pixels.width() // 2 - 12, y)).red() for y in range(pixels.height())]
    met = [level for level, before in zip(column, [None, *column], strict=False) if level != before]
    assert [level for level in met if level in LEVELS] == list(LEVELS)
