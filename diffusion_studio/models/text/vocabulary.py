"""The vocabulary of CLIP's text encoders, which comes with the program: a prompt is turned into tokens without a network.

The merges are OpenAI's (MIT licence, see resources/clip/LICENSE.txt); the vocabulary follows from them, as in
https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from diffusion_studio.storage.places import resource

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
LAST_OF_WORD = "</w>"
CONTEXT = 77  # tokens that an encoder sees at once, the beginning and the end included


@cache
def clip_merges() -> tuple[tuple[str, str], ...]:
    """The pairs that are joined, the most frequent first."""
    lines = (resource("clip") / "merges.txt").read_text(encoding="utf-8").split("\n")
    return tuple((left, right) for left, _, right in (line.partition(" ") for line in lines) if right)


@cache
def clip_vocabulary() -> dict[str, int]:
    """Token -> number: the 256 bytes, the same at the end of a word, what the merges join, the beginning and the end."""
    letters = list(byte_letters().values())
    joined = [left + right for left, right in clip_merges()]
    tokens = [*letters, *(letter + LAST_OF_WORD for letter in letters), *joined, BEGIN, END]
    return {token: number for number, token in enumerate(tokens)}


def clip_tokenizer(pad: str = END) -> CLIPTokenizer:
    """A tokenizer of transformers with that vocabulary; `pad` is what fills a prompt up: "!" for OpenCLIP's encoders."""
    from transformers import CLIPTokenizer

    merges: Any = list(clip_merges())  # pairs, which its types do not name
    return CLIPTokenizer(
        vocab=dict(clip_vocabulary()), merges=merges, pad_token=pad, model_max_length=CONTEXT
    )


@cache
def byte_letters() -> dict[int, str]:
    """Byte -> the visible character that stands for it, the bytes that are visible themselves first."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    return {
        **{byte: chr(byte) for byte in visible},
        **{byte: chr(256 + place) for place, byte in enumerate(hidden)},
    }
