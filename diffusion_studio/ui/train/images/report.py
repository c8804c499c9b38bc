"""The report on a folder of images, readable at a glance: what can be used, what cannot and why, the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line, tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS, tokens
from diffusion_studio.ui.train.images.sheets import SheetOffer
from diffusion_studio.ui.train.images.skipped import SkippedList

ROW = 22  # pixels of a class
MOST_NAMES, MOST_VALUES = 12, 3
COLOURS = {  # what an image's mode means; others keep their names
    "1": tr("black and white"),
    "L": tr("grey"),
    "LA": tr("transparent grey"),
    "P": tr("palette"),
    "RGB": tr("colour"),
    "RGBA": tr("transparent colour"),
    "I;16": tr("16-bit grey"),
    "F": tr("float"),
}
REPORT_WIDTH = 336


class ReportView(QScrollArea):
    size_wanted = Signal(int)  # the side that pixel art was drawn at
    cut_wanted = Signal()  # into the sprites of the sheets in the report

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedWidth(REPORT_WIDTH)
        self.setAccessibleName(tr("Report on the images"))
        self.report: Mapping[str, Any] = {}
        self.problems: SkippedList | None = None
        self.sheets: SheetOffer | None = None

    def show_report(self, report: Mapping[str, Any]) -> None:
        self.report, self.problems, self.sheets = report, None, None
        body = QWidget()
        body.setObjectName("panelBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_S)
        column.addWidget(plain_label(headline(report), "title"))
        if report["usable"]:
            column.addLayout(_facts(report))
        side = report.get("native_size", 0)
        if side and not report.get("sheets"):
            words = tr("Train at {size} × {size}", size=side)
            button = push_button(words, tr("One pixel for each that was drawn"))
            button.clicked.connect(lambda: self.size_wanted.emit(side))
            column.addWidget(button)
        if report.get("sheets"):
            self.sheets = SheetOffer(report["sheets"])
            self.sheets.cut_wanted.connect(self.cut_wanted)
            column.addWidget(self.sheets)
        for warning in report["warnings"]:
            column.addWidget(_warning(warning))
        if report["classes"]:
            column.addSpacing(SPACE_S)
            column.addWidget(plain_label(tr("{count} classes", count=len(report["classes"])), "heading"))
            column.addWidget(ClassBars(report["classes"]))
        if report["refused"]:
            column.addSpacing(SPACE_S)
            column.addWidget(plain_label(tr("Skipped ({count:,})", count=len(report["refused"])), "heading"))
            self.problems = SkippedList(report["refused"])
            column.addWidget(self.problems)
        known = remarks(report)
        if known:
            column.addSpacing(SPACE_S)
            column.addWidget(plain_label(tr("Notes"), "heading"))
            for line, names in known:
                label = _wrapped(line, "quiet")
                label.setToolTip(tooltip(_some(names)))
                label.setAccessibleDescription(_some(names))
                column.addWidget(label)
        column.addStretch(1)
        self.setWidget(body)


def headline(report: Mapping[str, Any]) -> str:
    return plural("{count:,} image", "{count:,} images", report["usable"])


def facts(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, the most frequent of it in a line, all of it): sizes, shapes, formats and colours of the pictures."""
    low, high = report["smallest_side"], report["largest_side"]
    sizes = list(report["sizes"])
    side = (
        tr("{sizes} pixels", sizes=sizes[0])
        if len(sizes) == 1
        else tr("{low:,} to {high:,} pixels a side", low=low, high=high)
    )
    modes = {COLOURS.get(name, name): count for name, count in report["modes"].items()}
    lines = [(tr("Sizes"), side, _counted(report["sizes"], MOST_NAMES))]
    native = report.get("native", {})
    if native:
        every = ", ".join(f"{size}: {words}" for size, words in native.items())
        lines.append((tr("Pixel art"), next(iter(native.values())), every))
    for what, counts in (
        (tr("Shapes"), report["aspect_ratios"]),
        (tr("Formats"), report["formats"]),
        (tr("Colours"), modes),
    ):
        lines.append((what, _counted(counts, MOST_VALUES), _counted(counts, MOST_NAMES)))
    return lines


def _counted(counts: Mapping[str, int], most: int) -> str:
    """“PNG (119), JPEG (69) and 2 more”; the only one goes without its count."""
    if len(counts) == 1:
        return next(iter(counts))
    words = ", ".join(f"{name} ({count:,})" for name, count in list(counts.items())[:most])
    return words + (tr(" and {count} more", count=len(counts) - most) if len(counts) > most else "")


def remarks(report: Mapping[str, Any]) -> list[tuple[str, Sequence[str]]]:
    """What is done to some of the images, and to which."""
    same = [" = ".join(names) for names in report["duplicates"]]
    alike = [" ≈ ".join(names) for names in report["near_duplicates"]]
    found: list[tuple[str, Sequence[str]]] = [
        (tr("turned upright, as their EXIF data say"), report["rotated"]),
        (
            tr("with transparency, which is learned")
            if report.get("channels") == "rgba"
            else tr("with transparency, laid on white"),
            report["transparent"],
        ),
        (tr("animated: only the first frame is used"), report["animated"]),
        (tr("with several pages: only the first is used"), report.get("pages", ())),
        (tr("smaller than the training size, enlarged"), report["small"]),
        (tr("nearly black or of one colour"), [": ".join(pair) for pair in report.get("dark", ())]),
        (tr("opened with a note"), [": ".join(pair) for pair in report.get("notes", ())]),
        (tr("in two classes"), [" = ".join(names) for names in report.get("two_classes", ())]),
        (tr("linked more than once, used once"), [" = ".join(names) for names in report.get("repeated", ())]),
        (tr("links to a folder that is included already"), report.get("loops", ())),
    ]
    lines = [(f"{len(names):,} {words}", names) for words, names in found if names]
    if same:
        lines.append(
            (plural("{count:,} group of exact copies", "{count:,} groups of exact copies", len(same)), same)
        )
    if alike:
        words = plural(
            "{count:,} group that looks the same", "{count:,} groups that look the same", len(alike)
        )
        lines.append((words, alike))
    others = report.get("others", {})
    if others:
        from diffusion_studio.training.data.folder_report import others_in_words

        lines.append((others_in_words(others, 4), [f"{count:,} {kind}" for kind, count in others.items()]))
    if report.get("hidden"):
        lines.append(
            (tr("{count:,} hidden, skipped", count=report["hidden"]), [tr("names that begin with a dot")])
        )
    return lines


class ClassBars(QWidget):
    """The classes with their counts as bars, which show an uneven folder."""

    def __init__(self, counts: Mapping[str, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._counts = dict(counts)
        self.setAccessibleName(tr("Classes"))
        self.setAccessibleDescription(", ".join(f"{name}: {count}" for name, count in counts.items()))
        self.setFixedHeight(ROW * len(counts))

    def sizeHint(self) -> QSize:
        return QSize(200, ROW * len(self._counts))

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        most = max(self._counts.values())
        name_width, count_width = 104, 48
        room = self.width() - name_width - count_width
        for row, (name, count) in enumerate(self._counts.items()):
            area = QRectF(0, row * ROW, name_width - SPACE_S, ROW)
            painter.setPen(QColor(t.text))
            shown = self.fontMetrics().elidedText(
                one_line(name), Qt.TextElideMode.ElideRight, int(area.width())
            )
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, shown)
            painter.setPen(Qt.PenStyle.NoPen)
            for colour, width in ((t.hover, room), (t.accent, max(room * count / most, 3))):
                painter.setBrush(QColor(colour))
                painter.drawRoundedRect(QRectF(name_width, row * ROW + ROW / 2 - 3, width, 6), 3, 3)
            painter.setPen(QColor(t.muted))
            area = QRectF(self.width() - count_width, row * ROW, count_width, ROW)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{count:,}")
        painter.end()


def _facts(report: Mapping[str, Any]) -> QGridLayout:
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, SPACE_XS)
    grid.setHorizontalSpacing(SPACE_M)
    grid.setVerticalSpacing(SPACE_XS)
    grid.setColumnStretch(1, 1)
    for row, (what, value, everything) in enumerate(facts(report)):
        label = _wrapped(value)
        label.setToolTip(tooltip(everything))
        label.setAccessibleName(f"{what}: {everything}")
        grid.addWidget(plain_label(what, "quiet"), row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(label, row, 1)
    return grid


def _warning(text: str) -> QWidget:
    line = QWidget()
    row = QHBoxLayout(line)
    row.setContentsMargins(0, SPACE_XS, 0, 0)
    row.setSpacing(SPACE_S)
    sign = QLabel()
    sign.setPixmap(icon("alert", tokens().fault_text).pixmap(QSize(18, 18)))
    row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(_wrapped(text), 1)
    row.setSpacing(SPACE_M)
    return line


def _wrapped(text: str, kind: str = "") -> QLabel:
    label = plain_label(text, kind)
    label.setWordWrap(True)
    label.setAccessibleName(text)
    return label


def _some(names: Sequence[str]) -> str:
    more = tr(", and {count:,} more", count=len(names) - MOST_NAMES) if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
