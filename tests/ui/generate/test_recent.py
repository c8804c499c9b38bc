"""The list of the latest pictures: made off the window's thread, safe with any file, and quick to change."""

import os

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QImage

from diffusion_studio.pictures import writing
from diffusion_studio.ui.look.texts import file_url, readable, shorten, tooltip
from diffusion_studio.ui.pictures.thumbnails import (
    PATH,
    Thumbnail,
    Thumbnails,
    load_thumbnails,
    read_thumbnail,
)


def picture(path, size=(8, 8), colour=(200, 10, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_small_pictures_are_kept_as_they_are_and_large_ones_shrunk(tmp_path, qapp):
    assert read_thumbnail(picture(tmp_path / "a.png")).size().toTuple() == (8, 8)
    assert read_thumbnail(picture(tmp_path / "b.png", (1000, 500))).size().toTuple() == (128, 64)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_a_file_that_is_no_picture_gives_an_empty_thumbnail(tmp_path, qapp, content, qtlog):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with qtlog.disabled():
        assert read_thumbnail(path).isNull()
    assert read_thumbnail(tmp_path / "gone.png").isNull()
    assert read_thumbnail(tmp_path).isNull()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_bytes_are_read_and_shown(tmp_path, qapp):
    path = tmp_path / os.fsdecode(b"\xff\xfe<b>.png")
    picture(tmp_path / "a.png").rename(path)
    assert not read_thumbnail(path).isNull()
    model = Thumbnails()
    model.show_paths([path])
    index = model.index(0)
    assert "??&lt;b&gt;.png" in index.data(Qt.ItemDataRole.ToolTipRole)
    assert "Image" in index.data(Qt.ItemDataRole.AccessibleTextRole)
    assert file_url(path).isValid() and model.mimeData([index]).hasUrls()


def test_rows_follow_the_folder(tmp_path, qapp, qtmodeltester):
    names = [tmp_path / f"{k}.png" for k in range(6)]
    model = Thumbnails()
    qtmodeltester.check(model)
    model.show_paths(names[:3])
    model.show_thumbnail(Thumbnail(names[1], QImage(4, 4, QImage.Format.Format_RGB32)))
    assert model.missing() == [names[0], names[2]]
    for wanted in ([names[5], *names[:3]], [names[5], names[1], names[3]], names[::-1], []):
        model.show_paths(wanted)
        assert model.paths == wanted
        assert [model.index(row).data(PATH) for row in range(model.rowCount())] == wanted
    qtmodeltester.check(model)


def test_a_picture_just_saved_comes_first_with_its_image_at_hand(tmp_path, qapp):
    model = Thumbnails()
    model.show_paths([tmp_path / "old.png"])
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    model.add_first(tmp_path / "new.png", image)
    model.add_first(tmp_path / "new.png", image)
    assert model.paths == [tmp_path / "new.png", tmp_path / "old.png"]
    assert model.missing() == [tmp_path / "old.png"]
    model.keep(1)
    assert model.paths == [tmp_path / "new.png"] and not model.missing()


def test_thumbnails_are_a_job(tmp_path, qapp):
    paths = [picture(tmp_path / f"{k}.png") for k in range(3)]
    assert [thumbnail.path for thumbnail in load_thumbnails(paths)] == paths


def test_texts_of_others():
    assert shorten("x" * 500).endswith("x") and len(shorten("x" * 500)) <= 90
    assert tooltip("<img src=x>") == "<qt>&lt;img src=x&gt;</qt>"
    assert readable("a\nb") == "a b"


def test_a_url_of_a_file_is_one_qt_understands(tmp_path):
    path = tmp_path / "mit Leerzeichen & #.png"
    assert QUrl(file_url(path)).toLocalFile() == str(path)


def test_a_thumbnail_of_a_tiff_is_read(tmp_path):
    """Qt's reader of TIFF ends the program where the bytes it reads from are gone before it."""
    light = np.full((8, 8, 1), 65_535, np.uint16)
    writing.export(light, tmp_path / "a.tif")
    thumbnail = read_thumbnail(tmp_path / "a.tif")
    assert thumbnail.size().toTuple() == (8, 8) and thumbnail.pixelColor(3, 3).lightness() == 255
