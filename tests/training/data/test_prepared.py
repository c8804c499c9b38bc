"""Many images are prepared once: the same is read back, a cut-off or damaged preparation is mended, and they are bounded."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.training import images
from diffusion_studio.training.data import prepared
from diffusion_studio.training.data.rows import Column, Row, Rows, read_row
from diffusion_studio.training.images import load_pictures
from diffusion_studio.training.step.trainer import Trainer


@pytest.fixture
def opened(folder, monkeypatch):
    """The names of the files that are opened, with a bad one among them."""
    (folder / "bright" / "05.png").write_bytes(b"no image")
    real, names = images.open_picture, []
    monkeypatch.setattr(
        images, "open_picture", lambda path, **how: names.append(path.name) or real(path, **how)
    )
    return names


def load(folder, **how):
    *_, pictures = load_pictures(folder, 8, **how)
    return pictures


def same(a, b):
    return (
        np.array_equal(a.images, b.images)
        and np.array_equal(a.labels, b.labels)
        and (a.classes, a.names, a.skipped, a.digests, a.covered)
        == (b.classes, b.names, b.skipped, b.digests, b.covered)
    )


def test_many_images_are_prepared_once_and_are_the_same(folder, opened, monkeypatch):
    plain = load(folder)
    monkeypatch.setattr(images, "MANY", 10)
    opened.clear()
    first = load(folder)
    assert isinstance(first.images, np.memmap) and same(first, plain) and len(plain.skipped) == 1
    assert len(opened) == 31 and same(load(folder), plain) and len(opened) == 31
    assert same(
        load(folder, channels="grey"), load(folder, channels="grey")
    )  # seen in another way: another preparation
    assert len(opened) == 62


def test_a_folder_that_changed_is_prepared_only_where_it_did(folder, opened, monkeypatch):
    monkeypatch.setattr(images, "MANY", 10)
    load(folder)
    opened.clear()
    Image.new("RGB", (8, 8)).save(folder / "dark" / "new.png")
    Image.new("RGB", (8, 8)).save(folder / "dark" / "10.png")
    (folder / "dark" / "11.png").unlink()
    changed = load(folder)
    assert sorted(opened) == [
        "05.png",
        "10.png",
        "new.png",
    ]  # what is new, other than it was, or could not be read
    monkeypatch.setattr(images, "MANY", 100)
    assert same(changed, load(folder)) and len(changed) == 30
    monkeypatch.setattr(images, "MANY", 10)
    for place in prepared.sets_dir().iterdir():
        if place.is_dir():
            (place / prepared.IMAGES).write_bytes(b"\x07" * (place / prepared.IMAGES).stat().st_size)
    opened.clear()
    (folder / "dark" / "13.png").unlink()
    assert len(load(folder)) == 29 and len(opened) == 30  # damaged pixels are not copied


def test_rows_are_what_was_put_in():
    kept = [Row("a\u00e9"), Row("b", "c", "d", True, "", "e", "1-2"), Row("x", reason="no image")]
    rows = Rows(kept)
    assert list(rows) == kept and rows[-1] == kept[-1] and rows[1:] == kept[1:]
    names = Column(rows, np.array([2, 0]), "name")
    assert names == ["x", "a\u00e9"] and names[-1] == "a\u00e9" and names[:1] == ["x"]
    with pytest.raises(IndexError):
        rows[3]
    for broken in (b"", b"[]", b"[1]", b'["a", 2]', b"{}", b"[" * 3000):
        assert read_row(broken) is None


def test_what_was_cut_off_or_damaged_is_done_again_from_there(folder, opened, monkeypatch):
    plain = load(folder)
    monkeypatch.setattr(images, "MANY", 10)
    job = load_pictures(folder, 8)
    while next(job) < 16:
        pass
    job.close()
    opened.clear()
    assert same(load(folder), plain) and len(opened) == 15
    (place,) = (one for one in prepared.sets_dir().iterdir() if one.is_dir())
    with (place / prepared.IMAGES).open("r+b") as file:
        file.seek(20 * 3 * 64)
        file.write(b"\x01\x02\x03")
    rows = (place / prepared.ROWS).read_bytes()
    (place / prepared.ROWS).write_bytes(rows[:-7] + b"\xff")  # and its last line is torn
    opened.clear()
    assert same(load(folder), plain) and 8 < len(opened) < 12
    opened.clear()
    assert same(load(folder), plain) and not opened
    (place / prepared.IMAGES).write_bytes(b"short")
    assert same(load(folder), plain)


def test_preparations_are_bounded_and_a_full_disk_is_said(folder, monkeypatch):
    monkeypatch.setattr(images, "MANY", 10)
    monkeypatch.setattr(prepared, "MOST_SETS", 2)
    for channels in ("rgb", "grey", "rgba"):
        load(folder, channels=channels)
        assert len([one for one in prepared.sets_dir().iterdir() if one.is_dir()]) <= 2
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="make room"):
        load(folder, pad=True)


@pytest.mark.parametrize("channels", ["rgb", "grey16"])
def test_a_training_from_prepared_images_is_the_one_from_memory(settings, folder, monkeypatch, channels):
    weights = []
    for many in (100, 10):
        monkeypatch.setattr(images, "MANY", many)
        pictures = load(folder, channels=channels)
        trainer = Trainer(replace(settings, batch=4), pictures, device="cpu", precision="float32")
        for _ in range(2):
            trainer.step(0.0)
        weights.append(trainer.flat.whole.detach().clone())
        trainer.close()
    assert (weights[0] == weights[1]).all()
