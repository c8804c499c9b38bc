"""Places, and writes that survive kills, full disks and second instances."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.storage import atomic, moving, own_files, temporaries
from diffusion_studio.storage import places as folders

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def run_child(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


# Places ---------------------------------------------------------------------------------------------------------------


def test_one_variable_puts_every_folder_in_one_place(own_folders):
    places = {
        "config": folders.config_dir(),
        "data": folders.data_dir(),
        "models": folders.models_dir(),
        "runs": folders.runs_dir(),
        "outputs": folders.outputs_dir(),
        "cache": folders.cache_dir(),
        "logs": folders.log_dir(),
    }
    assert places == {name: own_folders / name for name in places}
    assert not own_folders.exists()  # asking makes nothing


def test_without_it_the_platform_says_where(monkeypatch, tmp_path):
    monkeypatch.delenv("DIFFUSION_STUDIO_HOME")
    if sys.platform == "linux":
        assert folders.config_dir() == tmp_path / "config" / "diffusion-studio"
        assert folders.models_dir() == tmp_path / "data" / "diffusion-studio" / "models"
    assert folders.outputs_dir().name == "Diffusion Studio"
    assert folders.outputs_dir().is_relative_to(tmp_path)


def test_a_relative_home_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFUSION_STUDIO_HOME", "portable")
    assert folders.runs_dir() == tmp_path / "portable" / "runs"


def test_every_resource_is_found_in_the_checkout():
    files = [path for path in (ROOT / "resources").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert (
            folders.resource(path.relative_to(ROOT / "resources").as_posix()).read_bytes()
            == path.read_bytes()
        )


@pytest.mark.slow
def test_every_resource_and_module_is_found_in_a_wheel(tmp_path):
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("diffusion_studio", "resources"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.part"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        tmp_path,
        source,
    ]
    child = subprocess.run(build, capture_output=True, text=True)
    assert child.returncode == 0, child.stdout + child.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    for path in source.rglob("*.py"):
        if path.is_relative_to(source / "diffusion_studio"):
            assert (target / path.relative_to(source)).is_file()
    code = "import sys; from diffusion_studio.storage.places import resource; print(*map(resource, sys.argv[1:]), sep='\\n')"
    names = [
        path.relative_to(source / "resources").as_posix()
        for path in (source / "resources").rglob("*")
        if path.is_file()
    ]
    found = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=target, capture_output=True, text=True
    ).stdout.splitlines()
    assert len(found) == len(names) > 0
    for name, path in zip(names, found, strict=True):
        assert Path(path).is_relative_to(target)
        assert Path(path).read_bytes() == (source / "resources" / name).read_bytes()


# Files ----------------------------------------------------------------------------------------------------------------


def test_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "a.bin"
    atomic.write_atomic(path, b"one")
    atomic.write_atomic(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failing_writer_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a.bin"
    atomic.write_atomic(path, b"old")

    def fail(file):
        file.write(b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_atomic(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.glob(".*")) == []


def test_exclusive_never_replaces(tmp_path):
    path = tmp_path / "a.bin"
    atomic.write_atomic(path, b"mine", exclusive=True)
    with pytest.raises(FileExistsError):
        atomic.write_atomic(path, b"yours", exclusive=True)
    assert path.read_bytes() == b"mine"


def test_exclusive_on_a_disk_without_hard_links(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    atomic.write_atomic(tmp_path / "a.bin", b"mine", exclusive=True)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"
    with pytest.raises(FileExistsError):
        moving.put(tmp_path / "a.bin", tmp_path / "a.bin")


def test_of_two_processes_exactly_one_gets_each_name(tmp_path):
    code = """
import sys; from pathlib import Path; from diffusion_studio.storage.atomic import write_atomic
won = []
for number in range(200):
    try: write_atomic(Path(sys.argv[1], str(number)), sys.argv[2].encode(), exclusive=True); won.append(number)
    except FileExistsError: pass
print(*won)
"""
    children = {name: run_child(code, tmp_path, name) for name in ("a", "b", "c")}
    won = {name: child.communicate(timeout=100)[0].split() for name, child in children.items()}
    assert sorted((number for numbers in won.values() for number in numbers), key=int) == [
        str(number) for number in range(200)
    ]
    for name, numbers in won.items():
        assert all((tmp_path / number).read_text() == name for number in numbers)


def test_long_names_fit(tmp_path):
    path = tmp_path / ("ü" * 120 + ".png")
    atomic.write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


@posix
def test_a_process_killed_while_writing_leaves_no_torn_file(tmp_path):
    code = """
import sys; from pathlib import Path; from diffusion_studio.storage.atomic import write_atomic
print("ready", flush=True)
while True:
    for fill in b"ab":
        write_atomic(Path(sys.argv[1], "file"), lambda file: [file.write(bytes([fill]) * 65536) for _ in range(20)])
"""
    wholes = {bytes([fill]) * 65536 * 20 for fill in b"ab"}
    for attempt in range(10):
        child = run_child(code, tmp_path)
        child.stdout.readline()
        while not (tmp_path / "file").exists():
            time.sleep(0.005)
        time.sleep(0.003 * attempt)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert (tmp_path / "file").read_bytes() in wholes
    temporaries.sweep_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@posix
def test_a_full_disk_is_a_sentence_and_harms_nothing(tmp_path):
    code = """
import resource, sys; from pathlib import Path
from diffusion_studio.storage import atomic; from diffusion_studio.errors import UserError
path = Path(sys.argv[1], "file")
atomic.write_atomic(path, b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
def staged():
    with atomic.stage_folder(path.with_name("folder")) as stage: (stage / "big").write_bytes(bytes(250_000))
for write in (
    lambda: atomic.write_atomic(path, bytes(250_000)),
    lambda: atomic.write_atomic(path, lambda file: [file.write(bytes(50_000)) for _ in range(5)], exclusive=False),
    staged,
):
    try: write()
    except UserError as error: print(error)
"""
    child = run_child(code, tmp_path)
    lines = child.communicate(timeout=100)[0].splitlines()
    assert len(lines) == 3
    assert all(f"no room to save in {tmp_path}" in line and " free" in line for line in lines)
    assert "250 KB needed" in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_folder_that_vanishes_meanwhile_is_named(tmp_path):
    path = tmp_path / "gone" / "file"

    def write(file):
        file.write(b"x")
        shutil.rmtree(path.parent)

    with pytest.raises(UserError, match=f"{path.parent} is gone"):
        atomic.write_atomic(path, write)


@posix
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that nobody can write")
@pytest.mark.parametrize(
    "write", [lambda path: atomic.write_atomic(path, b"x"), lambda path: folders.trash(path)]
)
def test_a_place_that_cannot_be_written_is_a_sentence(write, monkeypatch):
    monkeypatch.setenv("DIFFUSION_STUDIO_HOME", "/proc/self")
    with pytest.raises(UserError, match="/proc"):
        write(Path("/proc/self/fdinfo/file"))


def test_a_file_in_the_place_of_a_folder_is_a_sentence_even_when_exclusive(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="is not a folder"):
        atomic.write_atomic(tmp_path / "file" / "below", b"x", exclusive=True)


def test_faults_of_the_writer_itself_stay_what_they_are(tmp_path):
    def read_elsewhere(file):
        file.write((tmp_path / "missing").read_bytes())

    with pytest.raises(FileNotFoundError):
        atomic.write_atomic(tmp_path / "file", read_elsewhere)


def test_json_round_trip_and_its_faults(tmp_path):
    path = tmp_path / "a.json"
    value = {"σ": [1, 2.5, None], "path": "caf\udce9"}
    atomic.write_json(path, value)
    assert own_files.load(path) == value
    for broken in (b"{", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="a.json is not valid JSON"):
            own_files.load(path)
    with pytest.raises(FileNotFoundError):
        own_files.load(tmp_path / "none.json")


# Folders --------------------------------------------------------------------------------------------------------------


def test_stage_appears_whole_and_replaces(tmp_path):
    target = tmp_path / "model"
    for content in ("one", "two"):
        with atomic.stage_folder(target) as stage:
            (stage / "unet").mkdir()
            (stage / "unet" / content).write_text(content)
            assert stage.parent == tmp_path  # the same disk, so that a rename is enough
    assert [path.name for path in target.rglob("*")] == ["unet", "two"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_folder_replaces_none_that_appears_meanwhile(tmp_path):
    places = [tmp_path / "model", tmp_path / "model-2", tmp_path / "model-3"]
    with atomic.stage_new_folder(places) as new:
        (new.stage / "file").write_text("late")
        for name, content in (("model", "other"), ("model-2", None)):
            (tmp_path / name).mkdir()
            if content:
                (tmp_path / name / "file").write_text(content)
    assert new.place == tmp_path / "model-3" and (new.place / "file").read_text() == "late"
    assert (tmp_path / "model" / "file").read_text() == "other" and not list((tmp_path / "model-2").iterdir())

    def build():
        with atomic.stage_new_folder(places) as new:
            (new.stage / "file").write_text("too late")

    with pytest.raises(UserError, match="too many folders called “model”"):
        build()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model-2", "model-3"]


@posix
def test_a_rename_that_comes_second_replaces_nothing(tmp_path, monkeypatch):
    """Both looked before either renamed: the system's own refusal is what counts."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    monkeypatch.setattr(moving.os.path, "lexists", lambda path: False)
    moving.put(tmp_path / "first", tmp_path / "model")
    with pytest.raises(FileExistsError):
        moving.put(tmp_path / "second", tmp_path / "model")
    assert (tmp_path / "model" / "file").read_text() == "first"


def test_a_failing_stage_leaves_the_old_folder(tmp_path):
    target = tmp_path / "model"
    with atomic.stage_folder(target) as stage:
        (stage / "file").write_text("old")

    def build():
        with atomic.stage_folder(target) as stage:
            (stage / "file").write_text("new")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        build()
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@posix
def test_a_process_killed_while_replacing_a_folder_leaves_a_whole_one(tmp_path):
    code = """
import sys; from pathlib import Path; from diffusion_studio.storage.atomic import stage_folder
print("ready", flush=True)
while True:
    for fill in b"ab":
        with stage_folder(Path(sys.argv[1], "model")) as stage:
            for name in "xy": (stage / name).write_bytes(bytes([fill]) * 65536)
"""
    wholes = [{"x": bytes([fill]) * 65536, "y": bytes([fill]) * 65536} for fill in b"ab"]
    for attempt in range(10):
        child = run_child(code, tmp_path)
        child.stdout.readline()
        while not (tmp_path / "model").exists():
            time.sleep(0.005)
        time.sleep(0.003 * attempt)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        temporaries.sweep_temporaries(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} in wholes


def dead_pid():
    child = run_child("")
    child.communicate()
    return child.pid


def test_sweep_puts_a_folder_back_whose_successor_never_came(tmp_path):
    aside = tmp_path / f".model.{dead_pid()}.0123abcd.old"
    aside.mkdir()
    (aside / "file").write_text("kept")
    temporaries.sweep_temporaries(tmp_path)
    assert (tmp_path / "model" / "file").read_text() == "kept"


def test_sweep_takes_only_what_no_living_process_writes(tmp_path):
    child = run_child("import sys; sys.stdin.read()")
    day = tmp_path / "2026-01-01"
    day.mkdir()
    stray = [
        day / f".a.png.{dead_pid()}.0123abcd.part",
        day / f".b.png.{os.getpid()}.0123abcd.part",  # of an earlier process that had our id
        tmp_path / f".c.{child.pid}.0123abcd.part",
    ]
    stays = [day / "a.png", day / ".hidden.part", tmp_path / f".d.{child.pid}.0123abcd.part"]
    for path in stray + stays:
        path.write_bytes(b"x")
    os.utime(stray[2], (0, 0))  # no write lasts for years: the id has come again
    try:

        def sweep_meanwhile(file):
            assert sorted(temporaries.sweep_temporaries(tmp_path)) == sorted(stray)

        atomic.write_atomic(day / "new.png", sweep_meanwhile)
    finally:
        child.kill()
        child.communicate()
    assert (day / "new.png").exists()
    assert not any(path.exists() for path in stray)
    assert all(path.exists() for path in stays)


# Trash ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other_disk", [False, True])
def test_what_was_trashed_can_be_restored(tmp_path, monkeypatch, other_disk):
    picture, model = tmp_path / "a.png", tmp_path / "model"
    picture.write_bytes(b"picture")
    (model / "unet").mkdir(parents=True)
    (model / "unet" / "file").write_text("weights")
    if other_disk:
        real = moving.put

        def put(source, target):
            if source.parent != target.parent:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real(source, target)

        monkeypatch.setattr(moving, "put", put)
    trashed = [folders.trash(path) for path in (picture, model)]
    assert not picture.exists()
    assert not model.exists()
    assert all(path.parent == folders.data_dir() / "trash" for path in trashed)
    for path, original in zip(trashed, (picture, model), strict=True):
        assert folders.restore(path, original) == original
    assert picture.read_bytes() == b"picture"
    assert (model / "unet" / "file").read_text() == "weights"
    assert list((folders.data_dir() / "trash").iterdir()) == []


def test_restore_overwrites_nothing(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"first")
    trashed = folders.trash(picture)
    picture.write_bytes(b"second")
    assert folders.restore(trashed, picture) == tmp_path / "a-2.png"
    assert picture.read_bytes() == b"second"
    assert (tmp_path / "a-2.png").read_bytes() == b"first" and not trashed.exists()


def test_trashing_what_is_gone_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no longer there"):
        folders.trash(tmp_path / "none.png")


def test_settings_written_as_json_are_readable_by_people(tmp_path):
    atomic.write_json(tmp_path / "a.json", {"name": "Öl"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "name": "Öl"\n}\n'
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"name": "Öl"}
