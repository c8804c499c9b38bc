"""What is in the window: the rail and its pages, the banner, the menus and the status line."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.storage import notices
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.icons import application_icon
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.window.banner import Banner
from diffusion_studio.ui.window.drop import WindowDrop
from diffusion_studio.ui.window.menus import Menus
from diffusion_studio.ui.window.rail import Rail
from diffusion_studio.ui.window.status import StatusLine

if TYPE_CHECKING:
    from diffusion_studio.ui.generate.page import GeneratePage
    from diffusion_studio.ui.window.window import Entry, MainWindow


class Interior(QWidget):
    """Makes each page when it is first visited."""

    _noticed = Signal(object)  # Notice, of whichever thread

    def __init__(self, window: MainWindow, entries: Sequence[Entry]) -> None:
        super().__init__(window)
        self.context = window.context
        self.entries = entries
        self.pages: dict[int, Page] = {}
        self._greeted: set[int] = set()
        self._shown = -1  # number of the page that was shown last
        self.rail = Rail([(entry.icon, entry.label, entry.explanation) for entry in entries], self)
        self.stack = QStackedWidget(self)
        self.banner = Banner(self)
        self.status = StatusLine(self)
        window.setStatusBar(self.status)
        window.setWindowIcon(application_icon())
        self.menus = Menus(window, self)
        self.drop = WindowDrop(self)
        self._lay_out()
        self._connect()
        self.status.start()

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return self.pages[self.rail.chosen_number]

    def visit(self, number: int) -> None:
        """Show the page at this place of the rail."""
        if number not in self.pages:
            self.pages[number] = self.entries[number].make(self.context)
            self.stack.addWidget(self.pages[number])
            order = [*self.rail.buttons, *self.pages[number].controls()]
            for first, second in zip(order, order[1:], strict=False):
                QWidget.setTabOrder(first, second)
        self.rail.show_chosen(number)
        if number != self._shown:
            self._shown = number
            self.status.forget()
            self.banner.follow(self.page)
        self.stack.setCurrentWidget(self.pages[number])
        self.menus.fill(self.page.menu_entries())
        if self.isVisible():
            self.greet()

    def greet(self) -> None:
        """Let the page that is shown begin what had to wait until it was on screen."""
        number = self.rail.chosen_number
        if not self._greeted:
            self._offer_to_resume()
            self.context.run(_sweep_trash(), lambda _: None)
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

    def close_down(self) -> None:
        self._stop_listening()
        for page in self.pages.values():
            page.close_down()
        self.banner.dismiss()
        self.status.stop()

    def _connect(self) -> None:
        context = self.context
        self.rail.chosen.connect(self.visit)
        context.fault.connect(self._tell_fault)
        context.notice.connect(self._tell_notice)
        context.notice_over.connect(self.banner.withdraw)
        context.told.connect(self.status.say)
        context.saved.connect(lambda path: self.status.say(tr("Saved to {path}", path=readable(path))))
        self._noticed.connect(self._tell_once)
        self._stop_listening = notices.listen(self._noticed.emit)
        context.device_known.connect(self.status.device.setText)
        context.settings_wanted.connect(self._draw_with)
        context.branch_wanted.connect(self._branch_from)
        context.model_chosen.connect(self._generate_with)
        context.start_wanted.connect(lambda _: self.visit(0))
        context.model_wanted.connect(self._show_model)

    def _draw_with(self, values: Any) -> None:
        """Go to the Generate page, with these settings in it."""
        self.visit(0)
        use = getattr(self.page, "use", None)
        if values and use is not None:
            use(values)

    def _branch_from(self, values: Any) -> None:
        """Go to the Generate page, and branch there from the image these settings generate."""
        self.visit(0)
        self._generate_page.branch_from(values)

    def _generate_with(self, model: str) -> None:
        self.visit(0)
        self._generate_page.open_model(model)

    @property
    def _generate_page(self) -> GeneratePage:
        from diffusion_studio.ui.generate.page import GeneratePage

        page = self.pages[0]
        assert isinstance(page, GeneratePage)
        return page

    def _show_model(self, name: str) -> None:
        self.visit(next(k for k, entry in enumerate(self.entries) if entry.label == "Models"))
        refresh = getattr(self.page, "refresh", None)
        if refresh is not None:
            refresh(name)

    def _offer_to_resume(self) -> None:
        from diffusion_studio.ui.train.offer import offer_to_resume

        offer_to_resume(self)

    def _tell_once(self, notice: notices.Notice) -> None:
        """What is said once, and stays until it was read."""
        from diffusion_studio.ui.pictures.commands import reveal

        path = notice.path
        do = None if path is None else lambda: reveal(path)
        self.banner.tell_in_turn(notice.sentence, action="Show in folder" if do else "", do=do)

    def _tell_fault(self, sentence: str, details: str, action: str, do: object) -> None:
        self.banner.tell(sentence, details, action=action, do=do if callable(do) else None, page=self.page)

    def _tell_notice(self, sentence: str, action: str, do: Any, lasting: bool) -> None:
        page = None if lasting else self.page
        self.banner.tell(sentence, action=action, do=do, notice=True, page=page)

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


def _sweep_trash() -> Generator[Any, None, None]:
    """A job: what was deleted long ago goes for good."""
    from diffusion_studio.storage.places import trash_can

    yield from trash_can().sweep()
