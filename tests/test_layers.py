"""Who may import whom. Each module imports only from those before it; Qt stays in ui/; nothing heavy is loaded early."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "diffusion_studio"
# From the bottom up: a folder or module imports from those before it alone.
LAYERS = """
__init__ language errors diffusion storage settings machine pictures training_events events models generation training
gallery jobs doctor cli ui
__main__
""".split()
APART = {("ui", "cli")}  # neither is below the other
LARGEST_FOLDER = 25
MOST_ANY = 67  # signatures with an Any that is no JSON mapping; lower it when there are fewer
LONGEST_MODULE = 400  # lines
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
    assert here in LAYERS, f"{here} has no place in LAYERS yet"
    for top, name in imports(file):
        if top.startswith(("PySide6", "shiboken")):
            assert here == "ui", f"{file.name} imports Qt, which is for ui/ alone"
        if top == "diffusion_studio" and name != here:
            name = name if name in LAYERS else "__init__"  # a name of the package itself, such as __version__
            assert LAYERS.index(name) < LAYERS.index(here), f"{here} imports {name}, which stands above it"
            assert (here, name) not in APART, f"{here} imports {name}"


def module_name(file):
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def run_time_imports(file):
    """The package's modules that importing this one imports: not those in functions or under TYPE_CHECKING."""
    nodes = list(ast.parse(file.read_text(encoding="utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.Try, ast.With)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)
        ):
            nodes += ast.iter_child_nodes(node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module
                yield f"{node.module}.{alias.name}"


def test_no_module_imports_itself_in_a_circle():
    graph = {module_name(file): set(run_time_imports(file)) for file in FILES}
    done, path = set(), []

    def visit(name):
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name in graph and name not in done:
            path.append(name)
            for other in graph[name] - {name}:
                visit(other)
            path.pop()
            done.add(name)

    for name in graph:
        visit(name)


def test_no_folder_holds_too_many_modules():
    counts = {folder: len(list(folder.glob("*.py"))) for folder in {file.parent for file in FILES}}
    assert {str(folder): count for folder, count in counts.items() if count > LARGEST_FOLDER + 1} == {}


def annotations(tree):
    """(name of the function, annotation as text) of every parameter and result."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = [part for part in ast.walk(node.args) if isinstance(part, ast.arg)]
            found = [*(part.annotation for part in given), node.returns]
            yield from ((node.name, ast.unparse(part)) for part in found if part is not None)


def test_signatures_say_what_they_take():
    """`dict[str, Any]` is what JSON holds; any other Any needs a reason, such as a class without types."""
    found = [
        f"{module_name(file)}.{name}: {text}"
        for file in FILES
        for name, text in annotations(ast.parse(file.read_text(encoding="utf-8")))
        if re.search(r"\bAny\b", re.sub(r"\b(dict|Mapping|MutableMapping)\[str, Any\]", "", text))
    ]
    assert len(found) <= MOST_ANY, "\n".join(found)


def test_no_module_is_too_long():
    counts = {
        str(file.relative_to(PACKAGE)): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES
    }
    assert {name: count for name, count in counts.items() if count > LONGEST_MODULE} == {}


def test_every_folder_is_packaged():
    listed = (
        (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8").split("packages = [")[1].split("]")[0]
    )
    folders = {".".join(file.parent.relative_to(PACKAGE.parent).parts) for file in FILES}
    assert set(re.findall(r'"(.+)"', listed)) == folders | {"diffusion_studio.resources"}


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
    [
        "errors",
        "storage.atomic",
        "storage.places",
        "settings.generation",
        "machine.display",
        "machine.qt_check",
        "doctor",
        "pictures.writing",
        "cli.main",
    ],
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
