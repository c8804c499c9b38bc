"""The places of the rail. A page is imported when it is first visited."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.requests import PageName

LOADED_AHEAD = tuple(
    f"diffusion_studio.ui.{name}.page" for name in ("gallery", "train", "models", "settings")
)


class PageEntry(NamedTuple):
    """A place on the rail. The page behind it is made when it is first visited."""

    name: PageName  # of its icon too
    label: str
    explanation: str
    make: Callable[[AppContext], Page]


def _generate(context: AppContext) -> Page:
    from diffusion_studio.ui.generate.page import GeneratePage

    return GeneratePage(context)


def _train(context: AppContext) -> Page:
    from diffusion_studio.ui.train.page import TrainPage

    return TrainPage(context)


def _gallery(context: AppContext) -> Page:
    from diffusion_studio.ui.gallery.page import GalleryPage

    return GalleryPage(context)


def _models(context: AppContext) -> Page:
    from diffusion_studio.ui.models.page import ModelsPage

    return ModelsPage(context)


def _settings(context: AppContext) -> Page:
    from diffusion_studio.ui.settings.page import SettingsPage

    return SettingsPage(context)


PAGES = (
    PageEntry("generate", tr("Generate"), tr("Generate images with a model"), _generate),
    PageEntry("train", tr("Train"), tr("Train a model of your own on a folder of images"), _train),
    PageEntry("gallery", tr("Gallery"), tr("Find every image you generated, and how it was made"), _gallery),
    PageEntry(
        "models", tr("Models"), tr("View, import, export and manage the models on this computer"), _models
    ),
    PageEntry(
        "settings", tr("Settings"), tr("Appearance, performance, saving, shortcuts and storage"), _settings
    ),  # stays last: the foot
)
