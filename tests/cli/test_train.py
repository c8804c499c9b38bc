"""`train`, `distil` and `runs`."""

import json
import signal

import pytest

from diffusion_studio import training_events
from diffusion_studio.settings.training import TrainingSettings
from tests.cli.conftest import SIGNALS

pytestmark = pytest.mark.usefixtures("installed")


def test_training_prints_where_the_model_is(run, learn, tmp_path):
    result = run("train pictures --name Mine --steps 4 --size 16 --no-flip --learning-rate 1e-3 --from faces")
    assert (result.status, result.out) == (0, [str(tmp_path / "models" / "mine")])
    wanted = TrainingSettings(
        folder="pictures", name="Mine", steps=4, size=16, flip=False, learning_rate=1e-3, start_from="faces"
    )
    assert learn.asked == [(wanted, None)] and learn.closed == 1
    assert "Only a few pictures." in result.err
    (told,) = [line for line in result.err if line.startswith("Autoencoder")]
    assert told.startswith("Autoencoder 24.1 → 27.8 dB: ")
    assert told.endswith(str(tmp_path / "runs" / "mine" / "autoencoder.png"))
    assert any("step 4, loss 0.5000" in line and "validation loss 0.2500" in line for line in result.err)
    assert not any("nan" in line for line in result.err)


def test_a_recipe_sets_what_was_not_given(run, learn):
    run("train pictures --name Mine --recipe quick --size 64")
    run("train pictures --name Mine --recipe best --minutes 3 --model-size small")
    (quick, _), (best, _) = learn.asked
    assert (quick.steps, quick.model_size, quick.minutes) == (450, "small", 0.0)
    assert (best.steps, best.model_size, best.minutes) == (0, "small", 3.0)
    result = run("train --resume mine --recipe good")
    assert result.status == 2 and "--recipe is for a new run" in " ".join(result.err)


def test_a_training_that_was_far_too_short_says_so(run, learn):
    result = run("train pictures --name Mine --steps 4")
    assert "After 4 steps: Expect mostly noise. Continue with “--resume mine --steps N”." in result.err


def test_what_to_expect_follows_what_the_run_chose(run, learn, tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    own = {"settings": {"name": "Mine", "start_from": "drawings-64", "batch": 16, "size": 48}}
    (folder / "run.json").write_text(json.dumps(own))
    asked = []
    monkeypatch.setattr("diffusion_studio.cli.train.expected", lambda *how: asked.append(how) or "shapes")
    for command in ("train pictures --name Mine --steps 4", "train --resume mine --steps 4"):
        result = run(command)
        assert any("After 4 steps: Expect rough shapes and colours" in line for line in result.err)
    assert [(how[0].start_from, how[0].batch, how[0].size, how[1]) for how in asked] == [
        ("drawings-64", 16, 48, 4)
    ] * 2


def test_a_flow_is_trained_and_shifted_from_the_command_line(run, learn, draw):
    assert run("train pictures --name Mine --schedule flow --timestep-sampling logit_normal").status == 0
    ((settings, _),) = learn.asked
    assert (settings.schedule, settings.prediction) == ("flow", "flow_prediction")
    assert settings.timestep_sampling == "logit_normal"
    assert run("train pictures --name Mine --schedule flow --prediction epsilon").status == 1
    run("generate --seed 1 --shift 3")
    run("generate --seed 1")
    assert [request.shift for request in draw.asked] == [3.0, 0.0]
    assert run("generate --shift 101").status == 2


def test_a_model_is_made_fast(run, learn, monkeypatch):
    from diffusion_studio.jobs import train as train_jobs
    from diffusion_studio.settings.distillation import DistilSettings

    asked = []

    def distil(settings):
        asked.append(settings)
        yield from train_jobs.train(TrainingSettings())

    monkeypatch.setattr("diffusion_studio.jobs.train.distil", distil)
    result = run("distil Faces pictures --name Quick --student-steps 4 --minutes 5 --guidance 2")
    assert result.status == 0 and "“mine” is ready: generate --model mine" in result.err
    assert not any("Expect" in line for line in result.err)
    assert asked == [
        DistilSettings(
            model="faces", folder="pictures", name="Quick", student_steps=4, minutes=5.0, guidance=2.0
        )
    ]
    assert run("distil").status == 2 and run("distil Faces --student-steps 9").status == 2
    assert run("distil Faces --steps 4 --minutes 2").status == 1


def test_training_as_json(run, learn):
    found = [json.loads(line) for line in run("train pictures --name Mine --json").out]
    assert [event["event"] for event in found][-1] == "published"
    losses = [event["loss"] for event in found if event["event"] == "loss"]
    assert losses == [None, 0.5, 0.5, 0.5]


def test_resuming_hands_on_the_name_and_what_may_change(run, learn, monkeypatch):
    from diffusion_studio.cli import train

    monkeypatch.setattr(train, "fixed_by_run", lambda wanted: [])
    run("train --resume mine")
    run("train --resume mine --minutes 5")
    assert learn.asked == [(TrainingSettings(), "mine"), (TrainingSettings(minutes=5.0), "mine")]
    run("train --resume mine --sample-every 60")  # the default, and asked for all the same
    assert set(learn.given) == {"sample_every"}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_while_training_closes_the_job_between_two_events(run, learn, name):
    seen = []

    def press(event):
        seen.append(event)
        if isinstance(event, training_events.Loss) and event.step == 2:
            signal.raise_signal(getattr(signal, name))
            signal.raise_signal(getattr(signal, name))  # impatience tears nothing either

    learn.at = press
    result = run("train pictures --name Mine")
    assert (result.status, result.out) == (130, []) and learn.closed == 1
    assert seen[-1].step == 2
    assert "--resume mine" in result.err[-1]


def test_a_signal_before_the_training_began_ends_at_once(run, learn):
    learn.at = lambda event: signal.raise_signal(signal.SIGINT)
    result = run("train pictures --name Mine")
    assert (result.status, result.out, result.err) == (130, [], [])


def test_runs_are_listed(run, own_folders):
    assert "There are no runs yet" in run("runs").err[0]
    folder = own_folders / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"state": "stopped", "step": 12}))
    assert run("runs").out == [f"mine  stopped, step 12, {folder}"]
    assert json.loads(run("runs --json").out[0]) == {
        "name": "mine",
        "state": "stopped",
        "step": 12,
        "path": str(folder),
    }
