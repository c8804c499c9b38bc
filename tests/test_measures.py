"""The measures of packaging/starter: what is alike measures 0, what is worse measures more, and the intervals hold the truth."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_studio.training.images import Pictures

ROOT = Path(__file__).parents[1]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


measures = load(ROOT / "packaging" / "starter" / "measures.py")


def normal(count, mean=0.0, seed=0):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)) + mean


def test_kid_is_zero_for_one_distribution_and_grows_with_the_distance():
    same, near, far = (measures.kid(normal(600, mean, 1), normal(500, seed=2)) for mean in (0.0, 0.2, 0.6))
    assert abs(same.value) < 2 * same.margin
    assert near.value > near.margin and far.value > 3 * near.value


def test_the_interval_of_kid_is_as_wide_as_its_spread():
    values = [measures.kid(normal(200, 0.2, seed), normal(200, 0.0, 1000 + seed)) for seed in range(30)]
    spread = 2 * np.std([value.value for value in values])
    assert spread / 2 < np.mean([value.margin for value in values]) < 2 * spread


def test_kid_equals_its_definition():
    a, b = normal(20, 0.3, 1).double(), normal(20, seed=2).double()
    kernel = lambda x, y: (x @ y / 8 + 1) ** 3  # noqa: E731
    pairs = [(i, j) for i in range(20) for j in range(20)]
    within = sum(kernel(x[i], x[j]) for x in (a, b) for i, j in pairs if i != j) / (20 * 19)
    between = sum(kernel(a[i], b[j]) for i, j in pairs) / 400
    assert measures.kid(a, b).value == pytest.approx(1000 * float(within - 2 * between), rel=1e-9)


def test_the_interval_of_a_share_is_the_known_one():
    margins = []
    for seed in range(20):
        hits = (torch.rand(1000, generator=torch.Generator().manual_seed(seed)) < 0.2).double()
        found = measures.jackknife(lambda own, _, hits=hits: float(hits[own].mean()), 1000, 0)
        assert found.value == pytest.approx(float(hits.mean()))
        margins.append(found.margin)
    assert np.mean(margins) == pytest.approx(1.96 * (0.2 * 0.8 / 1000) ** 0.5, rel=0.15)


def pictures(seed, count=120, classes=("dark", "light")):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, count)
    levels = np.where(labels, 190, 60)[:, None, None, None] + draw.normal(0, 12, (count, 3, 1, 1))
    images = (levels + draw.normal(0, 6, (count, 3, 8, 8))).clip(0, 255).astype(np.uint8)
    return Pictures(images, labels.astype(np.int64), classes, [str(row) for row in range(count)])


def features(images):
    return torch.from_numpy(images).float().flatten(1)[:, ::7] / 255 - 0.5


def test_the_judge_knows_good_images_copies_and_classes():
    learned, held_out = pictures(1), pictures(2)
    judge = measures.Judge(learned, held_out, features)
    rows = torch.from_numpy(pictures(3).labels)
    good, swapped = judge(pictures(3).images, rows), judge(pictures(3).images, 1 - rows)
    copied = judge(learned.images, torch.from_numpy(learned.labels))
    assert abs(good.kid.value) < 3 * good.kid.margin + 1e-9
    assert 0.9 < good.ratio.value < 1.1 and copied.ratio.value < 0.01
    assert good.accuracy.value > 0.95 and swapped.accuracy.value < 0.05
    assert judge.floor().ratio.value == 1 and judge.floor().accuracy.value > 0.95
    assert set(good.to_dict()) == {"kid", "kid16", "ratio", "accuracy"}


def test_kid16_forgives_grain_and_not_structure():
    """Grain of 4 levels is seen by features of single pixels; the noise of both sides drowns it."""

    def sharp(images):
        x = torch.from_numpy(images).float() / 255
        return torch.cat(
            [(x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))[:, None] * 10, x.mean((1, 2, 3))[:, None]], 1
        )

    def flat(seed):
        levels = np.random.default_rng(seed).integers(60, 200, (200, 3, 1, 1), dtype=np.uint8)
        return Pictures(levels.repeat(8, 2).repeat(8, 3), np.zeros(200, np.int64), (), [])

    judge, images = measures.Judge(flat(0), flat(1), sharp), flat(2).images
    grain = (images + np.random.default_rng(1).normal(0, 4, images.shape)).clip(0, 255).astype(np.uint8)
    seen = judge(grain)
    assert seen.kid.value > 3 * seen.kid.margin and seen.kid.value > 5 * abs(seen.kid16.value)
    assert seen.accuracy is None


def test_noise_is_of_sixteen_levels_and_stays_an_image():
    grey = np.full((4, 3, 64, 64), 128, np.uint8)
    noise = measures.noisy(grey, seed=0).astype(float) - 128
    assert noise.std() == pytest.approx(16, rel=0.02) and measures.noisy(grey * 0, seed=0).min() == 0


@pytest.fixture(scope="module")
def study():
    return load(ROOT / "tests" / "benchmarks" / "study.py")


def test_every_lever_of_the_study_is_a_setting(study):
    from diffusion_studio.settings.training import TrainingSettings

    for changes in study.LEVERS.values():
        TrainingSettings(size=64, **changes)


def test_the_study_divides_a_folder_once_and_leaves_torn_results_out(study, tmp_path):
    from PIL import Image

    for number in range(10):
        (tmp_path / "in" / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "in" / "a" / f"{number}.png")
    learned, held_out = study.divide(tmp_path / "in", tmp_path / "set")
    assert (len(list(learned.rglob("*.png"))), len(list(held_out.rglob("*.png")))) == (8, 2)
    assert study.divide(tmp_path / "in", tmp_path / "set") == (learned, held_out)
    way = {"kid": [20, 1], "kid16": [2.0, 0.1], "ratio": [1.0, 0.1]}
    row = {"images": "x", "lever": "haar", "seed": 0, "minutes": 3.0, "images_per_second": 50}
    row |= {"validation": 0.125, "quality": {"a": way}}
    import json

    (tmp_path / "results.jsonl").write_text(
        json.dumps(row) + "\n" + json.dumps({**row, "seed": 1}) + "\n" + '{"ima'
    )
    rows = study.read_results(tmp_path)
    assert len(rows) == 2
    assert list(study.table(rows))[-1] == (
        "| x | 3 | haar | a | 2 | 50 | 2.00 ± 0.00 | – | 20 ± 0 | 1.00 ± 0.00 | 0.1250 |"
    )
    usual = {**row, "lever": "as it is", "quality": {"a": {**way, "kid16": [4.0, 1]}}}
    compared = list(
        study.table([*rows, usual, {**usual, "seed": 1, "quality": {"a": {**way, "kid16": [8.0, 1]}}}])
    )
    assert " | 2 | 50 | 2.00 ± 0.00 | 0.38 (0.25 to 0.50) | " in compared[2]  # seed by seed
    assert study.Trial("x", "haar", 1, 3.0).is_in(rows[1])
    assert not study.Trial("x", "haar", 1, 10.0).is_in(rows[1])


def test_a_lever_has_as_many_steps_as_the_baseline_has_work(study, tmp_path, monkeypatch):
    turns = iter(([0.5, 0.25], [1.0, 4.0]))  # the second beside others, who slow both sides
    monkeypatch.setattr(study, "time_in_turns", lambda *sides: next(turns))
    settings = study.good(tmp_path, 32, {"batch": 16})
    assert study.step_seconds(tmp_path, "x", "fast", settings) == 0.25
    assert study.step_seconds(tmp_path, "x", "slow", settings) == 2.0
    assert study.step_seconds(tmp_path, "x", "fast", settings) == 0.25  # measured once
    free = study.good(tmp_path, 32, {"weighting": "uncertainty", "timestep_sampling": "logit_normal"})
    assert study.step_seconds(tmp_path, "x", "free", free) == 0.5  # not measured at all


def test_the_baseline_is_what_good_chooses_from_nothing(study, tmp_path):
    small, large = study.good(tmp_path, 32, {}), study.good(tmp_path, 64, {})
    assert (small.space, large.space, small.start_from) == ("pixels", "haar", "scratch")
    assert study.good(tmp_path, 64, {"space": "pixels"}).space == "pixels"
    assert study.good(tmp_path, 64, {"start_from": "drawings-64"}).start_from == "drawings-64"
    assert small.steps == small.minutes == 0


def test_the_steps_of_two_settings_are_timed_in_turns(study, tmp_path, monkeypatch):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(study, "ROUNDS", 1)
    sides = [study.good(tmp_path, 8, {"batch": 1, "space": space}) for space in ("pixels", "haar")]
    assert all(seconds > 0 for seconds in study.time_in_turns(*sides))
