"""Comparing along one or two settings: what is drawn, in which order, what is shared, and the sheet that comes of it."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from diffusion_studio.diffusion.schedules import SCHEDULES
from diffusion_studio.errors import UserError
from diffusion_studio.events import (
    CellDone,
    CellFailed,
    CellPreview,
    CellStarted,
    CompareStarted,
    Finished,
    Preview,
    Saved,
    SheetSaved,
    Warned,
    as_json,
)
from diffusion_studio.generation import opening as models
from diffusion_studio.generation.unet_model import UNetModel
from diffusion_studio.jobs import compare as compare_jobs
from diffusion_studio.jobs import generate as generate_jobs
from diffusion_studio.jobs.compare import Comparison
from diffusion_studio.models.folder import write_model
from diffusion_studio.pictures import reading
from diffusion_studio.pictures.labelled_sheet import columns_for, lay_out
from diffusion_studio.settings.axes import AXES, Axis, option_of, parse_axis, value_label
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import models_dir, runs_dir
from tests.model_folders import network, save

BASE = GenerationSettings(model="tiny", steps=4, seed=6, precision="float32", device="cpu")


@pytest.fixture
def installed():
    yield [save(models_dir() / name, seed=k, num_class_embeds=3) for k, name in enumerate(("tiny", "other"))]
    models._opened.clear()


@pytest.fixture
def walks(monkeypatch):
    """What the models were asked to draw, in order."""
    asked, frames = [], UNetModel.previews

    def counted(self, settings, **how):
        asked.append((self.card.name, settings))
        return frames(self, settings, **how)

    monkeypatch.setattr(UNetModel, "previews", counted)
    return asked


def compared(x, y=None, base=BASE, **how):
    comparison = Comparison(base, parse_axis(x), parse_axis(y) if y else None)
    return comparison, list(compare_jobs.compare(comparison, **{"save": False, **how}))


def alone(settings):
    events = [event for event in generate_jobs.generate(settings, save=False) if isinstance(event, Preview)]
    return events[-1].denoised[0]


# Axes


def test_axes_are_read_as_they_are_written():
    assert parse_axis("sampler=ddim, dpmpp_2m") == Axis("sampler", ("ddim", "dpmpp_2m"))
    assert parse_axis("steps=10,20..40:10") == Axis("steps", (10, 20, 30, 40))
    assert parse_axis("guidance=1..2:0.5,4").values == (1.0, 1.5, 2.0, 4.0)
    assert parse_axis("eta=0..0.3:0.1").values == (0.0, 0.1, 0.2, 0.3)
    assert parse_axis("seed=7..9").values == (7, 8, 9)
    assert parse_axis("Noise schedule=karras").setting == "spacing"
    assert parse_axis("class=a..b").values == ("a..b",)
    assert parse_axis("variation-strength=0.5").setting == "variation_strength"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("color=red", "cannot be compared; what can: sampler, spacing, steps"),
        ("precision=float32", "cannot be compared"),
        ("steps", "needs values, as in steps=10,20,50"),
        ("steps=", "needs values"),
        ("steps=ten", "Steps must be a whole number, not “ten”"),
        ("steps=0", "Steps must be between 1 and 1000"),
        ("sampler=magic", "Sampler “magic” is not known"),
        ("steps=10,10", "10 is given twice"),
        ("steps=20..10", "is not a range"),
        ("seed=0..4000", "has 4001 values; 400 are the most"),
        ("eta=0..1:0", "is not a range"),
        ("eta=nan", "between 0 and 1"),
        ("strength=nan..1", "between 0 and 1"),
        ("guidance=1..inf", "between 0 and 20"),
        ("guidance=1..4:inf", "between 0 and 20"),
    ],
)
def test_what_is_no_axis_is_a_sentence(text, sentence):
    with pytest.raises(UserError) as error:
        parse_axis(text)
    assert sentence in str(error.value)


def test_every_axis_is_a_setting_with_labels():
    for name in AXES:
        facts = option_of(name)
        value = next(iter(facts.choices)) if facts.choices else 1 if facts.max else "x"
        assert value_label(name, value)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ("steps=1,2", "steps=3,4", "along one axis only"),
        ("seed=1..21", "steps=1..20", "420 images; 400 are the most"),
    ],
)
def test_a_comparison_has_its_limits(x, y, sentence):
    with pytest.raises(UserError, match=sentence):
        Comparison(BASE, parse_axis(x), parse_axis(y))


# Drawing


def test_every_cell_is_what_its_settings_draw_alone_from_the_same_seed(installed):
    comparison, events = compared("sampler=ddim,dpmpp_2m,ddpm", "steps=2,3,4")
    assert [type(event) for event in events if isinstance(event, CellDone)] == [CellDone] * 9
    assert {cell.settings.seed for cell in comparison.cells.values()} == {6}
    for (column, row), cell in comparison.cells.items():
        assert cell.settings.sampler == ("ddim", "dpmpp_2m", "ddpm")[column]
        assert cell.settings.steps == (2, 3, 4)[row]
        assert np.array_equal(cell.picture, alone(cell.settings))


def test_a_seed_is_drawn_once_for_all(installed):
    comparison, _ = compared("steps=1,2", base=replace(BASE, seed=None, count=3))
    assert len({cell.settings.seed for cell in comparison.cells.values()}) == 1
    assert comparison.settings.count == 1 and comparison.settings.seed is not None


def test_one_walk_serves_all_cells_that_only_stop_at_another_step(installed, walks):
    comparison, events = compared("until=1,3,0", "sampler=ddim,heun")
    assert len(walks) == 2
    for cell in comparison.cells.values():
        assert np.array_equal(cell.picture, alone(cell.settings))
    assert sum(event.steps for event in events if isinstance(event, CellDone)) == 8
    walks.clear()
    compared("until=2,1")
    assert [settings.until for _, settings in walks] == [2]  # no further than asked for


def test_cells_are_drawn_model_by_model_and_events_say_which(installed, walks):
    comparison, events = compared("model=tiny,other", "steps=1,2")
    assert [name for name, _ in walks] == ["tiny", "tiny", "other", "other"]
    assert isinstance(next(e for e in events if not hasattr(e, "text")), CompareStarted)
    assert [(e.column, e.row) for e in events if isinstance(e, CellStarted)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    previews = [(e.column, e.row, e.index) for e in events if isinstance(e, CellPreview)]
    assert previews[:2] == [(0, 0, 0), (0, 0, 1)] and isinstance(events[-1], Finished)
    assert not np.array_equal(comparison.cells[0, 0].picture, comparison.cells[1, 0].picture)
    assert all(as_json(event)["event"] for event in events)


def test_what_goes_wrong_in_a_cell_is_told_there_and_stops_no_other(installed, tmp_path):
    comparison, events = compared("class=kind 0,nothing", "model=gone,tiny", save=True, folder=tmp_path)
    reasons = {(e.column, e.row): e.reason for e in events if isinstance(e, CellFailed)}
    assert set(reasons) == {(0, 0), (1, 0), (1, 1)}
    assert "not installed" in reasons[0, 0] and "no class “nothing”" in reasons[1, 1]
    assert comparison.done == 1 and comparison.cells[0, 1].picture is not None
    assert any(isinstance(event, SheetSaved) for event in events)


def test_an_axis_that_changes_nothing_is_said(installed):
    def warned(x, y=None):
        return [event.text for event in compared(x, y)[1] if isinstance(event, Warned)]

    assert "only with the sampler DDIM" in warned("eta=0,1")[0]
    assert not warned("eta=0,1", "sampler=ddim,heun")
    assert "start image" in warned("strength=0.2,0.4")[0]
    assert not warned("variation-strength=0,1")  # a second seed is drawn, as for a single picture
    first, second = (cell.picture for cell in compared("variation-strength=0,1")[0].cells.values())
    assert not np.array_equal(first, second)


def test_closing_keeps_what_is_done(installed, tmp_path):
    comparison = Comparison(BASE, parse_axis("seed=1,2,3"))
    with closing(compare_jobs.compare(comparison, folder=tmp_path)) as job:
        next(event for event in job if isinstance(event, CellDone))
    assert comparison.done == 1 and not list(tmp_path.glob("2*"))
    record = reading.read(comparison.save(tmp_path))
    assert record.settings.seed == 6 and record.facts["compare"][0]["values"] == [1, 2, 3]


# What comes of it


def test_the_sheet_says_everything_and_cells_are_saved_by_themselves(installed, tmp_path):
    comparison, events = compared(
        "sampler=ddim,heun", "guidance=1,2.5", save=True, cells=True, folder=tmp_path
    )
    path = next(event.path for event in events if isinstance(event, SheetSaved))
    record = reading.read(path)
    assert not record.refused and record.settings == comparison.settings
    assert record.facts["compare"] == [
        {"setting": "sampler", "values": ["ddim", "heun"]},
        {"setting": "guidance", "values": [1.0, 2.5]},
    ]
    assert record.facts["model_title"] == "tiny" and path.name.endswith("-compare.png")
    saved = [event for event in events if isinstance(event, Saved)]
    assert len(saved) == 4
    for event in saved:
        own = reading.read(event.path)
        assert own.settings == event.settings and np.array_equal(own.pixels(), event.picture)


def test_hostile_axes_in_a_picture_are_refused():
    from diffusion_studio.pictures.facts_schema import FACTS

    good = [{"setting": "steps", "values": [10, 20]}]
    assert FACTS["compare"](good) and FACTS["compare"](good * 2)
    for bad in (
        [],
        good * 3,
        [{"setting": "steps", "values": [10, 0]}],
        [{"setting": "steps", "values": []}],
        [{"setting": "steps", "values": [[1]]}],
        [{"setting": "history", "values": [1]}],
        [{"setting": "steps", "values": [10], "more": 1}],
        {"setting": "steps"},
        [{"setting": [], "values": [1]}],
        [{"setting": "model", "values": ["../elsewhere"]}],
    ):
        assert not FACTS["compare"](bad)
    for name, bad in (("walk", {"seeds": [1], "frames": 2, "loop": True}), ("film", {"scale": 99})):
        assert not FACTS[name](bad)


def cell(level, size=8):
    return np.full((size, size, 3), level, np.uint8), ""


def test_pictures_stand_crisp_in_their_row_and_column():
    cells = [cell(10 * k) for k in range(6)]
    page = lay_out(cells, Axis("steps", (1, 2, 3)), Axis("sampler", ("ddim", "heun")), "shared")
    levels = [(page == 10 * k).all(axis=2) for k in range(1, 6)]
    for found in levels:
        rows, columns = np.where(found.any(1))[0], np.where(found.any(0))[0]
        side = 176 // 8 * 8
        assert len(rows) == len(columns) == side and found.sum() == side * side
    corners = [np.argwhere(found)[0] for found in levels]
    assert corners[0][0] == corners[1][0] and corners[2][1] < corners[3][1] < corners[4][1]
    assert corners[2][0] > corners[1][0]


def test_a_cell_without_a_picture_gives_its_reason_and_any_text_can_be_written():
    x = Axis("class_label", ("a" * 300, "犬の絵 é×", ""))
    page = lay_out([(None, "It went wrong " * 40), cell(9), (None, "")], x, None, "σ" * 400)
    empty = lay_out([(None, ""), cell(9), (None, "")], x, None, "")
    assert page.shape == empty.shape and (page != empty).any()


def test_many_seeds_go_on_in_the_next_row():
    assert [columns_for(count) for count in (1, 6, 7, 9, 12, 16)] == [1, 6, 4, 3, 4, 4]
    page = lay_out([cell(k) for k in range(9)], Axis("seed", tuple(range(9))), None, "")
    assert abs(page.shape[0] - page.shape[1]) < 200


def test_pictures_of_two_sizes_share_a_sheet():
    page = lay_out([cell(1, 8), cell(2, 16)], Axis("model", ("a", "b")), None, "")
    assert (page == 1).all(2).sum() == (page == 2).all(2).sum() == 176**2


# Checkpoints of a training


@pytest.fixture
def run(installed):
    import json

    from safetensors.torch import save as tensors

    from diffusion_studio.training.provenance import Origin
    from diffusion_studio.training.records import runs

    net = network(5, num_class_embeds=3)
    origin = Origin(
        config=net.config,
        scheduler=dict(SCHEDULES["cosine"](1000).config),
        classes=("cat", "dog"),
        class_counts=(1, 1),
        pictures=2,
        digest="0",
    )
    settings = {"name": "Mine", "prediction": "v_prediction", "size": 8}
    made = runs.create("Mine", settings, json.loads(json.dumps(origin.to_dict())))
    for step, scale in ((10, 0.5), (20, 1.0)):
        state = {f"ema.{k}": weight * scale for k, (_, weight) in enumerate(net.named_parameters())}
        made.save_checkpoint(step, tensors(state), {"step": step, "seconds": 1.0})
    return made


def test_checkpoints_of_a_training_are_compared_as_models_are(run, tmp_path):
    name = run.name
    comparison, events = compared(f"model=run:{name}@10,run:{name},tiny", save=True, folder=tmp_path)
    assert not [event for event in events if isinstance(event, CellFailed)]
    pictures = [comparison.cells[k, 0].picture for k in range(3)]
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])
    assert comparison.cells[1, 0].facts["model_title"] == "Mine at step 20"
    path = next(event.path for event in events if isinstance(event, SheetSaved))
    assert not reading.read(path).refused
    assert value_label("model", f"run:{name}@10") == f"{name} at step 10"


def test_models_are_compared_alike_where_not_all_keep_early_weights(installed):
    config, scheduler = network(9, num_class_embeds=3), SCHEDULES["cosine"](1000)
    led = models_dir() / "led"
    early = list(network(8, num_class_embeds=3).parameters())
    write_model(led, config, scheduler, prediction="v_prediction", card={"title": "Led"}, early=early)
    base = replace(BASE, model="led", autoguidance=2.0)
    comparison, events = compared("model=led,tiny", base=base)
    said = [event.text for event in events if isinstance(event, Warned)]
    assert len(said) == 1 and "without autoguidance" in said[0]
    assert all(cell.settings.autoguidance == 1 and not cell.reason for cell in comparison.cells.values())
    comparison, events = compared("steps=2,4", base=base)
    assert not [event for event in events if isinstance(event, Warned)]
    assert np.array_equal(comparison.cells[1, 0].picture, alone(replace(base, steps=4)))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [("run:gone", "no training run"), ("run:{}@15", "it has: 20, 10"), ("run:", "names no checkpoint")],
)
def test_a_checkpoint_that_is_not_there_is_a_sentence_in_its_cell(run, asked, sentence):
    _, events = compared(f"model={asked.format(run.name)},tiny")
    reasons = [event.reason for event in events if isinstance(event, CellFailed)]
    assert len(reasons) == 1 and sentence in reasons[0]


def test_a_damaged_checkpoint_is_not_opened(run):
    next(runs_dir().glob("*/checkpoints/*10/state.safetensors")).write_bytes(b"x")
    _, events = compared(f"model=run:{run.name}@10,tiny")
    assert "is damaged" in next(event.reason for event in events if isinstance(event, CellFailed))
