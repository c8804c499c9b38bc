"""Setting aside what stays keeps the collector from looking through it, and keeps no memory for ever."""

import gc
import weakref

import pytest

from diffusion_studio.machine import garbage


class Circle:
    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def thawed(monkeypatch):
    monkeypatch.setattr(garbage, "_aside", False)
    yield
    gc.unfreeze()


def test_what_is_set_aside_is_not_looked_through_but_collected_when_memory_is_wanted():
    circle = Circle()
    gone = weakref.ref(circle)
    garbage.set_aside()
    del circle
    gc.collect()
    assert gone() is not None, "it is out of the collector's way"
    garbage.collect()
    assert gone() is None
    assert gc.get_freeze_count() > 0, "what stays is set aside again"


def test_collecting_sets_nothing_aside_by_itself():
    gc.unfreeze()
    garbage.collect()
    assert gc.get_freeze_count() == 0


def test_what_others_froze_is_left_alone():
    circle = Circle()
    gone = weakref.ref(circle)
    gc.freeze()
    del circle
    garbage.collect()
    assert gone() is not None and gc.get_freeze_count() > 0
