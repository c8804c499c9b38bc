"""The nearest training picture, its distance against train-to-train distances, and the words for it."""

import json

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.settings.options import to_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.data import nearest as module
from diffusion_studio.training.data.nearest import Gallery, Likeness, nearest, shrink
from diffusion_studio.training.records import runs


def drawn(count, side=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def result(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def brute(asked, pictures, mirror, own=None):
    """(Q, N) distances, the smaller of both orientations."""
    orientations = [asked] + ([asked[:, :, ::-1]] if mirror else [])
    tables = [
        np.sqrt(np.square(one[:, None].astype(float) - pictures[None]).mean(axis=(2, 3, 4))) / 255
        for one in orientations
    ]
    return np.min(tables, axis=0)


@pytest.mark.parametrize("mirror", [False, True])
def test_it_is_the_nearest_of_all_in_pieces_too(mirror, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 7)
    asked, pictures = drawn(5, seed=1), drawn(40)
    found = result(nearest(asked, pictures, mirror=mirror))
    table = brute(asked, pictures, mirror)
    assert np.array_equal(found.rows, table.argmin(axis=1))
    assert found.distances == pytest.approx(table.min(axis=1), abs=1e-12)


def test_a_copy_is_at_zero_and_a_mirrored_one_is_known_as_such():
    pictures = drawn(30)
    asked = np.stack([pictures[4], pictures[9][:, ::-1]])
    found = result(nearest(asked, pictures, mirror=True))
    assert list(found.rows) == [4, 9] and list(found.distances) == [0.0, 0.0]
    assert list(found.mirrored) == [False, True]
    assert result(nearest(asked, pictures)).distances[1] > 0.1


def test_a_picture_is_not_its_own_neighbour_nor_are_its_copies():
    pictures = drawn(30)
    pictures[3] = pictures[20]
    found = result(nearest(pictures[:5], pictures, own=np.arange(5)))
    table = brute(pictures[:5], pictures, mirror=False)
    table[np.arange(5), np.arange(5)] = table[3, 20] = np.inf
    assert found.distances == pytest.approx(table.min(axis=1)) and (found.distances > 0.1).all()
    alone = result(nearest(pictures[:1], pictures[:1], own=np.arange(1)))
    assert alone.rows[0] == -1 and np.isinf(alone.distances[0])


def test_large_pictures_are_compared_as_means_of_their_blocks():
    picture = drawn(1, side=64)[0]
    blocks = picture.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrink(picture) - blocks).max() <= 1
    small = drawn(1, side=8)[0]
    assert shrink(small) is small


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    for index, picture in enumerate(drawn(12, side=8)):
        Image.fromarray(picture).save(place / f"{index:02}.png")
    (place / "bad.png").write_bytes(b"?")
    return place


def test_a_folder_is_read_and_a_picture_compared(folder):
    gallery = Gallery.of(TrainingSettings(folder=str(folder), size=8, flip=False))
    assert [event.total for event in gallery.read()] == [13]
    assert len(gallery.paths) == len(gallery.pictures) == 12
    sample = drawn(12, side=8)[5] // 2 + 60
    *_, likeness = gallery.ask(sample)
    assert likeness.path.name == "05.png" and not likeness.mirrored
    assert np.array_equal(likeness.asked, sample)
    assert np.array_equal(likeness.pixels, drawn(12, side=8)[5])
    assert len(likeness.usual) == 12 and (np.diff(likeness.usual) >= 0).all()
    assert likeness.nearer == 0.0
    assert likeness.measure.startswith(f"{likeness.distance:.3f}; half of the training images have")


def test_a_training_picture_is_compared_with_the_others(folder):
    gallery = Gallery(folder, 8)
    list(gallery.read())
    picture = drawn(12, side=8)[5]
    *_, same = gallery.compare(picture)
    assert same.distance == 0 and "pixel for pixel" in same.verdict
    *_, other = gallery.ask(folder / "05.png")
    assert np.array_equal(other.asked, picture)
    assert other.path.name != "05.png" and other.distance in other.usual


def test_an_empty_or_missing_folder_is_told(tmp_path):
    with pytest.raises(UserError, match="not there"):
        list(Gallery(tmp_path / "nowhere", 8).read())
    with pytest.raises(UserError, match="no image"):
        list(Gallery(tmp_path, 8).read())


def test_one_training_picture_is_enough(tmp_path):
    Image.fromarray(drawn(1, side=8)[0]).save(tmp_path / "only.png")
    gallery = Gallery(tmp_path, 8)
    list(gallery.read())
    *_, likeness = gallery.compare(drawn(1, side=8, seed=3)[0])
    assert likeness.median is None and "no two training images" in likeness.measure
    assert "one image" in likeness.verdict


@pytest.mark.parametrize(
    ("distance", "words"),
    [(0.0, "pixel for pixel"), (0.03, "memorised"), (0.085, "look closely"), (0.12, "nothing here points"),
     (0.3, "no copy")],
)  # fmt: skip
def test_the_words_go_with_the_distance(tmp_path, distance, words):
    one = drawn(1)[0]
    likeness = Likeness(
        asked=one,
        path=tmp_path,
        pixels=one,
        mirrored=False,
        distance=distance,
        usual=np.linspace(0.08, 0.16, 100),
    )
    assert words in likeness.verdict
    assert (
        likeness.measure == f"{distance:.3f}; half of the training images have a neighbour nearer than 0.120"
    )


# The command ----------------------------------------------------------------------------------------------------------


def test_the_command_names_the_nearest_picture_of_a_folder(folder, tmp_path, capsys):
    sample = tmp_path / "sample.png"
    Image.fromarray(drawn(12, side=8)[5][:, ::-1]).save(sample)
    assert main.main(["nearest", str(sample), str(folder), "--size", "8"]) == 0
    shown = capsys.readouterr().out
    assert "05.png (mirrored)" in shown and "0.000; half of the training images" in shown
    assert "pixel for pixel" in shown.splitlines()[-1]


def test_the_command_takes_a_run_and_tells_json(folder, tmp_path, capsys):
    settings = TrainingSettings(folder=str(folder), name="mine", size=8, flip=False)
    runs.create("mine", to_dict(settings), {})
    sample = tmp_path / "sample.png"
    Image.fromarray(drawn(12, side=8)[5][:, ::-1]).save(sample)
    assert main.main(["nearest", str(sample), "mine", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["distance"] > 0.1 and not found["mirrored"]  # this run does not mirror
    assert 0 <= found["share_nearer"] <= 1 and found["median"] > 0.1 and found["verdict"]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ("{bad} {folder}", 1, "not a PNG"),
        ("{good} nobody", 1, "no training run called “nobody”"),
        ("{good} {folder} --size many", 2, "not a whole number"),
        ("{good}", 2, "required: FOLDER|RUN"),
    ],
)
def test_what_the_command_can_not_do_is_said(folder, capsys, words, status, sentence):
    line = words.format(folder=folder, good=folder / "01.png", bad=folder / "bad.png")
    assert main.main(["nearest", *line.split()]) == status
    assert sentence in capsys.readouterr().err
