"""The list of runs: each with its latest samples, how far it came, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.settings.recipes import EXPECTED
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import ElidedLabel, Line
from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import RADIUS, SPACE_L, SPACE_M, SPACE_S, SPACE_XS, tokens
from diffusion_studio.ui.pictures.commands import open_folder
from diffusion_studio.ui.train.outcome import LONGER, RESUME, SAVE, USE
from diffusion_studio.ui.train.questions import new_name
from diffusion_studio.ui.train.records import RunRow, delete_run, list_rows, rename_run, restore_run
from diffusion_studio.ui.widgets.empty import empty_page

SIDE, SHOWN = 48, 4  # pixels of a sample, and samples of a run
PAGE = 40  # runs that are shown before more are asked for


class RunsView(QWidget):
    resume_wanted = Signal(object)  # RunRow
    show_wanted = Signal(object)  # RunRow
    save_wanted = Signal(object)  # RunRow, to be saved as a model
    use_wanted = Signal(str)  # name of a model

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.rows: tuple[RunRow, ...] = ()
        self.items: list[RunItem] = []
        self.more = push_button(tr("Show more"), tr("Show older runs too"))
        self.begin = push_button(tr("Choose images…"), tr("Go to the first step: the images to train on"))
        self.begin.setProperty("primary", True)
        self._shown = PAGE
        self._busy = ""  # the run that is trained in this window
        self._list = QVBoxLayout()
        self._area = QScrollArea()
        self._pages = QStackedWidget(self)
        self._lay_out()
        self.more.clicked.connect(self._show_more)
        context.restored.connect(self.refresh)

    def refresh(self) -> None:
        """Read the runs again, off the window's thread."""
        self._context.run(list_rows(), self._show)

    def show_busy(self, name: str) -> None:
        """The run that is trained in this window cannot be changed; "" for none."""
        self._busy = name
        for item in self.items:
            item.show_busy(name)

    def item(self, name: str) -> RunItem | None:
        return next((item for item in self.items if item.row.name == name), None)

    def row(self, name: str) -> RunRow | None:
        return next((row for row in self.rows if row.name == name), None)

    def controls(self) -> list[QWidget]:
        return [*(button for item in self.items for button in item.buttons), self.more, self.begin]

    def remove(self, name: str) -> None:
        """Move a run to the trash, with a way back."""
        self._context.run(delete_run(name), self._on_trashed)

    def _on_trashed(self, places: tuple[Path, Path]) -> None:
        def bring_back() -> None:
            self._context.run(restore_run(*places), lambda _: self.refresh())

        words = tr("“{name}” moved to trash", name=one_line(places[1].name))
        self._context.done(words, Change(tr("delete of the run"), bring_back))
        self.refresh()

    def _rename(self, row: RunRow) -> None:
        name, before = new_name(self, row.title), row.title
        if name is None:
            return

        def call(now: str, title: str) -> None:
            self._context.run(rename_run(now, title), lambda _: self.refresh())

        def renamed(_: None) -> None:
            self.refresh()
            change = Change(tr("rename of the run"), lambda: call(name, before), lambda: call(before, name))
            self._context.undo.push(change)

        self._context.run(rename_run(row.name, name), renamed)

    def _show(self, rows: tuple[RunRow, ...]) -> None:
        self.rows = rows
        for item in self.items:
            self._list.removeWidget(item)
            item.deleteLater()
        self.items = [self._make_item(row) for row in rows[: self._shown]]
        for place, item in enumerate(self.items):
            self._list.insertWidget(place, item)
        self.more.setVisible(len(rows) > self._shown)
        self._pages.setCurrentIndex(0 if rows else 1)

    def _show_more(self) -> None:
        self._shown += PAGE
        self._show(self.rows)

    def _make_item(self, row: RunRow) -> RunItem:
        item = RunItem(row)
        item.show_busy(self._busy)
        item.resume.clicked.connect(lambda: self.resume_wanted.emit(row))
        item.use.clicked.connect(lambda: self._use(row))
        item.show_run.triggered.connect(lambda: self.show_wanted.emit(row))
        item.rename.triggered.connect(lambda: self._rename(row))
        item.folder.triggered.connect(lambda: open_folder(row.path))
        item.delete.triggered.connect(lambda: self.remove(row.name))
        item.opened.connect(lambda: self.show_wanted.emit(row))
        return item

    def _use(self, row: RunRow) -> None:
        if row.published:
            self.use_wanted.emit(row.published)
        else:
            self.save_wanted.emit(row)

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        self._list.setContentsMargins(SPACE_L, SPACE_M, SPACE_L, SPACE_M)
        self._list.setSpacing(SPACE_S)
        self._list.addWidget(self.more, 0, Qt.AlignmentFlag.AlignHCenter)
        self._list.addStretch(1)
        self.more.hide()
        body.setLayout(self._list)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(body)
        self._pages.addWidget(self._area)
        self._pages.addWidget(
            empty_page(
                tr("No runs yet"), tr("Your runs will appear here, to resume, use or delete."), self.begin
            )
        )
        self._pages.setCurrentIndex(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._pages)


class RunItem(QFrame):
    """One run: its samples, its name and state, and its actions."""

    opened = Signal()  # by a double click

    def __init__(self, row: RunRow, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row = row
        self.setObjectName("runItem")
        self.setAccessibleName(one_line(f"{row.title}, {row.words}"))
        title = ElidedLabel(row.title)
        title.setProperty("heading", True)
        title.setContentsMargins(-SPACE_S, 0, 0, 0)  # it has a margin of its own
        words, reached = Line(), Line()
        words.setText(row.words)
        reached.setText(tr("Expect {what}", what=EXPECTED[row.reached]))
        about = one_line(row.title)
        ended = row.fraction >= 1
        names = LONGER if ended else (RESUME, tr("Train on from its newest checkpoint"))
        self.resume = _about(push_button(*names), about)
        self.use = _about(push_button(*(USE if row.published else SAVE)), about)
        self.more = _about(push_button(tr("More"), tr("Show, rename or delete this run")), about)
        menu = QMenu(self)
        self.show_run = menu.addAction(tr("Show loss and samples"))
        self.rename = menu.addAction(tr("Rename…"))
        self.folder = menu.addAction(tr("Show in file manager"))
        menu.addSeparator()
        self.delete = menu.addAction(tr("Delete"))
        self.more.setMenu(menu)
        self.buttons: list[QWidget] = [self.resume, self.use, self.more]
        column = QVBoxLayout()
        column.setSpacing(SPACE_XS)
        for label in (title, words, reached):
            column.addWidget(label)
        line = QHBoxLayout(self)
        line.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_M)
        line.setSpacing(SPACE_M)
        line.addWidget(RunSamples(row))
        line.addLayout(column, 1)
        for button in self.buttons:
            line.addWidget(button)

    def show_busy(self, name: str) -> None:
        """What can be done while the run of this name is trained in this window."""
        idle = self.row.name != name and self.row.state != "running"
        self.resume.setEnabled(idle and not name)
        self.use.setEnabled(self.row.step > 0)
        self.rename.setEnabled(idle)
        self.delete.setEnabled(idle)

    def mouseDoubleClickEvent(self, event: object) -> None:
        self.opened.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(t.border))
        painter.setBrush(QColor(t.raised))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), RADIUS, RADIUS)
        painter.end()


class RunSamples(QWidget):
    """The first samples of the latest sheet; an empty place where there is none."""

    def __init__(self, row: RunRow, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = row
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:
        return QSize(SHOWN * (SIDE + SPACE_XS) - SPACE_XS, SIDE)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, row = QPainter(self), self._row
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, row.size > SIDE)
        found = 0 if row.samples.isNull() else min(SHOWN, row.samples.width() // row.size)
        for place in range(SHOWN):
            area = QRect(place * (SIDE + SPACE_XS), 0, SIDE, SIDE)
            if place < found:
                painter.drawImage(area, row.samples, QRect(place * row.size, 0, row.size, row.size))
            else:
                painter.fillRect(area, QColor(tokens().hover))
        painter.end()


def _about(button: QPushButton, title: str) -> QPushButton:
    """The same button is in every row: say which one it is about."""
    button.setAccessibleDescription(f"{title}. {button.accessibleDescription()}")
    return button
