"""Albums: names that images share, kept beside stars and tags, in the window's search and on the command line."""

import json

import numpy as np
import pytest

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.gallery import entries, index, search
from diffusion_studio.gallery.marks import Marks, marks_file
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.listing import newest
from diffusion_studio.settings.generation import GenerationSettings


@pytest.fixture
def paths():
    return [
        outputs.save(
            np.full((8, 8, 3), seed, np.uint8), GenerationSettings(model="faces", seed=seed), facts={}
        )
        for seed in (1, 2, 3)
    ]


def find(text):
    test, marks = search.parse(text), Marks()
    batches = index.look(entries.found(newest()))
    return sorted(e.value("seed") for batch in batches for e in marks.mark(batch) if test(e))


def test_images_are_in_several_albums_and_found_there(paths):
    marks = Marks()
    marks.collect(paths[:2], "Summer  trip")
    marks.collect(paths[1:], "Best")
    assert Marks().albums() == {"Best": 2, "Summer trip": 2}
    assert find('album:"summer trip"') == [1, 2] and find("album:best -album:other") == [2, 3]
    assert find("trip") == [1, 2] and find("album:summer") == []  # a name is a whole name
    marks.collect(paths[:2], "Summer trip", remove=True)
    assert Marks().albums() == {"Best": 2}


def test_stars_tags_and_albums_leave_each_other_alone(paths):
    Marks().collect(paths[:1], "A")
    Marks().star(paths[:1], True)
    Marks().tag(paths[:1], ["t"])
    Marks().star(paths[:1], False)
    (entry,) = Marks().mark(entries.found(paths[:1]))
    assert (entry.star, entry.tags, entry.albums) == (False, {"t"}, {"A"})


def test_albums_follow_images_that_are_renamed(paths):
    Marks().collect(paths[:1], "A")
    moved = paths[0].rename(paths[0].with_name("other.png"))
    marks = Marks()
    marks.follow([moved, *paths[1:]])
    assert marks.mark(entries.found([moved]))[0].albums == {"A"}


def test_albums_are_renamed_and_deleted_and_their_images_stay(paths):
    marks = Marks()
    marks.collect(paths, "A")
    marks.star(paths[:1], True)
    marks.rename_album("A", "B")
    assert Marks().albums() == {"B": 3}
    marks.rename_album("B", None)
    assert Marks().albums() == {} and all(path.exists() for path in paths)
    assert Marks().mark(entries.found(paths))[0].star
    with pytest.raises(UserError, match="no album"):
        marks.rename_album("B", "C")


@pytest.mark.parametrize("albums", [5, "A", [1, None], {"a": 1}])
def test_damaged_albums_cost_nothing_else(paths, albums):
    Marks().star(paths[:1], True)
    value = json.loads(marks_file().read_text())
    for mark in value["pictures"].values():
        mark["albums"] = albums
    marks_file().write_text(json.dumps(value))
    (entry,) = Marks().mark(entries.found(paths[:1]))
    assert entry.star and entry.albums == frozenset()


@pytest.mark.parametrize("name", ["", "  ", "a,b", 'a"b', "x" * 61])
def test_a_name_that_could_not_be_searched_is_refused(paths, name):
    with pytest.raises(UserError, match="name of an album"):
        Marks().collect(paths, name)


def run(*words):
    return main.main(["gallery", "album", *words])


def test_the_command_line_makes_lists_and_changes_albums(paths, capsys):
    assert run() == 0 and "no albums yet" in capsys.readouterr().err
    assert run("add", "Best of", "seed:1") == 0
    assert "1 image added to “Best of”" in capsys.readouterr().err
    assert run("add", "Best of", "--limit", "2") == 0 and run("list") == 0
    assert capsys.readouterr().out == "Best of  3 images\n"
    assert run("remove", "Best of", "seed:1") == 0 and run("--json") == 0
    assert json.loads(capsys.readouterr().out) == {"album": "Best of", "images": 2}
    assert main.main(["gallery", "search", 'album:"Best of"']) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert run("rename", "Best of", "Best") == 0 and run("delete", "Best") == 0
    assert "its images stay" in capsys.readouterr().err and Marks().albums() == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "A"], "with a search"),
        (["add", "a,b", "star"], "name of an album"),
        (["remove", "Gone", "star"], "no album"),
        (["rename", "Gone", "New"], "no album"),
        (["rename", "One", "Two"], "already"),
        (["delete", "Gone"], "no album"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(paths, capsys, words, said):
    Marks().collect(paths[:1], "One")
    Marks().collect(paths[1:2], "Two")
    assert run(*words) == 1
    assert said in capsys.readouterr().err
