"""Whether the extra `text` is installed, without which a text model cannot be opened. No torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

PACKAGES = ("diffusers", "transformers", "tokenizers", "accelerate", "peft")
DOWNLOAD = "40 MB"
COMMAND = "pip install 'diffusion-studio[text]'"


class TextExtraMissing(UserError):
    """The extra is not installed; a window may offer to install it."""


def missing() -> tuple[str, ...]:
    """The packages of the extra that are missing, or whose installation did not end; none is imported."""
    return tuple(name for name in PACKAGES if find_spec(name) is None or not _installed_whole(name))


def _installed_whole(name: str) -> bool:
    """pip writes what belongs to a package when all of it is there; a folder alone is what an ended pip left behind."""
    try:
        return bool(metadata(name)["Version"])
    except PackageNotFoundError:
        return False


def sentence() -> str:
    """What is missing, and how it is installed; "" where nothing is."""
    absent = missing()
    if not absent:
        return ""
    return tr(
        "Models that generate from prompts need the extra “text” ({names}). Install it in the window, with "
        "“./studio models install-text”, or with {command}.",
        names=", ".join(absent),
        command=COMMAND,
    )


def require() -> None:
    """Raises `TextExtraMissing`, which says how to install it."""
    wanted = sentence()
    if wanted:
        raise TextExtraMissing(wanted)
