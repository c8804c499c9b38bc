"""A named pipe, a link to an endless device or a giant in place of any small file of ours: every command ends."""

import os
import subprocess
import sys

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.export import as_zip
from diffusion_studio.gallery.marks import fingerprint
from diffusion_studio.pictures import reading
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.storage import places
from diffusion_studio.training.records import checkpoints, log
from diffusion_studio.training.records.run import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="named pipes and devices")


def put(path, kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        with open(path, "wb") as file:
            file.truncate(1 << 42)
    return path


@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse"])
def test_settings_and_marks_that_are_no_files_hang_nothing(own_folders, kind):
    for place in (places.config_dir() / "settings.json", places.config_dir() / "default-model.json",
                  places.data_dir() / "gallery.json", places.runs_dir() / "one" / "run.json",
                  places.runs_dir() / "one" / "log.jsonl"):  # fmt: skip
        put(place, kind)
    code = (
        "import sys\nfrom diffusion_studio.__main__ import console\n"
        "for verb in (['models', 'list'], ['runs'], ['gallery', 'list'], ['doctor']):\n"
        "    try: console(verb)\n    except SystemExit: pass\n"
        "from diffusion_studio.training.records import log, runs\n"
        "for run in runs.list_runs(): log.read(run.path)\n"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert child.returncode == 0 and "Traceback" not in child.stderr, child.stderr


@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse"])
def test_a_log_and_a_checkpoint_that_are_no_files_are_no_log_and_no_checkpoint(tmp_path, kind):
    run = Run(tmp_path)
    put(tmp_path / "log.jsonl", kind)
    assert log.read(run.path) == []
    put(tmp_path / "state.safetensors", kind)
    (tmp_path / "manifest.json").write_text('{"state.safetensors": {"size": 10, "sha256": ""}}')
    assert not checkpoints.verified(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse"])
def test_a_picture_that_is_no_file_is_refused_at_once(tmp_path, kind):
    path = put(tmp_path / "a.png", kind)
    with pytest.raises(Refused):
        open_picture(path)
    with pytest.raises(UserError, match=r"a\.png"):
        reading.read(path)
    with pytest.raises(UserError, match=r"a\.png"):
        list(as_zip([path], tmp_path / "a.zip"))
    assert fingerprint(path) is None
