"""Where the time goes between a control that moves and its painted image: stamps at each hand-over, for `live.py --legs`."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

# Each leg is between two stamps of the image of one movement.
LEGS = (
    ("moved", "asked", "the window reads the settings and posts the request"),
    ("asked", "taken", "waits for the image in work, or for the worker to wake"),
    ("taken", "network", "settings, noise and levels"),
    ("network", "answered", "the network"),
    ("answered", "made", "from the prediction to an image"),
    ("made", "received", "waits for the window"),
    ("received", "shown", "the window takes the image"),
    ("shown", "painted", "waits for its turn and is painted"),
    ("moved", "painted", "in all"),
)


class Legs:
    """Stamps by the number of a request, in seconds of `perf_counter`; and what the window's work takes of the processor."""

    def __init__(self) -> None:
        self.stamps: dict[int, dict[str, float]] = {}
        self.moved_at = 0.0
        self.working = 0  # number of the request in work
        self.window: dict[str, list[float]] = {}  # seconds of processor time, by what was done

    def clear(self) -> None:
        self.stamps.clear()
        self.window.clear()

    def stamp(self, number: int, name: str) -> None:
        self.stamps.setdefault(number, {}).setdefault(name, time.perf_counter())

    def counted(self, name: str, work: Any) -> Any:
        """`work` with its processor time counted under this name."""

        def run(*args: Any, **values: Any) -> Any:
            begun = time.thread_time()
            try:
                return work(*args, **values)
            finally:
                self.window.setdefault(name, []).append(time.thread_time() - begun)

        return run

    def watch(self) -> None:
        """Before the window is built: its slots are connected to what is stamped here."""
        from diffusion_studio.diffusion.packed.engine import FastNetwork
        from diffusion_studio.jobs.live import NewestRequest
        from diffusion_studio.ui.base.worker import Worker
        from diffusion_studio.ui.generate.live.live import Live
        from diffusion_studio.ui.pictures.canvas import Canvas

        put, take = NewestRequest.put, NewestRequest.take
        forward, briefly, deliver = FastNetwork.__call__, FastNetwork.briefly, Worker._deliver
        receive, paint = Live._on_event, Canvas.paintEvent

        def timed_put(requests: Any, *args: Any, **values: Any) -> int:
            asked = time.perf_counter()
            number = put(requests, *args, **values)
            self.stamps.setdefault(number, {}).update(moved=self.moved_at, asked=asked)
            return number

        def timed_take(requests: Any, *args: Any) -> Any:
            request = take(requests, *args)
            if request is not None:
                self.working = request.number
                self.stamp(request.number, "taken")
            return request

        def timed(run: Any) -> Any:
            def forward_of(network: Any, *args: Any) -> Any:
                self.stamp(self.working, "network")
                try:
                    return run(network, *args)
                finally:
                    self.stamp(self.working, "answered")

            return forward_of

        def timed_deliver(worker: Any, job: int, event: Any) -> None:
            if type(event).__name__ == "LiveFrame":
                self.stamp(event.number, "made")
            deliver(worker, job, event)

        def timed_receive(live: Any, job: int, event: Any) -> None:
            if type(event).__name__ != "LiveFrame":
                receive(live, job, event)
                return
            self.stamp(event.number, "received")
            receive(live, job, event)
            self.stamp(event.number, "shown")

        def timed_paint(canvas: Any, event: Any) -> None:
            paint(canvas, event)
            live = getattr(getattr(canvas.window(), "page", None), "live", None)
            if live is not None and live.live.showing:
                self.stamp(live.live._number, "painted")

        NewestRequest.put, NewestRequest.take = timed_put, timed_take  # type: ignore[method-assign]
        FastNetwork.__call__, FastNetwork.briefly = timed(forward), timed(briefly)  # type: ignore[method-assign]
        Worker._deliver = timed_deliver  # type: ignore[method-assign]
        Live._on_event = self.counted("an image taken", timed_receive)  # type: ignore[method-assign]
        Canvas.paintEvent = self.counted("an image painted", timed_paint)  # type: ignore[method-assign]

    def rows(self) -> list[tuple[str, float, float, int]]:
        """(what, median, 95th percentile, count), in milliseconds."""
        found = []
        for first, last, words in LEGS:
            taken = sorted(
                1000 * (stamps[last] - stamps[first])
                for stamps in list(self.stamps.values())
                if first in stamps and last in stamps and "painted" in stamps
            )
            found.append(_row(words, taken))
        found += [
            _row(f"processor: {name}", sorted(1000 * seconds for seconds in times))
            for name, times in self.window.items()
        ]
        return [row for row in found if row[3]]


def _row(words: str, taken: list[float]) -> tuple[str, float, float, int]:
    if not taken:
        return words, 0.0, 0.0, 0
    return words, median(taken), taken[min(int(0.95 * len(taken)), len(taken) - 1)], len(taken)
