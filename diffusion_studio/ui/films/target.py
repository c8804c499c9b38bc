"""Where a film is saved: its format, its scale, and the question for its name."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.pictures.film_formats import WRITERS, has_mp4
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.options import Option, options
from diffusion_studio.ui.base.file_dialogs import EXPORTS, save_file
from diffusion_studio.ui.widgets.fields import ChoiceField, IntField, name_field

FORMATS = {
    ".png": tr("APNG (lossless)"),
    ".webp": tr("WebP (lossless)"),
    ".gif": tr("GIF (256 colours)"),
    ".mp4": tr("MP4 (smallest)"),
}
EXPLAINED = Option(
    tr("Format"),
    tr("the kind of file: APNG and WebP play in browsers, GIF nearly everywhere"),
    choices=FORMATS,
)


def format_field() -> ChoiceField:
    """The formats that can be written here."""
    field = ChoiceField(EXPLAINED)
    if not has_mp4():
        shown = {ending: text for ending, text in FORMATS.items() if ending != ".mp4"}
        field.show_choices(shown)
    name_field(field, EXPLAINED)
    if not has_mp4():
        field.setToolTip(tr("{tooltip} MP4 needs the package “av”: pip install av", tooltip=field.toolTip()))
    return field


def scale_field() -> IntField:
    """How much images are enlarged; 0 chooses."""
    field = IntField(options(FilmSettings)["scale"])
    field.setSpecialValueText(tr("Automatic"))
    return field


def ask_target(parent: QWidget, title: str, suggested: str, ending: str) -> Path | None:
    """The name the user gives the film; an ending no format has is completed."""
    return save_file(
        parent,
        title,
        f"{suggested}{ending}",
        {tr("Film (*{ending})", ending=ending): (ending,), tr("All files (*)"): (ending,)},
        place=EXPORTS,
        also=WRITERS,
    )
