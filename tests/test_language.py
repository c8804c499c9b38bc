"""Texts pass through one function, English without a catalogue and another language with one."""

import ast
import re
import struct
from pathlib import Path

import pytest

from diffusion_studio import language
from diffusion_studio.language import plural, tr, use_catalogue

PACKAGE = Path(__file__).parents[1] / "diffusion_studio"


def write_catalogue(folder, texts):
    """A .mo file as gettext's tools write it."""
    texts = {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n",
        **texts,
    }
    ids, strings, offsets = b"", b"", []
    for key in sorted(texts):
        source, target = key.encode(), texts[key].encode()
        offsets.append((len(source), len(ids), len(target), len(strings)))
        ids, strings = ids + source + b"\0", strings + target + b"\0"
    count = len(offsets)
    at_ids = 28 + 16 * count
    at_strings = at_ids + len(ids)
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    table = b"".join(struct.pack("<2I", length, at_ids + at) for length, at, _, _ in offsets)
    table += b"".join(struct.pack("<2I", length, at_strings + at) for _, _, length, at in offsets)
    path = folder / "de" / "LC_MESSAGES" / f"{language.DOMAIN}.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(head + table + ids + strings)


@pytest.fixture
def german(tmp_path):
    write_catalogue(
        tmp_path,
        {
            "Saved to {path}": "Gespeichert: {path}",
            "{count} image\0{count} images": "{count} Bild\0{count} Bilder",
        },
    )
    assert use_catalogue(tmp_path, "de")
    yield
    use_catalogue(tmp_path, "none")


def test_without_a_catalogue_english_is_shown(tmp_path):
    assert not use_catalogue(tmp_path, "de")
    assert tr("Saved to {path}", path="a{b}") == "Saved to a{b}"
    assert tr("100% {sure}") == "100% {sure}" and tr("") == ""
    assert plural("{count} image", "{count} images", 1) == "1 image"
    assert (
        plural("{count:,} image of {name}", "{count:,} images of {name}", 2000, name="x")
        == "2,000 images of x"
    )


def test_a_catalogue_replaces_texts_and_keeps_those_it_does_not_hold(german):
    assert tr("Saved to {path}", path="x") == "Gespeichert: x"
    assert tr("Cancel") == "Cancel" and tr("") == ""
    assert [plural("{count} image", "{count} images", count) for count in (1, 3)] == ["1 Bild", "3 Bilder"]


def test_a_damaged_catalogue_is_none(tmp_path):
    path = tmp_path / "de" / "LC_MESSAGES" / f"{language.DOMAIN}.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no catalogue")
    assert not use_catalogue(tmp_path, "de") and tr("Cancel") == "Cancel"


SETTERS = (
    "setText setToolTip setStatusTip setWindowTitle setPlaceholderText setAccessibleName setAccessibleDescription "
    "setInformativeText setDetailedText QPushButton QLabel QCheckBox QRadioButton UserError Refused"
).split()


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_what_is_shown_passes_through_it(file):
    """No literal sentence is given to what shows it: neither to Qt's setters nor to the errors users see."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            for argument in node.args if name in SETTERS else ():
                parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
                said = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
                assert not any(letter.isalpha() for letter in said), (
                    f"line {node.lineno}: {said!r} needs tr()"
                )


QUAINT = re.compile(
    r"\b(meanwhile|anew|at hand|heeds?|errands?|can not|for ever|by heart|to and fro|in vain|untold|"
    r"knows? nobody|nothing of|gave up|somebody|drowns?)\b|\b_(may_)?go_on\b",
    re.IGNORECASE,
)


def test_english_is_plain():
    """Comments, docstrings, messages and names without words that documentation of today does not use."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for hit in QUAINT.finditer(text):
            line = text.count("\n", 0, hit.start()) + 1
            found.append(f"{file.relative_to(PACKAGE)}:{line}: {hit[0]}")
    assert not found


def described(node, names=""):
    """(name, function) of every public function and method below a module or class."""
    for item in node.body:
        if isinstance(item, ast.ClassDef) and not item.name.startswith("_"):
            yield from described(item, f"{names}{item.name}.")
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            yield f"{names}{item.name}", item


SHAPE = re.compile(r"\((\.\.\.|[A-Zn1-9][A-Za-z]*)(, ?[^()]*)?\)|any shape")  # (N, C, H, W), (T,), (...)
OF_A_SAMPLER = ["denoise", "x", "sigmas", "noise"]  # their shapes are said once, for all samplers


def test_the_mathematics_says_its_shapes():
    """Every public function of tensors or arrays says the shape of one of them."""
    silent = []
    for file in sorted((PACKAGE / "diffusion").rglob("*.py")):
        for name, function in described(ast.parse(file.read_text(encoding="utf-8"))):
            arguments = [*function.args.args, *function.args.kwonlyargs]
            types = [
                ast.unparse(part)
                for part in (*(one.annotation for one in arguments), function.returns)
                if part
            ]
            if any(re.search(r"\b(Tensor|ndarray|Array)\b", kind) for kind in types):
                sampler = [one.arg for one in arguments[:4]] == OF_A_SAMPLER
                if not sampler and not SHAPE.search(ast.get_docstring(function) or ""):
                    silent.append(f"{file.relative_to(PACKAGE)}:{function.lineno}: {name}")
    assert not silent
