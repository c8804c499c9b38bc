"""Runs queued requests one after the other when nothing else is generated, and keeps generating on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from diffusion_studio.errors import UserError
from diffusion_studio.jobs.queue import GenerationQueue, QueuedRequest, Removed
from diffusion_studio.language import plural, tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.running import Generation
from diffusion_studio.ui.generate.steering import Plan, Steering

SETTLE = 250  # milliseconds its folder must be quiet before the queue is read again


class QueueRunner(QObject):
    """The queue as the window sees it. What waited at the last exit waits until `resume`; a stop by hand pauses it too."""

    changed = Signal()  # the requests, or `paused`
    plan_wanted = Signal(object)  # Plan for the next request

    def __init__(self, context: AppContext, steering: Steering, next_run: NextRun) -> None:
        super().__init__(next_run)
        self._context, self._steering, self._next_run = context, steering, next_run
        self._opened: GenerationQueue | None = None
        self.requests: list[QueuedRequest] = []
        self.paused = False
        self._resumed = False  # by the user's hand, in this session
        self.current: QueuedRequest | None = None  # the one that runs here
        self._reason = ""  # why the current one failed
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(self._run_next)
        generation = steering.generation
        generation.ended.connect(self._on_ended)
        generation.failed.connect(self._on_failed)
        generation.not_saved.connect(self._on_not_saved)
        next_run.ticks.changed.connect(self._continue)
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE)
        self._watcher.directoryChanged.connect(lambda _: self._settle.start())
        self._settle.timeout.connect(self._look)

    @property
    def share(self) -> float:
        """How much of the current request is done."""
        step, total = self._generation.step
        return step / total if self.current is not None and total else 0.0

    @property
    def waiting(self) -> int:
        return sum(request.state == "waiting" for request in self.requests)

    @property
    def failed(self) -> int:
        return sum(request.state == "failed" for request in self.requests)

    def wake(self) -> None:
        """Read what waits from the last session; called once the window is on screen."""
        folder = self._queue.path.parent
        folder.mkdir(parents=True, exist_ok=True)  # so that it can be watched
        self._watcher.addPath(str(folder))
        self.refresh()
        if self.waiting and not self._resumed:
            self.paused = True
            self.changed.emit()
            sentence = plural(
                "{count} generation waits in the queue from last time.",
                "{count} generations wait in the queue from last time.",
                self.waiting,
            )
            self._context.show_notice(sentence, action=tr("Resume queue"), do=self.resume)

    def refresh(self) -> None:
        """Read the queue again: other windows and commands add to it as well."""
        self.requests = self._queue.requests()
        self.changed.emit()

    def _look(self) -> None:
        """Another window or a command may have changed the queue."""
        before = {request.id for request in self.requests}
        requests = self._queue.requests()
        if requests == self.requests:
            return
        self.requests = requests
        self.changed.emit()
        added = sum(request.id not in before for request in requests)
        if added:
            words = plural(
                "{count} request was added to the queue", "{count} requests were added to the queue", added
            )
            self._context.show_status(words)

    def add(self, settings: GenerationSettings) -> None:
        """Put a request at the end. It runs to its last step, without a preview to select from."""
        if self._do(lambda queue: queue.add(replace(settings, until=0))):
            words = plural(
                "Added to the queue: {count} waits", "Added to the queue: {count} wait", self.waiting
            )
            self._context.show_status(words)
            self.resume()

    def move(self, id: str, places: int) -> None:
        """Move a request up (negative) or down the list."""
        ids = [request.id for request in self.requests]
        if id not in ids:
            return
        before = ids.index(id)
        place = min(max(before + places, 0), len(ids) - 1)

        def move(to: int) -> None:
            self._do(lambda queue: queue.move(id, to))

        if self._do(lambda queue: queue.move(id, place)):
            self._context.undo.push(
                Change(tr("move in the queue"), lambda: move(before), lambda: move(place))
            )

    def cancel(self, id: str) -> None:
        """Remove a request that waits or failed, which Undo brings back; stop the one that runs."""
        if self.current is not None and self.current.id == id:
            self._generation.stop()
        else:
            self._remove(lambda queue: queue.remove(id))

    def retry(self, id: str) -> None:
        if self._do(lambda queue: queue.retry(id)):
            self.resume()

    def clear(self) -> None:
        """Remove everything that does not run; Undo brings it back."""
        self._remove(lambda queue: queue.clear())

    def _remove(self, do: Callable[[GenerationQueue], Removed]) -> None:
        removed: list[Removed] = []
        if not self._do(lambda queue: removed.append(do(queue))) or not removed[0].entries:
            return
        ids = [str(entry["id"]) for entry in removed[0].entries]

        def bring_back() -> None:
            self._do(lambda queue: queue.put_back(removed[0]))
            self._continue()

        def remove_again() -> None:
            self._do(lambda queue: queue.remove(*ids))

        words = plural("removal of {count} request", "removal of {count} requests", len(ids))
        change = Change(words, bring_back, remove_again)
        sentence = plural(
            "{count} request removed from the queue.", "{count} requests removed from the queue.", len(ids)
        )
        self._context.done(sentence, change)

    def pause(self) -> None:
        """Start no further request; the running one ends as it would."""
        self.paused = True
        self.changed.emit()

    def resume(self) -> None:
        self.paused, self._resumed = False, True
        self.changed.emit()
        self._next.start()

    def close_down(self) -> None:
        """Before the window goes: a request that runs is stopped and waits again, for the next start."""
        self.paused = True
        self._watcher.blockSignals(True)
        for timer in (self._next, self._settle):
            timer.stop()
        if self._watcher.directories():
            self._watcher.removePaths(self._watcher.directories())
        current, self.current = self.current, None
        if current is not None:
            self._do(lambda queue: queue.give_back(current.id))
            self._generation.stop()

    # --- running ---

    def _run_next(self) -> None:
        selecting = self._next_run.ticks.asking  # the previews would be gone
        if self.paused or selecting or self.current is not None or self._generation.running:
            return  # the end of what runs, or of the selection, starts the next one
        taken: list[QueuedRequest] = []

        def take(queue: GenerationQueue) -> None:
            request = queue.take()
            if request is not None:
                taken.append(request)

        if self._do(take) and taken:
            self.current, self._reason = taken[0], ""
            self.changed.emit()
            self.plan_wanted.emit(Plan(taken[0].settings))

    def _on_failed(self, sentence: str) -> None:
        self._reason = sentence

    def _on_not_saved(self, events: list[object]) -> None:
        self._reason = tr("The image could not be saved.")

    def _on_ended(self) -> None:
        current, self.current = self.current, None
        if current is not None:
            reason = self._reason
            self._do(lambda queue: queue.fail(current.id, reason) if reason else queue.remove(current.id))
        self._continue()

    def _continue(self) -> None:
        if self.waiting and not self.paused:
            self._next.start()

    @property
    def _generation(self) -> Generation:
        return self._steering.generation

    @property
    def _queue(self) -> GenerationQueue:
        if self._opened is None:
            self._opened = GenerationQueue()
        return self._opened

    def _do(self, change: Callable[[GenerationQueue], object]) -> bool:
        """Change the queue; whether that was possible."""
        try:
            change(self._queue)
        except UserError as error:
            self._context.show_fault(str(error))
            return False
        self.refresh()
        return True
