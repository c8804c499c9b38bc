"""The report that goes into a bug report."""

import sys

import pytest

from diffusion_studio import __version__, doctor
from diffusion_studio.storage import places


@pytest.mark.slow
def test_the_report_tells_what_a_bug_report_needs():
    rows = dict(doctor.report())
    assert rows["Diffusion Studio"] == __version__
    assert rows["Python"].startswith("{}.{}.{}".format(*sys.version_info))
    assert rows["torch"][0].isdigit()
    assert rows["PySide6-Essentials"][0].isdigit()
    assert "cores" in rows["Processor"]
    assert "GB" in rows["Memory"]
    assert "float32" in rows["Precision on cpu"]
    assert rows["Folder of images"] == str(places.outputs_dir())
    assert "installed" in rows["Models"]
    assert rows["Qt"]


def test_a_broken_torch_is_a_line_and_no_crash(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it raises ImportError
    monkeypatch.setitem(sys.modules, "diffusion_studio.machine.devices", None)
    rows = dict(doctor.report())
    assert "does not work here" in rows["Device none"]
    assert "unknown: " in rows["Processor"]
    assert rows["Folder of cache"] == str(places.cache_dir())


def test_the_text_is_aligned(monkeypatch):
    monkeypatch.setattr(doctor, "report", lambda: [("a", "1"), ("long name", "2")])
    assert doctor.text() == "a          1\nlong name  2"
