"""The command line: what it asks of the jobs, what it prints where, and how it ends. The jobs stand in, without torch."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from diffusion_studio import __version__, doctor, events, training_events
from diffusion_studio.cli import main, output
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import places
from tests.shown import shown_views

SIGNALS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
FACES = ModelCard(
    name="faces",
    title="Faces",
    path=Path("/models/faces"),
    size=8,
    classes=("hat", "beard"),
    class_count=3,
    null_class=2,
    parameters=4_000_000,
    recommended={"steps": 12, "sampler": "ddim", "guidance": 2.0},
    licence="CC0 1.0",
)
PLAIN = ModelCard(name="plain", title="Plain model", path=Path("/models/plain"), size=16)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(cards, "installed", lambda: [FACES, PLAIN])
    monkeypatch.setattr(cards, "STARTER", "faces")


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture
def draw(monkeypatch):
    """Stands in for `jobs.generate`; `at` is called with every event before it is yielded."""
    control = SimpleNamespace(asked=[], closed=0, full=False, full_for_sheet=False, at=lambda event: None)

    def generate(settings, *, folder=None, sheet=False):
        control.asked.append(settings)
        try:
            for event in _events(settings, folder, sheet):
                control.at(event)
                yield event
        finally:
            control.closed += 1

    def _events(settings, folder, sheet):
        settings = replace(settings, seed=99 if settings.seed is None else settings.seed)
        yield events.Status(text="Loading…")
        yield events.Started(
            settings=settings, model_title="Faces", device="cpu", precision="float32", total=settings.steps
        )
        pictures = np.stack([picture(settings.seed + k) for k in range(settings.count)])
        for index in range(settings.steps + 1):
            yield events.Preview(
                index=index,
                total=settings.steps,
                sigma=float("inf"),
                timestep=1.0,
                views=shown_views(pictures, pictures),
                seconds=0.1,
            )
        for index, pixels in enumerate(pictures):
            own = replace(settings, seed=settings.seed + index, count=1)
            if control.full:
                yield events.NotSaved(index=index, settings=own, picture=pixels, reason="There is no room.")
            else:
                path = outputs.save(pixels, own, facts={"model_title": "Faces"}, folder=folder)
                yield events.Saved(path=path, index=index, settings=own, picture=pixels)
        if sheet:
            if control.full or control.full_for_sheet:
                yield events.Warned(text="The sheet was not saved: there is no room.")
            else:
                yield events.SheetSaved(path=outputs.save_sheet(pictures, settings, facts={}, folder=folder))
        yield events.Finished(seconds=0.5, steps_per_second=24.0)

    monkeypatch.setattr("diffusion_studio.jobs.generate.generate", generate)
    return control


@pytest.fixture
def run(capsys):
    """Carries out a command line; gives its status, its output lines and its error lines."""

    def carry_out(words, *more):
        status = main.main([*shlex.split(words), *map(str, more)])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out.splitlines(), err=captured.err.splitlines())

    return carry_out


# Generate -------------------------------------------------------------------------------------------------------------


def test_saved_paths_are_printed_and_nothing_else(run, draw, tmp_path):
    result = run("generate --seed 7 --count 3 --out", tmp_path)
    assert result.status == 0 and result.err == []
    assert [Path(line).name[7:] for line in result.out] == ["7.png", "8.png", "9.png"]
    for k, line in enumerate(result.out):
        assert np.array_equal(reading.read(line).pixels(), picture(7 + k))
    assert draw.closed == 1


def test_without_a_folder_the_outputs_folder_takes_them(run, draw, own_folders):
    result = run("generate --seed 7")
    assert Path(result.out[0]).is_relative_to(own_folders / "outputs")


def test_a_sheet_comes_last(run, draw, tmp_path):
    result = run("generate --seed 7 --count 2 --sheet --out", tmp_path)
    assert len(result.out) == 3 and result.out[-1].endswith("-7-sheet.png")


def test_a_seed_that_was_drawn_is_said(run, draw):
    assert run("generate").err == ["Seed 99"]
    assert run("generate --seed 5").err == []


def test_every_option_arrives(run, draw, tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "own.png")
    words = (
        "--model faces --steps 9 --seed 3 --sampler unipc --spacing karras --class hat --guidance 3.5 --count 2 "
        "--eta 0.25 --churn 2 --clipping dynamic --precision float32 --device cpu --until 4 --strength 0.5 --resamples 2 "
        "--prompt cat --negative dog --width 512 --height 64 --clip-skip 2 "
        f"--variation-seed 8 --variation-strength 0.1 --init {tmp_path}/own.png --mask {tmp_path}/own.png --feather 1"
    )
    assert run(f"generate {words}").status == 0
    assert draw.asked == [
        GenerationSettings(
            model="faces",
            prompt="cat",
            negative="dog",
            width=512,
            height=64,
            clip_skip=2,
            steps=9,
            seed=3,
            sampler="unipc",
            spacing="karras",
            class_label="hat",
            guidance=3.5,
            count=2,
            eta=0.25,
            churn=2.0,
            clipping="dynamic",
            precision="float32",
            device="cpu",
            until=4,
            source=start_pictures.keep(tmp_path / "own.png"),
            strength=0.5,
            mask=start_pictures.keep_mask(tmp_path / "own.png", 1),
            resamples=2,
            variation_seed=8,
            variation_strength=0.1,
        )
    ]
    assert {*options(GenerationSettings), "loras", "history", "batch"} == set(
        draw.asked[0].__dataclass_fields__
    )


def test_the_models_recommendation_outdoes_the_general_defaults_and_is_outdone_by_flags(run, draw):
    run("generate --guidance 4")
    run("generate --model plain")
    first, second = draw.asked
    assert (first.model, first.steps, first.sampler, first.guidance) == ("faces", 12, "ddim", 4.0)
    assert second == replace(PLAIN.defaults(), model="plain")


def test_like_takes_every_setting_from_a_picture_and_flags_win(run, draw, tmp_path):
    made = GenerationSettings(
        model="plain",
        steps=33,
        seed=5,
        sampler="heun",
        spacing="beta",
        churn=3.0,
        class_label="hat",
        guidance=1.5,
        batch="-,0",
    )
    path = outputs.save(picture(1), made, facts={}, folder=tmp_path)
    run("generate --like", path)
    run("generate --steps 33 --like", path)
    run("generate --steps 4 --model faces --like", path)
    assert draw.asked == [made, made, replace(made, steps=4, model="faces", batch="")]


def test_like_a_picture_of_another_program_takes_what_it_says(run, draw, tmp_path):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "cat\nSteps: 28, Sampler: Euler a, CFG scale: 900, Seed: 5, Model: sdxl")
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    unknown = run("generate --like", tmp_path / "x.png")
    assert unknown.status == 1 and "“sdxl” that drew" in unknown.err[-1]
    result = run("generate --model faces --like", tmp_path / "x.png")
    assert result.status == 0 and any("Guidance must be between 0 and 20" in line for line in result.err)
    assert any("does not use what the image says of: Prompt." in line for line in result.err)
    wanted = replace(FACES.defaults(), steps=28, seed=5, sampler="euler_ancestral")
    assert draw.asked == [wanted]


def test_json_is_one_event_a_line(run, draw, tmp_path):
    result = run("generate --seed 7 --count 2 --sheet --json --out", tmp_path)
    found = [
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        for line in result.out
    ]
    names = [event["event"] for event in found]
    assert names == ["status", "started", *["preview"] * 13, "saved", "saved", "sheet_saved", "finished"]
    assert found[2]["denoised"] == {"shape": [2, 8, 8, 3]} and found[2]["sigma"] is None
    assert found[1]["settings"]["seed"] == 7 and Path(found[-2]["path"]).is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("", "The image was"), ("--count 3 --sheet", "3 of 3 images (seed 1, seed 2, seed 3) were")],
)
def test_pictures_that_were_not_saved_are_one_sentence_and_status_1(run, draw, words, sentence):
    draw.full = True
    result = run(f"generate --seed 1 {words}")
    assert (result.status, result.out) == (1, [])
    assert result.err == [f"{sentence} not saved: There is no room."]


def test_a_sheet_that_was_not_saved_is_status_1_and_the_pictures_are_kept(run, draw, tmp_path):
    draw.full_for_sheet = True
    result = run("generate --seed 1 --count 2 --sheet --out", tmp_path)
    assert (result.status, len(result.out)) == (1, 2)
    assert result.err == ["The sheet was not saved: there is no room."]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("generate --model nope", "“nope” is not installed; installed are: faces, plain"),
        ("generate --like gone.png", "gone.png cannot be read: No such file"),
        ("generate --out {file}", "is not a folder"),
        ("generate --out {file}/below", "is not a folder"),
        ("info gone.png", "neither a file nor an installed model"),
        ("info ''", "neither a file nor an installed model"),
        ("info {file}", "not an image"),
        ("train x --name y --steps 3 --minutes 4", "not both"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_status_1(run, draw, tmp_path, words, sentence):
    (tmp_path / "file").write_text("no picture")
    result = run(words.format(file=tmp_path / "file"))
    assert (result.status, result.out, len(result.err)) == (1, [], 1)
    assert sentence in result.err[0] and result.err[0].endswith(".")
    assert draw.asked == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found_out_before_the_work(run, draw, tmp_path):
    tmp_path.chmod(0o500)
    result = run("generate --out", tmp_path / "x")
    assert result.status == 1 and "read-only" in result.err[0] and draw.asked == []


# Usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("genrate", "did you mean “generate”?"),
        ("xyz", "there are: generate"),
        ("--count 4", "must come after a command"),
        ("generate --stepz 5", "did you mean “--steps”?"),
        ("generate --step 5", "“--step” is not an option"),
        ("generate --coulomb red", "“--coulomb” is not an option\n"),  # like --count only in its dashes
        ("generate steps=5", "“steps=5” is not expected here; did you mean “--steps”?"),
        ("generate --steps 0", "between 1 and 1000, not 0"),
        ("generate --steps many", "not a whole number"),
        ("generate --guidance much", "not a number"),
        ("generate --guidance nan", "between 0 and 20"),
        ("generate --seed 4294967296", "between 0 and 4294967295, not 4294967296"),
        (f"generate --steps {'9' * 400}", "between 1 and 1000"),
        ("generate --seed -1", "between 0 and"),
        ("generate --sampler nope", "dpmpp_2m"),
        ("generate --steps", "expected one argument"),
        ("generate extra", "“extra” is not expected here"),
        ("info", "required: IMAGE|MODEL"),
        ("train", "a --name are needed"),
        ("train folder", "a --name are needed"),
        pytest.param(
            "train --resume x --batch 3", "keeps its --batch", marks=pytest.mark.slow
        ),  # loads torch
        pytest.param("train --resume x --size 16", "keeps its --size", marks=pytest.mark.slow),
        pytest.param("train folder --name x --changed-data", "needs --resume", marks=pytest.mark.slow),
    ],
)
def test_wrong_usage_is_status_2(run, draw, words, sentence):
    result = run(words)
    assert (result.status, result.out) == (2, [])
    assert sentence in f"{result.err[-1]}\n" and len(result.err) <= 2
    assert draw.asked == []


def test_help_and_version(run):
    assert run("--version").out == [f"diffusion-studio {__version__}"]
    result = run("--help")
    assert result.status == 0 and all(any(verb in line for line in result.out) for verb in main.VERBS)


@pytest.mark.parametrize("verb", main.VERBS)
def test_each_verb_has_help(run, verb):
    result = run(f"{verb} --help")
    assert (
        result.status == 0 and result.out[0].startswith(f"usage: diffusion-studio {verb}") and not result.err
    )


@pytest.mark.parametrize(("verb", "kind"), [("generate", GenerationSettings), ("train", TrainingSettings)])
def test_help_names_every_option_with_range_choices_and_default(run, verb, kind):
    text = " ".join(" ".join(run(f"{verb} --help").out).split())
    for name, facts in options(kind).items():
        if name == "folder":
            continue
        flag = (facts.flag or name).replace("_", "-")
        assert f"--{flag} " in text or f"--{flag}," in text
        for choice in facts.choices or ():
            assert choice in text
    assert "1 to 1000 (default: 20)" in text or verb == "train"
    assert "0 to 4294967295 (default: random)" in text


# Ends -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_while_drawing_ends_it_with_130(run, draw, tmp_path, name):
    def press(event):
        if isinstance(event, events.Preview) and event.index == 3:
            signal.raise_signal(getattr(signal, name))

    draw.at = press
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    result = run("generate --seed 1 --out", tmp_path)
    assert (result.status, result.out, result.err) == (130, [], [])
    assert draw.closed == 1 and not list(tmp_path.rglob("*.png"))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_a_signal_within_an_exec_is_status_130_too(tmp_path):
    """There `python -m` remembers a KeyboardInterrupt, and ends itself by SIGINT although it was handled."""
    (tmp_path / "probe.py").write_text(
        "import sys; from diffusion_studio import doctor; from diffusion_studio.cli import main as cli\n"
        "doctor.text = lambda: exec('import signal; signal.raise_signal(signal.SIGINT)')\n"
        "sys.exit(cli.main(['doctor']))"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    child = subprocess.run(
        [sys.executable, "-m", "probe"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (child.returncode, child.stderr) == (130, "")


def test_a_signal_while_saving_keeps_all_that_was_drawn(run, draw, tmp_path):
    def press(event):
        if isinstance(event, events.Saved):
            signal.raise_signal(signal.SIGINT)

    draw.at = press
    result = run("generate --seed 1 --count 3 --out", tmp_path)
    assert result.status == 130 and len(result.out) == 3
    assert len(list(tmp_path.rglob("*.png"))) == 3


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX")
def test_ignored_signals_stay_ignored(run, draw):
    draw.at = lambda event: signal.raise_signal(signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("generate --seed 1").status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_it_works_in_another_thread(run, draw):
    found = []
    thread = threading.Thread(target=lambda: found.append(main.main(["generate", "--seed", "1"])))
    thread.start()
    thread.join()
    assert found == [0]


def test_the_unexpected_is_a_sentence_and_a_log(run, draw, own_folders):
    def fail(event):
        raise RuntimeError("a\x1b[31m thing\nbroke")

    draw.at = fail
    result = run("generate --seed 1")
    assert (result.status, result.out, len(result.err)) == (1, [], 1)
    assert "\x1b" not in result.err[0]
    log = Path(re.search(r"Details are in (.+)$", result.err[0])[1])
    assert log.is_relative_to(own_folders / "logs") and "Traceback" in log.read_text()
    assert draw.closed == 1


def test_the_unexpected_where_no_log_can_be_written_is_a_sentence_still(run, draw, own_folders):
    own_folders.mkdir(exist_ok=True)
    (own_folders / "logs").write_text("")
    draw.at = lambda event: 1 / 0
    result = run("generate --seed 1")
    assert result.status == 1 and "ZeroDivisionError" in result.err[0] and len(result.err) == 1


def test_too_little_memory_is_said_as_such(run, draw):
    def fail(event):
        raise MemoryError

    draw.at = fail
    result = run("generate --seed 1")
    assert result.status == 1 and result.err[0].startswith("There is not enough memory")


class Stream:
    """A standard output that takes so many lines."""

    def __init__(self, lines, error):
        self.left, self.error = lines, error

    def write(self, text):
        if self.left <= 0:
            raise self.error
        self.left -= 1

    def flush(self):
        pass

    def fileno(self):
        raise io.UnsupportedOperation


@pytest.mark.parametrize(
    ("error", "status", "sentences"),
    [(BrokenPipeError(), 0, 0), (OSError(28, "No space left on device"), 1, 1)],
)
def test_pictures_are_saved_when_nobody_reads_any_more(
    draw, tmp_path, monkeypatch, capsys, error, status, sentences
):
    monkeypatch.setattr(sys, "stdout", Stream(1, error))
    assert main.main(["generate", "--seed", "1", "--count", "4", "--out", str(tmp_path)]) == status
    assert len(list(tmp_path.rglob("*.png"))) == 4
    assert len(capsys.readouterr().err.splitlines()) == sentences


def test_no_standard_output_at_all_is_no_fault(draw, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(["generate", "--seed", "1", "--out", str(tmp_path)]) == 0


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_a_closed_pipe_is_quiet():
    child = subprocess.Popen(
        [sys.executable, "-m", "diffusion_studio", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait(60) == 0
    child.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_bytes_are_printed(run, draw, tmp_path):
    result = run("generate --seed 1 --out", tmp_path / os.fsdecode(b"\xff"))
    assert result.status == 0 and "\\udcff" in result.out[0]


# Info and models ------------------------------------------------------------------------------------------------------


def test_info_tells_what_made_a_picture(run, tmp_path):
    made = GenerationSettings(model="faces", steps=33, seed=5, sampler="heun", class_label="hat\x1b[2J")
    path = outputs.save(picture(1), made, facts={"model_hash": "0123456789"}, folder=tmp_path)
    result = run("info", path)
    text = " ".join(" ".join(result.out).split())
    assert result.status == 0
    for words in ("PNG, 8×8", "Model faces", "Steps 33", "Seed 5", "Sampler Heun", "Model hash 0123456789"):
        assert words in text
    assert "\x1b" not in text
    found = json.loads(run("info --json", path).out[0])
    assert found["settings"]["seed"] == 5 and found["width"] == 8 and found["refused"] == []


def test_info_of_a_picture_that_says_nothing(run, tmp_path):
    outputs.export(picture(1), tmp_path / "x.png", with_metadata=False)
    result = run("info", tmp_path / "x.png")
    assert result.status == 0 and result.err == ["No generation settings found."]
    assert json.loads(run("info --json", tmp_path / "x.png").out[0])["settings"] is None


def test_info_of_a_picture_of_another_program_says_what_it_says(run, tmp_path):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    said = {
        "positive_prompt": "a cat",
        "seed": 2**40,
        "steps": 30,
        "scheduler": "unipc_k_x",
        "app_version": "5.4.0",
    }
    info = PngInfo()
    info.add_text("invokeai_metadata", json.dumps(said))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    result = run("info", tmp_path / "x.png")
    rows = [line.split(maxsplit=1) for line in result.out]
    assert ["Seed", str(2**40)] in rows and ["Steps", "30"] in rows and ["Prompt", "a cat"] in rows
    assert any("InvokeAI 5.4.0" in line for line in result.out) and not result.err
    assert any("“unipc_k_x” does not exist here" in line for line in result.out)
    found = json.loads(run("info --json", tmp_path / "x.png").out[0])
    assert found["made_with"] == "InvokeAI" and found["settings"] == {"prompt": "a cat", "steps": 30}
    assert found["foreign"]["seed"] == 2**40 and json.loads(found["raw"]) == said


def test_info_says_what_a_file_of_weights_is(run, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02}q.")
    result = run("info", tmp_path / "model.ckpt")
    assert result.status == 1 and "pickle" in result.err[0]


@pytest.mark.parametrize("name", ["faces", "Faces", "FACES"])
def test_info_tells_what_a_model_is(run, name):
    text = " ".join(" ".join(run(f"info {name}").out).split())
    for words in ("8×8 pixels", "Classes hat, beard", "Parameters 4.0 million", "steps 12", "CC0 1.0"):
        assert words in text
    assert json.loads(run(f"info --json {name}").out[0])["classes"] == ["hat", "beard"]


def test_models_are_listed_with_the_default_marked(run, own_folders):
    broken = own_folders / "models" / "broken"
    (broken / "unet").mkdir(parents=True)
    (broken / "unet" / "config.json").write_text("{")
    result = run("models")
    assert result.status == 0
    assert re.fullmatch(r"faces \(default\) +Faces +8×8 +2 classes +4\.0 million", result.out[0])
    assert re.fullmatch(r"plain +Plain model +16×16 +no classes", result.out[1])
    assert len(result.err) == 1 and "broken" in result.err[0]
    found = [json.loads(line) for line in run("models --json").out]
    assert [(model["name"], model["default"]) for model in found] == [("faces", True), ("plain", False)]


def test_no_model_is_a_sentence(run, monkeypatch):
    monkeypatch.setattr(cards, "installed", list)
    result = run("models")
    assert result.status == 1 and "No model is installed" in result.err[0]


def test_doctor_prints_the_report(run, monkeypatch):
    monkeypatch.setattr(doctor, "text", lambda: "Python  3")
    assert run("doctor").out == ["Python  3"]


# Train ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def learn(monkeypatch, tmp_path):
    """Stands in for `jobs.train`; `at` is called with every event before it is yielded."""
    control = SimpleNamespace(asked=[], closed=0, at=lambda event: None)

    def train(settings, *, resume=None, given=None, changed_data=False):
        control.asked.append((settings, resume))
        control.given = given
        try:
            for event in _events():
                control.at(event)
                yield event
        finally:
            control.closed += 1

    def _events():
        yield events.Status(text="Reading…")
        yield training_events.TrainingStarted(
            run=tmp_path / "runs" / "mine",
            title="Mine",
            device="cpu",
            precision="float32",
            parameters=2_000_000,
            pictures=200,
            first_step=0,
            total=4,
        )
        yield events.Warned(text="Only a few pictures.")
        for step in (1, 2, 3, 4):
            yield training_events.Loss(
                step=step,
                loss=float("nan") if step == 1 else 0.5,
                validation=0.25 if step == 4 else None,
                learning_rate=1e-4,
                pictures_per_second=100.0,
                fraction=step / 4,
                time_left=4.0 - step,
            )
        yield training_events.Samples(step=4, ema=picture(0)[None], raw=picture(1)[None], warming_up=True)
        yield training_events.CheckpointSaved(step=4, path=tmp_path / "checkpoint")
        yield training_events.Published(name="mine", path=tmp_path / "models" / "mine")

    monkeypatch.setattr("diffusion_studio.jobs.train.train", train)
    return control


def test_training_prints_where_the_model_is(run, learn, tmp_path):
    result = run("train pictures --name Mine --steps 4 --size 16 --no-flip --learning-rate 1e-3 --from faces")
    assert (result.status, result.out) == (0, [str(tmp_path / "models" / "mine")])
    wanted = TrainingSettings(
        folder="pictures", name="Mine", steps=4, size=16, flip=False, learning_rate=1e-3, start_from="faces"
    )
    assert learn.asked == [(wanted, None)] and learn.closed == 1
    assert "Only a few pictures." in result.err
    assert any("step 4, loss 0.5000" in line and "validation loss 0.2500" in line for line in result.err)
    assert not any("nan" in line for line in result.err)


def test_a_recipe_sets_what_was_not_given(run, learn):
    run("train pictures --name Mine --recipe quick --size 64")
    run("train pictures --name Mine --recipe best --minutes 3 --model-size small")
    (quick, _), (best, _) = learn.asked
    assert (quick.steps, quick.model_size, quick.minutes) == (2000, "small", 0.0)
    assert (best.steps, best.model_size, best.minutes) == (0, "small", 3.0)
    result = run("train --resume mine --recipe good")
    assert result.status == 2 and "--recipe is for a new run" in " ".join(result.err)


def test_a_training_that_was_far_too_short_says_so(run, learn):
    result = run("train pictures --name Mine --steps 4")
    assert "After 4 steps: Expect mostly noise. Continue with “--resume mine --steps N”." in result.err


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


# On a terminal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["generate --seed 1", "train pictures --name Mine"])
def test_a_terminal_shows_progress_and_standard_output_stays_clean(run, draw, learn, monkeypatch, words):
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    for module in ("progress",):
        monkeypatch.setattr(f"diffusion_studio.cli.{module}.on_terminal", lambda: True)
    result = run(words)
    assert result.status == 0 and len(result.out) == 1
    assert "100%" in "".join(result.err) and "%" not in result.out[0]


@pytest.mark.parametrize("verb", ["generate", "walk --seeds 1,2", "compare --x steps=1,2"])
@pytest.mark.parametrize(("name", "words"), [("x" * 300, "300 bytes"), ("a\0b", "NUL")])
def test_a_folder_that_cannot_be_is_said_before_anything_is_drawn(run, draw, monkeypatch, verb, name, words):
    for job in ("generate", "morph", "compare"):
        monkeypatch.setattr(
            f"diffusion_studio.jobs.{job}.{job}", lambda *_, **__: pytest.fail("something was drawn")
        )
    result = run(f"{verb} --out", name)
    assert (result.status, result.out) == (1, []) and len(result.err) == 1
    assert words in result.err[0]


@pytest.mark.parametrize("verb", ["generate", "walk --seeds 1,2"])
def test_a_film_that_cannot_be_is_said_before_anything_is_drawn(run, draw, monkeypatch, verb):
    for job in ("generate", "morph"):
        monkeypatch.setattr(
            f"diffusion_studio.jobs.{job}.{job}", lambda *_, **__: pytest.fail("something was drawn")
        )
    result = run(f"{verb} --film", "f" * 300 + ".png")
    assert result.status == 1 and "304 bytes" in result.err[0] and len(result.err) == 1


@pytest.mark.parametrize(
    "words", ["info {}", "gallery list --out {}", "gallery", "models", "models list", "models verify"]
)
def test_a_forbidden_folder_is_said_to_be_forbidden(run, monkeypatch, tmp_path, words):
    from diffusion_studio.storage import paths

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    for place in (tmp_path / "shut", places.models_dir(), places.outputs_dir()):
        place.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(paths.os, "scandir", forbidden)
    verb, *rest = words.split()
    result = run(verb, *(str(tmp_path / "shut") if word == "{}" else word for word in rest))
    assert result.status == 1 and len(result.err) == 1
    assert result.err[0].endswith("cannot be opened: you do not have permission to.")


def test_a_file_the_system_does_not_open_is_a_sentence_whichever_verb_meets_it(run, monkeypatch):
    from diffusion_studio import doctor

    def shut():
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(doctor, "text", shut)
    result = run("doctor")
    assert (result.status, result.err) == (1, ["/some/file cannot be opened: you do not have permission to."])
