"""A run knows its pictures: a folder that moved is the same data set, one that changed is refused with how it differs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import Warned
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.data.data_record import compare, read_record
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import runs
from diffusion_studio.training_events import DataDiffers, Published

BEFORE = {"a/1.png": ("a", "one"), "a/2.png": ("a", "two"), "b/3.png": ("b", "three")}


def test_a_difference_names_what_is_missing_added_changed_moved_and_renamed():
    now = {
        "a/1.png": ("a", "other"),
        "b/2.png": ("b", "two"),
        "b/new.png": ("b", "three"),
        "b/4.png": ("b", "4"),
    }
    found = compare(BEFORE, now)
    assert (list(found.changed), list(found.renamed)) == (["a/1.png"], ["b/new.png"])
    assert (list(found.missing), list(found.added)) == (["a/2.png"], ["b/2.png", "b/4.png"])
    assert "1 missing (a/2.png)" in found.words and "2 added (b/2.png, b/4.png)" in found.words
    assert found


def test_another_name_alone_is_the_same_data_set():
    now = {"a/x.png": ("a", "one"), "a/2.png": ("a", "two"), "b/3.png": ("b", "three")}
    assert not compare(BEFORE, now)
    assert not compare(BEFORE, dict(BEFORE))


def test_a_long_list_is_shortened():
    words = compare({}, {f"{k}.png": ("", str(k)) for k in range(1000)}).words
    assert words.startswith("1,000 added") and len(words) < 100


@pytest.fixture
def trained(settings):
    list(train(settings))
    run = runs.find("tiny")
    assert len(read_record(run.path)) == 30
    return run


def more(folder, **options):
    return list(train(TrainingSettings(steps=12, folder=str(folder)), resume="tiny", **options))


def test_a_data_set_that_moved_is_resumed_from_its_new_location(trained, folder, tmp_path):
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    with pytest.raises(UserError, match="If it was moved"):
        list(train(TrainingSettings(steps=12), resume="tiny"))
    assert runs.find("tiny").state == "finished"  # as it was before
    events = more(moved)
    assert isinstance(events[-1], Published)
    assert not any("have changed" in event.text for event in events if isinstance(event, Warned))
    assert Path(trained.facts["settings"]["folder"]) == moved


def test_another_data_set_is_refused_with_how_it_differs_unless_allowed(trained, folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (moved / "dark" / "01.png").unlink()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(moved / "dark" / "02.png")
    Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(moved / "bright" / "new.png")
    with pytest.raises(UserError, match=r"1 missing \(dark/01.png\), 1 added \(bright/new.png\), 1 changed"):
        more(moved)
    assert trained.facts["settings"]["folder"] == str(folder) and trained.state == "finished"
    events = more(moved, changed_data=True)
    assert isinstance(events[-1], Published)
    assert any("1 missing" in event.text for event in events if isinstance(event, Warned))
    assert trained.facts["settings"]["folder"] == str(moved)
    assert "bright/new.png" in read_record(trained.path)


def test_the_difference_is_told_before_the_refusal(trained, folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (moved / "dark" / "01.png").unlink()
    seen, job = [], train(TrainingSettings(steps=12, folder=str(moved)), resume="tiny")
    with pytest.raises(UserError):
        seen.extend(iter(lambda: seen.append(next(job)), "never"))
    seen = [event for event in seen if event is not None]
    [differs] = [event for event in seen if isinstance(event, DataDiffers)]
    assert (differs.run, differs.folder) == ("tiny", str(moved)) and "1 missing" in differs.text


def test_other_classes_are_refused_even_when_other_pictures_are_allowed(trained, folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (moved / "dark").rename(moved / "night")
    with pytest.raises(UserError, match="bright, night in place of bright, dark"):
        more(moved, changed_data=True)


def test_a_run_of_an_earlier_version_is_held_against_its_fingerprint(trained, folder, tmp_path):
    (trained.path / "pictures.json").unlink()
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert isinstance(more(moved)[-1], Published)
    (trained.path / "pictures.json").unlink()
    (moved / "dark" / "01.png").unlink()
    with pytest.raises(UserError, match="29 images now and 30 at the beginning"):
        list(train(TrainingSettings(steps=20, folder=str(moved)), resume="tiny"))
