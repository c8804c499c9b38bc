"""Recipes for a training: what they set, what they leave, and what to expect of them."""

from dataclasses import replace

import pytest

from diffusion_studio.settings.recipes import (
    EXPECTED,
    GOOD,
    NOISE,
    RECIPES,
    RECOGNISABLE,
    SHAPES,
    applied,
    expectation,
    expected,
    recipe_of,
    space_advice,
)
from diffusion_studio.settings.training import TrainingSettings


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", [16, 32, 64, 256])
def test_a_recipe_gives_settings_that_are_recognised_again(name, size):
    settings = applied(name, TrainingSettings(size=size, minutes=10.0, flip=False))
    assert recipe_of(settings) == name
    assert settings.steps and not settings.minutes and not settings.flip


def test_larger_images_take_more_steps_and_fine_tuning_fewer():
    steps = {size: applied("good", TrainingSettings(size=size)).steps for size in (16, 32, 64, 128)}
    assert steps == {16: 4_000, 32: 4_000, 64: 4_000, 128: 8_000}  # from 64 on in bands, of half the side
    tuned = applied("best", TrainingSettings(start_from="faces", model_size="large"))
    assert (tuned.steps, tuned.model_size) == (7_200, "large")  # of the model it starts from


def test_large_images_are_seen_in_bands_and_those_of_a_model_as_it_sees_them():
    spaces = [applied("good", TrainingSettings(size=size)).space for size in (32, 64, 65, 128)]
    assert spaces == ["pixels", "haar", "pixels", "haar"]
    assert applied("good", TrainingSettings(size=64, start_from="faces", space="haar2")).space == "haar2"
    assert applied("quick", TrainingSettings(optimizer="adamw")).optimizer == "adamw"
    assert applied("good", TrainingSettings(size=64, start_from="scratch")).space == "haar"


def test_what_is_asked_for_by_name_is_kept():
    wanted = TrainingSettings(minutes=5.0, model_size="large")
    settings = applied("good", wanted, given={"minutes", "model_size"})
    assert (settings.minutes, settings.steps, settings.model_size) == (5.0, 0, "large")
    assert recipe_of(settings) == ""


def test_every_recipe_promises_at_least_as_much_as_the_one_before():
    order = list(EXPECTED)
    levels = [expected(s := applied(name, TrainingSettings(batch=32)), s.steps) for name in RECIPES]
    assert levels == [RECOGNISABLE, GOOD, GOOD] and sorted(levels, key=order.index) == levels


@pytest.mark.parametrize(
    ("steps", "level"),
    [(0, NOISE), (85, NOISE), (150, NOISE), (800, SHAPES), (3000, RECOGNISABLE), (9000, GOOD)],
)
def test_what_to_expect_grows_with_the_steps(steps, level):
    assert expected(TrainingSettings(batch=32, optimizer="adamw"), steps) == level


def test_what_to_expect_hangs_on_batch_size_and_start():
    assert expected(TrainingSettings(optimizer="adamw"), 3000, batch=8) == SHAPES
    assert expected(TrainingSettings(size=64, optimizer="adamw"), 1500, batch=32) == SHAPES
    assert (
        expected(TrainingSettings(size=64, space="haar", optimizer="adamw"), 1500, batch=32) == RECOGNISABLE
    )
    assert (
        expected(TrainingSettings(size=128, space="latents", optimizer="muon"), 784, batch=32) == RECOGNISABLE
    )
    assert expected(TrainingSettings(size=64, space="haar", optimizer="muon"), 498, batch=32) == RECOGNISABLE
    assert expected(TrainingSettings(start_from="faces"), 3000, batch=32) == GOOD


def test_few_images_are_warned_of():
    assert "repeats" in expectation(GOOD, 20)
    assert expectation(NOISE, 5000) == "Expect mostly noise."


def test_it_is_said_where_pixels_are_better_than_latents():
    latents = TrainingSettings(space="latents", size=64)
    assert "under 128 pixels" in space_advice(latents)
    assert not space_advice(replace(latents, size=128)) and not space_advice(TrainingSettings(size=64))
    assert "few colours" in space_advice(replace(latents, size=128), few_colours=True)
    assert not space_advice(replace(latents, start_from="faces"))  # whose space is kept
