"""Generation requests that wait their turn, in a file that survives a restart and that several windows and commands share.

    queue = GenerationQueue()
    request = queue.add(settings)          # at the end; its seed is chosen now
    queue.move(request.id, 0)              # to the front
    queue.remove(request.id)               # cancels one that waits, forgets one that failed
    for event in run_queue(queue): ...     # generates what waits, first to last, and reports as `generate` does

Who runs requests some other way calls `take`, then one of `remove` (done or cancelled), `fail` and `give_back`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings, with_seeds
from diffusion_studio.settings.options import changed, from_dict
from diffusion_studio.settings.saving import SavingSettings
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import data_dir
from diffusion_studio.storage.processes import is_running, this_process

if TYPE_CHECKING:
    from diffusion_studio.events import Answer, QueueEvent

MOST = 1000  # requests
State = Literal["waiting", "running", "failed"]


def queue_file() -> Path:
    return data_dir() / "queue.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRequest:
    """One generation that was asked for. `running` in this process or another one that is alive; `failed` for `reason`."""

    id: str
    settings: GenerationSettings
    added: str  # ISO date and time
    state: State = "waiting"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """Requests as they were in the file when they were removed, and the order of all at that time."""

    entries: tuple[Mapping[str, Any], ...]
    order: tuple[str, ...]


class GenerationQueue:
    """The requests in their order. Every method reads the file, and every change is written at once.

    Changes raise `UserError` where the file cannot be read or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = queue_file() if path is None else path

    def requests(self) -> list[QueuedRequest]:
        """All of them, first to last. A file that cannot be read counts as empty, which is reported as a notice."""
        return [_request(entry) for entry in _entries(own_files.read(self.path, check=_fault))]

    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return sum(request.state == "waiting" for request in self.requests())

    def add(self, settings: GenerationSettings) -> QueuedRequest:
        """Put a request at the end. Seeds that are random are chosen now, so that it makes the same images whenever it runs."""
        request = QueuedRequest(
            id=uuid.uuid4().hex,
            settings=with_seeds(settings),
            added=datetime.now().astimezone().isoformat(timespec="seconds"),
        )

        def append(entries: list[dict[str, Any]]) -> None:
            if len(entries) >= MOST:
                raise UserError(tr("The queue holds {most} requests at most.", most=MOST))
            entries.append({
                "id": request.id,
                "added": request.added,
                "state": "waiting",
                "settings": changed(request.settings),
            })  # fmt: skip

        self._change(append)
        return request

    def move(self, id: str, place: int) -> None:
        """Give a request the place it has in `requests()`, from 0; a place past the end is the end."""

        def move(entries: list[dict[str, Any]]) -> None:
            moved = next((entry for entry in entries if entry["id"] == id), None)
            if moved is not None:
                entries.remove(moved)
                entries.insert(max(place, 0), moved)

        self._change(move)

    def remove(self, *ids: str) -> Removed:
        """Forget requests: done, cancelled or failed ones. Those that are not there are passed over."""
        return self._remove(lambda entry: entry["id"] in ids)

    def clear(self) -> Removed:
        """Forget everything that does not run."""
        return self._remove(lambda entry: _state(entry) != "running")

    def put_back(self, removed: Removed) -> None:
        """Let requests that were removed wait again, between those they were between."""
        place = {id: number for number, id in enumerate(removed.order)}

        def put_back(entries: list[dict[str, Any]]) -> None:
            there = {entry["id"] for entry in entries}
            entries += [dict(entry) for entry in removed.entries if entry["id"] not in there]
            entries.sort(key=lambda entry: place.get(entry["id"], len(place)))

        self._change(put_back)

    def retry(self, id: str) -> None:
        """Let a failed request wait again."""
        self._update(id, state="waiting", reason="")

    def take(self) -> QueuedRequest | None:
        """The first request that waits, which runs in this process from now on; None when nothing waits."""
        taken: list[QueuedRequest] = []

        def take(entries: list[dict[str, Any]]) -> None:
            for entry in entries:
                request = _request(entry)
                if request.state == "waiting":
                    entry.update(state="running", owner=_owner())
                    taken.append(replace(request, state="running"))
                    return

        self._change(take)
        return taken[0] if taken else None

    def give_back(self, id: str) -> None:
        """Let a request that was taken wait again at its place, as if it had not been started."""
        self._update(id, state="waiting")

    def fail(self, id: str, reason: str) -> None:
        """Keep a request as failed, so that it can be read about and retried."""
        self._update(id, state="failed", reason=reason)

    def _remove(self, unwanted: Callable[[dict[str, Any]], bool]) -> Removed:
        removed: list[dict[str, Any]] = []
        order: list[str] = []

        def remove(entries: list[dict[str, Any]]) -> None:
            order[:] = [entry["id"] for entry in entries]
            removed[:] = [entry for entry in entries if unwanted(entry)]
            entries[:] = [entry for entry in entries if not unwanted(entry)]

        self._change(remove)
        return Removed(tuple(removed), tuple(order))

    def _update(self, id: str, **values: object) -> None:
        def update(entries: list[dict[str, Any]]) -> None:
            for entry in entries:
                if entry["id"] == id:
                    entry.pop("owner", None)
                    entry.update(values)

        self._change(update)

    def _change(self, do: Callable[[list[dict[str, Any]]], None]) -> None:
        def change(value: own_files.Values) -> own_files.Values:
            entries = _entries(value)
            do(entries)
            return {**value, "version": own_files.VERSION, "requests": entries}

        own_files.change(self.path, change, check=_fault)


def run_queue(
    queue: GenerationQueue, *, folder: Path | None = None, saving: SavingSettings | None = None
) -> Generator[QueueEvent, Answer | None, None]:
    """Generate what waits, first to last, until nothing does, including requests that are added while it runs.

    Each begins with `RequestStarted` and ends with `RequestEnded`; a request that fails stays in the queue with its reason and
    stops no other. Closing the generator puts the running request back, unless it was removed. `folder` and `saving` are as
    `generate` takes them.
    """
    from diffusion_studio.events import RequestEnded, RequestStarted  # here: they bring numpy

    while (request := queue.take()) is not None:
        try:
            yield RequestStarted(id=request.id, settings=request.settings, waiting=queue.waiting())
            reason = yield from _generate(request.settings, folder, saving)
        except UserError as error:
            reason = str(error)
        except Exception as error:  # not to be tried again and again, each time the application starts
            queue.fail(request.id, f"{type(error).__name__}: {str(error)[:200]}")
            raise
        except BaseException:
            with suppress(UserError):
                queue.give_back(request.id)
            raise
        if reason:
            queue.fail(request.id, reason)
        else:
            queue.remove(request.id)
        yield RequestEnded(id=request.id, reason=reason)


def _generate(
    settings: GenerationSettings, folder: Path | None, saving: SavingSettings | None
) -> Generator[QueueEvent, Answer | None, str]:
    """The events of one generation; returns why an image was not saved, "" when all were."""
    from diffusion_studio.events import NotSaved
    from diffusion_studio.jobs.generate import generate

    reason, answer = "", None
    job = generate(settings, folder=folder, saving=saving)
    try:
        while True:
            try:
                event = job.send(answer)
            except StopIteration:
                return reason
            if isinstance(event, NotSaved):
                reason = event.reason
            answer = yield event
    finally:
        job.close()


def _entries(value: own_files.Values) -> list[dict[str, Any]]:
    return list(value.get("requests", []))


def _fault(value: own_files.Values) -> str:
    """What is wrong with the whole file, in words."""
    entries = value.get("requests", [])
    if not isinstance(entries, list):
        return tr("“requests” is no list")
    ids = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(id, str) and id for id in ids) or len(set(ids)) < len(ids):
        return tr("a request has no id of its own")
    return ""


def _request(entry: dict[str, Any]) -> QueuedRequest:
    """A request as it is in the file; one whose settings cannot be carried out as they are counts as failed."""
    said = entry.get("settings")
    settings, refused = from_dict(GenerationSettings, said if isinstance(said, dict) else {})
    reason = entry.get("reason")
    request = QueuedRequest(
        id=entry["id"],
        settings=settings,
        added=str(entry.get("added", "")),
        state=_state(entry),
        reason=reason if isinstance(reason, str) else "",
    )
    if not isinstance(said, dict):
        refused = [tr("Its settings are missing.")]
    return replace(request, state="failed", reason=" ".join(refused[:3])) if refused else request


def _state(entry: dict[str, Any]) -> State:
    """What a request does now: one that ran in a process that is gone waits again."""
    state = entry.get("state")
    if state == "running":
        return "running" if _alive(entry.get("owner")) else "waiting"
    return "failed" if state == "failed" else "waiting"


def _owner() -> dict[str, float]:
    process, started = this_process()
    return {"process": process, "started": started}


def _alive(owner: object) -> bool:
    """Whether the process that took a request still runs: its number may belong to another one by now."""
    return isinstance(owner, dict) and is_running((owner.get("process"), owner.get("started")))
