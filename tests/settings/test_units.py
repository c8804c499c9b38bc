"""Quantities in words."""

import pytest

from diffusion_studio.settings.units import duration, millions, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (95, "1 min 35 s"),
        (120, "2 min"),
        (3599.6, "1 h"),
        (6360, "1 h 46 min"),
        (86_400, "24 h"),
        (float("inf"), "?"),
        (float("nan"), "?"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 KB"),
        (1, "1 KB"),
        (15_300, "15 KB"),
        (999_600, "1.0 MB"),
        (2_340_000, "2.3 MB"),
        (1.2e9, "1.2 GB"),
    ],
)
def test_sizes(count, words):
    assert size(count) == words


@pytest.mark.parametrize(
    ("count", "words"), [(12_345, "12,345"), (6_420_000, "6.4 M"), (123_000_000, "123 M")]
)
def test_large_numbers(count, words):
    assert millions(count) == words
