"""The form of a morph between prompts."""

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.ui.films.morph_form import MorphForm


@pytest.fixture
def form(qtbot):
    form = MorphForm(7, FilmSettings(), prompt="a cat,\nby day")
    qtbot.addWidget(form)
    return form


def test_one_prompt_a_line_with_one_seed_for_all_or_one_for_each(form):
    assert form.texts.value() == "a cat, by day" and form.prompts() == []
    form.texts.setPlainText("a cat\n\na dog\n")
    assert form.prompts() == ["a cat", "a dog"] and form.plan()[0] == [7, 7]
    form.seeds.setText("1, 2")
    assert form.plan()[0] == [1, 2]
    form.seeds.setText("1, 2, 3")
    with pytest.raises(UserError, match="one seed for all, or 2 seeds, not 3"):
        form.plan()


def test_a_model_without_prompts_has_no_field_for_them(qtbot):
    plain = MorphForm(7, FilmSettings())
    qtbot.addWidget(plain)
    assert not plain.texts.isVisibleTo(plain) and len(plain.plan()[0]) == 3
