"""A text model in the window: dropped as one file, the extra it needs offered and installed, found again when it was moved."""

import pytest

from diffusion_studio.events import Status
from diffusion_studio.jobs import install_text
from diffusion_studio.models.damaged import damaged_folders
from diffusion_studio.models.text import requirements
from diffusion_studio.ui.models import page as models_page
from tests.text_pipelines import sd1, single_file, write
from tests.ui.models.conftest import choose, drop, number, rest, shown

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tensors():
    return single_file("sd1", sd1())


def test_one_file_is_dropped_used_and_found_again(page, window, qtbot, tmp_path, said, tensors, monkeypatch):
    file = write(tmp_path / "downloads" / "Painter.safetensors", tensors)
    asked, there = [], {"diffusers": False}
    find = requirements.find_spec
    monkeypatch.setattr(requirements, "find_spec", lambda name: find(name) if there["diffusers"] else None)

    def agree(parent, title, explanation="", *, accept, danger=False):
        asked.append((title, accept))
        return True

    def install():
        yield Status(text="Fetching…")
        there["diffusers"] = True

    monkeypatch.setattr(models_page, "ask_question", agree)
    monkeypatch.setattr(install_text, "install", install)
    assert drop(page, file)
    qtbot.waitUntil(
        lambda: page.selected is not None and page.selected.card.name == "Painter", timeout=20_000
    )
    rest(window, qtbot)
    assert asked == [("This model needs more packages. Install them now?", "Install")]
    assert page.selected.card.text.source == file and said[-1].startswith("“Painter” imported.")
    facts = shown(page)
    assert "Stable Diffusion 1, from prompts" in str(facts) and "on a graphics card" in str(facts)
    assert damaged_folders() == []
    page.do("use")
    assert window.page.request.value().model == "Painter"
    window.contents.visit(number(window, "Models"))

    place = file.rename(tmp_path / "Painter moved.safetensors")
    monkeypatch.setattr(models_page, "open_file", lambda *_, **__: place)
    page.refresh()
    rest(window, qtbot)
    choose(page, "Painter")
    page.do("use")
    rest(window, qtbot)
    assert asked[-1] == ("“Painter” was moved", "Choose its place…")
    assert page.selected.card.text.source == place and not page.selected.card.text.fault


def test_where_a_model_is_asked_to_generate_the_extra_is_offered_too(page, window, qtbot, monkeypatch):
    there = {"diffusers": False}
    find = requirements.find_spec
    monkeypatch.setattr(requirements, "find_spec", lambda name: find(name) if there["diffusers"] else None)

    def install():
        yield Status(text="Fetching…")
        there["diffusers"] = True

    monkeypatch.setattr(install_text, "install", install)
    window.contents.visit(number(window, "Generate"))
    window.context.show_fault(requirements.sentence())  # as a generation that fails does
    banner = window.contents.banner
    assert banner.isVisibleTo(window) and banner.action.text() == "Install"
    banner.action.click()
    assert window.page is page  # where its progress is shown
    qtbot.waitUntil(lambda: there["diffusers"] and window.page is not page, timeout=20_000)
    assert not banner.isVisibleTo(window)
    window.context.show_fault("Something else.")
    assert not banner.isVisibleTo(window)
