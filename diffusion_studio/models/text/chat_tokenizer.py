"""The tokenizer of a language model that reads prompts as a conversation: its own files, through `tokenizers`, without torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.layout import read_small_json
from diffusion_studio.storage.foreign_file import LARGEST_TEXT, read_foreign
from diffusion_studio.storage.stamps import stamp_of

LARGEST_VOCABULARY = 32 << 20
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class ChatTokenizer:
    """`length`: how many tokens a text has; `template` makes of a prompt the text that is read."""

    def __init__(self, length: Callable[[str], int], template: Callable[[str], str]) -> None:
        self._length, self._template = length, template

    def count(self, prompt: str) -> int:
        """Tokens of the conversation in which a user says this."""
        return self._length(self._template(prompt))


def chat_tokenizer(folder: Path) -> ChatTokenizer | None:
    """That of a model's folder `tokenizer`, read again when its files change; None where it cannot be read."""
    return _read(folder, stamp_of([folder / name for name in FILES]))


@lru_cache(maxsize=2)
def _read(folder: Path, _: object) -> ChatTokenizer | None:
    try:
        from tokenizers import Tokenizer

        blob = read_foreign(folder / "tokenizer.json", LARGEST_VOCABULARY, within=folder.parent)
        tokenizer = Tokenizer.from_buffer(blob)
        chat = ChatTokenizer(lambda text: len(tokenizer.encode(text).ids), _template(folder))
        chat.count("")
    except Exception:  # the libraries' own are several; opening the model says what is wrong
        return None
    return chat


def _template(folder: Path) -> Callable[[str], str]:
    """As transformers renders it: sandboxed, without blank lines where its commands are."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    config = folder / "tokenizer_config.json"
    said = read_small_json(config, within=folder.parent) if config.is_file() else {}
    own = folder / "chat_template.jinja"
    source: object = said.get("chat_template")
    if own.is_file():
        source = read_foreign(own, LARGEST_TEXT, within=folder.parent).decode("utf-8")
    if not isinstance(source, str):
        raise UserError(tr("{folder} has no chat template.", folder=folder))
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)
    named = {name: _text_of(said.get(name)) for name in TOKENS}

    def render(prompt: str) -> str:
        return template.render(
            messages=[{"role": "user", "content": prompt}],
            add_generation_prompt=True,
            enable_thinking=True,
            tools=None,
            documents=None,
            **named,
        )

    return render


def _text_of(token: object) -> str:
    """A special token, which is written as a text or as a table."""
    value = token.get("content") if isinstance(token, dict) else token
    return value if isinstance(value, str) else ""
