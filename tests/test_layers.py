"""Who may import whom. Each module imports only from those before it; Qt stays in ui/; nothing heavy is loaded early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "diffusion_studio"
# From the bottom up; a package counts as one. A new module takes its place here.
ORDER = """
__init__ errors storage pictures awake loading diffusion writing folders display platform_check options batches
history training_settings film_settings saving_settings settings heeding picture_facts metadata embedding own_memory
trajectory drawing events hardware foreign cards model_words read_me safetensors_file checkpoint onnx_network models
model_sources exports verification sample_sheets library training sources records outputs gallery film_formats film
walking axes comparison_sheet comparing jobs doctor commands cli ui __main__
""".split()
APART = {("ui", "cli")}  # neither is below the other
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(file):
    """(top package, first name below it) of every import in a file, wherever it stands."""
    package = ("diffusion_studio", *file.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            found = [
                [*base, *filter(None, (node.module or "").split(".")), alias.name] for alias in node.names
            ]
        else:
            continue
        yield from ((*parts, "__init__")[:2] for parts in found)


def place(file):
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_downward(file):
    here = place(file)
    assert here in ORDER, f"{here} has no place in ORDER yet"
    for top, name in imports(file):
        if top.startswith(("PySide6", "shiboken")):
            assert here == "ui", f"{file.name} imports Qt, which is for ui/ alone"
        if top == "diffusion_studio" and name != here:
            name = name if name in ORDER else "__init__"  # a name of the package itself, such as __version__
            assert ORDER.index(name) < ORDER.index(here), f"{here} imports {name}, which stands above it"
            assert (here, name) not in APART, f"{here} imports {name}"


def loaded_after(code):
    """Which of the heavy modules a fresh Python has loaded after running this."""
    heavy = "{'torch', 'numpy', 'PIL', 'PySide6', 'safetensors'}"
    code = f"{code}\nimport sys; print(*sorted({heavy} & set(sys.modules)))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert child.returncode == 0, child.stderr
    return set(child.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("verb", ["--help", "--version", "generate --help"])
def test_help_loads_neither_torch_nor_qt(verb):
    code = (
        "from diffusion_studio.__main__ import console\n"
        f"try: console({verb.split()})\nexcept SystemExit as end: assert not end.code, end.code"
    )
    assert not loaded_after(code) & {"torch", "PySide6"}


@pytest.mark.parametrize(
    "module",
    ["errors", "writing", "folders", "settings", "display", "platform_check", "doctor", "outputs", "cli"],
)
def test_light_modules_import_no_torch(module):
    assert not loaded_after(f"import diffusion_studio.{module}") & {"torch", "PySide6"}


def test_the_window_can_be_shown_before_torch_is_loaded():
    assert "torch" not in loaded_after("import diffusion_studio.ui.window.app")


def test_everything_below_the_window_works_without_qt():
    modules = [
        ".".join(("diffusion_studio", *file.relative_to(PACKAGE).with_suffix("").parts))
        for file in FILES
        if place(file) not in ("ui", "__main__")
    ]
    assert "PySide6" not in loaded_after(f"import {', '.join(modules)}")
