"""How the gallery says when images were made, and which one it is."""

from __future__ import annotations

from datetime import date

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import plural, tr
from diffusion_studio.ui.look.texts import readable


def heading(name: str) -> str:
    """A day as people say it; other headings as they are."""
    try:
        day = date.fromisoformat(name)
    except ValueError:
        return readable(name)
    ago = (date.today() - day).days
    words = f"{day:%A}, {day.day} {day:%B %Y}"
    return {0: tr("Today"), 1: tr("Yesterday")}.get(ago, words)


def entry_words(entry: Entry) -> str:
    """“120501-7.png · Pixel Avatars 32 · seed 7 · 20 steps”."""
    title = entry.facts.get("model_title") or entry.value("model")
    seed, steps = entry.value("seed"), entry.value("steps")
    words = [readable(entry.path.name), readable(str(title or ""))]
    words += [tr("seed {seed}", seed=seed)] if seed is not None else []
    words += [plural("{count} step", "{count} steps", steps)] if isinstance(steps, int) and steps else []
    return " · ".join(filter(None, words))
