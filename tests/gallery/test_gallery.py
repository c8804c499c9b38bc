"""Found by what pictures say, starred, tagged and given away; whatever lies in the folder."""

import json
import os
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.gallery import entries, export, index, search
from diffusion_studio.gallery.entries import Entry, in_order
from diffusion_studio.gallery.marks import Marks, marks_file
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.listing import newest
from diffusion_studio.settings.branches import branch
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import outputs_dir


def grey(level=0, side=8):
    return np.full((side, side, 3), level, np.uint8)


def made(**values):
    settings = GenerationSettings(**{"model": "faces", "seed": 1, **values})
    return outputs.save(grey(), settings, facts={"model_title": "Big Faces", "class": "hat"})


@pytest.fixture
def three():
    return [
        made(seed=1, steps=10, sampler="heun"),
        made(seed=2, steps=20, guidance=2.5),
        made(seed=3, steps=50, model="cats", class_label="tabby"),
    ]


def find(text):
    test, marks = search.parse(text), Marks()
    batches = index.look(entries.found(newest()))
    return sorted(e.value("seed") for batch in batches for e in marks.mark(batch) if test(e))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("", [1, 2, 3]),
        ("seed:2", [2]),
        ("steps>=20", [2, 3]),
        ("steps<20", [1]),
        ("steps!=20", [1, 3]),
        ("guidance=2.5", [2]),
        ("sampler:heun", [1]),
        ('sampler:"dpm++ 2m"', [2, 3]),
        ("-sampler:heun", [2, 3]),
        ("!sampler:heun steps>20", [3]),
        ("model:faces", [1, 2, 3]),
        ("model:cats", [3]),
        ("model:big seed:1", [1]),
        ("class:tabby", [3]),
        ("class:hat", [1, 2]),
        ("tabby", [3]),
        ("day:20", [1, 2, 3]),
        ("day<2001", []),
        ("width:8 height>4", [1, 2, 3]),
        ("is:branch", []),
        ("name:-3", [3]),
    ],
)
def test_a_search_finds_what_every_term_says(three, text, seeds):
    assert find(text) == seeds


@pytest.mark.parametrize("key", ["class:", "", "model:"])
def test_accents_are_found_however_they_are_composed(key):
    composed, apart = "Crème", "Cre\u0300me"
    for seed, name in enumerate((composed, apart), 1):
        made(seed=seed, model=name, class_label=name)
    for text in (composed, apart, composed.upper()):
        assert find(key + text) == [1, 2]


@pytest.mark.parametrize("text", ["colour:red", "steps:many", "sampler>=heun", "is:odd"])
def test_a_search_that_means_nothing_is_a_sentence(text):
    with pytest.raises(UserError):
        search.parse(text)


@pytest.mark.parametrize("text", ['"', "::", ":", "- -", "steps>=", '"a', "★", "a" * 5000, "\x00", "(*"])
def test_odd_searches_are_no_crash(text, three):
    with suppress(UserError):
        find(text)


def test_branches_are_found():
    settings = GenerationSettings(model="faces", seed=4)
    outputs.save(grey(), branch(settings, 3, seed=9), facts={})
    made(seed=5)
    assert find("is:branch") == [9]


def test_stars_and_tags_are_kept_and_merged(three):
    mine, other = Marks(), Marks()
    mine.star([three[0]], True)
    other.tag([three[1]], ["cat", " two  words "])
    assert find("star") == [1] and find("tag:cat") == [2] and find('tag:"two words"') == [2]
    assert Marks().all_tags() == ["cat", "two words"]
    Marks().tag([three[1]], ["cat"], remove=True)
    mine.star([three[0]], False)
    assert find("star") == [] and Marks().all_tags() == ["two words"]


def test_marks_follow_pictures_that_are_moved_or_renamed(three):
    Marks().star([three[0]], True)
    Marks().tag([three[1]], ["cat"])
    away = outputs_dir() / "2020-01-01" / "renamed.png"
    away.parent.mkdir()
    three[0].rename(away)
    moved = Marks()
    moved.follow(newest())
    assert find("star") == [1] and find("tag:cat") == [2]
    again = Marks()
    again.follow(newest())
    assert again.known == moved.known and len(find("star")) == 1


def test_marks_do_not_follow_to_another_picture(three):
    Marks().star([three[0]], True)
    three[0].unlink()
    marks = Marks()
    marks.follow(newest())
    assert find("star") == []


def test_the_whole_folder_may_be_moved(three, tmp_path, monkeypatch):
    Marks().star([three[0]], True)
    outputs_dir().rename(tmp_path / "elsewhere")
    monkeypatch.setattr("diffusion_studio.gallery.entries.outputs_dir", lambda: tmp_path / "elsewhere")
    paths = newest(tmp_path / "elsewhere")
    assert sum(entry.star for entry in Marks().mark(entries.found(paths))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"pictures": 3}',
        '{"pictures": {"a": 1, "b": {"tags": [1], "star": 7}}}',
        '{"pictures": {"a": {"star": true, "print": [1]}}}',
    ],
)
def test_a_broken_file_of_marks_counts_as_none(text, three):
    marks_file().parent.mkdir(parents=True, exist_ok=True)
    marks_file().write_text(text)
    assert find("star") == []
    Marks().star([three[0]], True)
    assert find("star") == [1]


@pytest.mark.parametrize("tag", ["", "  ", "a,b", '"', "x" * 100])
def test_a_tag_that_could_not_be_searched_is_refused(tag, three):
    with pytest.raises(UserError):
        Marks().tag(three, [tag])


def test_files_that_are_broken_or_gone_do_no_harm(three):
    broken = outputs_dir() / "2026-01-01" / "x.png"
    broken.parent.mkdir()
    broken.write_bytes(b"\x89PNG broken")
    paths = [*newest(), outputs_dir() / "2026-01-01" / "gone.png"]
    listed = [entry for batch in index.look(entries.found(paths)) for entry in batch]
    assert len(listed) == 4
    assert next(entry for entry in listed if entry.path == broken).settings == {}


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_of_any_bytes_are_listed_marked_and_given(three, tmp_path, capsys):
    odd = Path(os.fsdecode(os.fsencode(three[0].parent) + b"/\xff\xfe \n<b>.png"))
    three[0].rename(odd)
    Marks().tag([odd], ["cat"])
    assert find("tag:cat") == [1]
    list(export.as_files([odd], tmp_path / "out"))
    list(export.as_zip([odd], tmp_path / "out.zip"))
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert (
        main.main(["gallery", "search", "tag:cat"]) == 0
        and main.main(["gallery", "search", "tag:cat", "--json"]) == 0
    )


def test_only_regular_files_are_pictures(three):
    (three[0].parent / "link.png").symlink_to(three[0])
    (outputs_dir() / "2026-01-02").symlink_to(three[0].parent)
    (three[0].parent / "folder.png").mkdir()
    assert len(find("")) == 3


def test_the_cache_is_used_and_follows_changes(three, monkeypatch):
    find("")
    reads = []
    read = index._read
    monkeypatch.setattr(index, "_read", lambda path: reads.append(path) or read(path))
    assert find("seed:1") == [1] and reads == []
    outputs.export(grey(9, 12), three[0], settings=GenerationSettings(seed=70), facts={})
    assert find("seed:70") == [70] and reads == [three[0]]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"x" * 5000])
def test_a_broken_cache_is_made_anew(three, content):
    index.cache_file().parent.mkdir(parents=True, exist_ok=True)
    index.cache_file().write_bytes(content)
    assert find("") == [1, 2, 3]


def test_orders_and_groups():
    made_entries = [
        Entry(
            path=outputs_dir() / f"{name}.png",
            day=day,
            settings={"seed": seed, "steps": steps, "model": model},
        )
        for name, day, seed, steps, model in (
            ("a", "2026-02-02", 5, 10, "z"),
            ("b", "2026-02-01", 3, 30, "a"),
        )
    ]
    order = {sort: "".join(e.path.stem for e in in_order(made_entries, sort)) for sort in entries.SORTS}
    assert order == {"newest": "ab", "oldest": "ba", "model": "ba", "seed": "ba", "steps": "ab"}
    assert entries.group_of(made_entries[0], "newest") == "2026-02-02"
    assert entries.group_of(replace(made_entries[0], facts={"model_title": "Z"}), "model") == "Z"


def test_pictures_are_given_as_files_without_overwriting(three, tmp_path):
    for _ in range(2):
        events = list(export.as_files(three, tmp_path / "out"))
    assert len(list((tmp_path / "out").iterdir())) == 6 and events[-1].done == 3


def test_pictures_are_given_as_a_zip(three, tmp_path):
    list(export.as_zip([*three, three[0]], tmp_path / "p.zip"))
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert len(set(archive.namelist())) == 4 and archive.testzip() is None
        assert archive.read(archive.namelist()[0]) == three[0].read_bytes()


def test_pictures_of_all_sizes_are_given_as_a_sheet(tmp_path):
    outputs_dir().mkdir(parents=True)
    for side in (8, 16, 700):
        Image.new("RGB", (side, side // 2), (side % 256, 0, 0)).save(outputs_dir() / f"{side}.png")
    list(export.as_sheet(newest(), tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2 * 512 + 32, 2 * 512 + 32)


def test_a_zip_that_can_not_be_written_leaves_nothing(three, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((UserError, OSError)):
        list(export.as_zip(three, tmp_path / "file" / "p.zip"))


# The command line ----------------------------------------------------------------------------------------------------


def run(capsys, words):
    status = main.main(words.split())
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


def test_the_command_line_lists_searches_and_exports(three, capsys, tmp_path):
    assert [len(run(capsys, words)[1]) for words in ("gallery", "gallery list", "gallery search seed:2")] == [
        3,
        3,
        1,
    ]
    status, lines, _ = run(capsys, "gallery search steps>=20 --limit 1 --json")
    assert status == 0 and json.loads(lines[0])["settings"]["seed"] == 3
    assert run(capsys, f"gallery export seed:1 --to {tmp_path}/a.zip")[0] == 0
    assert run(capsys, f"gallery export --to {tmp_path}/a.png")[0] == 0 and (tmp_path / "a.png").is_file()
    for name in ("a.zip", "a.png"):
        before = (tmp_path / name).read_bytes()
        assert run(capsys, f"gallery export seed:3 --to {tmp_path}/{name}")[0] == 1
        assert (tmp_path / name).read_bytes() == before
        assert run(capsys, f"gallery export seed:3 --overwrite --to {tmp_path}/{name}")[0] == 0
        assert (tmp_path / name).read_bytes() != before
    assert run(capsys, f"gallery export seed:3 --to {tmp_path}/folder")[0] == 0 and any(
        (tmp_path / "folder").iterdir()
    )
    assert run(capsys, "gallery star seed:2")[0] == 0 and len(run(capsys, "gallery search star")[1]) == 1
    assert run(capsys, "gallery tag seed:2 --name cat")[0] == 0 and find("tag:cat") == [2]
    assert run(capsys, "gallery untag seed:2 --name cat")[0] == 0 and find("tag:cat") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gallery search colour:red", "searched by"),
        ("gallery export seed:77 --to x.zip", "No images found"),
        ("gallery list --limit 0", "1 or more"),
        ("gallery list --out nowhere", "not a folder"),
        ("gallery star", "Select images"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(three, capsys, words, said):
    status, lines, err = run(capsys, words)
    assert status == 1 and not lines and said in err and len(err.strip().splitlines()) == 1
