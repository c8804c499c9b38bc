"""How the steps of models that work on latents are shown: by a linear map, or by a small autoencoder. No torch."""

from __future__ import annotations

from diffusion_studio.language import tr
from diffusion_studio.storage.places import kept_section

PREVIEWS = {"fast": tr("Fast"), "sharp": tr("Sharp")}
LARGEST_SHARE = 0.15  # of the time of a generation, which sharp previews may take
_asked: list[str] = []  # on the command line, for this process


def ask_for(previews: str) -> None:
    """Show steps in this way as long as the program runs, whatever the preferences say; "": as they say."""
    _asked[:] = [previews] if previews else []


def chosen_previews() -> str:
    """A name of `PREVIEWS`."""
    chosen = _asked[0] if _asked else kept_section("window").get("previews")
    return chosen if chosen in PREVIEWS else "fast"
