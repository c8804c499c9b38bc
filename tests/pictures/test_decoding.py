"""Every kind of sample and colour comes out right to 2 of 255, and nothing a file says of itself stops its pixels."""

import io
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from diffusion_studio.pictures.decoding import Refused, open_picture
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.pictures.folder_listing import find_pictures, list_folder, printable
from diffusion_studio.training.data import folder_report

RAMP = np.tile(np.linspace(0, 1, 32), (16, 1))
FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(path, samples, *, bits=0, photometric=1, packed=None):
    """An uncompressed TIFF of one strip, written by hand."""
    kind, order = samples.dtype.kind, ">" if samples.dtype.byteorder == ">" else "<"
    data, count = packed or samples.tobytes(), samples.shape[2] if samples.ndim == 3 else 1
    tags = [
        (256, 32), (257, 16), (258, bits or samples.dtype.itemsize * 8), (259, 1), (262, photometric), (273, 0),
        (277, count), (278, 16), (279, len(data)), (339, FORMATS[kind]),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(tags))
    entries = b"".join(
        struct.pack(order + "HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in tags
    )
    path.write_bytes(head + entries + bytes(4) + data)


SAMPLES = {
    "float": (RAMP.astype("<f4"), {}),
    "double": (RAMP.astype("<f8"), {}),
    "half": (RAMP.astype("<f2"), {}),
    "signed float": ((RAMP * 2 - 1).astype("<f4"), {}),
    "large float": ((RAMP * 4000 + 1000).astype("<f4"), {}),
    "u16 big-endian": ((RAMP * 65535).astype(">u2"), {}),
    "white is zero": (((1 - RAMP) * 65535).astype("<u2"), {"photometric": 0}),
    "u8 white is zero": (((1 - RAMP) * 255).astype("u1"), {"photometric": 0}),
    "i16": ((RAMP * 32767).astype("<i2"), {}),
    "i16 with negatives": ((RAMP * 60000 - 30000).astype("<i2"), {}),
    "u32": ((RAMP * (2**32 - 1)).astype("<u4"), {}),
    "i32 of 256": ((RAMP * 256).astype("<i4"), {}),
    "RGB of 16 bits": (np.repeat((RAMP * 65535).astype("<u2")[..., None], 3, 2), {"photometric": 2}),
    "float RGB": (np.repeat(RAMP.astype("<f4")[..., None], 3, 2), {"photometric": 2}),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_any_kind_are_a_full_ramp(tmp_path, name):
    samples, options = SAMPLES[name]
    tiff(tmp_path / "x.tif", samples, **options)
    shown = np.asarray(open_picture(tmp_path / "x.tif").image, float)
    assert np.abs(shown - RAMP[..., None] * 255).max() <= 2


def test_twelve_packed_bits(tmp_path):
    values = (RAMP * 4095).astype(np.uint16)
    pairs = [bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in values.reshape(-1, 2).tolist()]
    tiff(tmp_path / "x.tif", values, bits=12, packed=b"".join(pairs))
    shown = np.asarray(open_picture(tmp_path / "x.tif").image, float)
    assert np.abs(shown - RAMP[..., None] * 255).max() <= 2


def test_values_that_are_not_finite_are_said(tmp_path):
    values = RAMP.astype("<f4")
    values[0, 0], values[0, 1] = np.nan, np.inf
    tiff(tmp_path / "x.tif", values)
    opened = open_picture(tmp_path / "x.tif")
    assert opened.notes == ("2 of its values are not finite",)
    assert np.abs(np.asarray(opened.image, float)[1:] - RAMP[1:, :, None] * 255).max() <= 2


def test_dark_data_are_named(tmp_path):
    tiff(tmp_path / "x.tif", (RAMP * 4095).astype("<u2"))
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    *_, last = folder_report.check(tmp_path)
    assert dict(last.report["dark"]) == {"x.tif": "nearly black", "red.png": "one colour everywhere"}


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_packed_tiff(tmp_path, compression):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.tif", compression=compression)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "x.tif").image), rgb)
    whole = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused):
        open_picture(tmp_path / "x.tif")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(image, *chunks):
    file = io.BytesIO()
    image.save(file, "PNG")
    raw = file.getvalue()
    place = raw.index(b"IDAT") - 4
    return raw[:place] + b"".join(chunks) + raw[place:]


PIXELS = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
ODD = {
    "large text": chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 3_000_000)),
    "broken profile": chunk(b"iCCP", b"a\0\0not packed"),
    "large profile": chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(3_000_000))),
    "broken EXIF": chunk(b"eXIf", b"\0\x08\0\x02rubbish"),
    "wrong checksum": chunk(b"tEXt", b"k\0v")[:-4] + b"\xde\xad\xbe\xef",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_metadata_never_stop_sound_pixels(tmp_path, name):
    (tmp_path / "x.png").write_bytes(with_chunk(Image.fromarray(PIXELS), ODD[name]))
    assert np.array_equal(np.asarray(open_picture(tmp_path / "x.png").image), PIXELS)


def test_a_wrong_checksum_of_pixels_is_damage(tmp_path):
    raw = bytearray(with_chunk(Image.fromarray(PIXELS)))
    raw[raw.index(b"IDAT") + 30] ^= 1
    (tmp_path / "x.png").write_bytes(raw)
    with pytest.raises(Refused, match="damaged"):
        open_picture(tmp_path / "x.png")


def test_a_grey_of_16_bits_shows_white_where_it_is_transparent(tmp_path):
    grey = np.zeros((8, 8), np.uint16)
    grey[:, 4:] = 40000
    (tmp_path / "x.png").write_bytes(with_chunk(Image.fromarray(grey), chunk(b"tRNS", struct.pack(">H", 0))))
    shown = np.asarray(open_picture(tmp_path / "x.png").image)
    assert (shown[:, :4] == 255).all() and np.abs(shown[:, 4:].astype(int) - 156).max() <= 1


def test_profiles_become_srgb_and_lab_too(tmp_path):
    image = Image.fromarray(PIXELS)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB").save(tmp_path / "lab.tif")
    assert np.abs(np.asarray(open_picture(tmp_path / "lab.tif").image).astype(int) - PIXELS).mean() < 4
    image.save(tmp_path / "srgb.png", icc_profile=ImageCms.ImageCmsProfile(srgb).tobytes())
    assert np.array_equal(np.asarray(open_picture(tmp_path / "srgb.png").image), PIXELS)


def test_pages_are_not_frames(tmp_path):
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "x.tif", save_all=True, append_images=[image, image])
    opened = open_picture(tmp_path / "x.tif")
    assert (opened.pages, opened.frames) == (3, 1)


def test_a_long_strip_is_scaled_before_it_is_padded():
    shown = fit(Image.new("RGB", (80, 8000), (200, 30, 40)), 32, pad=True)
    assert shown.shape == (3, 32, 32) and (shown[:, :, 0] == 255).all() and shown[0, :, 15:17].min() == 200


def test_content_decides_links_are_followed_and_cycles_end(tmp_path):
    place, store = tmp_path / "set", tmp_path / "store"
    for folder in (place / "cats", store):
        folder.mkdir(parents=True)
        Image.fromarray(PIXELS).save(folder / "1.png")
    (place / "dogs").symlink_to(store)
    (place / "up").symlink_to(tmp_path)
    (place / "cats" / "self").symlink_to(place / "cats")
    Image.fromarray(PIXELS).save(place / "cats" / "without", "PNG")
    (place / "cats" / "x.heic").write_bytes(b"nothing")
    assert sorted(label for _, label in find_pictures(place)) == ["cats", "cats", "dogs"]
    kinds = [found.kind for found in list_folder(place) if found.what == "other"]
    assert kinds == ["HEIC"]
    *_, last = folder_report.check(place)
    assert "1 other file: 1 HEIC." in folder_report.as_text(last.report)
    assert last.report["two_classes"] and set(last.report["loops"]) == {"up", "cats/self"}


def test_names_are_composed_and_never_break_a_line():
    assert printable(unicodedata.normalize("NFD", "café")) == "café"
    assert printable("a\nb\x1b[2J\u2028c\u202e") == "a\\nb\\x1b[2J\\u2028c\\u202e"


def bmp(path, pixels, profile, *, length=None):
    """A BMP with the longest header (BITMAPV5HEADER) and an embedded profile behind its pixels."""
    height, width = pixels.shape[:2]
    data = b"".join(row.tobytes().ljust((3 * width + 3) // 4 * 4, b"\0") for row in pixels[::-1, :, ::-1])
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(data), 2835, 2835, 0, 0)
    head += bytes(16) + b"DEBM" + bytes(48)
    head += struct.pack("<IIII", 4, 124 + len(data), len(profile) if length is None else length, 0)
    assert len(head) == 124
    body = head + data + profile
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 124) + body)
    return path


def exchanged():
    """The profile of sRGB with red and green exchanged: wrong to the eye where it is not applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"xxxx", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"xxxx", b"gXYZ", 1)


def test_a_bmp_is_shown_by_the_profile_in_it(tmp_path):
    pixels = np.zeros((5, 7, 3), np.uint8)
    pixels[..., 0] = 200
    opened = open_picture(bmp(tmp_path / "x.bmp", pixels, exchanged()))
    red, green, blue = np.asarray(opened.image)[2, 3].tolist()
    assert abs(green - 200) <= 3 and red < 10 and blue < 10 and not opened.notes
    cut = open_picture(bmp(tmp_path / "cut.bmp", pixels, exchanged(), length=1 << 30))
    assert np.array_equal(np.asarray(cut.image), pixels) and "profile is damaged" in cut.notes[0]
