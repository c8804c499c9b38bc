"""What a picture says of how it was made: the world's line, our JSON, and what strangers may write there."""

import json
import time

import pytest
from PIL import Image

from diffusion_studio.diffusion.names import SAMPLERS, SPACINGS
from diffusion_studio.pictures import embedding, metadata
from diffusion_studio.pictures.metadata import ReadSettings, parse_block, parse_line
from diffusion_studio.pictures.texts.comments import decode_comment
from diffusion_studio.pictures.texts.text_chunks import read_texts
from diffusion_studio.settings.generation import LONGEST_PROMPT, GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.settings.options import to_dict

SETTINGS = GenerationSettings(
    model="faces",
    steps=50,
    seed=42,
    sampler="ddim",
    spacing="karras",
    class_label="hat",
    guidance=2.5,
    eta=0.5,
)
FACTS = {
    "model_title": "Faces, all of them",
    "model_hash": "0123456789",
    "width": 64,
    "height": 48,
    "batch": {"seed": 40, "count": 4, "index": 2},
    "device": "cpu",
    "precision": "bfloat16",
    "threads": 2,
    "torch": "2.13.0+cpu",
    "app_version": "0.1.0",
    "class": "hat",
    "time": "2026-11-23T10:00:00+00:00",
}
A1111 = """portrait of a cat, (masterpiece:1.2)
with a hat
Negative prompt: blurry, low quality
Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1234567890, Size: 512x768, Model hash: 6ce0161689, \
Model: v1-5-pruned, Lora hashes: "a: 12, b: 34", Clip skip: 2, Version: v1.6.0"""


def said_in(path):
    with path.open("rb") as file:
        return embedding.own_texts(read_texts(file))


# Ours -----------------------------------------------------------------------------------------------------------------


def test_the_line_is_as_others_read_it():
    first, line = metadata.parameters_line(SETTINGS, FACTS).split("\n")
    assert first == "hat"
    assert line.startswith(
        "Steps: 50, Sampler: DDIM, Schedule type: Karras, CFG scale: 2.5, Seed: 42, Size: 64x48, "
        "Model hash: 0123456789, Model: faces, Eta: 0.5, RNG: CPU, Version: "
    )


def test_the_line_without_class_and_facts_begins_with_an_empty_prompt():
    text = metadata.parameters_line(GenerationSettings(seed=1), {})
    assert text.startswith(
        "\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Simple, CFG scale: 1, Seed: 1, RNG"
    )


def test_a_class_drawn_by_the_seed_is_the_prompt():
    assert metadata.parameters_line(GenerationSettings(seed=1), {"class": "hat"}).startswith("hat\n")


def test_names_cannot_break_the_line():
    settings = GenerationSettings(model="a, Seed: 9", class_label="x\nSteps: 3, Seed: 8", seed=1)
    found = parse_line(metadata.parameters_line(settings, {}))
    assert (found.given["seed"], found.given["steps"], found.given["model"]) == (1, 20, "a, Seed: 9")


def test_the_block_gives_every_setting_and_fact_back():
    found = parse_block(metadata.block(SETTINGS, FACTS))
    assert found.refused == []
    assert found.given == to_dict(SETTINGS) and found.facts == FACTS


def test_names_of_any_bytes_survive():
    settings = GenerationSettings(class_label="caf\udce9", model="m\udcff")
    text = metadata.block(settings, {"class": "caf\udce9"})
    assert text.isascii()
    assert parse_block(text).given == to_dict(settings)
    metadata.parameters_line(settings, {}).encode()


def test_facts_too_long_to_be_read_again_are_left_out():
    text = metadata.block(SETTINGS, {"model_title": "x" * 70_000})
    found = parse_block(text)
    assert found.given == to_dict(SETTINGS) and not found.facts


def test_a_line_of_ours_alone_gives_back_what_it_says():
    found = parse_line(metadata.parameters_line(SETTINGS, FACTS))
    expected = {
        "model": "faces",
        "steps": 50,
        "seed": 42,
        "sampler": "ddim",
        "spacing": "karras",
        "class_label": "hat",
        "guidance": 2.5,
        "eta": 0.5,
    }
    assert found.given == expected and not found.refused
    assert (found.facts["width"], found.facts["height"]) == (64, 48)


TEXT = GenerationSettings(
    model="sd15",
    seed=3,
    prompt="a cat, (hat:1.3)\nwith Steps: 9",
    negative="<img src=x>",
    loras=(Lora("ink", "0123456789abcdef", 0.8),),
    clip_skip=2,
    guidance=7.5,
    width=512,
    height=768,
)


def test_the_line_of_a_model_of_text_is_as_others_write_it():
    text = metadata.parameters_line(TEXT, {"width": 512, "height": 768})
    prompt, second, negative, line = text.split("\n")
    assert (prompt, second) == ("a cat, (hat:1.3)", "with Steps: 9 <lora:ink:0.8>")
    assert negative == "Negative prompt: <img src=x>"
    assert 'Size: 512x768, Model: sd15, Clip skip: 2, Lora hashes: "ink: 0123456789ab", RNG: CPU' in line
    found = parse_line(text)
    assert not found.refused and "class_label" not in found.given
    for name in ("prompt", "negative", "clip_skip", "guidance", "width", "height"):
        assert found.given[name] == getattr(TEXT, name), name
    assert found.given["loras"] == (Lora("ink", "0123456789ab", 0.8),)
    assert parse_block(metadata.block(TEXT, {})).given["loras"] == TEXT.loras


@pytest.mark.parametrize("letter", ["x", "👩", "\n", '"'])
def test_the_longest_prompts_are_kept_whole(letter):
    settings = GenerationSettings(prompt=letter * LONGEST_PROMPT, negative=letter * LONGEST_PROMPT, seed=1)
    assert parse_block(metadata.block(settings, FACTS)).given == to_dict(settings)
    exif = embedding.exif_options(metadata.parameters_line(settings, {}), None)["exif"]
    assert len(exif) < 65_500 and "Steps: 20, Sampler".encode("utf-16-be") in exif


# Strangers' -----------------------------------------------------------------------------------------------------------


def test_a_line_of_another_program_is_understood_where_that_makes_sense():
    found = parse_line(A1111)
    assert found.given == {
        "prompt": "portrait of a cat, (masterpiece:1.2)\nwith a hat",
        "negative": "blurry, low quality",
        "width": 512,
        "height": 768,
        "clip_skip": 2,
        "loras": (Lora("a"), Lora("b")),
        "model": "v1-5-pruned",
        "steps": 28,
        "seed": 1234567890,
        "sampler": "dpmpp_2m",
        "spacing": "karras",
        "guidance": 7.0,
    }
    assert found.facts == {
        "model_title": "v1-5-pruned",
        "model_hash": "6ce0161689",
        "width": 512,
        "height": 768,
        "app_version": "v1.6.0",
        "made_with": "AUTOMATIC1111",
        "prompt": "portrait of a cat, (masterpiece:1.2)\nwith a hat",
        "negative_prompt": "blurry, low quality",
    }
    assert not found.refused


def test_what_a_line_says_and_cannot_be_is_refused_by_itself():
    found = parse_line("cat\nSteps: many, Sampler: Unheard, CFG scale: 99, Seed: 5, Model: ../../etc/passwd")
    assert found.given == {"prompt": "cat", "seed": 5}
    assert len(found.refused) == 4


@pytest.mark.parametrize("text", ["", "\n", "just a prompt", "a: b, c: d", ',,,:::""', "Steps", '"', "\0"])
def test_text_that_is_no_line_of_parameters_says_nothing(text):
    found = parse_line(text)
    assert not found.given and not found.facts


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"steps": "50"},
        {"steps": 10**400},
        {"steps": [1] * 1000},
        {"steps": True},
        {"guidance": None},
        {"eta": 10**400},
        {"seed": -1},
        {"sampler": "x" * 5000},
        {"sampler": "nonsense"},
        {"model": "/etc/passwd"},
        {"model": "..\\x"},
        {"model": ".."},
        {"class_label": "x" * 501},
        {"unknown": 1},
        {"x" * 5000: 1},
    ],
)
def test_a_bad_setting_is_refused_by_itself(values):
    text = json.dumps({"version": 1, "settings": {"seed": 7, **values}, "facts": FACTS})
    found = parse_block(text)
    bad_seed = "seed" in values
    assert found.given == ({} if bad_seed else {"seed": 7})
    assert found.facts == FACTS
    assert len(found.refused) == 1 and len(found.refused[0]) < 400


@pytest.mark.parametrize(
    "facts",
    [
        {"width": 0},
        {"width": 1e9},
        {"height": "64"},
        {"model_hash": "not a hash"},
        {"model_title": 5},
        {"batch": [1]},
        {"batch": {"seed": "x"}},
        {"batch": {"command": 1}},
        {"time": "yesterday"},
        {"threads": True},
        {"path": "/etc/passwd"},
    ],
)
def test_a_bad_fact_is_refused_by_itself(facts):
    found = parse_block(json.dumps({"version": 1, "settings": {"seed": 7}, "facts": {"torch": "2", **facts}}))
    assert (found.given, found.facts, len(found.refused)) == ({"seed": 7}, {"torch": "2"}, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        '{"version": 2, "settings": {}}',
        '{"version": true}',
        '{"settings": {"seed": 1}}',
        '{"version": 1, "settings": {"eta": NaN}}',
        '{"version": 1, "facts": ' + "[" * 9 + "]" * 9 + "}",
        "[" * 50_000,
        '{"version": 1, "settings": {"class_label": "' + "x" * metadata.MOST_BYTES + '"}}',
        '{"version": 1, "settings": {"seed": ' + "9" * 5000 + "}}",
    ],
)
def test_a_block_that_breaks_the_rules_is_refused_as_a_whole(text):
    reason = parse_block(text)
    assert isinstance(reason, str) and reason.endswith(".")


def test_parts_of_the_wrong_kind_are_refused():
    found = parse_block('{"version": 1, "settings": [1], "facts": "x"}')
    assert isinstance(found, ReadSettings) and not found.given and len(found.refused) == 2


def test_refusals_are_not_endless():
    found = parse_block(json.dumps({"version": 1, "settings": {f"x{k}": k for k in range(2000)}}))
    assert len(found.refused) == metadata.MOST_REFUSALS


@pytest.mark.parametrize(
    "line",
    [
        "a" * 60_000,
        " " * 60_000,
        'a:"' * 20_000,
        'a:"\\",' * 10_000,
        "a:" * 30_000,
        ":," * 30_000,
        '"\\' * 30_000,
    ],
)
def test_lines_made_to_take_long_do_not(line):
    begun = time.process_time()
    parse_line(f"{line}, Steps: 5")
    assert time.process_time() - begun < 2  # a hang, not a speed


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_our_line_alone_gives_sampler_schedule_and_eta_back(sampler, spacing):
    settings = GenerationSettings(seed=1, sampler=sampler, spacing=spacing, eta=1 / 3, guidance=1.23456789)
    found = parse_line(metadata.parameters_line(settings, {}))
    assert not found.refused
    assert (found.given["sampler"], found.given["spacing"]) == (sampler, spacing)
    assert found.given["eta"] == pytest.approx(1 / 3) and found.given["guidance"] == 1.23456789


# In the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp")])
def test_every_format_carries_both(tmp_path, kind, suffix):
    path = tmp_path / f"x{suffix}"
    settings = GenerationSettings(class_label="größe, “7”", seed=3)
    Image.new("RGB", (8, 8)).save(path, **embedding.options(kind, settings, FACTS))
    own, line = said_in(path)
    assert "{" not in line
    assert parse_block(own).given == to_dict(settings)
    assert line == metadata.parameters_line(settings, FACTS)


def test_a_png_has_the_keys_the_world_knows_and_no_others(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(path, **embedding.options("PNG", SETTINGS, FACTS))
    with Image.open(path) as image:
        assert image.text.keys() == {"parameters", "diffusion_studio", "Software"}
        assert image.text["Software"] == metadata.SOFTWARE


def test_exif_has_the_tags_and_types_of_the_standard(tmp_path):
    path = tmp_path / "x.jpg"
    Image.new("RGB", (8, 8)).save(path, **embedding.options("JPEG", SETTINGS, FACTS))
    assert b"\x92\x86\x00\x07" in path.read_bytes()  # UserComment, UNDEFINED
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[0x0131] == metadata.SOFTWARE
        comment = exif.get_ifd(0x8769)[0x9286]
    assert comment.startswith(b"UNICODE\0") and "Seed: 42" in comment[8:].decode("utf-16-be")


def test_settings_too_long_for_exif_leave_a_picture_all_the_same(tmp_path):
    path = tmp_path / "x.jpg"
    settings = GenerationSettings(class_label="x" * 100_000)
    Image.new("RGB", (8, 8)).save(path, **embedding.options("JPEG", settings, {}))
    with Image.open(path) as image:
        assert image.size == (8, 8)
    assert "Steps: 20" in said_in(path)[1]


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + "Prüfung, Steps: 5".encode("utf-16-be"),
        b"UNICODE\0" + "Prüfung, Steps: 5".encode("utf-16-le"),
        b"UNICODE\0" + "Prüfung, Steps: 5".encode("utf-16"),
        b"ASCII\0\0\0" + "Prüfung, Steps: 5".encode(),
        b"\0" * 8 + "Prüfung, Steps: 5\0\0".encode(),
        "Prüfung, Steps: 5".encode(),
        b"UNICODE\0" + "Prüfung, Steps: 5".encode(),
        b"Unicode\0" + "Prüfung, Steps: 5".encode("utf-16-le"),
        b"ASCII\0\0\0" + "Prüfung, Steps: 5".encode("utf-16-le"),
        b"\0" * 8 + "Prüfung, Steps: 5".encode("utf-16"),
        "\ufeffPrüfung, Steps: 5".encode(),
    ],
)
def test_comments_are_read_in_every_encoding_in_use(comment):
    assert decode_comment(comment) == "Prüfung, Steps: 5"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_comments_without_a_latin_letter_are_read_in_their_order(encoding):
    assert decode_comment(b"UNICODE\0" + "猫の絵、傑作".encode(encoding)) == "猫の絵、傑作"


@pytest.mark.parametrize("encoding", ["iso2022_jp", "shift_jis", "euc_jp"])
def test_comments_in_jis_are_read(encoding):
    assert decode_comment(b"JIS\0\0\0\0\0" + "猫, Steps: 5".encode(encoding)) == "猫, Steps: 5"


def test_the_json_of_the_first_version_is_still_found_in_the_line(tmp_path):
    own = metadata.block(SETTINGS, FACTS)
    line = f"{metadata.parameters_line(SETTINGS, FACTS)}, diffusion_studio: {json.dumps(own)}"
    Image.new("RGB", (8, 8)).save(tmp_path / "x.jpg", **embedding.exif_options(line, None))
    assert parse_block(said_in(tmp_path / "x.jpg")[0]).given == to_dict(SETTINGS)


def test_text_behind_the_pixels_is_found(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(path, **embedding.options("PNG", SETTINGS, FACTS))
    data = path.read_bytes()
    chunks, position = [], 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big") + 12
        chunks.append(data[position : position + length])
        position += length
    header, *middle, end = chunks
    texts = [chunk for chunk in middle if chunk[4:8] in (b"tEXt", b"iTXt", b"zTXt")]
    assert texts
    others = [chunk for chunk in middle if chunk not in texts]
    path.write_bytes(b"".join([data[:8], header, *others, *texts, end]))
    assert parse_block(said_in(path)[0]).given == to_dict(SETTINGS)
