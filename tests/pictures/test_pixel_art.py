"""Pixel art: the grid it was drawn on, its palette, sheets of sprites, and tiles without seams."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_studio.cli import main
from diffusion_studio.diffusion.packed.engine import packed
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.generation.space import PixelSpace
from diffusion_studio.jobs.sprites import cut_sheets
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.pictures.pixel_art.native_grid import Changes, native_grid
from diffusion_studio.pictures.pixel_art.palette import median_cut, snapped
from diffusion_studio.pictures.pixel_art.sheet_grid import sheet_grid
from diffusion_studio.pictures.pixel_art.sprite_sheet import Cells, cells, join, read_cell
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.training.data.folder_report import as_text, check
from diffusion_studio.training_events import Checked

COLOURS = np.random.default_rng(4).integers(0, 256, (5, 3), dtype=np.uint8)


def art(seed=0, side=16):
    return COLOURS[np.random.default_rng(seed).integers(0, 5, (side, side))]


def enlarged(pixels, across, down, stray=0.0, seed=1):
    large = pixels.repeat(down, 0).repeat(across, 1)
    draw = np.random.default_rng(seed)
    for _ in range(round(stray * large.shape[0] * large.shape[1])):
        large[draw.integers(large.shape[0]), draw.integers(large.shape[1])] = draw.integers(0, 256, 3)
    return Image.fromarray(large)


@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (4, 2), (1, 1), (8, 8)])
@pytest.mark.parametrize("stray", [0.0, 1 / 400])
def test_the_grid_is_found_whatever_it_is_drawn_at(scale, stray):
    grid = native_grid(enlarged(art(), *scale, stray))
    if scale == (1, 1):
        assert grid is None
    else:
        assert (grid.width, grid.height, grid.across, grid.down) == (16, 16, *scale)
        assert grid.words == ("16×16, drawn at 4×2" if scale == (4, 2) else f"16×16, drawn at {scale[0]}×")


def test_what_is_no_pixel_art_has_no_grid():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert native_grid(Image.fromarray(noise)) is None
    assert native_grid(Image.fromarray(noise[:6, :6]).resize((64, 64), Image.Resampling.BICUBIC)) is None
    assert native_grid(Image.new("RGB", (64, 64), "red")) is None
    assert native_grid(Image.new("RGB", (1, 1))) is None


def test_coarse_images_do_not_hide_the_grid_of_the_others():
    changes = Changes((32, 32))
    for seed in range(5):
        changes.add(enlarged(art(seed, 8), 4, 4))
    changes.add(enlarged(art(9, 16), 2, 2))
    assert changes.grid().width == 16


def test_stray_pixels_are_gone_at_the_native_size():
    seen = fit(enlarged(art(), 4, 4, 1 / 300), 16)
    assert np.array_equal(seen.transpose(1, 2, 0), art())


def test_a_check_says_where_pixel_art_was_drawn_and_a_training_takes_that_size(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("diffusion_studio.training.publish.SAMPLES", 1)
    folder = tmp_path / "art"
    folder.mkdir()
    for seed in range(3):
        image = enlarged(art(seed, 8), 3, 3).convert("RGBA")
        image.putpixel((0, 0), (0, 0, 0, 0))
        image.save(folder / f"{seed}.png")
    report = next(event.report for event in check(folder) if isinstance(event, Checked))
    assert report["native"] == {"24×24": "8×8, drawn at 3×"} and report["native_size"] == 8
    text = as_text(report)
    assert "24×24 is 8×8, drawn at 3×" in text and "3 images with transparency" in text
    assert (
        main.main(
            [
                "train",
                str(folder),
                "--name",
                "A",
                "--native",
                "--steps",
                "1",
                "--batch",
                "2",
                "--sample-every",
                "0",
            ]
        )
        == 0
    )
    said = capsys.readouterr()
    assert "Training at 8×8" in said.out + said.err
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(
        folder / "x.png"
    )
    other = tmp_path / "other"
    other.mkdir()
    Image.fromarray(art()).save(other / "a.png")
    assert main.main(["train", str(other), "--name", "B", "--native"]) == 1
    assert "not pixel art" in capsys.readouterr().err


# Palettes ---------------------------------------------------------------------------------------------------------------


def test_colours_become_those_of_the_palette():
    palette = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in COLOURS]
    noisy = (art().astype(int) + np.random.default_rng(2).integers(-6, 7, (16, 16, 3))).clip(0, 255)
    assert np.array_equal(snapped(noisy.astype(np.uint8), palette), art())
    few = median_cut(noisy.astype(np.uint8), 4)
    assert len(np.unique(few.reshape(-1, 3), axis=0)) <= 4
    hidden = np.dstack([art(), np.zeros((16, 16), np.uint8)])
    assert not snapped(hidden, palette).any() and not median_cut(hidden, 4)[..., 3].any()
    space = PixelSpace((3, 16, 16), pixels=PixelFormat(palette=tuple(palette)), colours="palette")
    x = torch.from_numpy(noisy.transpose(2, 0, 1)[None]).float() / 127.5 - 1
    assert not space.exact and np.array_equal(space.decode(x)[0], art())
    assert len(np.unique(PixelSpace((3, 16, 16), colours="8").decode(x)[0].reshape(-1, 3), axis=0)) <= 8


# Sheets -----------------------------------------------------------------------------------------------------------------


def test_a_sheet_is_cut_and_put_together_again(tmp_path, capsys):
    page = np.zeros((32, 48, 4), np.uint8)
    for place in range(5):  # the sixth cell stays empty
        row, column = divmod(place, 3)
        page[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = np.dstack(
            [art(place), np.full((16, 16), 255, np.uint8)]
        )
    Image.fromarray(page).save(tmp_path / "sheet.png")
    assert (
        main.main(
            ["sprites", "cut", str(tmp_path / "sheet.png"), "--cell", "16", "--to", str(tmp_path / "out")]
        )
        == 0
    )
    found = sorted((tmp_path / "out").iterdir())
    assert found[0].name == "sheet-001-001.png" and len(found) == 5
    target = tmp_path / "again.png"
    assert main.main(["sprites", "sheet", *map(str, found), "--to", str(target), "--columns", "3"]) == 0
    with Image.open(target) as image:
        assert np.array_equal(np.asarray(image.convert("RGBA"))[:16], page[:16])
    places = json.loads(target.with_suffix(".json").read_text())
    assert places["frames"]["sheet-002-001"]["frame"] == {"x": 0, "y": 16, "w": 16, "h": 16}
    assert places["meta"] == {"size": {"w": 48, "h": 32}, "image": "again.png"}
    assert main.main(["sprites", "sheet", str(found[0]), "--to", str(target)]) == 1  # it is there
    capsys.readouterr()


def test_what_is_wrong_with_a_sheet_is_said(tmp_path):
    Image.fromarray(art(side=20)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="no multiple of cells of 16×16: 1.25 columns"):
        list(cells(tmp_path / "a.png", Cells(16, 16)))
    with pytest.raises(UserError, match="with a margin of 1 and a spacing of 3 pixels"):
        list(cells(tmp_path / "a.png", Cells(8, 8, 1, 3)))
    for text in ("", "0x4", "4x", "-3", "x", "16x16x16"):
        with pytest.raises(UserError, match="WIDTHxHEIGHT"):
            read_cell(text)
    assert read_cell("8×12") == (8, 12)
    with pytest.raises(UserError, match="have one size"):
        join([art(), art(side=8)], ["a", "b"])


# Tiles ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [0, 1])
def test_a_network_with_circular_edges_knows_no_edge(padding):
    config = UNetConfig(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        layers_per_block=1,
        downsample_padding=padding,
        padding="circular",
    )
    torch.manual_seed(0)
    network = UNet(config).eval()
    x, t = torch.randn(1, 3, 8, 8), torch.tensor([300.0])
    with torch.no_grad():
        moved = network(x.roll((2, 4), (2, 3)), t)
        assert torch.allclose(moved, network(x, t).roll((2, 4), (2, 3)), atol=1e-4)
        network.train()  # as training doubles
        assert torch.allclose(network(x, t), network.eval()(x, t), atol=1e-4)
    assert packed(network.requires_grad_(False), torch.float32) is None
    assert config.to_dict()["padding"] == "circular" and UNetConfig.from_dict(config.to_dict()) == config
    assert "padding" not in UNetConfig().to_dict()


def sprite(seed, side=16, alpha=True):
    """Something in a cell that touches its upper edge now and then, of a few colours."""
    draw = np.random.default_rng(seed)
    colours = draw.integers(30, 226, (4, 3))
    cell = np.zeros((side, side, 4 if alpha else 3), np.uint8)
    if not alpha:
        cell[...] = draw.integers(0, 256, 3)
    top, waist = 0 if seed % 3 == 0 else 2, int(draw.integers(side // 3, 2 * side // 3))
    for band, (first, last) in enumerate(((top, waist), (waist, side - 3), (side - 3, side - 1))):
        left = int(draw.integers(1, 4))
        cell[first:last, left : side - left, :3] = colours[band]
        if alpha:
            cell[first:last, left : side - left, 3] = 255
    return cell


def sheet_of(count, columns, side=16, times=1, alpha=True):
    page = np.zeros((-(-count // columns) * side, columns * side, 4 if alpha else 3), np.uint8)
    for place in range(count):
        y, x = place // columns * side, place % columns * side
        page[y : y + side, x : x + side] = sprite(place, side, alpha)
    return page.repeat(times, 0).repeat(times, 1)


@pytest.mark.parametrize(
    ("count", "columns", "side", "times"), [(48, 8, 16, 1), (45, 8, 16, 2), (8, 8, 32, 1), (6, 3, 24, 1)]
)
@pytest.mark.parametrize("ground", ["transparent", "white", "none"])
def test_a_sheet_of_sprites_is_noticed_with_its_cells(count, columns, side, times, ground):
    page = sheet_of(count, columns, side, times, alpha=ground != "none")
    if ground == "white":
        page = np.where(page[..., 3:] > 0, page[..., :3], 255).astype(np.uint8)
    grid = sheet_grid(page)
    assert grid is not None and grid.cell == Cells(side * times, side * times)
    assert grid.sprites == count or ground == "none"


def spaced(count, columns, side, margin, spacing):
    rows, step = -(-count // columns), side + spacing
    page = np.zeros((2 * margin + rows * step - spacing, 2 * margin + columns * step - spacing, 4), np.uint8)
    for place in range(count):
        y, x = (margin + step * k for k in divmod(place, columns))
        page[y : y + side, x : x + side] = sprite(place, side)
    return page


@pytest.mark.parametrize(
    ("count", "columns", "side", "margin", "spacing"),
    [(48, 8, 16, 0, 1), (12, 4, 16, 1, 1), (12, 4, 24, 2, 2), (10, 5, 16, 0, 2), (8, 8, 32, 0, 3)],
)
@pytest.mark.parametrize("ground", ["transparent", "white"])
def test_cells_that_are_apart_are_found_and_cut(tmp_path, count, columns, side, margin, spacing, ground):
    page = spaced(count, columns, side, margin, spacing)
    if ground == "white":
        page = np.where(page[..., 3:] > 0, page[..., :3], 255).astype(np.uint8)
    Image.fromarray(page).save(tmp_path / "sheet.png")
    grid = sheet_grid(page)
    assert grid is not None and (grid.columns, grid.rows, grid.sprites) == (
        columns,
        -(-count // columns),
        count,
    )
    found = [own for _, _, own in cells(tmp_path / "sheet.png", grid.cell)]
    for place, own in enumerate(found):  # whole, whatever of the empty edge is taken for spacing
        given = sprite(place, side)
        inner = np.where(given[..., 3:] > 0, given[..., :3], 255) if ground == "white" else given
        drawn = given[..., 3] > 0
        same = own[(own != own[-1, -1]).any(axis=2)] if ground == "white" else own[own[..., 3] > 0]
        assert np.array_equal(same, inner[drawn].astype(np.uint8))


def test_cells_apart_are_cut_as_they_are_given(tmp_path, capsys):
    Image.fromarray(spaced(12, 4, 16, 2, 3)).save(tmp_path / "sheet.png")
    words = ["sprites", "cut", str(tmp_path / "sheet.png"), "--to", str(tmp_path / "out")]
    assert main.main([*words, "--cell", "16", "--margin", "2", "--spacing", "3"]) == 0
    first = np.asarray(Image.open(sorted((tmp_path / "out").iterdir())[0]))
    assert np.array_equal(first, sprite(0)) and len(list((tmp_path / "out").iterdir())) == 12
    assert main.main([*words, "--margin", "2"]) == 1 and "Give --cell with" in capsys.readouterr().err
    assert main.main([*words, "--cell", "16", "--spacing", "-1"]) == 1
    assert "0 or more pixels" in capsys.readouterr().err


def test_what_is_one_image_is_no_sheet():
    draw = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((96, 96)))
    dots = np.full((48, 48, 3), 255, np.uint8)
    for y in range(0, 48, 16):
        for x in range(0, 48, 16):
            dots[y + 4 : y + 12, x + 4 : x + 12] = 40  # an icon of nine equal squares
    noise = draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    face = np.asarray(Image.fromarray(sprite(4)).resize((96, 96), Image.Resampling.NEAREST))
    checks = np.indices((64, 64)).sum(0)[..., None] // 8 % 2 * np.full(3, 200, np.uint8)
    for pixels in (smooth, dots, noise, face, checks.astype(np.uint8), smooth[:8, :8], dots[:1, :1]):
        assert sheet_grid(pixels) is None


def test_a_check_reports_sheets_and_they_are_cut_as_they_were_found(tmp_path, capsys):
    folder = tmp_path / "art"
    (folder / "cats").mkdir(parents=True)
    Image.fromarray(sheet_of(12, 4)).save(folder / "cats" / "walk.png")
    Image.fromarray(sprite(3)).save(folder / "one.png")
    report = next(event.report for event in check(folder) if isinstance(event, Checked))
    assert report["sheets"] == [
        {"name": "cats/walk.png", "width": 16, "height": 16, "columns": 4, "rows": 3, "sprites": 12}
        | {"margin": 0, "spacing": 0}
    ]
    assert main.main(["check", str(folder)]) == 0
    assert "cats/walk.png is a sheet of 12 sprites of 16×16" in capsys.readouterr().out
    assert main.main(["sprites", "cut", str(folder / "cats/walk.png"), "--to", str(tmp_path / "cut")]) == 0
    assert "12 sprites of 16×16" in capsys.readouterr().err and len(list((tmp_path / "cut").iterdir())) == 12
    assert main.main(["sprites", "cut", str(folder / "one.png"), "--to", str(tmp_path / "no")]) == 1
    assert "give the size with --cell" in capsys.readouterr().err
    for number in range(13):  # a folder of images, of which one looks like a sheet
        Image.fromarray(sprite(number)).save(folder / f"{number}.png")
    assert not next(event.report for event in check(folder) if isinstance(event, Checked))["sheets"]


def test_sheets_are_cut_into_one_folder_with_their_classes_or_not_at_all(tmp_path):
    folder = tmp_path / "art"
    for label in ("cats", "dogs"):
        (folder / label / "more").mkdir(parents=True)
        Image.fromarray(sheet_of(12, 4)).save(folder / label / "walk.png")
    Image.fromarray(sheet_of(6, 3)).save(folder / "cats" / "more" / "walk.png")
    report = next(event.report for event in check(folder) if isinstance(event, Checked))
    last = list(cut_sheets(folder, report["sheets"]))[-1]
    assert (last.done, last.total) == (30, 30)
    assert (
        len(list((last.folder / "cats").rglob("*.png"))) == 18
        and len(list((last.folder / "dogs").iterdir())) == 12
    )
    job = cut_sheets(folder, report["sheets"])
    second = next(job).folder
    assert second != last.folder and second.exists()
    job.close()
    assert not second.exists()
    (folder / "dogs" / "walk.png").unlink()
    with pytest.raises(UserError, match=r"dogs/walk\.png is no longer there"):
        list(cut_sheets(folder, report["sheets"]))
    assert not second.exists()
