"""The jobs do not know that a model is one of text: generate, compare, morph, film and samples work as with every other."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import CellDone, FilmSaved, MorphImage, Saved
from diffusion_studio.generation import opening
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.jobs.compare import Comparison, compare
from diffusion_studio.jobs.film import of_trajectory
from diffusion_studio.jobs.generate import generate
from diffusion_studio.jobs.model_samples import OF_A_PROMPT, make_samples
from diffusion_studio.jobs.morph import morph
from diffusion_studio.models import cards
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.settings.axes import Axis
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.storage.places import models_dir
from tests.generation.text.test_text_models import PLAN, SIDE, source
from tests.tiny_text_models import stable_diffusion


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs") / "tiny"
    stable_diffusion(folder)
    return folder


@pytest.fixture
def plan(saved):
    models_dir().mkdir(parents=True)
    (models_dir() / "tiny").symlink_to(saved, target_is_directory=True)
    yield replace(PLAN, model="tiny", steps=3)
    opening._opened.clear()


def test_one_model_through_all_jobs(plan, tmp_path):
    card = cards.find("tiny")
    assert card.prompted and {"prompt", "negative", "guidance", "width"} <= card.options
    trajectory = Trajectory()
    events = list(generate(replace(plan, count=2), trajectory=trajectory))
    files = [event.path for event in events if isinstance(event, Saved)]
    assert len(files) == 2
    read = reading.read(files[1])
    assert read.pixels().shape == (SIDE, SIDE, 3) and read.settings.prompt == plan.prompt
    again = list(generate(read.settings, save=False))[-2]
    assert np.array_equal(again.result[0], read.pixels())
    assert of_trajectory(trajectory, FilmSettings(picture=1)).size[0] % SIDE == 0

    digest = start_pictures.keep(source())
    started = list(generate(replace(plan, source=digest, strength=0.5), save=False))
    assert started[-2].result.shape == (1, SIDE, SIDE, 3)

    comparison = Comparison(plan, Axis("guidance", (1.0, 7.5)), Axis("steps", (2, 3)))
    cells = [event for event in compare(comparison, save=False) if isinstance(event, CellDone)]
    assert len(cells) == 4 and not np.array_equal(cells[0].picture, cells[1].picture)

    path = tmp_path / "morph.webp"
    events = list(morph(plan, [1, 2], prompts=["a red cat", "a blue dog"], frames=2, path=path))
    images = [event for event in events if isinstance(event, MorphImage)]
    assert [image.settings.prompt for image in images[::2]] == ["a red cat", "a blue dog"]
    again = list(generate(images[1].settings, save=False))[-2]  # of a blend of both
    assert np.array_equal(again.result[0], images[1].picture)
    with pytest.raises(UserError, match="one for each of its 2 seeds"):
        next(morph(plan, [1, 2], prompts=["a cat"]))
    assert any(isinstance(event, FilmSaved) for event in events)


def test_another_size_is_generated(plan):
    *_, last, _ = generate(replace(plan, width=96, height=64), save=False)
    assert last.result.shape == (1, 64, 96, 3)


def test_a_sheet_of_samples_shows_the_familys_example(plan):
    made = list(make_samples("tiny"))
    card = cards.find("tiny")
    with Image.open(made[-1].path) as sheet:
        assert card.samples is not None and sheet.width == OF_A_PROMPT * card.size
        model = opening.open_model(card, precision="float32")
        example = FAMILIES["sd1"].example
        settings = replace(card.defaults(), seed=0, count=OF_A_PROMPT, prompt=example)
        first = [*model.previews(settings)][-1].result[0]
        shown = np.asarray(sheet)[: card.size, : card.size].astype(int)
        assert np.abs(shown - first).mean() < 4  # in another precision
