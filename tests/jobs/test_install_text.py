"""Installing what text models need: pip of this environment, asked without a shell, and its faults as sentences."""

import sys
from types import SimpleNamespace

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.jobs import install_text
from diffusion_studio.models.text import requirements

PIP = """
import sys, time
print("Collecting diffusers<1,>=0.36 (from x)")
print("  Downloading diffusers-0.42.1-py3-none-any.whl (5.1 MB)")
print("Installing collected packages: regex, diffusers")
{more}
"""


@pytest.fixture
def pip(monkeypatch):
    """What stands in for pip, and what it was asked."""
    asked = SimpleNamespace(command=[], environment={}, more="", children=[])
    popen = install_text.subprocess.Popen

    def start(command, **options):
        asked.command, asked.environment = command, options["env"]
        assert not options.get("shell")
        asked.children.append(popen([sys.executable, "-u", "-c", PIP.format(more=asked.more)], **options))
        return asked.children[-1]

    monkeypatch.setattr(install_text.subprocess, "Popen", start)
    return asked


def test_progress_is_said_and_torch_stays_as_it_is(pip, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/evil")
    texts = [event.text for event in install_text.install() if isinstance(event, Status)]
    assert texts[1:] == [
        "Looking for diffusers…",
        "Fetching diffusers-0.42.1-py3-none-any.whl…",
        "Unpacking…",
        "Text models can be opened now.",
    ]
    assert pip.command[:5] == [sys.executable, "-I", "-m", "pip", "install"]
    words = " ".join(pip.command)
    assert all(name in words for name in requirements.PACKAGES) and "torch==" in words
    assert "PYTHONPATH" not in pip.environment


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Failed to establish a new connection: [Errno -2] Name or service not known", "There is no network"),
        ("OSError: [Errno 28] No space left on device", "not enough room"),
        ("ERROR: Could not install packages: [Errno 13] Permission denied", "cannot be written"),
        ("No module named pip", "has no pip"),
        ("ERROR: No matching distribution found for diffusers", "No matching distribution"),
    ],
)
def test_each_fault_is_one_sentence(pip, said, sentence):
    pip.more = f"print({said!r}); sys.exit(1)"
    with pytest.raises(UserError, match=sentence) as caught:
        list(install_text.install())
    assert said in caught.value.details


def test_closing_it_ends_pip(pip):
    pip.more = "time.sleep(60)"
    job = install_text.install()
    texts = [next(job).text for _ in range(6)]
    assert texts[-1] == texts[-2] == "Unpacking…"  # pip is silent then, and can be ended all the same
    job.close()
    assert pip.children[0].poll() is not None


def test_a_place_without_room_or_rights_is_said_before_anything_is_fetched(pip, monkeypatch):
    monkeypatch.setattr(install_text.shutil, "disk_usage", lambda place: SimpleNamespace(free=1 << 20))
    with pytest.raises(UserError, match="1 MB are free"):
        list(install_text.install())
    monkeypatch.setattr(install_text.os, "access", lambda place, mode: False)
    with pytest.raises(UserError, match="cannot be written"):
        list(install_text.install())
    assert not pip.children
