"""How finished pictures are written: formats, what they say, names that no system refuses, and where they are kept."""

import json
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.pictures import reading
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.listing import newest
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.saving import FORMATS, SavingSettings, file_name
from diffusion_studio.storage.places import config_dir, outputs_dir

SETTINGS = GenerationSettings(model="faces", steps=12, seed=7, sampler="heun")
PIXELS = {
    *range(254, 260),
    262,
    273,
    277,
    278,
    279,
    282,
    283,
    284,
    296,
    338,
    339,
}  # tags of a TIFF that say how it is stored
MOMENT = datetime(2026, 11, 23, 14, 30, 5)


def picture(side=16):
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)


def keep(**values):
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / "settings.json").write_text(json.dumps({"outputs": values}))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_carries_its_settings_and_is_named_for_it(format):
    path = outputs.save(picture(), SETTINGS, facts={}, saving=SavingSettings(format=format))
    record = reading.read(path)
    assert record.settings == SETTINGS and record.ours
    assert path.suffix == {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}.get(format, ".webp")
    exact = np.array_equal(record.pixels(), picture())
    assert exact == (format in ("png", "webp-lossless", "tiff"))
    assert path in newest()


def test_grey_of_sixteen_bits_is_saved_as_tiff_by_itself_and_listed():
    light = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8, 1)
    path = outputs.save(light, SETTINGS, facts={}, saving=SavingSettings(format="tiff"))
    record = reading.read(path)
    assert np.array_equal(record.pixels(), light) and record.settings == SETTINGS
    assert newest() == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_without_settings_a_file_holds_nothing_but_pixels(format):
    saving = SavingSettings(format=format, metadata=False)
    path = outputs.save(picture(), SETTINGS, facts={"model_title": "Secret"}, saving=saving)
    data = path.read_bytes()
    for word in (b"Secret", b"faces", b"heun", b"Steps", b"Diffusion", b"Exif", b"tEXt", b"iTXt"):
        assert word not in data
    with Image.open(path) as image:
        said = set(image.getexif()) if image.format != "TIFF" else set(image.tag_v2) - PIXELS
        assert not said and not getattr(image, "text", {})
    assert reading.read(path).settings is None


def test_quality_is_heeded():
    sizes = [
        outputs.save(picture(64), SETTINGS, facts={}, saving=SavingSettings(format="jpeg", quality=quality))
        .stat()
        .st_size
        for quality in (10, 95)
    ]
    assert sizes[0] < sizes[1] / 2


def test_names_follow_the_pattern():
    pattern = "{date} {time} {seed} {model} {sampler} {steps} {index}"
    name = file_name(pattern, SETTINGS, {"batch": {"index": 2}}, MOMENT)
    assert name == "2026-11-23 143005 7 faces heun 12 3"


@pytest.mark.parametrize(
    "model", ["../../etc/passwd", "a/b\\c", "con", "x" * 400, "ü\n\x00🙂", "a:b*?", "..."]
)
def test_no_model_can_make_a_name_that_leads_elsewhere(model, tmp_path):
    facts = {"model_title": model}
    saving = SavingSettings(pattern="{model}")
    path = outputs.save(picture(), GenerationSettings(seed=1), facts=facts, folder=tmp_path, saving=saving)
    assert path.parent.parent == tmp_path and path.is_file() and path in newest(tmp_path)
    assert not set(path.name) & set('/\\:*?"<>|\n\x00') and len(path.name.encode()) < 200


@pytest.mark.parametrize(
    "pattern",
    ["", " ", "{seed", "seed}", "{colour}", "a/b", "a\\b", "..", ".x", "a:b", "{}", "x" * 200, "a\nb"],
)
def test_a_pattern_that_can_not_be_a_name_is_refused(pattern):
    with pytest.raises(UserError):
        SavingSettings(pattern=pattern)


def test_a_name_that_is_taken_gets_a_number():
    saving = SavingSettings(pattern="picture")
    paths = [outputs.save(picture(), SETTINGS, facts={}, saving=saving) for _ in range(3)]
    assert [path.name for path in paths] == ["picture.png", "picture-2.png", "picture-3.png"]


def test_what_the_window_was_told_holds_wherever_nothing_else_is_said(tmp_path):
    keep(format="jpeg", pattern="{seed}", folder=str(tmp_path / "elsewhere"))
    path = outputs.save(picture(), SETTINGS, facts={})
    assert path.name == "7.jpg" and path.parent.parent == tmp_path / "elsewhere" == outputs_dir()
    keep()
    assert outputs.save(picture(), SETTINGS, facts={}).suffix == ".png"
    assert outputs_dir() != tmp_path / "elsewhere"


@pytest.mark.parametrize(
    "values",
    [{"format": "bmp"}, {"pattern": "{what}"}, {"folder": "relative"}, {"folder": 3}, {"folder": "/a\0"}],
)
def test_a_preference_that_is_not_allowed_falls_back(values):
    keep(**values)
    path = outputs.save(picture(), SETTINGS, facts={})
    assert path.suffix == ".png" and path.name.endswith("-7.png")


@pytest.mark.parametrize("text", ["", "[]", '{"outputs": 3}', "{", "[" * 100_000])
def test_broken_preferences_count_as_none(text):
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / "settings.json").write_text(text)
    assert outputs.kept_saving() == SavingSettings()


def test_a_sheet_too_large_for_its_format_is_saved_all_the_same():
    page = np.zeros((4, 16_400, 3), np.uint8)
    keep(format="webp")
    assert outputs.save_page(page, SETTINGS, facts={}, kind="compare").suffix == ".png"


def test_the_command_line_says_how_to_save(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("diffusion_studio.cli.generate.settings_for", lambda wanted, like, preset: SETTINGS)
    monkeypatch.setattr("diffusion_studio.cli.generate.without_effect", lambda wanted, model: ())
    monkeypatch.setattr(
        "diffusion_studio.jobs.generate.generate",
        lambda settings, **told: asked.append(told["saving"]) or iter_of(),
    )
    keep(quality=33)
    words = "generate --format webp --no-metadata --name-pattern {seed}-{steps}"
    assert main.main(words.split()) == 0
    assert asked == [SavingSettings(format="webp", quality=33, metadata=False, pattern="{seed}-{steps}")]
    assert main.main(["generate", "--name-pattern", "a/b"]) == 2


def iter_of():
    yield from ()


def test_the_usual_folder_is_in_the_pictures(monkeypatch, tmp_path):
    monkeypatch.delenv("DIFFUSION_STUDIO_HOME")
    monkeypatch.setattr("platformdirs.user_pictures_path", lambda: Path(tmp_path / "Pictures"))
    assert outputs_dir() == tmp_path / "Pictures" / "Diffusion Studio"


@pytest.mark.parametrize("way", ["as_files", "as_zip"])
def test_a_picture_that_is_gone_costs_none_of_the_others(tmp_path, way):
    from diffusion_studio.gallery import export

    paths = []
    for number in range(3):
        path = tmp_path / "day" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"picture")
        paths.append(path)
    paths[1].unlink()
    target = tmp_path / "to" / ("all.zip" if way == "as_zip" else "")
    found = []
    with pytest.raises(UserError, match=r"1 of 3 images was not saved: .*1\.png"):
        found.extend(getattr(export, way)(paths, target))
    if way == "as_zip":
        with zipfile.ZipFile(target) as archive:
            assert archive.namelist() == ["day/0.png", "day/2.png"]
    else:
        assert sorted(path.name for path in target.iterdir()) == ["0.png", "2.png"]


def test_a_film_of_images_of_all_sizes(tmp_path):
    from diffusion_studio.gallery.export import as_film

    paths = []
    for number, side in enumerate((8, 16, 12)):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.full((side, side, 3), 60 * number, np.uint8)).save(paths[-1])
    for ending, kind in ((".png", "PNG"), (".webp", "WEBP"), (".gif", "GIF")):
        done = list(as_film(paths, tmp_path / f"film{ending}", seconds=0.2))
        assert [event.done for event in done] == [1, 2, 3]
        with Image.open(tmp_path / f"film{ending}") as film:
            assert film.format == kind and film.n_frames in (3, 4) and film.size == (640, 640)
    with pytest.raises(UserError, match="two images"):
        list(as_film(paths[:1], tmp_path / "one.png"))


def test_the_command_line_films_what_a_search_finds(tmp_path, capsys):
    folder = tmp_path / "2026-11-28"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.full((8, 8, 3), 99 * number, np.uint8)).save(folder / f"{number}.png")
    words = ["gallery", "export", "--out", str(tmp_path), "--to", str(tmp_path / "film.webp")]
    assert main.main(words) == 0 and (tmp_path / "film.webp").stat().st_size
    assert main.main([*words, "--overwrite", "--seconds", "0"]) == 1
