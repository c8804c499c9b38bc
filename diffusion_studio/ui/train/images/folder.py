"""The training images: a folder dropped or chosen, checked with progress, then its report beside its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio import events, training_events
from diffusion_studio.language import tr
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.buttons import PushButton, push_button
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import (
    RADIUS_LARGE,
    SPACE_L,
    SPACE_M,
    SPACE_S,
    SPACE_XL,
    comfortable,
    tokens,
)
from diffusion_studio.ui.pictures.sheet_preview import load_sheet
from diffusion_studio.ui.pictures.thumbnail_view import SIDE, WIDE, thumbnail_view
from diffusion_studio.ui.pictures.thumbnails import PATH, Listed, Thumbnail, Thumbnails
from diffusion_studio.ui.train.images.folder_jobs import Fitted, load_grid, load_one
from diffusion_studio.ui.train.images.report import ReportView


class FolderView(QWidget):
    """Three faces: an invitation, the progress of the check, and what was found; an empty folder leads back to the first."""

    folder_wanted = Signal()
    continue_wanted = Signal()  # to the recipe
    samples_wanted = Signal()
    checked = Signal(object)  # the report
    cancelled = Signal()
    failed = Signal(str, str)
    picture_shown = Signal(object)  # (S, S, 3) uint8, for the forward process

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.worker = Worker("pictures", self)
        self.invitation = Invitation(self)
        self.model = Thumbnails(self)
        self.grid = thumbnail_view(
            self,
            tr("Images"),
            tr("Select an image to preview noising on it under “Recipe”"),
            WIDE if comfortable() else SIDE,
        )
        self.grid.setModel(self.model)
        self.caption = plain_label("", "small")
        self.report = ReportView(self)
        self.progress = QProgressBar()
        self.cancel_button = PushButton(tr("Cancel"))
        self.name = ElidedLabel("")
        self.name.setProperty("heading", True)
        self.change = push_button(tr("Change…"), tr("Choose another folder of images"))
        self.next = push_button(tr("Continue"), tr("Choose a recipe for these images"))
        self.next.setProperty("primary", True)
        self.nothing = NoImages(self)
        self._images = QStackedWidget()
        self._found = QWidget()
        self._scanning = QWidget()
        self._words = plain_label(tr("Checking the images…"))
        self.stack = QStackedWidget(self)
        self.folder: Path | None = None
        self._scan: int | None = None
        self._load: int | None = None
        self._one: int | None = None
        self._sheet: int | None = None
        self._seen: tuple[Any, ...] = ()
        self._lay_out()
        self._connect()

    def scan(self, folder: Path, settings: TrainingSettings) -> None:
        """Check every image of a folder, in place of a check that still runs."""
        from diffusion_studio.jobs.check import check

        self.cancel()
        self.folder, self._seen = folder, ()
        self.model.show_paths([])
        self._words.setText(tr("Checking the images…"))
        self.progress.setRange(0, 0)
        self.stack.setCurrentWidget(self._scanning)
        self._scan = self.worker.submit(iter(check(folder, size=settings.size)))

    def look_again(self, settings: TrainingSettings) -> None:
        """Renew the report for another size, behind what is shown."""
        if self.folder is not None and self._scan is None:
            from diffusion_studio.jobs.check import check

            self._scan = self.worker.submit(iter(check(self.folder, size=settings.size)))

    def show_as(self, settings: TrainingSettings) -> None:
        """Show the images as the network will see them with these settings."""
        wanted = (self.folder, settings.size, settings.fit, settings.flip)
        if self.folder is None or self.stack.currentWidget() is not self._found or wanted == self._seen:
            return
        self._seen = wanted
        for job in (self._load, self._one):
            if job is not None:
                self.worker.cancel(job)
        self.caption.setText(preview_words(settings))
        self._load = self.worker.submit(
            load_grid(self.folder, settings.size, pad=settings.fit == "pad", flip=settings.flip)
        )

    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        prompt = [self.invitation.choose, self.invitation.samples, self.cancel_button]
        return [*prompt, self.grid, self.nothing.back, self.change, self.next]

    def allow_change(self, allowed: bool) -> None:
        """While a training runs, its folder stays."""
        for button in (self.change, self.nothing.back, self.invitation.choose, self.invitation.samples):
            button.setEnabled(allowed)

    def cancel(self) -> None:
        self.worker.cancel_all()
        self._scan = self._load = self._one = self._sheet = None

    def show_invitation(self) -> None:
        """Back to the drop prompt; the folder is forgotten."""
        self.cancel()
        self.folder = None
        self.stack.setCurrentWidget(self.invitation)
        self.cancelled.emit()

    def _on_event(self, job: int, event: Any) -> None:
        if job == self._scan:
            match event:
                case events.Status(text=text):
                    self._words.setText(text)
                case training_events.Checking(done=done, total=total):
                    self.progress.setRange(0, max(total, 1))
                    self.progress.setValue(done)
                    self._words.setText(
                        tr("Checking the images… {done:,} of {total:,}", done=done, total=total)
                    )
                case training_events.Checked(report=report):
                    self._show_report(report)
                case _:
                    events.assert_never(event)
        elif job == self._sheet:
            if self.report.sheets is not None:
                self.report.sheets.show_sheet(event.image)
        elif job in (self._load, self._one):
            match event:
                case Listed(paths):
                    self.model.show_paths(paths)
                case Thumbnail():
                    self.model.show_thumbnail(event)
                case Fitted(pixels=pixels):
                    self.picture_shown.emit(pixels)

    def _show_report(self, report: Mapping[str, Any]) -> None:
        self._scan = None
        self.report.show_report(report)
        if report.get("sheets") and self.folder is not None:
            self._sheet = self.worker.submit(load_sheet(self.folder / report["sheets"][0]["name"]))
        usable = bool(report["usable"])
        self._images.setCurrentIndex(0 if usable else 1)
        self.caption.setVisible(usable)
        self.name.setText(readable(self.folder.name) if self.folder is not None else "")
        self.next.setEnabled(usable)
        self.stack.setCurrentWidget(self._found)
        self.checked.emit(report)

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        if job == self._scan:
            self.show_invitation()
            self.failed.emit(sentence, details)

    def _choose(self, index: QModelIndex) -> None:
        """The selected image is the one that noising is previewed on."""
        _, size, fit, _ = self._seen
        self._one = self.worker.submit(load_one(index.data(PATH), size, pad=fit == "pad"))

    def _connect(self) -> None:
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(self._on_failed)
        self.cancel_button.clicked.connect(self.show_invitation)
        self.invitation.choose.clicked.connect(self.folder_wanted)
        self.invitation.samples.clicked.connect(self.samples_wanted)
        self.change.clicked.connect(self.folder_wanted)
        self.next.clicked.connect(self.continue_wanted)
        self.nothing.back.clicked.connect(self.show_invitation)
        self.grid.selectionModel().currentChanged.connect(
            lambda new, _: self._choose(new) if new.isValid() else None
        )

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, SPACE_L, 0)
        head.setSpacing(SPACE_S)
        self.name.setContentsMargins(-SPACE_S, 0, 0, 0)  # it has a margin of its own
        head.addWidget(self.name, 1)
        head.addWidget(self.change)
        head.addWidget(self.next)
        self._images.addWidget(self.grid)
        self._images.addWidget(self.nothing)
        left = QVBoxLayout()
        left.setContentsMargins(SPACE_L, SPACE_S, 0, 0)
        left.setSpacing(SPACE_S)
        left.addLayout(head)
        left.addWidget(self.caption)
        left.addWidget(self._images, 1)
        row = QHBoxLayout(self._found)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(left, 1)
        row.addWidget(self.report)
        self._words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.progress.setFixedSize(320, 10)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Progress"))
        self.cancel_button.setAccessibleName(tr("Cancel"))
        self.cancel_button.setToolTip(tr("Stop checking, and choose another folder"))
        middle = QVBoxLayout(self._scanning)
        middle.setSpacing(SPACE_M)
        middle.addStretch(1)
        for part in (self._words, self.progress, self.cancel_button):
            middle.addWidget(part, 0, Qt.AlignmentFlag.AlignHCenter)
        middle.addStretch(1)
        for face in (self.invitation, self._scanning, self._found):
            self.stack.addWidget(face)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.stack)


class Invitation(QWidget):
    """What will be here, and the two ways to begin. It is highlighted while a folder is held over the page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._glows = False
        self._title = plain_label(tr("Drop a folder of images here"), "heading")
        self._sentence = plain_label(
            tr(
                "A model learns to generate new ones like them. A few hundred images of one kind are a good start; "
                "subfolders become classes. The images stay on this computer."
            ),
            "quiet",
        )
        self.choose = PushButton(tr("Choose folder…"))
        self.choose.setAccessibleName(tr("Choose folder…"))
        self.choose.setToolTip(tr("PNG, JPEG, WebP, BMP, GIF and TIFF, in subfolders too"))
        self.samples = PushButton(tr("Use sample images"))
        self.samples.setAccessibleName(tr("Use sample images"))
        self.samples.setToolTip(tr("200 small faces in five classes, free to use"))
        self.choose.setProperty("primary", True)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_M)
        buttons.addStretch(1)
        buttons.addWidget(self.choose)
        buttons.addWidget(self.samples)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL * 2, SPACE_XL, SPACE_XL * 2, SPACE_XL)
        column.setSpacing(SPACE_M)
        column.addStretch(1)
        self._sentence.setWordWrap(True)
        for label in (self._title, self._sentence):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(label)
        column.addSpacing(SPACE_S)
        column.addLayout(buttons)
        column.addStretch(1)

    def glow(self, glows: bool) -> None:
        self._glows = glows
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(t.accent if self._glows else t.border), 2 if self._glows else 1.5)
        pen.setDashPattern([5, 4])
        painter.setPen(pen)
        painter.setBrush(QColor(t.hover if self._glows else t.panel))
        frame = QRectF(self.rect()).adjusted(SPACE_XL, SPACE_XL, -SPACE_XL, -SPACE_XL)
        painter.drawRoundedRect(frame, RADIUS_LARGE, RADIUS_LARGE)
        painter.end()


class NoImages(QWidget):
    """In place of the images where none can be used; the report beside it says why."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.back = push_button(tr("Choose other images"), tr("Back to the drop prompt"))
        column = QVBoxLayout(self)
        column.setSpacing(SPACE_M)
        column.addStretch(1)
        words = tr("PNG, JPEG, WebP, BMP, GIF and TIFF files can be used. The report says what was skipped.")
        for text, kind in ((tr("No usable images in this folder"), "heading"), (words, "quiet")):
            label = plain_label(text, kind)
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(True)
            column.addWidget(label)
        column.addWidget(self.back, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)


def preview_words(settings: TrainingSettings) -> str:
    """“Training preview: 32 × 32, cropped, random mirroring”."""
    parts = [tr("{size} × {size}", size=settings.size)]
    parts.append(tr("whole, on white") if settings.fit == "pad" else tr("cropped"))
    if settings.flip:
        parts.append(tr("random mirroring"))
    return tr("Training preview: {parts}", parts=", ".join(parts))


def title_of(folder: Path) -> str:
    """“pixel-avatars” is a model called “Pixel avatars”."""
    words = folder.name.replace("_", " ").replace("-", " ").strip() or tr("My model")
    return words[:1].upper() + words[1:60]
