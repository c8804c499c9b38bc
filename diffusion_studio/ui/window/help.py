"""Help: the shortcuts, what this application is, and a report to paste into a bug tracker."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio import __version__
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import close_row
from diffusion_studio.ui.look.icons import application_icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_S, SPACE_XL, SPACE_XS

Section = tuple[str, Sequence[tuple[str, str]]]  # its name, and pairs of what can be done and by which keys
AROUND, BESIDE = (
    240,
    80,
)  # pixels of the screen's height and width for the title, the button and the frame of the window
HEADING = 2  # rows a heading with its room is as high as

ON_THE_CANVAS = {
    tr("Zoom about the pointer"): tr("Wheel"),
    tr("Move the image"): tr("Drag, or arrow keys"),
    tr("Open one of several, and back"): tr("Double-click, or Enter"),
    tr("Drag an image out as a file"): tr("Drag, when all of it is seen"),
    tr("Use as start image"): tr("Drop its file"),
    tr("Paint a mask with the brush"): tr("Drag, or arrow keys and Space"),
    tr("Paint a rectangle"): tr("Shift + drag"),
    tr("Erase"): tr("Right button, or Alt + drag"),
}
ON_THE_TIMELINE = {
    tr("Step back, step forward"): tr("Left, Right"),
    tr("A tenth of the steps"): tr("Page Up, Page Down"),
    tr("First step, last step"): tr("Home, End"),
    tr("Play"): tr("Space"),
    tr("Menu of a step"): tr("Right button"),
}  # on the canvas too, where one image is on it


def shortcuts_dialog(parent: QWidget, menus: Sequence[tuple[str, Sequence[tuple[str, QAction]]]]) -> QDialog:
    """Every shortcut of the menus as they are, and what the pointer does on the canvas.

    `menus`: each with its actions and what they are called at all times: “Undo”, whatever it would undo now.
    """
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("Keyboard shortcuts"))
    columns = QHBoxLayout()
    columns.setSpacing(SPACE_XL + SPACE_L)
    sections: list[Section] = [(name, _pairs(actions)) for name, actions in menus]
    sections += [(tr("Canvas"), list(ON_THE_CANVAS.items())), (tr("Timeline"), list(ON_THE_TIMELINE.items()))]
    sections = [(name, pairs) for name, pairs in sections if pairs]
    for part in _in_columns(sections):
        columns.addLayout(_column(part))
    outer = QVBoxLayout(dialog)
    outer.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_L)
    outer.setSpacing(SPACE_L)
    outer.addWidget(plain_label(tr("Keyboard shortcuts"), "title"))
    room = parent.screen().availableSize()
    outer.addWidget(Scrolled(columns, QSize(room.width() - BESIDE, room.height() - AROUND)))
    outer.addLayout(close_row(dialog))
    return dialog


class Scrolled(QScrollArea):
    """Rows in full where the screen holds them; scrolled where it does not."""

    def __init__(self, rows: QLayout, most: QSize) -> None:
        super().__init__()
        self._rows, self._most = rows, most
        body = QWidget()
        body.setLayout(rows)
        rows.setContentsMargins(0, 0, SPACE_L, 0)
        self.setWidget(body)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)

    def sizeHint(self) -> QSize:
        wanted = self._rows.sizeHint()
        return QSize(wanted.width() + SPACE_L, wanted.height()).boundedTo(self._most)

    def minimumSizeHint(self) -> QSize:
        """As large: a dialog left to itself takes two thirds of the screen at most."""
        return self.sizeHint()


def about_dialog(parent: QWidget) -> QDialog:
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("About Diffusion Studio"))
    sign = plain_label("")
    sign.setPixmap(application_icon().pixmap(96, 96))
    words = QVBoxLayout()
    words.setSpacing(SPACE_S)
    for text, kind in (
        ("Diffusion Studio", "title"),
        (tr("Version {version}", version=__version__), "quiet"),
        (tr("Train diffusion models on your own images, and watch\nimages form out of noise."), ""),
        (
            tr(
                "Apache License 2.0. The starter models were trained by this\n"
                "project on public-domain drawings (CC0). Typeface: Inter,\nSIL Open Font License."
            ),
            "quiet",
        ),
    ):
        words.addWidget(plain_label(text, kind))
    row = QHBoxLayout()
    row.setSpacing(SPACE_XL)
    row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
    row.addLayout(words)
    outer = QVBoxLayout(dialog)
    outer.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_L)
    outer.setSpacing(SPACE_L)
    outer.addLayout(row)
    outer.addLayout(close_row(dialog))
    return dialog


def copy_report(context: AppContext) -> None:
    """Gather what a bug report needs, off the window's thread, and put it on the clipboard."""

    def copied(text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        context.show_status(tr("Report copied. Paste it into a bug report."))

    context.show_status(tr("Gathering the report…"))
    context.run(_report(), copied)


def _report() -> Generator[str, None, None]:
    from diffusion_studio.doctor import with_log

    yield with_log()


def _pairs(actions: Sequence[tuple[str, QAction]]) -> list[tuple[str, str]]:
    native = QKeySequence.SequenceFormat.NativeText
    return [
        (text.replace("&", ""), entry.shortcut().toString(native))
        for text, entry in actions
        if not entry.shortcut().isEmpty()
    ]


def _in_columns(sections: list[Section]) -> list[list[Section]]:
    """Cut into three so that the tallest column is as low as can be: a small screen must hold it."""

    def tallest(parts: list[list[Section]]) -> float:
        return max(sum(HEADING + len(pairs) for _, pairs in part) for part in parts)

    ends = range(len(sections) + 1)
    cuts = [(first, second) for first in ends for second in ends[first:]]
    return min(
        ([sections[:first], sections[first:second], sections[second:]] for first, second in cuts), key=tallest
    )


def _column(sections: Sequence[Section]) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(SPACE_S)
    for name, pairs in sections:
        column.addWidget(plain_label(name, "heading"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_XL)
        grid.setVerticalSpacing(SPACE_XS)
        grid.setColumnStretch(0, 1)
        for row, (text, keys) in enumerate(pairs):
            grid.addWidget(plain_label(text), row, 0)
            grid.addWidget(plain_label(keys, "quiet"), row, 1, Qt.AlignmentFlag.AlignRight)
        column.addLayout(grid)
        column.addSpacing(SPACE_S)
    column.addStretch(1)
    return column
