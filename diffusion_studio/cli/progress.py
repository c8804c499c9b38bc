"""How a verb shows what a job reports: paths or JSON on standard output, all else on standard error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.cli.output import on_terminal, plain, progress_bar, say, say_json, tell
from diffusion_studio.errors import not_saved

if TYPE_CHECKING:
    from diffusion_studio.events import Event, NotSaved

SHARE = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


class Report:
    """One progress bar at a time, and lines that do not break it. Each verb matches the events of its job."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.bar: Any = None
        self.lost: list[str] = []  # why images were not saved
        self.lost_names: list[str] = []  # which
        self._status = ""

    def record(self, event: Event) -> None:
        """The event as a line of JSON, where that is what was asked for."""
        if self.as_json:
            from diffusion_studio.events import as_json

            say_json(as_json(event))

    def tell(self, text: str) -> None:
        """A line above the bar, not through it."""
        if self.bar is not None and not self.bar.disable:
            self.bar.clear()
            tell(text)
            self.bar.refresh()
        else:
            tell(text)

    def status(self, text: str) -> None:
        """What the job does, for people who watch; once for what is reported again and again."""
        if on_terminal() and text != self._status:
            self._status = text
            self.tell(text)

    def lose(self, event: NotSaved) -> None:
        self.lost.append(event.reason)
        self.lost_names.append(f"seed {event.settings.seed}")

    def loss(self, total: int) -> str:
        """The sentence for what was not saved, of so many images."""
        return not_saved(self.lost, total, self.lost_names)

    def saved(self, path: Path) -> None:
        if not self.as_json:
            say(str(path))

    def begin(self, total: float, what: str, unit: str = "it", **how: object) -> None:
        self.close()
        self.bar = progress_bar(total=total, desc=plain(what), unit=unit, **how)

    def advance(self) -> None:
        self.bar.update(1)

    def move_to(self, done: int, total: int) -> None:
        """The bar is taken down when it is full, so that what is printed next does not break it."""
        if self.bar is None:
            return
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def count(self, done: int, total: int, what: str, unit: str) -> None:
        """As `move_to`, with a bar that begins at the first count."""
        if self.bar is None:
            self.begin(total, what, unit)
        self.move_to(done, total)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
