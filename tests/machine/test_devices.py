"""Devices, and the precision that is measured once and remembered."""

import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.machine import devices
from diffusion_studio.machine.devices import choose_device, choose_precision, explain_fault, remember
from diffusion_studio.storage.places import cache_dir


@pytest.fixture
def measured(monkeypatch):
    """How often it was measured, and what came out."""
    facts = {"count": 0, "float32": 10.0, "bfloat16": 5.0}

    def measure(device):
        facts["count"] += 1
        return {name: facts[name] for name in ("float32", "bfloat16") if facts[name]}

    monkeypatch.setattr(devices, "measure_precision", measure)
    return facts


@pytest.mark.parametrize(
    ("bfloat16", "chosen"), [(5.0, "bfloat16"), (9.5, "float32"), (30.0, "float32"), (None, "float32")]
)
def test_automatic_precision_is_what_is_truly_faster(measured, bfloat16, chosen):
    measured["bfloat16"] = bfloat16
    assert choose_precision("auto", "cpu") == chosen


def test_the_decision_is_remembered(measured):
    assert choose_precision("auto", "cpu") == "bfloat16"
    measured["bfloat16"] = 30.0
    assert choose_precision("auto", "cpu") == "bfloat16" and measured["count"] == 1
    (cache_dir() / "speed.json").unlink()
    assert choose_precision("auto", "cpu") == "float32" and measured["count"] == 2


def test_another_machine_is_measured_anew(measured, monkeypatch):
    choose_precision("auto", "cpu")
    monkeypatch.setattr(devices, "cpu_name", lambda: "another chip")
    choose_precision("auto", "cpu")
    assert measured["count"] == 2


@pytest.mark.parametrize("content", [b"{", b"[]", b"7", b'{"x": ', b"\xff"])
def test_a_broken_cache_only_means_measuring_again(measured, content):
    cache_dir().mkdir(parents=True)
    (cache_dir() / "speed.json").write_bytes(content)
    assert choose_precision("auto", "cpu") == "bfloat16"
    assert choose_precision("auto", "cpu") == "bfloat16" and measured["count"] == 1


def test_what_was_remembered_is_not_trusted_blindly(measured):
    choose_precision("auto", "cpu")
    key = f"precision cpu {devices.machine('cpu')}"
    assert remember(key) == "bfloat16"
    remember(key, "int4")
    assert choose_precision("auto", "cpu") == "bfloat16" and measured["count"] == 2


def test_a_cache_that_can_not_be_written_is_no_fault(measured, own_folders):
    own_folders.mkdir()
    cache_dir().write_text("a file where the folder should be")
    assert choose_precision("auto", "cpu") == "bfloat16"


def test_a_named_precision_is_taken_as_it_is(measured):
    assert choose_precision("bfloat16", "cpu") == "bfloat16"
    assert choose_precision("float16", "cuda") == "float16"
    assert measured["count"] == 0
    with pytest.raises(UserError, match="float16 runs on GPUs only"):
        choose_precision("float16", "cpu")


def test_the_measurement_really_runs():
    speeds = devices.measure_precision("cpu")
    assert speeds["float32"] > 0 and set(speeds) <= {"float32", "bfloat16"}


def test_a_format_the_device_lacks_is_left_out(monkeypatch):
    def run(device, dtype):
        if dtype == torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return 1.0

    monkeypatch.setattr(devices, "_time_convolutions", run)
    assert devices.measure_precision("cpu") == {"float32": 1.0}


def test_devices(monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda", "cpu"])
    assert choose_device("auto") == "cuda" and choose_device("cpu") == "cpu"
    with pytest.raises(UserError, match=r"“mps” is not available here; available: cuda, cpu\."):
        choose_device("mps")


def test_the_cpu_is_always_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.available_devices() == ["cuda", "mps", "cpu"]
    monkeypatch.undo()
    assert devices.available_devices()[-1] == "cpu"
    assert devices.cpu_name() and "threads" in devices.describe_threads()


@pytest.mark.parametrize(
    ("error", "device", "said"),
    [
        (MemoryError(), "cpu", "not enough memory for this"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to"), "cuda", "memory on the device “cuda”"),
        (RuntimeError("CUDA error: device-side assert"), "cuda", "The device “cuda” failed"),
        (RuntimeError("shapes can not be multiplied"), "cpu", None),
        (ValueError("labels"), "cuda", None),
    ],
)
def test_faults_of_devices_become_sentences(error, device, said):
    sentence = explain_fault(error, device)
    assert sentence is None if said is None else said in sentence


def test_measuring_tells_formats_apart_and_leaves_the_threads_as_they_were():
    threads = torch.get_num_threads()
    speeds = devices.measure_precision("cpu")
    assert speeds["float32"] > 0 and set(speeds) <= {"float32", "bfloat16"}
    assert torch.get_num_threads() == threads
