"""Values read from files are remembered for as long as the files stay as they were."""

import os
import time

import pytest

from diffusion_studio.storage.stamps import Readings, stamp_of


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "model"
    (place / "unet").mkdir(parents=True)
    (place / "unet" / "config.json").write_text("one")
    return place


def replace(file, text):
    """As every file of ours is written: another file takes the name."""
    new = file.with_name("new")
    new.write_text(text)
    os.replace(new, file)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "unet" / "config.json").write_text("two"),
        lambda folder: replace(folder / "unet" / "config.json", "two"),
        lambda folder: (folder / "card.json").write_text("{}"),
        lambda folder: (folder / "unet" / "config.json").unlink(),
        lambda folder: (folder / "unet").rename(folder / "other"),
        lambda folder: folder.rename(folder.with_name("gone")),
    ],
)
def test_every_change_shows_in_the_stamp(folder, change):
    before = stamp_of([folder], depth=2)
    assert stamp_of([folder], depth=2) == before
    time.sleep(0.02)  # more than a tick of the clock
    change(folder)
    assert stamp_of([folder], depth=2) != before


def test_a_copy_that_keeps_its_time_shows_too(folder):
    file = folder / "unet" / "config.json"
    before, facts = stamp_of([folder], depth=2), file.stat()
    time.sleep(0.02)
    file.write_text("two")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert stamp_of([folder], depth=2) != before


def test_files_at_rest_are_read_once(folder):
    readings, read = Readings(unsettled=-(10**18)), []
    for _ in range(3):
        assert readings.get(folder, stamp_of([folder]), lambda: read.append(1) or len(read)) == 1
    assert readings.known(folder, stamp_of([folder])) == 1
    readings.keep_only([])
    assert readings.get(folder, stamp_of([folder]), lambda: "again") == "again"


def test_files_that_have_just_changed_are_read_every_time(folder):
    readings = Readings()
    for number in range(3):
        stamp = stamp_of([folder], depth=2)
        assert (
            readings.get(folder, stamp, lambda number=number: number) == number
        )  # the same stamp may hide a change


def test_what_fails_is_not_remembered(folder):
    readings = Readings(unsettled=-(10**18))

    def fail():
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        readings.get(folder, stamp_of([folder]), fail)
    assert readings.get(folder, stamp_of([folder]), lambda: "well") == "well"


def test_a_missing_file_and_a_link_to_nothing_are_no_faults(tmp_path):
    missing = stamp_of([tmp_path / "missing"])
    assert stamp_of([tmp_path / "missing"]) == missing
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    assert stamp_of([tmp_path], depth=1)
    (tmp_path / "missing").write_text("x")
    assert stamp_of([tmp_path / "missing"]) != missing
