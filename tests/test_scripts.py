"""Scripts that are run by hand alone, seldom, use nothing of the package that is no longer there."""

import ast
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*(ROOT / "tests" / "benchmarks").glob("*.py"), *(ROOT / "packaging").rglob("*.py")])


def names_used(tree):
    """(module, name) of everything of the package that a script imports, or reads from a module it imports."""
    modules = {}  # what the script calls a module: the module
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("diffusion_studio"):
            for alias in node.names:
                yield node.module, alias.name
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("diffusion_studio") and alias.asname:
                    modules[alias.asname] = alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def found(module, name):
    try:
        resolve_name(f"{module}.{name}")  # an attribute of a class, too
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_script_uses_is_there(script):
    used = set(names_used(ast.parse(script.read_text(encoding="utf-8"))))
    assert [f"{module}.{name}" for module, name in sorted(used) if not found(module, name)] == []


@pytest.mark.parametrize(
    "text",
    [
        "from diffusion_studio.no_such_module import x",
        "from diffusion_studio.models import no_such_name",
        "from diffusion_studio.models import cards\ncards.no_such_name",
        "from diffusion_studio.models.card import ModelCard\nModelCard.no_such_name",
    ],
)
def test_what_is_gone_is_found(text):
    assert not all(found(*used) for used in names_used(ast.parse(text)))
