"""Folders among the models that cannot be read: what is wrong with each, with a way to it and to the trash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.models.damaged import DamagedFolder
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line, readable, shorten, tooltip
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS
from diffusion_studio.ui.pictures.commands import open_folder

TALLEST = 230  # pixels, of all of them together; more are scrolled
LONGEST_NAME, LONGEST_REASON = 34, 130  # characters


class DamagedModels(QFrame):
    """Takes no room while every folder can be read."""

    trash_wanted = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = plain_label("", "small")
        self.heading.setProperty("warning", True)
        self.rows: list[DamagedRow] = []
        self._list = QVBoxLayout()
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(SPACE_S)
        body = QWidget()
        body.setObjectName("panelBody")
        body.setLayout(self._list)
        self._area = QScrollArea()
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(body)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XS, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(self.heading)
        column.addWidget(self._area)
        self.hide()

    @property
    def controls(self) -> list[QWidget]:
        return [button for row in self.rows for button in row.buttons]

    def show_folders(self, folders: Sequence[DamagedFolder]) -> None:
        for row in self.rows:
            self._list.removeWidget(row)
            row.deleteLater()
        self.rows = [DamagedRow(folder) for folder in folders]
        for row in self.rows:
            row.trash_wanted.connect(self.trash_wanted)
            self._list.addWidget(row)
        words = plural("{count} folder cannot be read", "{count} folders cannot be read", len(folders))
        self.heading.setText(words)
        self._fit()
        self.setVisible(bool(folders))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = max(self.width() - SPACE_XS, 200)
        needed = sum(row.heightForWidth(room) + SPACE_S for row in self.rows)
        self._area.setFixedHeight(min(max(needed, 1), TALLEST))


class DamagedRow(QFrame):
    """One folder, why it cannot be read, and what can be done."""

    trash_wanted = Signal(object)  # Path

    def __init__(self, folder: DamagedFolder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path: Path = folder.path
        name = one_line(readable(folder.path.name))
        self.setObjectName("card")
        self.setAccessibleName(name)
        self.setAccessibleDescription(one_line(folder.reason))
        title, reason = plain_label(shorten(name, LONGEST_NAME)), plain_label("", "small")
        title.setToolTip(tooltip(name))
        reason.setText(shorten(one_line(folder.reason), LONGEST_REASON))
        reason.setToolTip(tooltip(folder.reason))
        reason.setWordWrap(True)
        show = text_button(tr("Show in folder"), tr("Show the files of this folder"))
        show.setAccessibleDescription(tr("Show the files of {name}", name=name))
        show.clicked.connect(lambda: open_folder(self.path))
        trash = text_button(tr("Move to trash"), tr("Move this folder to the trash; Undo restores it"))
        trash.setAccessibleDescription(tr("Move {name} to the trash", name=name))
        trash.clicked.connect(lambda: self.trash_wanted.emit(self.path))
        self.buttons = [show, trash]
        row = QHBoxLayout()
        row.setSpacing(0)
        for button in self.buttons:
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_XS)
        column.setSpacing(2)
        column.addWidget(title)
        column.addWidget(reason)
        column.addLayout(row)
