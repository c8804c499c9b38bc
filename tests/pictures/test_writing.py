"""Pictures on disk: written whole with their settings, never over another, read back safely, listed newest first."""

import json
import os
import random
import re
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_studio.errors import UserError
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.made_by import find_model
from diffusion_studio.pictures import reading
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.grid import sheet
from diffusion_studio.pictures.listing import newest, sweep
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.saving import SavingSettings
from diffusion_studio.storage import places
from tests.mutations import mutate_picture

SETTINGS = GenerationSettings(
    model="faces", steps=5, seed=42, sampler="ddim", class_label="hat", guidance=2.0
)
FACTS = {
    "model_title": "Faces",
    "model_hash": "0123456789",
    "batch": {"seed": 40, "count": 4, "index": 2},
    "app_version": "0.1.0",
}
NAME = re.compile(r"\d{4}-\d\d-\d\d/\d{6}-42(-\d+)?\.png")


def picture(seed=0, height=6, width=8):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(size=32):
    """Gentle enough for JPEG."""
    ramp = np.linspace(40, 200, size, dtype=np.float64)
    return np.stack(
        [ramp[:, None] + 0 * ramp, ramp[None] + 0 * ramp[:, None], np.full((size, size), 90)], -1
    ).astype(np.uint8)


def parameters_png(path, text, **more):
    info = PngInfo()
    info.add_text("parameters", text)
    for key, value in more.items():
        info.add_text(key, value)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


# Saving ---------------------------------------------------------------------------------------------------------------


def test_a_saved_picture_comes_back_with_pixels_settings_and_facts(own_folders):
    path = outputs.save(picture(), SETTINGS, facts=FACTS)
    assert NAME.fullmatch(path.relative_to(own_folders / "outputs").as_posix())
    record = reading.read(path)
    assert np.array_equal(record.pixels(), picture())
    assert record.settings == SETTINGS and record.ours and record.refused == []
    assert (record.format, record.size) == ("PNG", (8, 6))
    assert {**FACTS, "width": 8, "height": 6}.items() <= record.facts.items()
    assert "time" in record.facts
    assert record.parameters.startswith("hat\nSteps: 5, Sampler: DDIM")


def test_a_folder_of_ones_own_has_the_same_days_and_times(tmp_path):
    path = outputs.save(picture(), SETTINGS, facts={}, folder=tmp_path / "my pictures")
    assert NAME.fullmatch(path.relative_to(tmp_path / "my pictures").as_posix())


def test_nothing_is_overwritten(tmp_path):
    paths = [outputs.save(picture(k), SETTINGS, facts={}, folder=tmp_path) for k in range(12)]
    assert len(set(paths)) == 12
    for k, path in enumerate(paths):
        assert np.array_equal(reading.read(path).pixels(), picture(k))
    assert not [name for name in os.listdir(paths[0].parent) if name.startswith(".")]


SAVE_MANY = """
import sys
from pathlib import Path
import numpy as np
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.grid import sheet
from diffusion_studio.pictures.listing import newest
from diffusion_studio.pictures.listing import sweep
from diffusion_studio.settings.generation import GenerationSettings
folder, count = Path(sys.argv[1]), int(sys.argv[2])
pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
for k in range(count):
    outputs.save(pixels, GenerationSettings(seed=1), facts={}, folder=folder)
    if k == 0:
        print("ready", flush=True)
"""


def saving(folder, count):
    child = subprocess.Popen(
        [sys.executable, "-c", SAVE_MANY, str(folder), str(count)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.slow
def test_two_processes_never_take_each_others_names(tmp_path):
    children = [saving(tmp_path, 60) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    for child in children:
        child.stdout.close()
    assert len(list(tmp_path.rglob("*.png"))) == 120


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_process_killed_while_saving_leaves_only_whole_pictures(tmp_path):
    moments = random.Random(4)
    for _ in range(10):
        child = saving(tmp_path, 100_000)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(moments.uniform(0.005, 0.1))
        child.kill()
        child.wait()
        child.stdout.close()
    found = list(tmp_path.rglob("*.png"))
    assert found
    for path in found:
        assert reading.read(path).pixels().shape == (64, 64, 3)
    sweep(tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(found)


def test_sweeping_touches_nothing_but_what_killed_writes_left(tmp_path):
    kept = outputs.save(picture(), SETTINGS, facts={}, folder=tmp_path)
    stray = kept.with_name(".x.png.999999999.0123abcd.part")
    elsewhere = tmp_path / "project" / ".x.png.999999999.0123abcd.part"
    elsewhere.parent.mkdir()
    for path in (stray, elsewhere):
        path.write_bytes(b"torn")
    sweep(tmp_path)
    assert kept.exists() and elsewhere.exists() and not stray.exists()
    sweep(tmp_path / "not there")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not a folder"):
        outputs.save(picture(), SETTINGS, facts={}, folder=tmp_path / "file")


@pytest.mark.parametrize("wrong", [picture().astype(np.float32), picture()[..., :2], picture()[0]])
def test_only_pictures_are_saved(wrong, tmp_path):
    with pytest.raises((ValueError, IndexError)):
        outputs.save(wrong, SETTINGS, facts={}, folder=tmp_path)
    assert not list(tmp_path.rglob("*.png"))


# Sheets ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (5, 2, 3), (64, 8, 8)]
)
def test_a_sheet_is_as_square_as_it_goes(count, rows, columns):
    pictures = np.stack([np.full((32, 32, 3), k, np.uint8) for k in range(count)])
    page = sheet(pictures)
    assert page.shape == (rows * 34 - 2, columns * 34 - 2, 3)
    for k in range(count):
        top, left = k // columns * 34, k % columns * 34
        assert (page[top : top + 32, left : left + 32] == k).all()
    if columns > 1:
        assert (page[:32, 32:34] == 255).all()


def test_a_saved_sheet_says_what_made_it(tmp_path):
    pictures = np.stack([picture(k) for k in range(4)])
    settings = replace(SETTINGS, count=4)
    path = outputs.save_sheet(pictures, settings, facts=FACTS, folder=tmp_path)
    assert re.fullmatch(r"\d{6}-42-sheet\.png", path.name)
    record = reading.read(path)
    assert record.settings == settings
    assert record.facts["sheet"] is True and record.facts["batch"] == {"seed": 40, "count": 4}
    assert (record.facts["width"], record.facts["height"]) == (8, 6)
    assert np.array_equal(record.pixels(), sheet(pictures))
    assert outputs.save_sheet(pictures, settings, facts=FACTS, folder=tmp_path) != path


# Exporting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "kind", "error"), [(".png", "PNG", 0), (".JPG", "JPEG", 6), (".webp", "WEBP", 12)]
)
def test_the_ending_decides_the_format(tmp_path, suffix, kind, error):
    source = outputs.save(smooth(), SETTINGS, facts=FACTS, folder=tmp_path)
    target = tmp_path / f"x{suffix}"
    outputs.export(source, target)
    record = reading.read(target)
    assert record.format == kind and record.settings == SETTINGS
    assert FACTS.items() <= record.facts.items() and "time" in record.facts
    assert np.abs(record.pixels().astype(int) - smooth().astype(int)).max() <= error


def test_pixels_are_exported_with_the_settings_given(tmp_path):
    target = tmp_path / "x.webp"
    outputs.export(picture(), target, settings=SETTINGS, facts=FACTS, lossless=True)
    record = reading.read(target)
    assert record.settings == SETTINGS and record.facts["model_hash"] == "0123456789"
    assert np.array_equal(record.pixels(), picture())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_without_metadata_really_nothing_is_written(tmp_path, suffix):
    source = outputs.save(picture(), SETTINGS, facts=FACTS, folder=tmp_path)
    target = tmp_path / f"x{suffix}"
    outputs.export(source, target, settings=SETTINGS, facts=FACTS, with_metadata=False)
    record = reading.read(target)
    assert (record.settings, record.facts, record.parameters) == (None, {}, None)
    data = target.read_bytes()
    for word in (b"Diffusion", b"parameters", b"Exif", b"EXIF", b"tEXt", b"iTXt", b"tIME", b"XMP"):
        assert word not in data


def test_another_programs_parameters_are_kept_as_they_are(tmp_path):
    text = "a cat\nSteps: 28, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 8x8, Model: other, Clip skip: 2"
    source = parameters_png(tmp_path / "a.png", text)
    outputs.export(source, tmp_path / "b.jpg")
    assert reading.read(tmp_path / "b.jpg").parameters == text


@pytest.mark.parametrize("name", ["x.bmp", "x", "x.tga", "x.png.txt"])
def test_unknown_endings_name_the_allowed_ones(tmp_path, name):
    with pytest.raises(UserError, match=r"\.png, \.jpg, \.jpeg, \.webp"):
        outputs.export(picture(), tmp_path / name)
    assert not os.listdir(tmp_path)


def test_what_a_format_cannot_do_is_said(tmp_path):
    with pytest.raises(UserError, match="JPEG always loses"):
        outputs.export(picture(), tmp_path / "x.jpg", lossless=True)
    with pytest.raises(UserError, match="Quality must be between"):
        outputs.export(picture(), tmp_path / "x.jpg", quality=0)
    with pytest.raises(UserError, match="at most 16383"):
        outputs.export(np.zeros((1, 16_384, 3), np.uint8), tmp_path / "x.webp")
    with pytest.raises(UserError, match="cannot be read"):
        outputs.export(tmp_path / "gone.png", tmp_path / "x.png")


# Reading --------------------------------------------------------------------------------------------------------------


def test_foreign_pictures_are_read(tmp_path):
    path = parameters_png(
        tmp_path / "a.png", "a cat\nSteps: 28, Sampler: Euler a, Seed: 5, Model: other, Size: 8x8"
    )
    record = reading.read(path)
    assert record.given == {
        "prompt": "a cat",
        "steps": 28,
        "seed": 5,
        "model": "other",
        "sampler": "euler_ancestral",
    }
    assert record.settings.steps == 28 and not record.ours
    assert record.parameters.startswith("a cat\n")


def test_a_refused_block_leaves_the_line(tmp_path):
    block = json.dumps({"version": 99, "settings": {"seed": 1}})
    record = reading.read(parameters_png(tmp_path / "a.png", "\nSteps: 28, Seed: 5", diffusion_studio=block))
    assert record.settings.seed == 5 and "version 99" in record.refused[0]


def test_metadata_beyond_all_bounds_is_cut_or_refused_and_the_picture_is_not(tmp_path):
    block = json.dumps({"version": 1, "settings": {"class_label": "x" * 600_000}})
    path = parameters_png(tmp_path / "a.png", "y" * 600_000 + "\nSteps: 5", diffusion_studio=block)
    record = reading.read(path)
    assert record.size == (8, 8) and record.given["steps"] == 5 and record.parameters is None
    assert len(record.raw) <= 65_536 and any(
        "longer than what is shown" in reason for reason in record.refused
    )
    assert any("512 KB" in reason for reason in record.refused)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "PNG", "JPEG", "WEBP"])
def test_pictures_without_metadata_have_none(tmp_path, kind):
    path = tmp_path / "misnamed.png"
    Image.fromarray(picture()).save(path, kind)
    record = reading.read(path)
    assert (record.format, record.size, record.settings, record.parameters) == (kind, (8, 6), None, None)
    assert record.pixels().shape == (6, 8, 3)


def test_turned_pictures_have_the_size_they_are_seen_in(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(tmp_path / "x.jpg", exif=exif)
    record = reading.read(tmp_path / "x.jpg")
    assert record.size == (6, 8) and record.pixels().shape == (8, 6, 3)


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4", b"\xff\xd8\xff\xe0"]
)
def test_what_is_no_picture_is_a_sentence(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.png"):
        reading.read(tmp_path / "x.png")


def test_formats_that_are_not_allowed_are_refused(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "x.png", "PPM")
    with pytest.raises(UserError, match="not an image that can be read"):
        reading.read(tmp_path / "x.png")


def test_what_is_no_file_is_a_sentence(tmp_path):
    for path in (tmp_path, tmp_path / "gone.png", tmp_path / "nul\0.png", tmp_path / ("x" * 300)):
        with pytest.raises(UserError):
            reading.read(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
        with pytest.raises(UserError, match="not a regular file"):
            reading.read(tmp_path / "pipe.png")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_bytes_are_read_and_listed(tmp_path):
    saved = outputs.save(picture(), SETTINGS, facts={}, folder=tmp_path)
    odd = saved.with_name(os.fsdecode(b"\xff\xfe\n.png"))
    saved.rename(odd)
    assert reading.read(odd).settings == SETTINGS
    assert newest(tmp_path) == [odd]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_decompression_bombs_are_refused_before_anything_is_unpacked(tmp_path):
    for side, name in ((11_000, "large"), (65_000, "huge")):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        path = tmp_path / f"{name}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        with pytest.raises(UserError, match="million pixels"):
            reading.read(path)
    text = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"\0" * 50_000_000))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    path = tmp_path / "text.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + text + chunk(b"IDAT", zlib.compress(b"\0" * 4)) + chunk(b"IEND", b"")
    )
    record = reading.read(path)  # the pixels are sound, so what is beside them refuses nothing
    assert record.size == (1, 1) and len(record.raw) <= 65_536


@pytest.mark.parametrize(("suffix", "count"), [(".png", 1000), (".jpg", 100), (".webp", 100)])
def test_mutated_pictures_are_read_or_refused(tmp_path, suffix, count):
    source = tmp_path / f"source{suffix}"
    outputs.export(picture(), source, settings=SETTINGS, facts=FACTS)
    whole, dice = source.read_bytes(), random.Random(7)
    path, outcomes, longest = tmp_path / f"x{suffix}", set(), 0.0
    for _ in range(count):
        path.write_bytes(mutate_picture(whole, dice))
        begun = time.process_time()
        try:
            record = reading.read(path)
            outcomes.add("read" if record.settings == SETTINGS else "doubted")
            record.pixels()
        except UserError as error:
            outcomes.add(f"refused with {'a' if str(error).endswith('.') else 'no'} sentence")
        longest = max(longest, time.process_time() - begun)
    assert longest < 2 and outcomes == {"read", "doubted", "refused with a sentence"}


# Which model ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch, tmp_path):
    found = [
        ModelCard(name="faces", title="Lovely Faces", path=tmp_path / "faces", size=8, digest="a" * 64),
        ModelCard(name="cats", title="Cats", path=tmp_path / "cats", size=8, digest="0123456789" + "b" * 54),
    ]
    monkeypatch.setattr(cards, "installed", lambda: found)


@pytest.mark.parametrize(
    ("model", "facts", "found"),
    [
        ("faces", {}, "faces"),
        ("FACES", {"model_hash": "0123456789"}, "faces"),
        ("renamed", {"model_title": "Cats"}, "cats"),
        ("renamed", {"model_title": "Renamed", "model_hash": "0123456789"}, "cats"),
    ],
)
def test_the_model_is_found_by_name_title_or_hash(installed, tmp_path, model, facts, found):
    path = outputs.save(picture(), replace(SETTINGS, model=model), facts=facts, folder=tmp_path)
    assert find_model(reading.read(path)).name == found


def test_a_model_that_is_not_installed_is_named(installed, tmp_path):
    path = outputs.save(picture(), replace(SETTINGS, model="gone"), facts={}, folder=tmp_path)
    with pytest.raises(UserError, match="“gone” .* installed are: faces, cats"):
        find_model(reading.read(path))
    outputs.export(picture(), tmp_path / "bare.png")
    with pytest.raises(UserError, match="does not say which model"):
        find_model(reading.read(tmp_path / "bare.png"))


# Listing --------------------------------------------------------------------------------------------------------------


def put(folder, name, moment=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    if moment is not None:
        os.utime(path, (moment, moment))
    return path


def test_newest_first_by_day_time_and_number(tmp_path):
    names = [
        "2026-01-02/090000-5.png",
        "2026-01-02/080000-7.png",
        "2026-01-01/235959-1.jpg",
        "2025-12-31/000001-3.webp",
    ]
    paths = [put(tmp_path, name, 1_000_000) for name in names]
    assert newest(tmp_path) == paths
    assert newest(tmp_path, limit=2) == paths[:2]
    batch = [put(tmp_path, f"2026-01-03/100000-{seed}.png", 1_000_000) for seed in (9, 10, 11)]
    again = put(tmp_path, "2026-01-03/100000-11-2.png", 1_000_000)
    assert newest(tmp_path, limit=4) == [again, *reversed(batch)]


def test_pictures_saved_in_a_row_are_listed_in_that_row_backwards(own_folders):
    paths = [outputs.save(picture(), replace(SETTINGS, seed=seed), facts={}) for seed in (7, 8, 9, 10)]
    assert newest() == paths[::-1]


def test_only_pictures_are_listed(tmp_path):
    kept = put(tmp_path, "2026-01-01/100000-1.PNG")
    for name in (
        "2026-01-01/x.txt",
        "2026-01-01/.hidden.png",
        "2026-01-01/.a.png.1.0123abcd.part",
        "project/x.png",
    ):
        put(tmp_path, name)
    (tmp_path / "2026-01-01" / "folder.png").mkdir()
    if os.name != "nt":
        (tmp_path / "2026-01-01" / "link.png").symlink_to(kept)
        (tmp_path / "2026-01-02").symlink_to(tmp_path)
    assert newest(tmp_path) == [kept]


def test_pictures_beside_the_days_are_listed_by_when_they_were_written(tmp_path):
    early = put(tmp_path, "early.png", 1_000_000)
    day = put(tmp_path, "2026-01-01/100000-1.png")
    late = put(tmp_path, "late.jpg", 2_000_000_000)
    assert newest(tmp_path) == [late, day, early]


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert newest(tmp_path / "nowhere") == []
    assert newest() == []
    assert places.outputs_dir().exists() is False


def test_noise_is_saved_as_a_jpeg_whatever_room_its_encoder_asks_for(tmp_path):
    """With `optimize`, Pillow gives libjpeg a byte a pixel, and noise needs more: OSError."""
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    saving = SavingSettings(format="jpeg", quality=94)
    path = outputs.save(noise, GenerationSettings(seed=1), facts={}, folder=tmp_path, saving=saving)
    assert reading.read(path).size == (256, 256)
    outputs.export(noise, tmp_path / "noise.jpg", quality=94)
    assert reading.read(tmp_path / "noise.jpg").size == (256, 256)


@pytest.mark.parametrize(
    "fault", [OSError("encoder error -2"), ValueError("EXIF is too long"), MemoryError()]
)
def test_what_an_encoder_cannot_do_names_the_file(tmp_path, monkeypatch, fault):
    def broken(*_, **__):
        raise fault

    monkeypatch.setattr(Image.Image, "save", broken)
    picture = np.zeros((8, 8, 3), np.uint8)
    for format, ending in (("png", "png"), ("jpeg", "jpg"), ("webp", "webp")):
        with pytest.raises(UserError, match=rf"-7\.{ending} cannot be written as"):
            outputs.save(
                picture,
                GenerationSettings(seed=7),
                facts={},
                folder=tmp_path,
                saving=SavingSettings(format=format),
            )
    with pytest.raises(UserError, match=r"out\.png cannot be written as PNG"):
        outputs.export(picture, tmp_path / "out.png")
