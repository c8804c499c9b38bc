"""What is in the window: the rail, its pages, and what is said over them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.text import requirements
from diffusion_studio.storage import notices
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page, Work
from diffusion_studio.ui.base.requests import InstallTextExtra, PageName, Request
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.window.banner import Banner
from diffusion_studio.ui.window.drop import WindowDrop
from diffusion_studio.ui.window.pages import LOADED_AHEAD, PageEntry
from diffusion_studio.ui.window.rail import Rail
from diffusion_studio.ui.window.toasts import Toasts

AHEAD = 1500  # milliseconds from one page to the next, while nothing else happens


class Contents(QWidget):
    """Makes each page when it is first visited."""

    page_made = Signal(str, object)  # PageName, Page: it was made, and its actions are there
    page_shown = Signal(object)  # Page that is about to take the place of another
    alone_wanted = Signal(bool)  # whether nothing but the page that is shown is to be in the window
    work_changed = Signal(str, object)  # PageName; Work, or how it ended
    _noticed = Signal(object)  # Notice, of whichever thread

    def __init__(
        self, context: AppContext, entries: Sequence[PageEntry], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.context = context
        self.entries = entries
        self.pages: dict[int, Page] = {}
        self._greeted: set[int] = set()
        self._at_work: set[PageName] = set()
        self._shown = -1  # number of the page that was shown last
        self.rail = Rail([(entry.name, entry.label, entry.explanation) for entry in entries], self)
        self.stack = QStackedWidget(self)
        self.banner = Banner(self)
        self.toasts = Toasts(self)
        self.drop = WindowDrop(context, self)
        self._ahead = QTimer(self, interval=AHEAD)
        self._to_load = list(LOADED_AHEAD)
        self._lay_out()
        self._connect()

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return self.pages[self.rail.chosen_number]

    def visit(self, number: int) -> None:
        """Show the page at this place of the rail."""
        self._make(number)
        self.rail.show_chosen(number)
        if number != self._shown:
            self._shown = number
            self.banner.follow(self.page)
            self.toasts.follow(self.page)
            self.page_shown.emit(self.page)
        self.stack.setCurrentWidget(self.pages[number])
        if self.isVisible():
            self.greet()

    def make_all(self) -> None:
        """Make the pages that were not visited yet."""
        for number in range(len(self.entries)):
            self._make(number)

    def _make(self, number: int) -> None:
        if number not in self.pages:
            self.pages[number] = self.entries[number].make(self.context)
            self.stack.addWidget(self.pages[number])
            name = self.entries[number].name
            self.pages[number].work_changed.connect(
                lambda change, name=name: self._on_work_changed(name, change)
            )
            self.pages[number].alone_wanted.connect(self.alone_wanted)
            order = [*self.rail.buttons, *self.pages[number].controls()]
            for first, second in zip(order, order[1:], strict=False):
                QWidget.setTabOrder(first, second)
            self.page_made.emit(name, self.pages[number])

    def _on_work_changed(self, name: PageName, change: Work | str) -> None:
        begins = isinstance(change, Work) and name not in self._at_work
        if isinstance(change, Work):
            self._at_work.add(name)
        else:
            self._at_work.discard(name)
        if begins:
            self.banner.settle(self.pages[self._number_of(name)])
        self.work_changed.emit(name, change)

    def _number_of(self, name: PageName) -> int:
        return next(number for number, entry in enumerate(self.entries) if entry.name == name)

    def greet(self) -> None:
        """Let the page that is shown begin what had to wait until it was on screen."""
        number = self.rail.chosen_number
        if not self._greeted:
            from diffusion_studio.ui.train.resume_offer import offer_to_resume

            offer_to_resume(self.context)
            self.context.run(_sweep_trash(), lambda _: None)
            self._ahead.start()
        if number not in self._greeted:
            self._greeted.add(number)
            self.pages[number].shown_first()

    @property
    def working(self) -> bool:
        """Whether something the user asked for is running."""
        return any(page.working for page in self.pages.values())

    def workers(self) -> list[Worker]:
        return [worker for page in self.pages.values() for worker in page.workers]

    def save_pending(self) -> list[str]:
        """Save what waits for a decision on any page; returns why something could not be saved."""
        return [reason for page in self.pages.values() for reason in page.save_pending()]

    def _load_ahead(self) -> None:
        """Load the code of a page before it is visited: with the page itself it would hold the window up twice as long."""
        if self._to_load and not any(worker.busy for worker in self.workers()):
            importlib.import_module(self._to_load.pop(0))
        if not self._to_load:
            self._ahead.stop()

    def close_down(self) -> None:
        self._ahead.stop()
        self._stop_listening()
        for page in self.pages.values():
            page.close_down()
        self.banner.dismiss()
        self.toasts.clear()

    def _connect(self) -> None:
        context = self.context
        self.rail.chosen.connect(self.visit)
        self._ahead.timeout.connect(self._load_ahead)
        context.fault.connect(self._show_fault)
        context.notice.connect(self._show_notice)
        context.notice_withdrawn.connect(self.toasts.withdraw)
        context.page_wanted.connect(self._go_to)
        self.drop.refused.connect(self._refuse_drop)
        self._noticed.connect(self._show_once)
        self._stop_listening = notices.listen(self._noticed.emit)

    def _go_to(self, name: PageName, request: Request | None) -> None:
        self.visit(self._number_of(name))
        if request is not None:
            self.page.receive(request)

    def _refuse_drop(self, paths: Sequence[Path]) -> None:
        self.context.show_fault(self.page.refuse_drop(paths))

    def _show_once(self, notice: notices.Notice) -> None:
        """What is said once, and stays until it was read."""
        from diffusion_studio.ui.pictures.commands import reveal

        path = notice.path
        do = None if path is None else lambda: reveal(path)
        self.toasts.show(notice.sentence, action=tr("Show in folder") if do else "", do=do, lasting=True)

    def _show_fault(self, sentence: str, details: str, action: str, do: object) -> None:
        """With details or a remedy it blocks the page; a plain sentence only says why something was not done."""
        page = self.pages.get(self.rail.chosen_number)  # None: the first one could not be made
        if not callable(do) and sentence and sentence == requirements.sentence():
            action, do = tr("Install"), self._install_text_extra
        if details or callable(do):
            done = do if callable(do) else None
            self.banner.show_fault(sentence, details, action=action, do=done, page=page)
        else:
            self.toasts.show(sentence, fault=True, page=page)

    def _install_text_extra(self) -> None:
        """On the Models page, where its progress is shown; then back."""
        asked_on = self.rail.chosen_number

        def then() -> None:
            self.visit(asked_on)
            self.context.show_status(tr("Text models can be opened now."))

        self._go_to("models", InstallTextExtra(then))

    def _show_notice(self, sentence: str, action: str, do: Callable[[], None] | None, lasting: bool) -> None:
        page = None if lasting else self.page
        self.toasts.show(sentence, action=action, do=do, lasting=lasting, page=page)

    def _lay_out(self) -> None:
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.banner)
        column.addWidget(self.stack, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(column, 1)


def _sweep_trash() -> Generator[object, None, None]:
    """A job: what was deleted long ago goes for good."""
    from diffusion_studio.storage.places import trash_can

    yield from trash_can().sweep()
