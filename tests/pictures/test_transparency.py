"""Images with alpha wherever images go: films, sheets, start images, masks, comparisons."""

import io

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.generation.space import PixelSpace
from diffusion_studio.jobs.film import of_pictures, write
from diffusion_studio.pictures import start_pictures, writing
from diffusion_studio.pictures.channels import CHECKS, on_checks, on_white
from diffusion_studio.pictures.grid import sheet
from diffusion_studio.pictures.labelled_sheet import lay_out
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.settings.axes import Axis
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings


def sprite(shift=0):
    """16×16: a square, half of it half seen, on nothing."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[4:12, 2 + shift : 10 + shift] = (200, 30, 20, 255)
    pixels[4:8, 2 + shift : 10 + shift, 3] = 130
    return pixels


def frames(path):
    with Image.open(path) as film:
        found = []
        for place in range(film.n_frames):
            film.seek(place)
            found.append(np.asarray(film.convert("RGBA")))
        return found


@pytest.mark.parametrize("ending", [".png", ".webp", ".gif"])
def test_a_film_is_transparent_where_its_images_are(tmp_path, ending):
    pictures = [sprite(0), sprite(3), sprite(6)]
    film = of_pictures(pictures, FilmSettings(scale=1, hold=0.0))
    path = tmp_path / f"film{ending}"
    list(write(film, path, GenerationSettings(seed=1), {}))
    found = frames(path)[-3:]  # an APNG has its still besides
    for wanted, frame in zip(pictures, found, strict=True):
        if ending == ".gif":
            assert np.array_equal(
                frame[..., 3] > 0, wanted[..., 3] > 0
            )  # seen or not; nothing of the frame before is left
        else:
            assert np.array_equal(frame[wanted[..., 3] > 0], wanted[wanted[..., 3] > 0])
            assert not frame[wanted[..., 3] == 0, 3].any()


def test_a_film_of_views_with_and_without_alpha_has_frames_of_one_kind(tmp_path):
    film = of_pictures([sprite()[..., :3], sprite()], FilmSettings(scale=1))
    assert film.alpha and film.draw(0).shape == film.draw(1).shape == (16, 16, 4)
    assert (film.draw(0)[..., 3] == 255).all()


def test_a_sheet_is_transparent_between_its_images():
    page = sheet([sprite(), sprite()[..., :3]])
    assert page.shape == (16, 33, 4) and not page[:, 16].any() and (page[:, 17:, 3] == 255).all()


def test_a_comparison_shows_squares_behind_what_is_transparent():
    axis = Axis("steps", (1, 2))
    page = lay_out([(sprite(), ""), (sprite()[..., :3], "")], axis, None, "")
    assert page.shape[2] == 3 and {CHECKS[0], CHECKS[1]} <= set(np.unique(page))
    assert set(np.unique(on_checks(np.zeros((16, 16, 4), np.uint8)))) == set(CHECKS)


def test_a_start_image_keeps_its_transparency(tmp_path):
    Image.fromarray(sprite()).save(tmp_path / "a.png")
    digest = start_pictures.keep(tmp_path / "a.png")
    kept = start_pictures.load(digest)
    assert np.array_equal(kept, sprite())
    fitted = start_pictures.fit(kept, 8)
    assert fitted.shape == (8, 8, 4) and not fitted[0, 0].any()
    space = PixelSpace((4, 16, 16), pixels=PixelFormat(premultiplied=True))
    x = space.encode(kept, lambda: None)
    assert (x[:, 0, 0] == -1).all()
    assert np.abs(space.decode(x[None])[0].astype(int) - kept).max() <= 1
    flat = PixelSpace((3, 16, 16)).encode(kept, lambda: None)
    assert (flat[:, 0, 0] == 1).all()  # a model without alpha sees white there
    opaque = PixelSpace((4, 16, 16), pixels=PixelFormat(premultiplied=True)).encode(
        kept[..., :3], lambda: None
    )
    assert (opaque[3] == 1).all()


def test_white_paint_on_nothing_is_a_mask(tmp_path):
    mask = np.full((16, 16, 4), 255, np.uint8)
    mask[:8, :, 3] = 0
    Image.fromarray(mask).save(tmp_path / "m.png")
    kept = start_pictures.load_mask(start_pictures.keep_mask(tmp_path / "m.png"))
    assert not kept[:8].any() and (kept[8:] == 255).all()


@pytest.mark.parametrize("ending", [".png", ".webp", ".jpg"])
def test_an_export_keeps_what_its_kind_can_hold(tmp_path, ending):
    writing.export(sprite(), tmp_path / f"a{ending}", lossless=ending == ".webp")
    with Image.open(tmp_path / f"a{ending}") as image:
        if ending == ".jpg":
            assert np.abs(np.asarray(image).astype(int) - on_white(sprite())).mean() < 8
        else:
            found, wanted = np.asarray(image.convert("RGBA")), sprite()
            assert np.array_equal(found[..., 3], wanted[..., 3])
            assert np.array_equal(found[wanted[..., 3] > 0], wanted[wanted[..., 3] > 0])
    assert writing.loses(sprite(), "JPEG") and not writing.loses(sprite(), "PNG")
    assert writing.loses(np.zeros((4, 4, 1), np.uint16), "WEBP")


def test_a_deep_grey_image_is_written_with_all_its_bits(tmp_path):
    light = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16, 1)
    settings = GenerationSettings(seed=3, steps=4)
    for name in ("a.tif", "b.tiff"):
        writing.export(light, tmp_path / name, settings=settings)
        with Image.open(tmp_path / name) as image:
            assert image.format == "TIFF" and np.array_equal(np.asarray(image), light[..., 0])
            assert "Steps: 4" in str(
                image.getexif().get_ifd(0x8769).get(0x9286).decode("utf-16-be", "ignore")
            )
    writing.export(sprite(), tmp_path / "c.tif")
    with Image.open(tmp_path / "c.tif") as image:
        assert image.mode == "RGBA" and np.array_equal(np.asarray(image), sprite())
    writing.export(light, tmp_path / "a.png")
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as image:
        assert np.array_equal(np.asarray(image), light[..., 0])
    writing.export(light, tmp_path / "a.webp", lossless=True)
    with Image.open(tmp_path / "a.webp") as image:
        assert np.array_equal(np.asarray(image)[..., :1], ((light.astype(int) + 128) // 257))
