"""Stars and tags: damage, other processes and later versions lose none of them."""

import json
import subprocess
import sys

import numpy as np
import pytest

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.gallery.marks import Marks, marks_file
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import outputs_dir


@pytest.fixture
def picture():
    return outputs.save(np.zeros((8, 8, 3), np.uint8), GenerationSettings(model="faces", seed=1), facts={})


def marks(count):
    return {f"2026-01-01/{number}.png": {"star": True, "print": [number, "x"]} for number in range(count)}


def write(value):
    marks_file().parent.mkdir(parents=True, exist_ok=True)
    marks_file().write_text(value if isinstance(value, str) else json.dumps(value))


def asides():
    return [path.read_text() for path in marks_file().parent.glob("gallery.json.broken-*")]


def test_one_damaged_mark_costs_no_other(picture):
    write({"version": 1, "pictures": {**marks(40), "bad": 5, "worse": {"star": "yes", "tags": 7}}})
    Marks().star([picture], True)
    kept = json.loads(marks_file().read_text())["pictures"]
    assert len(kept) == 43 and kept["bad"] == 5 and len(Marks().known) == 41


@pytest.mark.parametrize("text", ["{", '{"pictures": [1]}', "[]", json.dumps({"pictures": marks(40)})[:-9]])
def test_damaged_marks_are_set_aside_and_said_once_by_the_command_line(picture, text, capsys):
    write(text)
    assert main.main(["gallery", "star", "seed:1"]) == 0
    assert main.main(["gallery", "search", "star"]) == 0
    said = capsys.readouterr()
    assert asides() == [text] and said.out.splitlines() == [str(picture)]
    assert said.err.count(str(marks_file())) == 1 and "broken-" in said.err


def test_marks_of_a_later_version_stay(picture, capsys):
    text = json.dumps({"version": 2, "pictures": marks(3)})
    write(text)
    with pytest.raises(UserError, match="later version"):
        Marks().star([picture], True)
    assert main.main(["gallery"]) == 0 and "later version" in capsys.readouterr().err
    assert marks_file().read_text() == text and not asides()


def test_a_damaged_mark_that_is_changed_is_kept_aside(picture):
    key = picture.relative_to(outputs_dir()).as_posix()
    write({"version": 1, "pictures": {key: {"star": "yes"}}})
    Marks().star([picture], True)
    assert [json.loads(text)["pictures"][key] for text in asides()] == [{"star": "yes"}]


STAR = """
import sys; from pathlib import Path; from diffusion_studio.storage.places import outputs_dir
from diffusion_studio.gallery.marks import Marks
marks = Marks()
for number in range(int(sys.argv[2])): marks.star([outputs_dir() / f"{sys.argv[1]}{number}.png"], True)
"""


def starred(count):
    """How many stars there are when two processes have starred `count` pictures each, one at a time."""
    children = [subprocess.Popen([sys.executable, "-c", STAR, name, str(count)]) for name in "ab"]
    assert [child.wait(300) for child in children] == [0, 0]
    return sum(mark["star"] for mark in Marks().known.values())


def test_two_processes_star_and_no_star_is_lost():
    assert starred(40) == 80


@pytest.mark.slow
def test_two_processes_star_two_hundred_pictures_each():
    assert starred(200) == 400
