"""The template for translators holds every text of the package, in the form gettext's tools read."""

import ast
import importlib.util
import re
import shutil
import string
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "packaging" / "messages.py"


@pytest.fixture(scope="module")
def messages():
    spec = importlib.util.spec_from_file_location("messages", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(text):
    """(msgid, msgid_plural) of each entry, as their literals say."""
    for block in text.split("\n\n")[1:]:
        found = {}
        for key, said in re.findall(r'^(msgid|msgid_plural) ((?:".*"\n?)+)', block, re.MULTILINE):
            found[key] = "".join(ast.literal_eval(line) for line in said.splitlines())
        yield found["msgid"], found.get("msgid_plural", "")


def test_texts_are_found_with_their_plurals_and_places(messages, tmp_path):
    package = tmp_path / "diffusion_studio"
    package.mkdir()
    (package / "one.py").write_text(
        'a = tr("Save \\"{name}\\"\\nnow", name=x); b = language.tr("Cancel"); c = tr("")\n'
        'd = plural("{count} image", "{count} images", 3)\n'
    )
    (package / "two.py").write_text(
        'def f(text):\n    tr(text)\n    return [tr("Cancel"), tr("{count} image")]\n'
    )
    found = messages.collect(package)
    text = messages.template(found)
    assert list(entries(text)) == [
        ('Save "{name}"\nnow', ""),
        ("Cancel", ""),
        ("{count} image", "{count} images"),
    ]
    assert '#: diffusion_studio/one.py\n#: diffusion_studio/two.py\nmsgid "Cancel"' in text
    assert text.count("#, python-brace-format") == 2


@pytest.mark.parametrize("said", ['tr(f"Saved {path}")', 'tr("Saved " + path)', 'plural("one", f"{n}", 2)'])
def test_a_text_that_is_put_together_first_cannot_be_translated(messages, said):
    with pytest.raises(ValueError, match="here.py:1"):
        list(messages.messages_in(said, "here.py"))


def test_every_text_of_the_package_is_collected_and_well_formed(messages):
    found = messages.collect(ROOT / "diffusion_studio")
    known = {text for text, _ in entries(messages.template(found))}
    assert len(known) > 500 and {message.text for message in found} == known
    for message in found:
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in message if text
        ]
        assert len(fields) < 2 or fields[0] - {"count"} == fields[1] - {"count"}, message


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="gettext's tools are not installed")
def test_gettext_reads_it(messages, tmp_path):
    path = tmp_path / "x.pot"
    path.write_text(messages.template(messages.collect(ROOT / "diffusion_studio")), encoding="utf-8")
    child = subprocess.run(
        ["msgfmt", "-o", tmp_path / "x.mo", path], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr


def test_the_template_in_the_resources_is_one_of_this_package(messages):
    """It is made again at each release, not at each change: most of it has to be there."""
    there = {text for text, _ in entries(messages.TEMPLATE.read_text(encoding="utf-8"))}
    here = {message.text for message in messages.collect(ROOT / "diffusion_studio")}
    assert len(here & there) > len(here) / 2
