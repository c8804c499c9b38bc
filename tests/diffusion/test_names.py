"""The names a user chooses from are exactly the functions there are."""

import pytest

from diffusion_studio.diffusion import names
from diffusion_studio.diffusion.denoiser import TO_CLEAN, Denoiser
from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.schedules import SCHEDULES, SPACINGS

TABLES = {
    "SCHEDULES": (names.SCHEDULES, PROCESSES),
    "SPACINGS": (names.SPACINGS, SPACINGS),
    "SAMPLERS": (names.SAMPLERS, SAMPLERS),
    "PREDICTIONS": (names.PREDICTIONS, TO_CLEAN),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_name_has_its_function_and_every_function_its_name(table):
    labels, functions = TABLES[table]
    assert set(labels) == set(functions)
    assert all(callable(function) for function in functions.values())


@pytest.mark.parametrize("table", [*TABLES, "CLIPPINGS"])
def test_what_the_user_reads_is_distinct(table):
    labels = list(getattr(names, table).values())
    assert all(label.strip() == label and label for label in labels)
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("clipping", names.CLIPPINGS)
def test_the_denoiser_knows_every_clipping(clipping):
    denoiser = Denoiser(lambda x, t, labels: x, SCHEDULES["linear"](10), clipping=clipping)
    assert denoiser.clipping == clipping
