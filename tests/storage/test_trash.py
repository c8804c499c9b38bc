"""The trash: shows what is in it, brings things back to where they were, and is emptied of what is old."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.storage import places
from diffusion_studio.storage.trash import KEPT, Trash


@pytest.fixture
def can(tmp_path):
    return Trash(tmp_path / "trash")


def made(path, text="content"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def age(can, trashed, days):
    note = can.place / f".{trashed.name}.json"
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "deleted": (datetime.now() - timedelta(days=days)).isoformat()}))


def test_it_shows_what_is_in_it_the_latest_first(can, tmp_path):
    paths = [made(tmp_path / "a" / name) for name in ("one.png", "two.png")]
    for path in paths:
        can.put(path, "picture")
    assert [(entry.name, entry.original, entry.kind) for entry in can.entries()] == [
        ("two.png", paths[1], "picture"),
        ("one.png", paths[0], "picture"),
    ]
    assert all(datetime.now() - entry.deleted < timedelta(minutes=1) for entry in can.entries())


def test_it_brings_back_to_a_free_name_and_makes_the_folder(can, tmp_path):
    path = made(tmp_path / "day" / "a.b.png")
    trashed = can.put(path)
    made(path, "new")
    made(tmp_path / "day" / "a.b-2.png", "newer")
    assert can.restore(trashed, path) == tmp_path / "day" / "a.b-3.png"
    folder = made(tmp_path / "v1.5" / "file").parent
    trashed = can.put(folder)
    folder.mkdir()
    assert can.restore(trashed, folder) == tmp_path / "v1.5-2"
    assert can.entries() == [] and list(can.place.iterdir()) == []


def test_what_is_older_than_thirty_days_goes_and_the_rest_stays(can, tmp_path):
    old, new = (can.put(made(tmp_path / name)) for name in ("old", "new"))
    age(can, old, KEPT.days + 1)
    age(can, new, KEPT.days - 1)
    legacy = made(can.place / "20200101-000000-000000-picture.png")  # of a version that kept no notes
    kept = made(can.place / "put here by hand.png")
    assert {entry.path for entry in can.sweep()} == {old, legacy}
    assert {entry.path for entry in can.entries()} == {new, kept}


@pytest.mark.parametrize(
    "note", ["", "[]", '{"original": 5, "deleted": [], "kind": {}}', '{"original": "a/b"}', "x" * 10]
)
def test_a_damaged_note_is_one_thing_without_its_place(can, tmp_path, note):
    first, second = (can.put(made(tmp_path / name)) for name in ("one", "two"))
    (can.place / f".{first.name}.json").write_text(note)
    entries = {entry.path: entry for entry in can.entries()}
    assert entries[first].original is None and entries[first].name == "one"
    assert entries[first].deleted is not None  # its name says when
    assert entries[second].original == tmp_path / "two"


def test_what_cannot_be_removed_does_not_keep_the_rest(can, tmp_path, monkeypatch):
    stuck, gone = (can.put(made(tmp_path / name)) for name in ("stuck", "gone"))
    real = Path.unlink

    def unlink(path, *arguments, **options):
        if path == stuck:
            raise PermissionError(13, "Permission denied", str(path))
        real(path, *arguments, **options)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(UserError, match="stuck"):
        list(can.empty())
    assert [entry.path for entry in can.entries()] == [stuck] and not gone.exists()


def test_only_what_is_in_it_is_removed(can, tmp_path):
    path = made(tmp_path / "mine")
    with pytest.raises(UserError, match="not in the trash"):
        can.delete(path)
    assert path.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_goes_and_what_it_leads_to_stays(can, tmp_path):
    target = made(tmp_path / "kept" / "file").parent
    link = tmp_path / "link"
    link.symlink_to(target)
    can.put(link)
    list(can.empty())
    assert (target / "file").exists() and can.entries() == []


def test_a_failed_move_leaves_no_note(can, tmp_path):
    with pytest.raises(UserError, match="no longer there"):
        can.put(tmp_path / "none")
    assert list(can.place.iterdir()) == []


def test_kinds_are_told_apart_by_their_place():
    paths = [
        made(places.outputs_dir() / "2026-01-01" / "a.png"),
        made(places.models_dir() / "faces" / "card.json").parent,
        made(places.runs_dir() / "long" / "run.json").parent,
    ]
    for path in paths:
        places.trash(path)
    assert [entry.kind for entry in places.trash_can().entries()] == ["run", "model", "picture"]
    for note in places.trash_can().place.glob(".*.json"):
        note.unlink()
    for entry in places.trash_can().entries():  # as an earlier version left them
        places.restore(entry.path)
    assert all(path.exists() for path in paths[1:]) and (places.outputs_dir() / "a.png").exists()


# The command line -----------------------------------------------------------------------------------------------------


def run(capsys, *words):
    status = main.main(["gallery", "trash", *words])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


def test_the_command_line_lists_restores_and_empties(capsys):
    paths = [made(places.outputs_dir() / name) for name in ("a.png", "b.png", "c.png")]
    assert run(capsys) == (0, [], "The trash is empty.\n")
    trashed = [places.trash(path) for path in paths]
    status, lines, _ = run(capsys, "list")
    assert status == 0 and [line.split()[0] for line in lines] == [path.name for path in reversed(trashed)]
    assert str(paths[0]) in lines[2]
    found = [json.loads(line) for line in run(capsys, "list", "--json")[1]]
    assert found[2]["original"] == str(paths[0]) and found[2]["kind"] == "picture"
    assert run(capsys, "restore", trashed[0].name, "b.png")[:2] == (0, [str(paths[0]), str(paths[1])])
    assert run(capsys, "empty", "--older-than", "1")[0] == 0 and trashed[2].exists()
    assert run(capsys, "empty")[0] == 0 and not trashed[2].exists()
    assert run(capsys, "list")[1] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["restore"], "--all"),
        (["restore", "x", "--all"], "--all"),
        (["restore", "x"], "is not in the trash"),
        (["restore", "a.png"], "name one of"),
        (["empty", "--older-than", "-1"], "--older-than"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(capsys, words, said):
    for day in ("1", "2"):
        places.trash(made(places.outputs_dir() / day / "a.png"))
    status, lines, err = run(capsys, *words)
    assert status == 1 and not lines and said in err and len(err.splitlines()) == 1
    assert len(places.trash_can().entries()) == 2


def test_emptying_asks_on_a_terminal(capsys, monkeypatch):
    places.trash(made(places.outputs_dir() / "a.png"))
    monkeypatch.setattr("diffusion_studio.cli.gallery.asks", lambda: True)
    for answer, left in ((False, 1), (True, 0)):
        monkeypatch.setattr("diffusion_studio.cli.gallery.agreed", lambda _, answer=answer: answer)
        assert run(capsys, "empty")[0] == 0
        assert len(places.trash_can().entries()) == left
