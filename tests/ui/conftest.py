"""A small installed model, jobs that draw without torch, and a window on top of them."""

import functools
import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_studio.generation.trajectory import StepFacts, Trajectory
from tests.shown import shown_views

CLASSES = ("beard", "glasses", "long_hair")


class Step(SimpleNamespace):
    """A step that is kept as it is."""


class Steps(Trajectory):
    """A trajectory of plain arrays, filled without torch."""

    def add(self, preview, settings, pictures):
        if not self._facts:
            self.begin(settings, pictures)
            self.first = preview.index
        before = self._states[max(self._states)][0].denoised if self._states else None
        change = None if before is None else np.abs(preview.denoised - before.astype(float)).mean((1, 2, 3))
        with self._lock:
            self.total = preview.total
            step = Step(
                index=preview.index,
                denoised=preview.denoised,
                noisy=preview.noisy,
                size=preview.denoised.size,
            )
            self._states[preview.index] = (step, step)
            sigma = float(preview.total - preview.index)
            snr = sigma**-2 if sigma else float("inf")
            self._facts.append(StepFacts(preview.index, sigma, 10 * sigma, snr, change))

    def state(self, index):
        with self._lock:
            return self._states[min(self._states, key=lambda kept: abs(kept - index))][0]

    def at(self, index, pictures=None):
        places = range(len(self.pictures)) if pictures is None else pictures
        assert index in self._states
        return SimpleNamespace(
            settings=self.settings, index=index, pictures=tuple(self.pictures[place] for place in places)
        )

    def view(self, index, view="denoised", *, detailed=False):
        state, end = self.state(index), self.state(self.total)
        if view == "difference":
            return np.abs(end.denoised.astype(int) - state.denoised).astype(np.uint8)
        return state.noisy if view == "noisy" else 255 - state.noisy if view == "noise" else state.denoised


def install_model(home, name, **card):
    folder = home / "models" / name
    (folder / "unet").mkdir(parents=True)
    (folder / "scheduler").mkdir()
    classes = {"num_class_embeds": len(card["classes"]) + 1} if "classes" in card else {}
    (folder / "unet" / "config.json").write_text(json.dumps({"sample_size": 8, "in_channels": 3, **classes}))
    schedule = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule))
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def models(own_folders, monkeypatch, tmp_path):
    """Two models of the user's own and no starter: one with classes, one without."""
    from diffusion_studio.models import cards

    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    monkeypatch.setattr(cards, "STARTER", "faces")
    recommended = {"steps": 12, "sampler": "dpmpp_2m", "guidance": 2.0}
    install_model(
        own_folders, "faces", title="Faces", classes=list(CLASSES), null_class=3, recommended=recommended
    )
    install_model(
        own_folders, "plain", title="Plain", recommended={"steps": 30, "sampler": "ddim", "eta": 0.5}
    )


@pytest.fixture
def draw(monkeypatch):
    """Stands in for the model: `jobs.generate` yields events as the real one does, as `draw`'s fields say."""
    from diffusion_studio import events
    from diffusion_studio.errors import UserError
    from diffusion_studio.pictures import writing as outputs
    from diffusion_studio.settings.branches import single

    control = SimpleNamespace(
        asked=[],
        closed=0,
        pause=0.0,
        fault=None,
        full_disk=False,
        size=8,
        forming=False,
        starts=[],
        saving=[],
    )
    monkeypatch.setattr("diffusion_studio.ui.generate.steering.Trajectory", Steps)

    def picture(seed):
        return np.random.default_rng(seed).integers(0, 256, (control.size, control.size, 3), dtype=np.uint8)

    def generate(settings, *, trajectory=None, start=None, save=True):
        control.asked.append(settings)
        control.starts.append(start)
        control.saving.append(save)
        try:
            yield from _generate(settings, trajectory, start, save)
        finally:
            control.closed += 1

    def _generate(settings, trajectory, start, save):
        places = tuple(range(settings.count)) if start is None else start.pictures
        first = 0 if start is None else start.index
        yield events.Status(text="Loading Faces…")
        yield events.Started(
            settings=settings,
            model_title="Faces",
            device="cpu",
            precision="float32",
            total=settings.steps,
            pictures=places,
            first=first,
        )
        pictures = np.stack([picture(settings.seed + k) for k in places])
        for index in range(first, settings.steps + 1):
            if control.fault and index == 2:
                raise control.fault
            formed = (pictures * (index / settings.steps)).astype(np.uint8) if control.forming else pictures
            preview = events.Preview(
                index=index,
                total=settings.steps,
                sigma=1.0,
                timestep=1.0,
                views=shown_views(formed, 255 - formed),
                seconds=0.1 * (index - first),
            )
            if isinstance(trajectory, Steps):
                trajectory.add(preview, settings, places)
            answer = yield preview
            time.sleep(control.pause)
            if answer == events.KEEP or (settings.until and index >= settings.until):
                settings = replace(settings, until=index if index < settings.steps else 0)
                break
        for index, (place, pixels) in enumerate(zip(places, formed if save else (), strict=False)):
            own = single(settings, place)
            if control.full_disk:
                yield events.NotSaved(
                    index=index, settings=own, picture=pixels, reason="There is no room left."
                )
            else:
                path = outputs.save(pixels, own, facts={})
                yield events.Saved(path=path, index=index, settings=own, picture=pixels)
        yield events.Finished(
            seconds=0.5, steps_per_second=settings.steps / 0.5, stopped_at=settings.until or None
        )

    def warm_up(settings):
        yield events.Ready(device="cpu", precision="float32", threads=1)

    monkeypatch.setattr("diffusion_studio.jobs.generate.generate", generate)
    monkeypatch.setattr("diffusion_studio.jobs.warm_up.warm_up", warm_up)
    control.picture = picture
    control.UserError = UserError
    return control


@pytest.fixture
def open_window(qtbot, qapp):
    """Opens windows over whatever is installed; they are closed again when the test ends, whatever runs in them."""
    from diffusion_studio.ui.base.preferences import Preferences
    from diffusion_studio.ui.base.settings_file import SettingsFile
    from diffusion_studio.ui.look.theme import Theme
    from diffusion_studio.ui.window.window import MainWindow

    def make(*, tour=False, size=None, patience=10_000):
        """`patience`: milliseconds in which its threads must come to rest at the end."""

        def finish(window):
            """So that it closes at once: pytest-qt deletes what it has closed."""
            for worker in window.workers():
                worker.cancel_all()
            qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=patience)

        settings_file = SettingsFile()
        settings_file.store("window", Preferences(**{**settings_file.section("window"), "toured": not tour}))
        window = MainWindow(Theme(qapp), settings_file)
        qtbot.addWidget(window, before_close_func=finish)
        window.fill()
        if size is not None:
            window.resize(*size)
        window.show()
        qtbot.waitExposed(window)
        return window

    return make


@pytest.fixture
def make_window(open_window, models, draw):
    """Makes windows over small models, with jobs that draw without torch."""
    return functools.partial(open_window, size=(1100, 760))


@pytest.fixture
def window(make_window):
    return make_window()


@pytest.fixture
def choose_file(monkeypatch):
    """Answers the next questions for a file: with a path, with (path, kind), or with None for Cancel."""
    from diffusion_studio.ui.base import file_dialogs

    asked = []

    def answer(given):
        def ask(dialog):
            asked.append((dialog.windowTitle(), dialog.directory().absolutePath(), dialog.defaultSuffix()))
            kind = dialog.selectedNameFilter()
            dialog.deleteLater()
            path, kind = given if isinstance(given, tuple) else (given, kind)
            return None if path is None else (file_dialogs.Path(path), kind)

        monkeypatch.setattr(file_dialogs, "_ask", ask)

    answer.asked = asked
    return answer
