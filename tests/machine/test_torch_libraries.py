"""Torch's libraries are there before torch is, and torch is none the worse for it."""

import subprocess
import sys

import pytest

CHILD = """
from diffusion_studio.machine.torch_libraries import load_libraries
def mapped():
    return "libtorch_cpu" in open("/proc/self/maps").read()
assert not mapped()
assert load_libraries() and mapped()
import torch
assert float(torch.ones(2, 2).matmul(torch.ones(2, 2)).sum()) == 8
assert not load_libraries()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_the_libraries_are_loaded_before_torch_asks_for_them():
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=100)
    assert child.returncode == 0, child.stderr


def test_without_torch_nothing_is_loaded(monkeypatch):
    from diffusion_studio.machine import torch_libraries

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(torch_libraries.importlib.util, "find_spec", lambda name: None)
    assert not torch_libraries.load_libraries()
