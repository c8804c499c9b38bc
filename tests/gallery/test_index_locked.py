"""The gallery's cache: one that another process holds is waited for and never deleted."""

import sqlite3
import threading

import numpy as np
import pytest

from diffusion_studio.gallery import entries, index
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings


@pytest.fixture
def pictures():
    for seed in (1, 2):
        outputs.save(np.zeros((8, 8, 3), np.uint8), GenerationSettings(model="faces", seed=seed), facts={})
    from diffusion_studio.pictures.listing import newest

    return newest()


def look(pictures):
    return [entry for batch in index.look(entries.found(pictures)) for entry in batch]


def held():
    other = sqlite3.connect(index.cache_file(), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    return other


def test_a_locked_cache_is_waited_for(pictures):
    look(pictures)
    inode, other = index.cache_file().stat().st_ino, held()
    timer = threading.Timer(0.2, other.close)
    timer.start()
    assert len(look(pictures)) == 2
    timer.join()
    assert index.cache_file().stat().st_ino == inode


def test_a_cache_that_stays_locked_is_done_without(pictures, monkeypatch):
    look(pictures)
    monkeypatch.setattr(index, "WAIT", 0.05)
    inode, other = index.cache_file().stat().st_ino, held()
    assert len(look(pictures)) == 2
    other.close()
    assert index.cache_file().stat().st_ino == inode


@pytest.mark.parametrize("said", ["[]", "{", '{"settings": 5}', '{"width": "x"}', "null", "5"])
def test_a_damaged_row_is_read_anew(pictures, said):
    look(pictures)
    with sqlite3.connect(index.cache_file()) as cache:
        cache.execute("UPDATE said SET said = ?", (said,))
    cache.close()
    assert sorted(entry.value("seed") for entry in look(pictures)) == [1, 2]
