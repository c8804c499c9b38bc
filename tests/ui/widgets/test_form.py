"""The form made from the settings: whatever it is shown it gives back, and it says what it means."""

import pytest

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, options
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.widgets.fields import FloatField, SeedField, SliderField, focusable
from diffusion_studio.ui.widgets.form import SettingsForm

KINDS = [GenerationSettings, TrainingSettings]


def other_value(name, default, option):
    """A value that is allowed and is not the default."""
    if option.choices is not None:
        return next(choice for choice in reversed(option.choices) if choice != default)
    if name.endswith("seed"):
        return LARGEST_SEED
    if name in ("source", "mask"):
        return "ab" * 32  # a digest
    if name == "blend":
        return "8,9,10,0.3,0.6"
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return int(option.max) - (option.multiple or 1)
    if isinstance(default, float):
        return (option.min + option.max) / 3
    return "<b>text</b>"


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_makes_the_round_trip(qtbot, kind):
    form = SettingsForm(kind)
    qtbot.addWidget(form)
    assert form.value() == kind()
    for name, option in options(kind).items():
        needed = {"size": 64} if name == "patches" else {}  # of no smaller images
        settings = kind(**needed, **{name: other_value(name, getattr(kind(), name), option)})
        assert settings != kind(), name
        form.show_value(settings)
        assert form.value() == settings, name


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_is_named_by_its_label_and_explains_itself(qtbot, kind):
    form = SettingsForm(kind)
    qtbot.addWidget(form)
    for name, option in options(kind).items():
        first = focusable(form.fields[name])[0]
        assert first.accessibleName() == option.label
        assert option.help[1:] in first.toolTip()
        assert form._labels[name].text() == option.label and form._labels[name].buddy() is first


def test_options_left_out_keep_the_value_they_were_shown(qtbot):
    form = SettingsForm(GenerationSettings, skip=("model", "eta"))
    qtbot.addWidget(form)
    settings = GenerationSettings(model="faces", eta=0.5, steps=7)
    form.show_value(settings)
    assert form.value() == settings


def test_kept_options_stay_as_they_are(qtbot):
    form = SettingsForm(GenerationSettings)
    qtbot.addWidget(form)
    form.show_value(GenerationSettings(count=5, steps=9))
    form.show_value(GenerationSettings(steps=30), keep=("count",))
    assert form.value() == GenerationSettings(count=5, steps=30)


def test_options_a_model_does_not_heed_are_hidden(qtbot):
    form = SettingsForm(GenerationSettings)
    qtbot.addWidget(form)
    form.show_options({"steps", "seed"})
    assert not form.fields["guidance"].isVisibleTo(form) and form.fields["steps"].isVisibleTo(form)
    form.show_options(set(form.fields))
    assert form.fields["guidance"].isVisibleTo(form)


def test_rare_options_wait_under_more(qtbot):
    form = SettingsForm(GenerationSettings)
    qtbot.addWidget(form)
    assert not form.fields["eta"].isVisibleTo(form)
    form.more.click()
    assert form.fields["eta"].isVisibleTo(form)


def test_a_change_is_told_once(qtbot):
    form = SettingsForm(GenerationSettings)
    qtbot.addWidget(form)
    told = []
    form.changed.connect(lambda: told.append(form.value()))
    form.show_value(GenerationSettings(steps=99, count=3, sampler="ddim"))
    assert told == [GenerationSettings(steps=99, count=3, sampler="ddim")]
    form.fields["count"].setValue(4)
    assert told[-1].count == 4 and len(told) == 2


def test_the_slider_and_its_number_follow_each_other(qtbot):
    field = SliderField(options(GenerationSettings)["steps"])
    qtbot.addWidget(field)
    field.slider.setValue(0)
    assert field.value() == 1
    field.slider.setValue(field.slider.maximum())
    assert field.value() == 1000
    field.show_value(20)
    assert field.value() == 20 and 0 < field.slider.value() < field.slider.maximum()


def test_a_number_shows_no_more_digits_than_it_needs(qtbot):
    field = FloatField(options(TrainingSettings)["learning_rate"])
    qtbot.addWidget(field)
    field.show_value(4e-4)
    assert field.text().replace(",", ".") == "0.0004" and field.value() == 4e-4
    field.show_value(1 / 3)
    assert field.value() == 1 / 3  # not the eight digits on the screen
    field.stepUp()
    assert field.value() != 1 / 3


class TestSeed:
    @pytest.fixture
    def seed(self, qtbot):
        field = SeedField(options(GenerationSettings)["seed"])
        qtbot.addWidget(field)
        return field

    def test_it_is_random_at_first(self, seed):
        assert seed.value() is None and not seed.locked

    def test_the_dice_shows_another_number_each_time(self, seed):
        shown = []
        for _ in range(5):
            seed.dice.click()
            shown.append(seed.value())
        assert len(set(shown)) == 5 and all(0 <= value <= LARGEST_SEED for value in shown)
        assert seed.number.text() == str(seed.value())

    def test_a_number_typed_in_locks_itself(self, seed, qtbot):
        seed.number.lineEdit().selectAll()
        qtbot.keyClicks(seed.number.lineEdit(), "123")
        seed.number.interpretText()
        assert seed.locked and seed.value() == 123
