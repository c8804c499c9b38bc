"""Collect every text that people read into the template translators begin with, in the form of gettext.

    python packaging/messages.py            # writes resources/languages/diffusion_studio.pot
    python packaging/messages.py --check    # writes nothing; exit status 1 where the template is not up to date

A translation is a copy of the template (`msginit -l de`), compiled with `msgfmt` to
resources/languages/de/LC_MESSAGES/diffusion_studio.mo, from where `diffusion_studio.language` reads it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "resources" / "languages" / "diffusion_studio.pot"
HEAD = """# Texts of Diffusion Studio.
# This file is made by packaging/messages.py.
#
#, fuzzy
msgid ""
msgstr ""
"Project-Id-Version: diffusion-studio\\n"
"Language: \\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=n != 1;\\n"
"""
COUNTS = {"tr": 1, "plural": 2}  # how many of its arguments are texts


class Message(NamedTuple):
    """One text; `many` is its plural form, "" for one that has none."""

    text: str
    many: str = ""


def messages_in(source: str, name: str = "") -> Iterator[Message]:
    """The texts of one module, in the order they are in. Raises ValueError where a text is put together before it is given."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        texts = []
        for argument in node.args[: COUNTS.get(called, 0)]:
            if isinstance(argument, ast.JoinedStr | ast.BinOp):
                raise ValueError(
                    f"{name}:{node.lineno}: {called}() needs one literal text with {{names}} in it"
                )
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                texts.append(argument.value)
        if texts and texts[0] and len(texts) == COUNTS[called]:
            yield Message(*texts)


def collect(package: Path) -> dict[Message, list[str]]:
    """Every text of a package, and the modules it is in, relative to the folder around the package."""
    found: dict[Message, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package.parent).as_posix()
        for message in messages_in(path.read_text(encoding="utf-8"), place):
            places = found.setdefault(message, [])
            if place not in places:
                places.append(place)
    return found


def template(messages: dict[Message, list[str]]) -> str:
    """The content of a .pot file. A text that is used with and without a plural is one entry, as gettext demands."""
    plurals = {message.text: message for message in messages if message.many}
    parts = [HEAD]
    for message, places in messages.items():
        if not message.many and message.text in plurals:
            continue
        lines = [f"#: {place}" for place in places]
        lines += ["#, python-brace-format"] if "{" in message.text else []
        lines.append(f"msgid {quoted(message.text)}")
        if message.many:
            lines += [f"msgid_plural {quoted(message.many)}", 'msgstr[0] ""', 'msgstr[1] ""']
        else:
            lines.append('msgstr ""')
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def quoted(text: str) -> str:
    """A text as a .po file holds it: a line of the file for each line of the text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
    lines = [f'"{line}"' for line in escaped.replace("\n", "\\n\n").split("\n") if line]
    return lines[0] if len(lines) == 1 else "\n".join(['""', *lines])


def main(words: list[str]) -> int:
    text = template(collect(ROOT / "diffusion_studio"))
    if "--check" in words:
        current = TEMPLATE.read_text(encoding="utf-8") if TEMPLATE.is_file() else ""
        if current != text:
            print(f"{TEMPLATE} is not up to date; run packaging/messages.py.", file=sys.stderr)
        return int(current != text)
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    TEMPLATE.write_text(text, encoding="utf-8")
    print(TEMPLATE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
