"""Any picture becomes the right RGB, and a bad one is refused by name and reason."""

import json
import os
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.pictures.decoding import DecodedImage, open_picture
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.pictures.folder_listing import find_pictures, printable
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.training.data import folder_report as health
from diffusion_studio.training.images import Pictures, load_pictures

RAMP = np.stack(np.broadcast_arrays(np.arange(16) * 16, np.arange(16)[:, None] * 16, 128), axis=-1).astype(
    np.uint8
)
GREY = RAMP[..., 0]


def load(folder, size=8, **options):
    *_, pictures = load_pictures(folder, size, **options)
    return pictures


def png(width, height, body=b""):
    """A PNG by hand, whose header may lie."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


# Modes ----------------------------------------------------------------------------------------------------------------


def half_clear(mode):
    alpha = np.where(np.arange(16) < 8, 255, 102).astype(np.uint8) + np.zeros((16, 1), np.uint8)
    if mode == "LA":
        return _merge("LA", GREY, alpha)
    return _merge("RGBA", *RAMP.transpose(2, 0, 1), alpha)


def _merge(mode, *bands):
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(band)) for band in bands])


def over_white(rgb):
    share = np.where(np.arange(16) < 8, 1.0, 0.4)[None, :, None]
    return rgb * share + 255 * (1 - share)


def grey3(grey):
    return np.repeat(np.asarray(grey, dtype=float)[..., None], 3, axis=-1)


MODES = {
    "rgb.png": (lambda: Image.fromarray(RAMP), RAMP),
    "palette.png": (lambda: Image.fromarray(RAMP).quantize(256), RAMP),
    "rgba.png": (lambda: half_clear("RGBA"), over_white(RAMP)),
    "rgba.webp": (lambda: half_clear("RGBA"), over_white(RAMP)),
    "la.png": (lambda: half_clear("LA"), over_white(grey3(GREY))),
    "grey.bmp": (lambda: Image.fromarray(GREY), grey3(GREY)),
    "cmyk.tif": (lambda: Image.fromarray(RAMP).convert("CMYK"), RAMP),
    "1bit.png": (lambda: Image.fromarray(GREY > 100), grey3((GREY > 100) * 255)),
    "16bit.png": (lambda: Image.fromarray(GREY.astype(np.uint16) * 257), grey3(GREY)),
    "16bit.tiff": (lambda: Image.fromarray(GREY.astype(np.uint16) * 257), grey3(GREY)),
    "32bit.tif": (lambda: Image.fromarray(GREY.astype(np.int32) * 257), grey3(GREY)),
    "float.tif": (lambda: Image.fromarray(GREY.astype(np.float32) / 255), grey3(GREY)),
    "float255.tif": (lambda: Image.fromarray(GREY.astype(np.float32)), grey3(GREY)),
    "CAPITALS.PNG": (lambda: Image.fromarray(RAMP), RAMP),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_is_right_to_two_levels(tmp_path, name):
    image, expected = MODES[name][0](), MODES[name][1]
    image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    found = np.asarray(open_picture(tmp_path / name).image, dtype=float)
    assert found.shape == (16, 16, 3)
    assert np.abs(found - expected).max() <= 2


def test_a_transparent_palette_shows_the_background(tmp_path):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "p.png", transparency=0)
    opened = open_picture(tmp_path / "p.png")
    assert opened.transparent
    assert opened.image.getpixel((0, 0)) == (0, 0, 255)
    assert opened.image.getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(tmp_path, orientation):
    turns = {
        2: (0, True),
        3: (2, False),
        4: (2, True),
        5: (3, True),
        6: (3, False),
        7: (1, True),
        8: (1, False),
    }
    quarter, mirror = turns.get(orientation, (0, False))
    upright = RAMP[:, :10]
    stored = np.rot90(upright, -quarter)  # a viewer undoes this
    stored = stored[:, ::-1] if mirror and quarter in (0, 2) else stored[::-1] if mirror else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    opened = open_picture(tmp_path / "x.png")
    assert opened.rotated == (orientation > 1)
    assert opened.image.size == (10, 16)
    assert sorted(np.asarray(opened.image).reshape(-1, 3).tolist()) == sorted(upright.reshape(-1, 3).tolist())
    assert opened.image.getpixel((0, 0)) == tuple(RAMP[0, 0])
    assert opened.image.getpixel((9, 0)) == tuple(RAMP[0, 9])


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    opened = open_picture(tmp_path / "a.gif")
    assert opened.frames == 3
    assert opened.image.getpixel((3, 3)) == (255, 0, 0)


def test_crop_takes_the_middle_and_pad_keeps_the_whole():
    wide = Image.new("RGB", (24, 8), "red")
    wide.paste("blue", (8, 0, 16, 8))
    assert np.array_equal(fit(wide, 8)[:, 4, 4], [0, 0, 255])
    assert (fit(wide, 8)[2] == 255).all()
    whole = fit(wide, 24, pad=True)
    assert np.array_equal(whole[:, 12, 2], [255, 0, 0])
    assert np.array_equal(whole[:, 1, 12], [255, 255, 255])


def test_pixel_art_stays_crisp():
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    large = Image.fromarray(small.repeat(5, 0).repeat(5, 1))
    assert np.array_equal(fit(large, 8), small.transpose(2, 0, 1))


# Bad files ------------------------------------------------------------------------------------------------------------


def _whole():
    import io

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


BAD = {
    "empty.png": (b"", "empty"),
    "text.jpg": (b"not a picture at all", "not a PNG, JPEG"),
    "cut off.png": (_whole()[:5000], "the file ends too early"),
    "flipped.png": (_whole()[:3000] + b"\x00\xff" * 20 + _whole()[3040:], "it is damaged$"),
    "bomb.png": (png(60_000, 60_000), "100 million"),
    "wide.png": (png(2_000_000, 100), "100 million"),
    "no pixels.png": (png(16, 16), "damaged"),
    "zero.png": (png(0, 16), "damaged|not a PNG"),
    "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
    "icon.png": (b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x18\x00" + bytes(60), "not a PNG"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_reason(tmp_path, name):
    content, reason = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=reason):
        open_picture(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
def test_what_is_no_file_is_refused_and_links_end(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "real.png")
    (tmp_path / "again.png").symlink_to("real.png")
    (tmp_path / "nothing.png").symlink_to("gone.png")
    (tmp_path / "round.png").symlink_to("round.png")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    pictures = load(tmp_path)
    assert len(pictures) == 1  # a link and its file are one picture
    assert {name: reason.split()[-1] for name, reason in pictures.skipped} == {
        "nothing.png": "there",
        "round.png": "loop",
        "pipe.png": "file",
    }


def test_one_bad_file_stops_nothing_and_is_listed(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "good.png")
    for name, (content, _) in BAD.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("no picture, and nobody says it is")
    pictures = load(tmp_path)
    assert pictures.names == ["good.png"]
    assert {name for name, _ in pictures.skipped} == set(BAD)


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_names_of_any_bytes(tmp_path):
    name = b"caf\xe9 \xff\n.png"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        Image.fromarray(RAMP).save(file, "PNG")
    with open(os.path.join(os.fsencode(tmp_path), b"bad" + name), "wb") as file:
        file.write(b"")
    *_, last = health.check(tmp_path)
    assert json.dumps(last.report).encode()
    health.as_text(last.report).encode("utf-8")
    assert last.report["refused"][0][0] == printable(os.fsdecode(b"bad" + name))
    load(tmp_path).names[0].encode("utf-8")


# Folders --------------------------------------------------------------------------------------------------------------


def test_sub_folders_are_classes(tmp_path):
    for place in ("cats", "dogs/small", "dogs/large", ".hidden"):
        (tmp_path / place).mkdir(parents=True)
        Image.fromarray(RAMP).save(tmp_path / place / "1.png")
    Image.fromarray(RAMP).save(tmp_path / "loose.png")
    pictures = load(tmp_path)
    assert pictures.classes == ("cats", "dogs", "other")
    assert [pictures.classes[label] for label in pictures.labels] == ["other", "cats", "dogs", "dogs"]
    assert load(tmp_path, classes=False).classes == ()
    assert load(tmp_path / "dogs" / "small").classes == ()
    assert isinstance(pictures, Pictures)
    assert [label for _, label in find_pictures(tmp_path)] == ["", "cats", "dogs", "dogs"]


def test_more_pictures_than_memory_are_mapped_from_a_file(tmp_path, monkeypatch):
    Image.fromarray(RAMP).save(tmp_path / "1.png")
    from diffusion_studio.training import images

    monkeypatch.setattr(images.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100}))
    assert isinstance(load(tmp_path).images, np.memmap)


# The health report ----------------------------------------------------------------------------------------------------


def test_the_report_tells_what_is_there(tmp_path):
    draw = np.random.default_rng(1)
    smooth = Image.fromarray(draw.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(
        (60, 60), Image.Resampling.BICUBIC
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    smooth.save(tmp_path / "a" / "one.png")
    (tmp_path / "a" / "copy.png").write_bytes((tmp_path / "a" / "one.png").read_bytes())
    smooth.resize((48, 48)).save(tmp_path / "b" / "near.jpg", quality=80)
    for number in range(6):
        Image.fromarray(draw.integers(0, 256, (40, 20, 3), dtype=np.uint8)).save(
            tmp_path / "a" / f"other{number}.png"
        )
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(tmp_path / "a" / "tiny.png")
    (tmp_path / "a" / "bad.png").write_bytes(b"?")
    *_, last = health.check(tmp_path, size=16)
    report = last.report
    assert (report["files"], report["usable"]) == (11, 10)
    assert report["refused"] == [("a/bad.png", "it is not a PNG, JPEG, WebP, BMP, GIF or TIFF image")]
    assert report["duplicates"] == [["a/copy.png", "a/one.png"]]
    assert report["near_duplicates"] == [["a/copy.png", "b/near.jpg"]]
    assert report["sizes"] == {"20×40": 6, "60×60": 2, "8×8": 1, "48×48": 1}
    assert report["aspect_ratios"] == {"1:2": 6, "1:1": 4}
    assert (report["small"], report["transparent"], report["background"]) == (
        ["a/tiny.png"],
        ["a/tiny.png"],
        "#ffffff",
    )
    assert (report["classes"], report["imbalance"]) == ({"a": 9, "b": 1}, 9.0)
    assert (report["smallest_side"], report["largest_side"]) == (8, 60)
    assert any("only 10 images" in warning for warning in report["warnings"])
    text = health.as_text(report)
    assert "a/bad.png: it is not a PNG" in text
    assert "10 of 11" in text


def test_the_report_can_be_cancelled_and_tells_how_far_it_is(tmp_path, monkeypatch):
    for number in range(5):
        Image.fromarray(RAMP).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(health, "REPORT_EVERY", -1.0)
    looking = health.check(tmp_path)
    seen = [event for event in looking if type(event).__name__ == "Checking"]
    assert [(event.done, event.total) for event in seen] == [(k, 5) for k in range(6)]
    looking = health.check(tmp_path)
    next(looking)
    looking.close()
    with pytest.raises(UserError, match="not there"):
        next(health.check(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="is a file; a folder of images is needed"):
        next(health.check(tmp_path / "0.png"))


def test_a_hundred_thousand_alike_do_not_stall():
    from diffusion_studio.training.data.lookalikes import MOST_COMPARED, Lookalikes

    looks = Lookalikes()
    image = Image.new("RGB", (9, 8), "white")
    for number in range(3000):
        looks.add(str(number), image)
    assert len(looks.groups()[0]) == 3000
    assert all(len(row) <= MOST_COMPARED for table in looks.tables for row in table.values())


def test_an_opened_picture_says_how_it_was_found(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "x.bmp")
    opened = open_picture(tmp_path / "x.bmp")
    assert isinstance(opened, DecodedImage)
    assert (opened.format, opened.mode, opened.size, opened.frames) == ("BMP", "RGB", (16, 16), 1)


def test_the_command_line_prints_the_report(tmp_path, capsys):
    from diffusion_studio.cli import main

    Image.fromarray(RAMP).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"?")
    assert main.main(["check", str(tmp_path)]) == 0
    assert "bad.png: it is not a PNG" in capsys.readouterr().out
    assert main.main(["check", str(tmp_path), "--size", "64", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["usable"], report["small"], report["size"]) == (1, ["good.png"], 64)
    (tmp_path / "good.png").unlink()
    assert main.main(["check", str(tmp_path)]) == 1
    assert main.main(["check", str(tmp_path / "nowhere")]) == 1
