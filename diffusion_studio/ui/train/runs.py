"""The trainings there are, each with its state and its latest samples, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListView,
    QPushButton,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import (
    RADIUS,
    SPACE_L,
    SPACE_M,
    SPACE_S,
    SPACE_XL,
    TYPE_LARGE,
    TYPE_SMALL,
    tokens,
)
from diffusion_studio.ui.pictures.commands import open_folder
from diffusion_studio.ui.train.questions import new_name
from diffusion_studio.ui.train.records import RunRow, delete_run, list_rows, rename_run, restore_run

ROW = Qt.ItemDataRole.UserRole + 1
HEIGHT, SHOWN, SIDE = 72, 4, 48
Index = QModelIndex | QPersistentModelIndex


class RunsView(QWidget):
    """The commands stand over the list and are about the chosen run."""

    resume_wanted = Signal(object)  # RunRow
    show_wanted = Signal(object)
    publish_wanted = Signal(object)

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.model = RunRows(self)
        self.view = QListView(self)
        self.view.setAccessibleName(tr("Trainings"))
        self.view.setToolTip(tr("Every training that was begun, the latest first"))
        self.view.setModel(self.model)
        self.view.setItemDelegate(_Delegate(self.view))
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.resume = push_button(tr("Go on"), tr("Train on from its newest checkpoint"))
        self.look = push_button("Show", tr("Show its losses and the film of its samples"))
        self.publish = push_button(
            tr("Publish as model"),
            tr("Make a model of its newest checkpoint, for the chooser on the Generate page"),
        )
        self.rename = push_button("Rename…", tr("Give the run, and the model it will be, another name"))
        self.folder = push_button(
            tr("Show folder"), tr("Show its checkpoints and samples in the file manager")
        )
        self.delete = push_button("Delete", tr("Move it to the trash; a model made of it stays"))
        self.undo = push_button("Undo", tr("Bring back what was deleted"))
        self._gone = plain_label("", "small")
        self._trashed: tuple[Path, Path] | None = None
        self._deleted: Change | None = None
        self._busy = ""  # the run being trained in this window
        self._pages = QStackedWidget(self)
        self._lay_out()
        self._connect()
        self._follow()

    def refresh(self) -> None:
        """Read the runs anew, off the window's thread."""
        self._context.run(list_rows(), self._show)

    def show_busy(self, name: str) -> None:
        """The run that is being trained in this window can not be changed meanwhile; "" for none."""
        self._busy = name
        self._follow()

    @property
    def chosen(self) -> RunRow | None:
        return self.view.currentIndex().data(ROW)

    @property
    def controls(self) -> list[QPushButton]:
        return [self.resume, self.look, self.publish, self.rename, self.folder, self.delete, self.undo]

    def _show(self, rows: tuple[RunRow, ...]) -> None:
        kept = self.chosen.name if self.chosen else ""
        self.model.show_rows(rows)
        names = [row.name for row in rows]
        if rows:
            self.view.setCurrentIndex(self.model.index(names.index(kept) if kept in names else 0))
        self._pages.setCurrentIndex(0 if rows or self._trashed else 1)
        self._follow()

    def _follow(self) -> None:
        row = self.chosen
        idle = row is not None and row.name != self._busy and row.state != "running"
        self.resume.setEnabled(idle and not self._busy)
        self.publish.setEnabled(row is not None and row.step > 0)
        for button in (self.rename, self.delete):
            button.setEnabled(idle)
        for button in (self.look, self.folder):
            button.setEnabled(row is not None)
        for part in (self.undo, self._gone):
            part.setVisible(self._trashed is not None)

    def _do(self, act: Callable[[RunRow], None]) -> Callable[[], None]:
        def run() -> None:
            if (row := self.chosen) is not None:
                act(row)

        return run

    def _rename(self, row: RunRow) -> None:
        name = new_name(self, row.title)
        if name is not None:
            before = row.title

            def call(title: str) -> None:
                self._context.run(rename_run(row.name, title), lambda _: self.refresh())

            def renamed(_: None) -> None:
                self.refresh()
                self._context.undo.push(Change("rename of the run", lambda: call(before), lambda: call(name)))

            self._context.run(rename_run(row.name, name), renamed)

    def remove(self, name: str) -> None:
        """Move a run to the trash, with a way back."""
        self._context.run(delete_run(name), self._on_trashed)

    def _on_trashed(self, places: tuple[Path, Path]) -> None:
        self._trashed = places
        self._deleted = self._context.undo.push(Change("delete of the run", lambda: self._bring_back(places)))
        self._gone.setText(tr("“{name}” moved to trash.", name=places[1].name))
        self.refresh()

    def _restore(self) -> None:
        if self._deleted is not None:
            self._context.undo.take_back(self._deleted)

    def _bring_back(self, places: tuple[Path, Path]) -> None:
        if self._trashed == places:
            self._trashed = None
        self._context.run(restore_run(*places), lambda _: self.refresh())

    def _connect(self) -> None:
        self._context.restored.connect(self.refresh)
        self.view.selectionModel().currentChanged.connect(lambda *_: self._follow())
        self.view.activated.connect(self._do(self.show_wanted.emit))
        for button, act in (
            (self.resume, self.resume_wanted.emit),
            (self.look, self.show_wanted.emit),
            (self.publish, self.publish_wanted.emit),
            (self.rename, self._rename),
            (self.folder, lambda row: open_folder(row.path)),
            (self.delete, lambda row: self.remove(row.name)),
        ):
            button.clicked.connect(self._do(act))
        self.undo.clicked.connect(self._restore)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        for button in self.controls[:-1]:
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self._gone)
        row.addWidget(self.undo)
        full = QWidget()
        column = QVBoxLayout(full)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, 0)
        column.setSpacing(SPACE_M)
        column.addLayout(row)
        column.addWidget(self.view, 1)
        empty = QWidget()
        middle = QVBoxLayout(empty)
        middle.setContentsMargins(SPACE_XL, 0, SPACE_XL, 0)
        title = plain_label(tr("No training yet"), "heading")
        sentence = plain_label(
            tr("Every training you begin is kept here, to be gone on with, renamed or made a model."), "quiet"
        )
        middle.addStretch(1)
        for label in (title, sentence):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            middle.addWidget(label)
        middle.addStretch(1)
        self._pages.addWidget(full)
        self._pages.addWidget(empty)
        self._pages.setCurrentIndex(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._pages)


class RunRows(QAbstractListModel):
    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[RunRow, ...] = ()

    def show_rows(self, rows: tuple[RunRow, ...]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            return one_line(f"{row.title}, {row.words}")
        return row if role == ROW else None


class _Delegate(QStyledItemDelegate):
    """Name and state at the left, the latest samples at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(240, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        t, row = tokens(), index.data(ROW)
        rect: QRect = option.rect
        area = rect.adjusted(0, 0, -SPACE_S, -SPACE_S)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.setPen(QColor(t.accent if chosen else t.border))
        painter.setBrush(QColor(t.raised))
        painter.drawRoundedRect(area, RADIUS, RADIUS)
        inner = area.adjusted(SPACE_M, 0, -SPACE_M, 0)
        right = self._paint_samples(painter, inner, row)
        text = QRect(inner)
        text.setRight(right - SPACE_M)
        self._paint_words(painter, text, row, option.font)
        painter.restore()

    def _paint_samples(self, painter: QPainter, area: QRect, row: RunRow) -> int:
        """Paints the first pictures of the latest sheet and returns where they begin."""
        shown = 0 if row.samples.isNull() else min(SHOWN, row.samples.width() // row.size)
        left = area.right() - shown * (SIDE + 4)
        enlarged = row.size <= SIDE
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
        for k in range(shown):
            place = QRect(left + k * (SIDE + 4) + 4, area.center().y() - SIDE // 2, SIDE, SIDE)
            painter.drawImage(place, row.samples, QRect(k * row.size, 0, row.size, row.size))
        return left

    def _paint_words(self, painter: QPainter, area: QRect, row: RunRow, given: QFont) -> None:
        t, font = tokens(), QFont(given)
        font.setPixelSize(TYPE_LARGE)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(t.text))
        top = QRect(area.left(), area.top() + SPACE_M, area.width(), 20)
        title = painter.fontMetrics().elidedText(
            one_line(row.title), Qt.TextElideMode.ElideRight, area.width()
        )
        painter.drawText(top, Qt.AlignmentFlag.AlignVCenter, title)
        font.setPixelSize(TYPE_SMALL)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(QColor(t.muted))
        words = painter.fontMetrics().elidedText(row.words, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(top.translated(0, 22), Qt.AlignmentFlag.AlignVCenter, words)
