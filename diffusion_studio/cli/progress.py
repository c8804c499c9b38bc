"""How a verb that draws tells what happens: paths or JSON on standard output, all else on standard error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusion_studio.cli.output import on_terminal, plain, progress_bar, say, say_json, tell
from diffusion_studio.errors import not_saved


class Report:
    """Shows events, with one progress bar at a time. Each verb adds what is its own in `on`."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.bar: Any = None
        self.lost: list[str] = []  # why images were not saved
        self.lost_names: list[str] = []  # which

    def show(self, event: Any) -> None:
        from diffusion_studio import events

        if self.as_json:
            say_json(events.as_json(event))
        match event:
            case events.Status():
                if on_terminal():
                    tell(event.text)
            case events.NotSaved():
                self.lost.append(event.reason)
                self.lost_names.append(f"seed {event.settings.seed}")
            case events.FilmProgress():
                if event.done == 1:
                    self.begin(event.total, "Film", "frame")
                self.move_to(event.done, event.total)
            case _:
                self.on(event)

    def loss(self, total: int) -> str:
        """The sentence for what was not saved, of so many images."""
        return not_saved(self.lost, total, self.lost_names)

    def on(self, event: Any) -> None:
        raise NotImplementedError

    def begin(self, total: int, what: str, unit: str) -> None:
        self.close()
        self.bar = progress_bar(total=total, desc=plain(what), unit=unit)

    def move_to(self, done: int, total: int) -> None:
        """The bar is taken down where it is full, so that what is printed next does not break it."""
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def saved(self, path: Path) -> None:
        if not self.as_json:
            say(str(path))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
