"""Python's collector of garbage holds all threads up while it looks through everything there is: 250 ms with the facts of
20,000 images. What is known to stay is therefore set aside, until memory is really wanted back."""

from __future__ import annotations

import gc

_aside = False  # whether anything was set aside here: what others froze is none of ours to look through again


def set_aside() -> None:
    """Keep what is there now out of the collector's way; it is still freed as soon as nothing refers to it."""
    global _aside
    gc.freeze()
    _aside = True


def collect() -> None:
    """Collect everything, what was set aside too: a model in a circle of references may be among it."""
    if _aside:
        gc.unfreeze()
    gc.collect()
    if _aside:
        gc.freeze()
