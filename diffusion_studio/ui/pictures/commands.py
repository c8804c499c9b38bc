"""What can be done with an image on any page: copy it or its settings, save it elsewhere, reveal it, drag it out."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QProcess, Qt
from PySide6.QtGui import QDesktopServices, QDrag, QGuiApplication, QImage, QPixmap
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import EXPORTS, choose_folder, save_file
from diffusion_studio.ui.base.preferences import Preferences
from diffusion_studio.ui.look.texts import file_url, readable
from diffusion_studio.ui.pictures.picture import to_image

if TYPE_CHECKING:
    import numpy as np

FORMATS = {
    tr("PNG (*.png)"): (".png",),
    tr("JPEG (*.jpg *.jpeg)"): (".jpg", ".jpeg"),
    tr("WebP (*.webp)"): (".webp",),
    tr("TIFF (*.tif *.tiff)"): (".tif", ".tiff"),
}
DRAGGED = 96  # pixels of the image under the pointer


def copy_picture(pixels: np.ndarray) -> None:
    QGuiApplication.clipboard().setImage(to_image(pixels))


def copy_settings(settings: GenerationSettings, facts: Mapping[str, Any]) -> None:
    """The line of parameters that other programs read too."""
    from diffusion_studio.pictures.metadata import parameters_line

    QGuiApplication.clipboard().setText(parameters_line(settings, dict(facts)))


def save_as(
    context: AppContext,
    parent: QWidget,
    source: Path | np.ndarray,
    suggested: str,
    settings: GenerationSettings | None,
    facts: Mapping[str, Any],
) -> None:
    """Ask where to, and save the image with its settings there; the ending says which format."""
    target = ask_target(parent, suggested)
    if target is not None:
        job = _export(source, target, settings, facts, context.preferences)
        context.run(job, lambda path: context.show_status(tr("Saved to {path}", path=readable(path))))


def ask_target(parent: QWidget, suggested: str) -> Path | None:
    return save_file(parent, tr("Save image as"), suggested, FORMATS)


def ask_folder(parent: QWidget) -> Path | None:
    return choose_folder(parent, tr("Save the images in"), place=EXPORTS)


def reveal(path: Path) -> None:
    """Show a file in the system's file manager, selected where that can be asked for."""
    if sys.platform == "win32":
        QProcess.startDetached("explorer", ["/select,", str(path)])
    elif sys.platform == "darwin":
        QProcess.startDetached("open", ["-R", str(path)])
    else:
        open_folder(path.parent)


def open_folder(folder: Path) -> None:
    QDesktopServices.openUrl(file_url(folder))


def drag_out(source: QWidget, image: QImage, path: Path | None) -> None:
    """Let the image be dropped elsewhere: as its file where it is saved, and as pixels."""
    data = QMimeData()
    data.setImageData(image)
    if path is not None:
        data.setUrls([file_url(path)])
    drag = QDrag(source)
    drag.setMimeData(data)
    drag.setPixmap(QPixmap.fromImage(image).scaled(DRAGGED, DRAGGED, Qt.AspectRatioMode.KeepAspectRatio))
    drag.exec(Qt.DropAction.CopyAction)


def _export(
    source: Path | np.ndarray,
    target: Path,
    settings: GenerationSettings | None,
    facts: Mapping[str, Any],
    liked: Preferences,
) -> Generator[Path, None, None]:
    from diffusion_studio.pictures.writing import export

    export(
        source,
        target,
        settings=settings,
        facts=dict(facts),
        quality=liked.quality,
        with_metadata=liked.metadata,
    )
    yield target
