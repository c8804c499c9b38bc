"""`queue`: requests that wait their turn: `generate --queue` adds one, and the window shows the same ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from diffusion_studio.cli.output import plain, say, say_json, tell
from diffusion_studio.cli.overwriting import add_out, check_folder
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr

if TYPE_CHECKING:
    from diffusion_studio.events import QueueEvent
    from diffusion_studio.jobs.queue import GenerationQueue, QueuedRequest

Run = Callable[[argparse.Namespace, Stop], int]
SHORT = 8  # digits of an id that are shown


def queue(parser: argparse.ArgumentParser) -> Run:
    parser.set_defaults(run=run_list)
    parser.add_argument("--json", action="store_true", help=tr("print one request per line as JSON"))
    actions = parser.add_subparsers(metavar="[ACTION]", title=tr("actions"), prog=parser.prog)

    def add(name: str, run: Run, help: str) -> argparse.ArgumentParser:
        action: argparse.ArgumentParser = actions.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
        )
        action.set_defaults(run=run)
        return action

    listing = add("list", run_list, tr("list the requests (what “queue” alone does)"))
    listing.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("print JSON"))
    run = add("run", run_all, tr("generate what waits, first to last"))
    add_out(run)
    run.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help=tr("print one event per line as JSON")
    )
    move = add("move", run_move, tr("give a request another place"))
    move.add_argument("id", metavar="ID", help=tr("as “queue list” shows it"))
    move.add_argument("place", metavar="PLACE", type=int, help=tr("1 is the front"))
    for name, act, help in (
        ("remove", run_remove, tr("cancel requests that wait, and forget those that failed")),
        ("retry", run_retry, tr("let failed requests wait again")),
    ):
        add(name, act, help).add_argument("id", metavar="ID", nargs="+", help=tr("as “queue list” shows it"))
    add("clear", run_clear, tr("remove all requests except those that run"))
    return lambda arguments, stop: int(arguments.run(arguments, stop))


def run_list(arguments: argparse.Namespace, _: Stop) -> int:
    requests = _queue().requests()
    for place, request in enumerate(requests, 1):
        if arguments.json:
            say_json(facts(request))
        else:
            say("  ".join([f"{place:>3}", request.id[:SHORT], f"{request.state:<7}", plain(words(request))]))
    if not requests:
        tell(tr("No request waits. “generate --queue” adds one."))
    return 0


def run_all(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio.jobs.queue import run_queue

    if arguments.out is not None:
        check_folder(arguments.out)
    report = QueueReport(arguments.json)
    try:
        with closing(run_queue(_queue(), folder=arguments.out)) as job:
            for event in job:
                report.show(event)
    finally:
        report.close()
    if not report.ended:
        tell(tr("No request waits. “generate --queue” adds one."))
    for reason in report.failed:
        tell(reason)
    return 1 if report.failed else 130 if stop.asked else 0


def run_move(arguments: argparse.Namespace, _: Stop) -> int:
    queue = _queue()
    if arguments.place < 1:
        raise UserError(tr("PLACE must be 1 or more, not {place}.", place=arguments.place))
    queue.move(_found(queue, arguments.id).id, arguments.place - 1)
    return 0


def run_remove(arguments: argparse.Namespace, _: Stop) -> int:
    queue = _queue()
    queue.remove(*[_found(queue, id).id for id in arguments.id])
    return 0


def run_retry(arguments: argparse.Namespace, _: Stop) -> int:
    queue = _queue()
    requests = [_found(queue, id) for id in arguments.id]
    for request in requests:
        if request.state != "failed":
            raise UserError(tr("The request {id} has not failed.", id=request.id[:SHORT]))
    for request in requests:
        queue.retry(request.id)
    return 0


def run_clear(_: argparse.Namespace, __: Stop) -> int:
    _queue().clear()
    return 0


def _queue() -> GenerationQueue:
    from diffusion_studio.jobs.queue import GenerationQueue

    return GenerationQueue()


def _found(queue: GenerationQueue, id: str) -> QueuedRequest:
    """The request whose id begins so."""
    matching = [request for request in queue.requests() if id and request.id.startswith(id.casefold())]
    if len(matching) != 1:
        raise UserError(
            tr("Several requests have an id that begins with “{id}”.", id=id[:40])
            if matching
            else tr("There is no request “{id}”; “queue list” shows them.", id=id[:40])
        )
    return matching[0]


def words(request: QueuedRequest) -> str:
    """“tiny, 4 images, 20 steps, seed 7”, and why it failed."""
    settings = request.settings
    parts = [
        settings.model or tr("default model"),
        plural("{count} image", "{count} images", settings.count),
        plural("{count} step", "{count} steps", settings.steps),
        tr("seed {seed}", seed=settings.seed),
    ]
    return ", ".join(parts) + (f": {request.reason}" if request.reason else "")


def facts(request: QueuedRequest) -> dict[str, object]:
    from diffusion_studio.settings.options import changed

    return {
        "id": request.id,
        "state": request.state,
        "added": request.added,
        "reason": request.reason or None,
        "settings": changed(request.settings),
    }


class QueueReport(Report):
    def __init__(self, as_json: bool) -> None:
        super().__init__(as_json)
        self.ended, self.failed = 0, list[str]()

    def show(self, event: QueueEvent) -> None:
        from diffusion_studio import events

        self.record(event)
        match event:
            case events.RequestStarted(id=id, waiting=waiting):
                self.tell(
                    plural(
                        "Request {id}; {count} more waits",
                        "Request {id}; {count} more wait",
                        waiting,
                        id=id[:SHORT],
                    )
                )
            case events.RequestEnded(id=id, reason=reason):
                self.close()
                self.ended += 1
                if reason:
                    self.failed.append(tr("Request {id} failed: {reason}", id=id[:SHORT], reason=reason))
            case events.Status(text=text):
                self.status(text)
            case events.Warned(text=text):
                self.tell(text)
            case events.Started(total=total):
                self.begin(event.settings.until or total, event.model_title)
            case events.Preview(index=index, total=total):
                self.move_to(index, total)
            case events.Saved(path=path) | events.SheetSaved(path=path):
                self.saved(path)
            case events.NotSaved() | events.Finished():
                pass  # why an image was not saved is why the request failed
            case _:
                events.assert_never(event)
