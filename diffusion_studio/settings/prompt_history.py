"""The prompts that were generated with lately, newest first, in a file that windows share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import data_dir

MOST = 500


@dataclass(frozen=True, slots=True)
class PastPrompt:
    prompt: str
    negative: str = ""

    def holds(self, words: str) -> bool:
        """Whether every one of these words is in it, in any case."""
        text = f"{self.prompt}\n{self.negative}".casefold()
        return all(word in text for word in words.casefold().split())


def history_file() -> Path:
    return data_dir() / "prompts.json"


class PromptHistory:
    """Every method reads the file, and every change is written at once. Changes raise `UserError` where that is not possible."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = history_file() if path is None else path

    def find(self, words: str = "") -> list[PastPrompt]:
        """Those that hold all of these words, newest first."""
        entries = _entries(own_files.read(self.path, check=_fault))
        found = filter(None, map(_allowed, entries[:MOST]))
        return [past for past in found if past.holds(words)]

    def remember(self, past: PastPrompt) -> None:
        """Put a prompt first; one that is there already moves up. Nothing for no prompt."""
        if not past.prompt.strip():
            return
        self._change(lambda entries: [_written(past), *(e for e in entries if _allowed(e) != past)][:MOST])

    def remove(self, past: PastPrompt) -> None:
        self._change(lambda entries: [entry for entry in entries if _allowed(entry) != past])

    def restore(self, all_of_them: list[PastPrompt]) -> None:
        """Have these, and no others."""
        self._change(lambda entries: [_written(past) for past in all_of_them[:MOST]])

    def clear(self) -> None:
        self._change(lambda entries: [])

    def _change(self, do: Callable[[list[object]], list[object]]) -> None:
        def change(value: own_files.Values) -> own_files.Values:
            return {**value, "version": own_files.VERSION, "prompts": do(_entries(value))}

        own_files.change(self.path, change, check=_fault)


def _written(past: PastPrompt) -> dict[str, str]:
    return {"prompt": past.prompt, "negative": past.negative}


def _allowed(value: object) -> PastPrompt | None:
    if not isinstance(value, dict):
        return None
    prompt, negative = value.get("prompt", ""), value.get("negative", "")
    try:
        settings = GenerationSettings(prompt=prompt, negative=negative)
    except UserError:
        return None
    return PastPrompt(settings.prompt, settings.negative)


def _entries(value: own_files.Values) -> list[object]:
    part: list[object] = value.get("prompts", [])
    return part


def _fault(value: own_files.Values) -> str:
    return "" if isinstance(value.get("prompts", []), list) else tr("“{name}” is no list", name="prompts")
