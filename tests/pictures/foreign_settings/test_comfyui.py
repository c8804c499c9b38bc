"""What is read of the graphs of ComfyUI."""

import json

import pytest

from diffusion_studio.pictures import reading, writing
from diffusion_studio.settings.loras import Lora
from tests.pictures.foreign_settings.conftest import COMFY, MAIN, comfy, facts


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


def test_comfyui_in_exif_is_exported_as_chunks(commented, tmp_path):
    before = commented("webp", "", make="workflow:{}", model="prompt:" + json.dumps(comfy()))
    for target in ("y.png", "y.jpg"):
        writing.export(before.path, tmp_path / target)
        assert facts(reading.read(tmp_path / target), *MAIN) == COMFY


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
