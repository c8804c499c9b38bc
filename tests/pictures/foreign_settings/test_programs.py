"""What is read of the metadata of each other program."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_studio.pictures import reading
from diffusion_studio.pictures.foreign_settings.sampler_names import divided, our_sampler, our_spacing
from diffusion_studio.settings.loras import Lora
from tests.pictures.foreign_settings.conftest import COMFY, MAIN, NOVEL, comfy, exif_block, facts, hide


def test_invokeai_of_today(png):
    said = {
        "app_version": "5.4.0",
        "generation_mode": "sdxl_txt2img",
        "positive_prompt": "cat",
        "negative_prompt": "dog",
        "seed": 2147483647,
        "steps": 30,
        "cfg_scale": 7.5,
        "scheduler": "dpmpp_2m_k",
        "width": 1024,
        "height": 768,
        "model": {"key": "x", "hash": "blake3:0123456789abcdef", "name": "Juggernaut", "base": "sdxl"},
        "loras": [{"model": {"name": "style"}, "weight": 0.5}],
    }
    record = png(invokeai_metadata=json.dumps(said))
    assert facts(record, *MAIN) == ("InvokeAI", "cat", "dog", 2147483647, 30, "dpmpp_2m", "karras", 7.5)
    assert facts(record, "model", "model_hash", "loras") == (
        "Juggernaut",
        "0123456789abcdef",
        (Lora("style", weight=0.5),),
    )
    assert record.given["sampler"] == "dpmpp_2m" and record.given["spacing"] == "karras"


def test_invokeai_of_version_3_and_its_graph(png):
    said = {"app_version": "3.0", "positive_prompt": "cat", "seed": 7, "steps": 9, "scheduler": "euler_a"}
    said["model"] = {"model_name": "stable-diffusion-v1-5", "base_model": "sd-1"}
    record = png(invokeai_metadata=json.dumps(said))
    assert facts(record, "seed", "model") == (7, "stable-diffusion-v1-5")
    nodes = {
        "a": {"id": "a", "type": "noise", "seed": 8, "width": 512, "height": 640},
        "b": {"id": "b", "type": "denoise_latents", "steps": 11, "cfg_scale": 6.5, "scheduler": "ddim"},
        "c": {"id": "positive_conditioning", "type": "compel", "prompt": "cat"},
        "d": {"id": "negative_conditioning", "type": "compel", "prompt": "dog"},
        "e": {"id": "e", "type": "main_model_loader", "model": {"model_name": "m"}},
    }
    record = png(invokeai_graph=json.dumps({"nodes": nodes, "edges": []}))
    assert facts(record, *MAIN) == ("InvokeAI", "cat", "dog", 8, 11, "ddim", "", 6.5)
    assert facts(record, "width", "height", "model") == (512, 640, "m")


def test_invokeai_of_versions_1_and_2(png):
    image = {
        "prompt": "a cat [dog]",
        "steps": 50,
        "cfg_scale": 7.5,
        "seed": 77,
        "sampler": "k_euler_a",
        "width": 512,
    }
    said = json.dumps(
        {"model": "stable diffusion", "model_weights": "sd-1.5", "app_version": "2.2", "image": image}
    )
    record = png(sd_DASH_metadata=said)
    assert facts(record, *MAIN) == ("InvokeAI", "a cat", "dog", 77, 50, "k_euler_a", "", 7.5)
    assert record.given["sampler"] == "euler_ancestral" and record.foreign.model == "sd-1.5"
    record = png(Dream='"a cat, \\"grey\\"" -s 40 -S 123 -W 512 -H 640 -C 6.5 -A k_heun')
    assert facts(record, "seed", "steps", "guidance", "width", "height") == (123, 40, 6.5, 512, 640)
    assert record.given["sampler"] == "heun" and record.foreign.prompt.startswith("a cat")


NOVEL_SAYS = ("NovelAI", "1girl, hat", "bad", 3922000000, 28, "k_euler_ancestral", "karras", 5.0)


def test_novelai_in_chunks_and_in_a_comment(png, commented):
    record = png(**NOVEL)
    assert facts(record, *MAIN) == NOVEL_SAYS
    assert facts(record, "width", "height", "model") == (832, 1216, "NovelAI Diffusion V4.5")
    assert facts(commented("webp", json.dumps(NOVEL)), *MAIN) == NOVEL_SAYS


@pytest.mark.parametrize("mark", ["stealth_pnginfo", "stealth_pngcomp", "stealth_rgbinfo", "stealth_rgbcomp"])
@pytest.mark.parametrize("shape", [(96, 80), (40, 300)])
def test_text_hidden_in_the_pixels_is_read(png, mark, shape):
    pixels = np.full((*shape, 4 if "png" in mark else 3), 254, np.uint8)
    record = png(hide(pixels, mark, json.dumps(NOVEL)))
    assert facts(record, *MAIN) == NOVEL_SAYS
    plain = np.full((*shape, 4), 255, np.uint8)
    assert png(hide(plain, "stealth_pngcomp", "a cat\nSteps: 9, Seed: 3")).given == {
        "prompt": "a cat",
        "steps": 9,
        "seed": 3,
    }


def test_easy_diffusion_in_chunks_and_in_a_comment(png, commented):
    said = {
        "prompt": "cat", "negative_prompt": "dog", "seed": "42", "num_inference_steps": "25", "guidance_scale": "7.5",
        "sampler_name": "euler_a", "use_stable_diffusion_model": "models/sd-v1-4", "width": "512", "height": "640",
        "use_lora_model": "style",
    }  # fmt: skip
    expected = ("Easy Diffusion", "cat", "dog", 42, 25, "euler_a", "", 7.5)
    assert facts(png(**said), *MAIN) == expected
    record = commented("jpg", json.dumps(said))
    assert facts(record, *MAIN) == expected
    assert facts(record, "model", "width", "height", "loras") == ("sd-v1-4", 512, 640, (Lora("style"),))


def test_draw_things_in_xmp_and_exif(tmp_path, commented):
    said = {
        "c": "a \"cat\" & <hat>", "uc": "dog", "model": "sd_v1.5_f16.ckpt", "sampler": "DPM++ 2M Karras", "scale": 7.5,
        "seed": 99, "size": "512x768", "steps": 20, "strength": 1, "lora": [{"model": "style.ckpt", "weight": 0.6}],
    }  # fmt: skip
    text = (
        json.dumps(said)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
    )
    xmp = (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><rdf:Description><xmp:CreatorTool>Draw Things</xmp:CreatorTool>"
        f"<exif:UserComment>\n <rdf:Alt>\n <rdf:li xml:lang='x-default'>{text}</rdf:li></rdf:Alt></exif:UserComment>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.jpg", xmp=xmp.encode())
    Image.new("RGB", (8, 8)).save(tmp_path / "x.webp", xmp=xmp.encode())
    records = [reading.read(tmp_path / f"x.{kind}") for kind in ("png", "jpg", "webp")]
    records.append(commented("jpg", json.dumps(said)))
    for record in records:
        assert facts(record, *MAIN) == (
            "Draw Things", "a \"cat\" & <hat>", "dog", 99, 20, "DPM++ 2M", "Karras", 7.5
        )  # fmt: skip
        assert facts(record, "width", "height", "model", "loras") == (
            512,
            768,
            "sd_v1.5_f16",
            (Lora("style", weight=0.6),),
        )


def test_fooocus_of_both_schemes(png, commented):
    said = {
        "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8", "base_model_hash": "aeb7e9e689",
        "guidance_scale": 4, "loras": [["offset.safetensors", 0.1, "abc"]], "metadata_scheme": "fooocus",
        "negative_prompt": "dog", "prompt": "cat", "resolution": "(896, 1152)", "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras", "seed": "1234567890", "steps": 30, "version": "Fooocus v2.5.0",
    }  # fmt: skip
    expected = ("Fooocus", "cat", "dog", 1234567890, 30, "dpmpp_2m_sde_gpu", "karras", 4.0)
    record = png(parameters=json.dumps(said), fooocus_scheme="fooocus")
    assert facts(record, *MAIN) == expected and record.given["sampler"] == "dpmpp_2m_sde"
    assert facts(record, "width", "height", "model", "loras") == (
        896,
        1152,
        "juggernautXL_v8",
        (Lora("offset", "", 0.1),),
    )
    assert facts(commented("webp", json.dumps(said)), *MAIN) == expected
    line = "cat\nNegative prompt: dog\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 5, CFG scale: 4, Version: x"
    record = png(parameters=line, fooocus_scheme="a1111")
    assert facts(record, *MAIN) == ("Fooocus", "cat", "dog", 5, 30, "DPM++ 2M SDE", "Karras", 4.0)


def test_swarmui_in_png_and_jpeg(png, commented):
    said = {
        "sui_image_params": {
            "prompt": "cat", "negativeprompt": "dog", "model": "Official/sd_xl_base_1.0", "seed": 1, "steps": 20,
            "cfgscale": 7.0, "width": 1024, "height": 768, "sampler": "heun", "scheduler": "normal",
            "swarm_version": "0.9.5.0", "loras": ["style"],
        },
        "sui_models": [{"name": "sd_xl_base_1.0.safetensors", "param": "model", "hash": "0x0123456789ab"}],
    }  # fmt: skip
    for record in (png(parameters=json.dumps(said)), commented("jpg", json.dumps(said))):
        assert facts(record, *MAIN) == ("SwarmUI", "cat", "dog", 1, 20, "heun", "normal", 7.0)
        assert facts(record, "model", "model_hash", "loras") == (
            "sd_xl_base_1.0",
            "0123456789ab",
            (Lora("style"),),
        )


@pytest.mark.parametrize(
    ("tail", "program"),
    [
        ("Version: v1.10.1", "AUTOMATIC1111"),
        ("Version: f2.0.1v1.10.1-previous-318", "Forge"),
        ("Version: neo", "Forge"),
        ("App: SD.Next, Version: 8b73cb6, Pipeline: StableDiffusionXLPipeline", "SD.Next"),
        ("Version: ComfyUI", "ComfyUI"),
        (
            'Civitai resources: [{"type":"checkpoint","modelVersionId":1}], Civitai metadata: {"a": 1}',
            "Civitai",
        ),
    ],
)
def test_programs_that_write_the_line_are_told_apart(png, tail, program):
    record = png(parameters=f"cat\nSteps: 20, Sampler: Heun, CFG scale: 7, Seed: 5, Size: 64x48, {tail}")
    assert facts(record, "program", "seed", "sampler") == (program, 5, "Heun")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Steps: 20, Hashes: {"vae": "12, Seed: 9", "model": "abcdef0123"}, Seed: 5', (5, 20, "")),
        ("Steps: 20, Seed: 5\nTemplate: {a|b}\nNegative Template: x, Seed: 7", (5, 20, "")),
        (
            'Steps: 20, Template: "a {x|y},\nSeed: 8", Seed: 5, Model: "a, b: c"\nTemplate: z',
            (5, 20, "a, b: c"),
        ),
        ("Sampler: Heun, Steps: 20, Seed: 5, CFG scale: 7", (5, 20, "")),
        ("Steps: 20,Seed: 5,Model: m", (5, 20, "m")),
    ],
)
def test_lines_of_many_forms(png, text, expected):
    record = png(parameters=f"draw Steps: 99, Seed: 1 in text\r\nNegative prompt: dog,\r\nrain\r\n{text}")
    assert facts(record, "seed", "steps", "model") == expected
    assert facts(record, "prompt", "negative") == ("draw Steps: 99, Seed: 1 in text", "dog,\nrain")


def test_a_decimal_comma_is_a_point(png):
    assert png(parameters="cat\nSteps: 20, CFG scale: 7,5, Seed: 5").given["guidance"] == 7.5


def test_plain_names_are_read_wherever_they_are(png, commented):
    said = {
        "mflux_version": "0.4",
        "model": "dev",
        "seed": 7,
        "steps": 9,
        "guidance": 3.5,
        "prompt": "cat",
        "height": 40,
    }
    assert facts(commented("jpg", json.dumps(said)), *MAIN) == ("mflux", "cat", "", 7, 9, "", "", 3.5)
    assert facts(png(Seed="7", Steps="9", Prompt="cat"), "prompt", "seed", "steps") == ("cat", 7, 9)


def test_exif_that_is_a_chunk_of_digits_is_read(tmp_path):
    data = exif_block(b"ASCII\0\0\0cat\nSteps: 9, Seed: 3")
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    assert reading.read(tmp_path / "x.png").given == {"prompt": "cat", "steps": 9, "seed": 3}


def test_a_graph_that_is_the_comment_itself_is_read(commented):
    assert facts(commented("jpg", json.dumps(comfy())), *MAIN) == COMFY


def test_makers_without_settings_are_named(png, tmp_path):
    record = png(
        Description="a castle --ar 16:9 --v 6 Job ID: 0f0f0f0f-aaaa-bbbb-cccc-000000000000", Author="me"
    )
    assert facts(record, "program", "prompt") == ("Midjourney", "a castle")
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    data = buffer.getvalue()
    body = b"caBX" + b"\0\0\0\x1ejumbc2pa\0claim_generator\0ChatGPT\0"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "y.png").write_bytes(data[:33] + chunk + data[33:])
    record = reading.read(tmp_path / "y.png")
    assert record.foreign.program == "ChatGPT" and not record.foreign.says_how and record.settings is None


def test_unknown_text_is_shown_and_says_no_settings(png):
    record = png(Comment="drawn by hand")
    assert not record.foreign.says_how and record.settings is None and "drawn by hand" in record.raw


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("DPM++ 2M Karras", ("dpmpp_2m", "karras")),
        ("dpmpp_2m_sde_k", ("dpmpp_2m_sde", "karras")),
        ("DPM++ 2M Trailing", ("dpmpp_2m", "trailing")),
        ("k_euler_ancestral", ("euler_ancestral", "")),
        ("UniPC", ("unipc", "")),
        ("uni_pc", ("unipc", "")),
        ("Euler", ("ddim", "")),
        ("DPM++ 3M SDE Exponential", ("", "exponential")),
        ("lcm", ("consistency", "")),
        ("PLMS", ("plms", "")),
        ("LMS Karras", ("lms", "karras")),
    ],
)
def test_samplers_have_their_names_here(name, ours):
    sampler, schedule = divided(name, "")
    assert (our_sampler(sampler), our_spacing(schedule)) == ours


@pytest.mark.parametrize("kind", ["gif", "tiff"])
def test_comments_of_gif_and_tiff_are_read(tmp_path, kind):
    text = "a\nSteps: 5, Seed: 6"
    options = {"comment": text.encode()} if kind == "gif" else {"tiffinfo": {270: text}}
    Image.new("RGB", (9, 9)).save(tmp_path / f"x.{kind}", **options)
    assert reading.read(tmp_path / f"x.{kind}").given == {"prompt": "a", "steps": 5, "seed": 6}
