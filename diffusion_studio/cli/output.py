"""What every command prints with: results on standard output, everything else on standard error, and no crash over either."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TextIO

from diffusion_studio.language import tr

_faults: list[OSError] = []  # why standard output takes no more


def prepare() -> None:
    """Names may contain bytes that are not text; they are printed escaped."""
    _faults.clear()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """A result, at once. When nobody reads any more, the work continues silently: what it makes is kept all the same."""
    if sys.stdout is None or _faults:
        return
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError as error:
        _faults.append(error)
        _silence(sys.stdout)


def say_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line, in ASCII; what JSON has no number for is null."""
    say(json.dumps(_finite(value), default=str))


def say_rows(rows: Iterable[tuple[str, object]]) -> None:
    """(what, value) line by line, aligned; foreign values are made harmless."""
    shown = [(name, plain(value)) for name, value in rows if value not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{name:<{width}}  {value}")


def tell(sentence: object) -> None:
    """A message, besides the results."""
    with suppress(OSError, ValueError):
        print(plain(sentence), file=sys.stderr, flush=True)


def plain(text: object) -> str:
    """On one line, without the control characters that move a terminal's cursor or change its colours."""
    return "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else " " if c.isspace() else "\ufffd"
        for c in str(text)
    )


def on_terminal() -> bool:
    """Whether standard error is a terminal, so that progress is worth showing."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def asks() -> bool:
    """Whether a question can be answered: both standard input and standard error are a terminal."""
    try:
        return on_terminal() and sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False


def agreed(question: str) -> bool:
    """Ask, and return whether the answer was yes."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def progress_bar(**facts: object) -> Any:
    """tqdm on standard error, which shows nothing where that is not a terminal."""
    from tqdm import tqdm

    tqdm.monitor_interval = (
        0  # its thread would outlive the bar, for bars that are updated less often than these
    )
    try:
        wide = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (AttributeError, OSError, ValueError):
        wide = False
    # some terminals do not know their size
    size = {"dynamic_ncols": True} if wide else {"ncols": 80, "nrows": 24}
    return tqdm(file=sys.stderr, disable=not on_terminal(), **size, **facts)


def finish() -> str | None:
    """Leave nothing that could fail at the end of the interpreter; returns what went wrong, unless nobody was reading."""
    try:
        if sys.stdout is not None and not _faults:
            sys.stdout.flush()
    except OSError as error:
        _faults.append(error)
        _silence(sys.stdout)
    except ValueError:
        pass
    real = [fault for fault in _faults if not isinstance(fault, BrokenPipeError)]
    return (
        tr("Standard output could not be written: {strerror}.", strerror=real[0].strerror or real[0])
        if real
        else None
    )


def _silence(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
