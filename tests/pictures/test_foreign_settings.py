"""Settings of other programs, in files made as those programs make them: PNG chunks, EXIF of JPEG and WebP, hidden bits."""

import gzip
import io
import json
import random
import struct
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_studio.pictures import reading, writing
from diffusion_studio.pictures.foreign_settings.registry import MOST_RAW, read_foreign
from diffusion_studio.pictures.foreign_settings.sampler_names import divided, our_sampler, our_spacing
from diffusion_studio.pictures.metadata import applied, parameters_line
from diffusion_studio.pictures.texts.text_chunks import PictureTexts, read_texts
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from tests.mutations import mutate_model


@pytest.fixture
def png(tmp_path):
    def make(pixels=None, **texts):
        info = PngInfo()
        for name, text in texts.items():
            info.add_text(name.replace("_DASH_", "-"), text)
        image = Image.new("RGB", (64, 48), "teal") if pixels is None else Image.fromarray(pixels)
        image.save(tmp_path / "x.png", pnginfo=info)
        return reading.read(tmp_path / "x.png")

    return make


def exif_block(comment=b"", **tags):
    exif = Image.Exif()
    for name, value in tags.items():
        exif[{"make": 0x010F, "model": 0x0110, "description": 0x010E, "software": 0x0131}[name]] = value
    if comment:
        exif.get_ifd(0x8769)[0x9286] = comment
    return exif.tobytes()


@pytest.fixture
def commented(tmp_path):
    """A picture of a kind with this EXIF comment, as most programs write it."""

    def make(kind, text, **tags):
        path = tmp_path / f"x.{kind}"
        comment = b"UNICODE\0" + text.encode("utf-16-be") if text else b""
        Image.new("RGB", (64, 48), "teal").save(path, exif=exif_block(comment, **tags))
        return reading.read(path)

    return make


def facts(record, *names):
    return tuple(getattr(record.foreign, name) for name in names)


MAIN = ("program", "prompt", "negative", "seed", "steps", "sampler", "schedule", "guidance")

# ComfyUI ----------------------------------------------------------------------------------------------------------------


def comfy(**changes):
    graph = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1566802087,
                "steps": 20,
                "cfg": 8.0,
                "sampler_name": "euler_ancestral",
                "scheduler": "karras",
                "denoise": 1.0,
                "model": ["10", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["10", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog", "clip": ["10", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "10": {
            "class_type": "LoraLoader",
            "inputs": {
                "lora_name": "style.safetensors",
                "strength_model": 0.7,
                "model": ["4", 0],
                "clip": ["4", 1],
            },
        },
    }
    return {**graph, **changes}


COMFY = ("ComfyUI", "a cat", "dog", 1566802087, 20, "euler_ancestral", "karras", 8.0)


def test_comfyui_is_followed_from_its_sampler(png):
    record = png(prompt=json.dumps(comfy()), workflow='{"nodes": [], "links": []}')
    assert facts(record, *MAIN) == COMFY
    assert facts(record, "width", "height", "model", "loras", "denoise") == (
        512,
        768,
        "v1-5",
        (Lora("style", weight=0.7),),
        1.0,
    )
    assert record.given == {
        "prompt": "a cat",
        "negative": "dog",
        "width": 512,
        "height": 768,
        "loras": (Lora("style", weight=0.7),),
        "steps": 20,
        "seed": 1566802087,
        "guidance": 8.0,
        "model": "v1-5",
        "sampler": "euler_ancestral",
        "spacing": "karras",
    }
    assert record.raw.startswith('prompt: {"3"') and "workflow: " in record.raw


def test_comfyui_with_nan_is_no_json_and_is_read(png):
    graph = comfy()
    graph["3"]["is_changed"] = [float("nan"), float("inf")]
    assert facts(png(prompt=json.dumps(graph)), *MAIN) == COMFY


@pytest.mark.parametrize("kind", ["webp", "jpg"])
def test_comfyui_in_exif(commented, kind):
    record = commented(kind, "", make="workflow:{}", model="prompt:" + json.dumps(comfy()))
    assert facts(record, *MAIN) == COMFY
    record = commented(kind, json.dumps({"prompt": comfy(), "workflow": {"nodes": []}}))
    assert facts(record, *MAIN) == COMFY


def test_comfyui_with_nodes_for_noise_guider_sampler_and_sigmas(png):
    graph = {
        "13": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["25", 0],
                "guider": ["22", 0],
                "sampler": ["16", 0],
                "sigmas": ["17", 0],
                "latent_image": ["27", 0],
            },
        },
        "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "dpmpp_2m"}},
        "17": {
            "class_type": "BasicScheduler",
            "inputs": {"scheduler": "simple", "steps": 24, "denoise": 1.0, "model": ["12", 0]},
        },
        "12": {
            "class_type": "UNETLoader",
            "inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"},
        },
        "22": {"class_type": "BasicGuider", "inputs": {"model": ["12", 0], "conditioning": ["26", 0]}},
        "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["30", 0], "clip": ["11", 0]}},
        "30": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
        "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["31", 0]}},
        "31": {"class_type": "Reroute", "inputs": {"": ["32", 0]}},
        "32": {"class_type": "PrimitiveInt", "inputs": {"value": 77}},
        "27": {
            "class_type": "EmptySD3LatentImage",
            "inputs": {"width": 1024, "height": 640, "batch_size": 1},
        },
    }
    record = png(prompt=json.dumps(graph))
    assert facts(record, *MAIN) == ("ComfyUI", "a fox", "", 77, 24, "dpmpp_2m", "simple", 3.5)
    assert facts(record, "model", "width", "height") == ("flux1-dev", 1024, 640)
    assert record.given["spacing"] == "trailing" and record.given["seed"] == 77


def test_comfyui_of_two_passes_gives_the_first_and_says_so(png):
    second = {**comfy()["3"]["inputs"], "seed": 2, "steps": 9, "denoise": 0.5, "latent_image": ["3", 0]}
    graph = {"1": {"class_type": "KSampler", "inputs": second}, **comfy()}
    record = png(prompt=json.dumps(graph))
    assert facts(record, *MAIN) == COMFY
    assert any("samples 2 times" in reason for reason in record.refused)


def test_comfyui_of_efficiency_nodes(png):
    graph = {
        "1": {
            "class_type": "Efficient Loader",
            "inputs": {
                "ckpt_name": "m.safetensors",
                "lora_name": "None",
                "positive": "a cat",
                "negative": "dog",
                "empty_latent_width": 640,
                "empty_latent_height": 448,
            },
        },
        "2": {
            "class_type": "KSampler (Efficient)",
            "inputs": {
                "seed": 5,
                "steps": 12,
                "cfg": 6,
                "sampler_name": "heun",
                "scheduler": "beta",
                "model": ["1", 0],
                "positive": ["1", 1],
                "negative": ["1", 2],
                "latent_image": ["1", 3],
            },
        },
    }
    record = png(prompt=json.dumps(graph))
    assert facts(record, *MAIN) == ("ComfyUI", "a cat", "dog", 5, 12, "heun", "beta", 6.0)
    assert facts(record, "model", "loras", "width", "height") == ("m", (), 640, 448)


def test_comfyui_of_which_only_the_editors_graph_is_left(png):
    nodes = [
        {
            "id": 3,
            "type": "KSampler",
            "mode": 0,
            "inputs": [
                {"name": "model", "link": 1},
                {"name": "positive", "link": 4},
                {"name": "negative", "link": 6},
                {"name": "latent_image", "link": 2},
            ],
            "widgets_values": [42, "randomize", 30, 5.5, "dpmpp_2m", "normal", 1],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["anime.ckpt"]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [640, 512, 1]},
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a cat"]},
        {"id": 7, "type": "CLIPTextEncode", "widgets_values": ["dog"]},
    ]
    links = [[1, 4, 0, 3, 0, "MODEL"], [4, 6, 0, 3, 1, "C"], [6, 7, 0, 3, 2, "C"], [2, 5, 0, 3, 3, "LATENT"]]
    record = png(workflow=json.dumps({"nodes": nodes, "links": links, "version": 0.4}))
    assert facts(record, *MAIN) == ("ComfyUI", "a cat", "dog", 42, 30, "dpmpp_2m", "normal", 5.5)
    assert facts(record, "model", "width", "height") == ("anime", 640, 512)


# The others -------------------------------------------------------------------------------------------------------------


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


NOVEL = {
    "Title": "NovelAI generated image",
    "Description": "1girl, hat",
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 4BDE2A90",
    "Comment": json.dumps({
        "prompt": "1girl, hat", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "seed": 3922000000,
        "sampler": "k_euler_ancestral", "noise_schedule": "karras", "uc": "bad",
    }),
}  # fmt: skip
NOVEL_SAYS = ("NovelAI", "1girl, hat", "bad", 3922000000, 28, "k_euler_ancestral", "karras", 5.0)


def test_novelai_in_chunks_and_in_a_comment(png, commented):
    record = png(**NOVEL)
    assert facts(record, *MAIN) == NOVEL_SAYS
    assert facts(record, "width", "height", "model") == (832, 1216, "NovelAI Diffusion V4.5")
    assert facts(commented("webp", json.dumps(NOVEL)), *MAIN) == NOVEL_SAYS


def hide(pixels, mark, text):
    """Write a text into the lowest bits, column by column."""
    data = gzip.compress(text.encode()) if mark.endswith("comp") else text.encode()
    whole = mark.encode() + struct.pack(">I", 8 * len(data)) + data
    bits = np.unpackbits(np.frombuffer(whole, np.uint8))
    channels = slice(3, 4) if "png" in mark else slice(0, 3)
    plane = pixels[..., channels].transpose(1, 0, 2).copy()
    flat = plane.reshape(-1)
    flat[: len(bits)] = (flat[: len(bits)] & 254) | bits
    pixels[..., channels] = plane.transpose(1, 0, 2)
    return pixels


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


def test_what_is_hidden_is_bounded(png):
    pixels = np.full((300, 300, 4), 255, np.uint8)
    record = png(hide(pixels, "stealth_pngcomp", "x" * 5_000_000))
    assert record.foreign is None or len(record.raw) <= MOST_RAW
    broken = np.full((64, 64, 4), 255, np.uint8)
    hide(broken, "stealth_pnginfo", "x")
    broken[..., 3] |= 1
    assert png(broken).settings is None


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


def test_comfyui_in_exif_is_exported_as_chunks(commented, tmp_path):
    before = commented("webp", "", make="workflow:{}", model="prompt:" + json.dumps(comfy()))
    for target in ("y.png", "y.jpg"):
        writing.export(before.path, tmp_path / target)
        assert facts(reading.read(tmp_path / target), *MAIN) == COMFY


@pytest.mark.parametrize("target", ["y.png", "y.jpg", "y.webp"])
def test_exporting_keeps_what_another_program_wrote(png, tmp_path, target):
    for texts in (
        {"prompt": json.dumps(comfy())},
        NOVEL,
        {"parameters": "a\nSteps: 9, Sampler: Heun, Seed: 3"},
    ):
        before = png(**texts)
        writing.export(before.path, tmp_path / target)
        after = reading.read(tmp_path / target)
        assert facts(after, *MAIN) == facts(before, *MAIN)
        assert not after.ours


def test_pixels_of_another_program_are_never_said_to_be_ours(png, tmp_path):
    before = png(prompt=json.dumps(comfy()))
    target = tmp_path / "y.png"
    writing.export(before.pixels(), target, settings=before.settings, facts=before.facts)
    after = reading.read(target)
    assert not after.ours and "diffusion_studio" not in after.texts.items
    assert facts(after, "program", "prompt", "negative", "width") == ("ComfyUI", "a cat", "dog", 512)


def test_a_line_of_ours_alone_is_ours_and_is_kept_by_an_export(png, tmp_path):
    line = parameters_line(GenerationSettings(seed=4, class_label="cat"), {})
    before = png(parameters=line)
    assert before.others is None and before.given["class_label"] == "cat"
    writing.export(before.path, tmp_path / "y.webp")
    assert reading.read(tmp_path / "y.webp").parameters == line


def test_a_graph_too_large_for_jpeg_leaves_its_settings(png, tmp_path):
    graph = comfy(x={"class_type": "Note", "inputs": {"note": "x" * 100_000}})
    before = png(prompt=json.dumps(graph))
    writing.export(before.path, tmp_path / "y.jpg")
    after = reading.read(tmp_path / "y.jpg")
    assert facts(after, "prompt", "seed", "steps", "width") == ("a cat", 1566802087, 20, 512)


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


# Hostile ----------------------------------------------------------------------------------------------------------------


def nested(depth):
    return '{"class_type": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(comfy(**{"6": {"class_type": "X", "inputs": {"text": ["6", 0], "conditioning": ["7", 0]}}})),
        json.dumps(comfy(**{"4": {"class_type": "X", "inputs": {"model": ["10", 0]}}})),
        json.dumps({str(k): {"class_type": "KSampler", "inputs": {"seed": [str(k + 1), 0], "steps": [str(k), 0]}}
                    for k in range(4000)}),
        json.dumps({str(k): {"class_type": "A", "inputs": {str(j): [str(j), 0] for j in range(60)}} for k in range(900)}
                   | {"s": {"class_type": "KSampler", "inputs": {"seed": ["1", 0], "steps": ["2", 0], "model": ["3", 0]}}}),
        json.dumps(comfy(**{"3": {"class_type": ["x"], "inputs": {"seed": {}, "steps": [[]], "cfg": [None, 1]}}})),
        json.dumps(comfy(**{"3": {"class_type": "KSampler", "inputs": [1, 2]}})),
        '{"3": {"class_type": "KSampler", "inputs": {"seed": ' + "9" * 4000 + ', "steps": 1e999, "cfg": -1e400}}}',
        '{"3": {"class_type": "KSampler", "inputs": {"seed": ' + "9" * 9000 + ', "steps": 1}}}',
        nested(200),
        nested(50_000),
        "[" * 900_000,
        '{"a": "\\ud800", "3": {"class_type": "\\ud800", "inputs": {"seed": 1, "steps": 2, "model": "\\udfff"}}}',
    ],
)  # fmt: skip
def test_hostile_graphs_end_soon_and_refuse_no_picture(png, text):
    begun = time.process_time()
    for name in ("prompt", "workflow", "parameters", "Comment", "sd_DASH_metadata", "invokeai_graph"):
        record = png(**{name: text})
        assert record.size == (64, 48) and not any("cannot be read" in reason for reason in record.refused)
        record.raw.encode()
    assert time.process_time() - begun < 20  # a hang, not a speed


@pytest.mark.parametrize(
    "text",
    [
        "<exif:UserComment>" + " " * 900_000,
        "<exif:UserComment>" + "<" * 900_000,
        "<exif:UserComment>" * 50_000,
        'exif:UserComment="' * 50_000,
        "<xmp:CreatorTool>" * 50_000,
        "a --b " * 150_000,
        "Job ID: " * 100_000,
        "x\n" * 500_000 + "Steps: 5",
        "Steps: 5, " + "," * 60_000,
        '"a" ' + "-s 5 " * 150_000,
        '"' + "\\" * 900_000,
    ],
)
def test_texts_made_to_take_long_do_not(text):
    begun = time.process_time()
    for name in ("XMP", "Description", "parameters", "Dream", "UserComment"):
        texts = PictureTexts()
        texts.add(name, text)
        read_foreign(texts)
    assert time.process_time() - begun < 10  # a hang, not a speed


def test_comfyui_of_a_node_that_holds_all_parameters(png):
    graph = comfy(
        p={"class_type": "Input Parameters", "inputs": {"seed": 8, "steps": 12, "cfg": 4, "sampler": "heun"}}
    )
    names = {"seed": 0, "steps": 1, "cfg": 2, "sampler_name": 3}
    graph["3"]["inputs"] |= {name: ["p", slot] for name, slot in names.items()}
    assert facts(png(prompt=json.dumps(graph)), "seed", "steps", "guidance", "sampler") == (
        8,
        12,
        4.0,
        "heun",
    )


def test_a_damaged_text_is_named_and_shown_as_far_as_it_goes(tmp_path):
    packed = bytearray(zlib.compress(random.Random(3).randbytes(6000).hex().encode()))
    packed[5000] ^= 255
    body = b"zTXtComment\0\0" + packed
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(data[:33] + chunk + data[33:])
    record = reading.read(tmp_path / "x.png")
    assert record.size == (9, 9) and "Its text “Comment” is damaged." in record.refused


@pytest.mark.parametrize("kind", ["gif", "tiff"])
def test_comments_of_gif_and_tiff_are_read(tmp_path, kind):
    text = "a\nSteps: 5, Seed: 6"
    options = {"comment": text.encode()} if kind == "gif" else {"tiffinfo": {270: text}}
    Image.new("RGB", (9, 9)).save(tmp_path / f"x.{kind}", **options)
    assert reading.read(tmp_path / f"x.{kind}").given == {"prompt": "a", "steps": 5, "seed": 6}


def test_texts_are_bounded(tmp_path):
    info = PngInfo()
    for k in range(12):
        info.add_text(f"key{k}", "y" * 900_000, zip=True)
    info.add_itxt("bomb", "\0" * 50_000_000, zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    with (tmp_path / "x.png").open("rb") as file:
        texts = read_texts(file)
    assert sum(map(len, texts.items.values())) <= 4 << 20 and texts.cut
    record = reading.read(tmp_path / "x.png")
    assert record.size == (8, 8) and len(record.raw) <= MOST_RAW
    assert any("longer than what is shown" in reason for reason in record.refused)


SAMPLES = [
    {"prompt": json.dumps(comfy())},
    {
        "workflow": json.dumps(
            {"nodes": [{"id": 1, "type": "KSampler", "widgets_values": [1, "fixed", 2, 3, "a", "b"]}]}
        )
    },
    NOVEL,
    {
        "UserComment": json.dumps(
            {"c": "x", "uc": "y", "size": "1x1", "lora": [{"model": "z"}], "v2": {"seed": 1}}
        )
    },
    {"parameters": json.dumps({"base_model": "x", "loras": [["a", 1]], "resolution": "(1, 2)", "seed": "5"})},
    {
        "parameters": json.dumps(
            {"sui_image_params": {"seed": 1, "loras": ["a"]}, "sui_models": [{"param": "model"}]}
        )
    },
    {
        "invokeai_graph": json.dumps(
            {"nodes": [{"type": "noise", "seed": 1}, {"type": "compel", "prompt": "x"}]}
        )
    },
    {"sd-metadata": json.dumps({"image": {"prompt": [{"prompt": "x", "weight": 1}], "seed": 1}})},
    {"num_inference_steps": "5", "use_lora_model": '["x"]', "seed": "1"},
    {"parameters": 'a\nSteps: 5, Seed: 6, Hashes: {"model": "abc123"}, Size: 3x4'},
]


def test_mutated_texts_are_always_read():
    """Each reader by itself, without the net below it that keeps pictures readable."""
    dice = random.Random(5)
    for round_ in range(1500):
        sample = SAMPLES[round_ % len(SAMPLES)]
        texts = PictureTexts()
        for name, text in sample.items():
            texts.add(name, mutate_model(text.encode(), dice).decode("utf-8", "replace"))
        found = read_foreign(texts)
        if found is not None:
            found.raw.encode()
            applied(found)


def swapped(value, dice):
    """The same JSON with some values of another type."""
    if dice.random() < 0.15:
        return dice.choice(
            [None, True, -1, 1e300, 10**30, "x", [], {}, [["3", 0]], {"a": 1}, ["3", 0], "\ud800"]
        )
    if isinstance(value, dict):
        return {key: swapped(entry, dice) for key, entry in value.items()}
    if isinstance(value, list):
        return [swapped(entry, dice) for entry in value]
    return value


def test_values_of_wrong_types_are_left_out():
    dice = random.Random(6)
    for round_ in range(3000):
        texts = PictureTexts()
        for name, text in SAMPLES[round_ % (len(SAMPLES) - 2)].items():
            with suppress(ValueError):
                text = json.dumps(swapped(json.loads(text), dice))
            texts.add(name, text)
        found = read_foreign(texts)
        if found is not None:
            applied(found)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_mutated_files_never_stop_the_reader_of_texts(tmp_path, suffix):
    dice, path = random.Random(8), tmp_path / f"x.{suffix}"
    info = PngInfo()
    info.add_text("prompt", json.dumps(comfy()), zip=True)
    kwargs = (
        {"pnginfo": info} if suffix == "png" else {"exif": exif_block(b"UNICODE\0\0a", make="workflow:{}")}
    )
    Image.new("RGB", (16, 16)).save(path, **kwargs)
    whole = path.read_bytes()
    for _ in range(1500):
        read_texts(io.BytesIO(mutate_model(whole, dice)))
