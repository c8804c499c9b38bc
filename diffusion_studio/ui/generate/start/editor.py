"""The start image of the request: opened, kept, shown with its noise on the canvas, masked and varied.

The request decides: what it names is loaded and shown, whoever put it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.start.commands import StartCommands
from diffusion_studio.ui.generate.start.mask_tools import HOW, MaskTools
from diffusion_studio.ui.generate.start.noise import StartNoise
from diffusion_studio.ui.generate.start.start_section import StartSection
from diffusion_studio.ui.generate.start.strength import USUAL_STRENGTH, StartStrength
from diffusion_studio.ui.generate.start.variation import Variation
from diffusion_studio.ui.generate.start.view import StartView
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.look.texts import readable, tooltip
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.drop import PictureDrop, ask_picture
from diffusion_studio.ui.pictures.picture import Picture, to_image

if TYPE_CHECKING:  # these bring numpy, which the empty window does without
    import numpy as np

    from diffusion_studio.ui.generate.start.start_picture import Kept, Levels, StartPicture

GONE = tr("The image these settings start from is no longer kept here. Open its file again, or remove it.")
OTHER = tr("This is not the image these settings started from. It is used instead.")
FORMING = tr("This image is still being generated. Pause or stop it to paint on it.")


class StartEditor(QObject):
    left = Signal()  # it was removed while the canvas showed it

    def __init__(
        self, context: AppContext, request: GenerationRequest, canvas: Canvas, steering: Steering
    ) -> None:
        super().__init__(canvas)
        self._context, self._request, self.canvas, self._steering = context, request, canvas, steering
        self.picture: StartPicture | None = None
        self.digests = ("", "")  # of source and mask, as the request has them and as they are shown here
        self._names: dict[str, str] = {}  # of images opened in this session, by digest
        self._noise, self._strength = StartNoise(context, self), StartStrength(request)
        self.section, self.variation = StartSection(), Variation(request)
        self.view = StartView(canvas, steering)
        self.commands = StartCommands(canvas, self.view)
        self.tools = MaskTools(context, canvas, self._may_paint, self._masked_places)
        self.drop = PictureDrop(canvas, self.open)
        self.drop.hovered.connect(self.tools.overlay.hover)
        self._connect()

    # --- what the page asks ---

    @property
    def levels(self) -> Levels | None:
        """Of the chosen model."""
        return self._noise.levels

    @property
    def file_entries(self) -> list[QAction | None]:
        return [self.commands.open_action, None]

    @property
    def live_images(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The start image as the model sees it and its mask as it is painted now, at once and kept nowhere."""
        if self.picture is None:
            return None, None
        mask = self.picture.mask
        return self.picture.fitted, None if mask.empty else mask.soft()

    def settle(self) -> None:
        """Keep the mask as it is painted, so that the request can name it. Raises `UserError` where that fails."""
        if self.picture is None:
            return
        from diffusion_studio.pictures.start_pictures import keep_mask

        mask = self.picture.mask
        digest = "" if mask.empty else keep_mask(mask.soft())
        if digest != self.digests[1]:
            self.digests = (self.digests[0], digest)
            self._request.change(mask=digest)

    def settle_if_possible(self) -> None:
        """Keep a painted mask before the request becomes another, so that undo brings it back."""
        with suppress(UserError):
            self.settle()

    # --- the image ---

    def ask(self) -> None:
        path = ask_picture(self.canvas)
        if path is not None:
            self.open(path)

    def open(self, picture: Path | np.ndarray, name: str = "") -> None:
        """Start from a file, or from (H, W, 3) uint8."""
        from diffusion_studio.ui.generate.start.start_picture import keep_picture

        name = name or (readable(picture.name) if isinstance(picture, Path) else tr("Dropped image"))
        self._context.run(keep_picture(picture, name), lambda kept: self._on_kept(kept, name))

    def start_from(self, picture: Picture, **values: Any) -> bool:
        """Start from an image of the canvas, at once; whether that was possible."""
        from diffusion_studio.pictures.start_pictures import keep
        from diffusion_studio.ui.generate.start.start_picture import Kept

        settings = picture.settings
        seed = tr("seed {seed}", seed=settings.seed) if settings is not None else tr("an image")
        try:
            name = readable(picture.path.name) if picture.path is not None else seed
            kept = Kept(keep(picture.pixels, name), picture.pixels)
        except UserError as error:
            self._context.show_fault(str(error))
            return False
        self._on_kept(kept, name, **values)
        return True

    def remove(self) -> None:
        """Start from full noise again; Undo brings image and mask back."""
        viewing = self.view.shown
        self.settle_if_possible()  # a mask that cannot be kept cannot be brought back
        own = self._request.settings
        kept = {name: getattr(own, name) for name in ("source", "mask", "strength", "resamples")}
        self._context.undo.push(
            Change(tr("removal of the start image"), lambda: self._request.change(**kept))
        )
        self.tools.brush.activate(False)
        self._request.change(source="", mask="", strength=USUAL_STRENGTH, resamples=1)
        if viewing:
            self.left.emit()

    def look(self) -> None:
        """Show it on the canvas."""
        if self.picture is not None and self.levels is not None:
            self.view.show(
                self.picture, self.levels, self._request.settings.strength, plain=not self.tools.shown
            )

    def _on_kept(self, kept: Kept, name: str, **values: Any) -> None:
        own = self._request.settings
        missing = self.picture is None and bool(own.source)
        self._names[kept.digest] = name
        if missing and kept.digest == own.source:
            self._recall(*self.digests)  # it is here again
            return
        if missing:
            self._context.show_status(OTHER)
        known = {"strength": own.strength if missing else USUAL_STRENGTH}
        self._take(kept)
        self.digests = (kept.digest, "")
        self._request.change(source=kept.digest, mask="", **{**known, **values})
        self._show()
        self.look()

    def _take(self, kept: Kept) -> None:
        from diffusion_studio.ui.generate.start.start_picture import StartPicture

        name = self._names.get(kept.digest) or readable(kept.name) or tr("Start image")
        self.section.masked.setToolTip(tooltip(kept.mask_name) if kept.mask_name else "")
        self.picture = StartPicture(kept.digest, kept.pixels, name)
        self._noise.forget()
        self._strength.forget()
        self._fit()
        if kept.mask is not None:
            self.picture.take_mask(kept.mask)
        self._hand_mask()

    def _hand_mask(self) -> None:
        """Have the brush paint on the mask of this image."""
        card = self._request.card
        self.tools.take(self.picture.mask if self.picture is not None else None, card.size if card else 0)

    # --- following the request ---

    def follow(self) -> None:
        own = self._request.settings
        if own.source != self.digests[0]:
            self._recall(own.source, own.mask)
        elif own.mask != self.digests[1] and self.picture is not None:
            self._recall(self.digests[0], own.mask)
        self._fit()
        self._show()

    def _recall(self, source: str, mask: str) -> None:
        """Show the image this request starts from."""
        from diffusion_studio.pictures.start_pictures import has
        from diffusion_studio.ui.generate.start.start_picture import load_picture

        self.picture, self.digests = None, (source, mask)
        self._hand_mask()
        self.section.hide()
        if source and has(source):
            self._context.run(load_picture(source, mask), self._on_loaded)
        elif source:
            self.section.show_missing(GONE)

    def _on_loaded(self, kept: Kept) -> None:
        if kept.digest != self.digests[0]:
            return  # others have come since
        self._take(kept)
        if self.digests[1] and kept.mask is None:
            self._context.show_status(
                tr("The mask of these settings is no longer kept here. Paint it again.")
            )
            self.digests = (self.digests[0], "")
            self._request.change(mask="")
        self._fit()
        self._show()
        if not self.canvas.pictures and not self._steering.generation.running:
            self.look()

    def _fit(self) -> None:
        """See the image as the chosen model does."""
        card, start, own = self._request.card, self.picture, self._request.settings
        if card is None or start is None:
            self.tools.take(None, 0)
            return
        self._noise.follow(card, own)
        start.fit(card.size, card.channels)
        self._hand_mask()

    def _on_noise(self, noise: np.ndarray) -> None:
        if self.picture is not None:
            self.picture.noise = noise
            self.refresh_view()

    def refresh_view(self) -> None:
        """Show it as it is now, where the canvas shows it."""
        if self.picture is not None and self.levels is not None:
            strength = self._request.settings.strength
            self.view.refresh(self.picture, self.levels, strength, plain=not self.tools.shown)

    def _show(self) -> None:
        start, levels, own = self.picture, self.levels, self._request.settings
        if start is None or levels is None:
            return
        self.section.show_picture(start.name, to_image(start.fitted), start.words)
        self.section.show_strength(own.strength, levels.words(own.strength))
        self._show_mask()
        self.refresh_view()

    def _show_mask(self) -> None:
        start = self.picture
        if start is not None:
            self.section.show_mask(
                0.0 if start.mask.empty else start.mask.share,
                painting=self.tools.brush.active,
                feather=start.mask.feather,
                resamples=self._request.settings.resamples,
            )

    # --- painting ---

    def _may_paint(self, place: int) -> bool:
        """Make the image there the one that is painted on; whether a stroke may begin now."""
        canvas, generation = self.canvas, self._steering.generation
        if self.view.shown:
            return self.picture is not None
        if generation.running and not generation.paused:
            self._context.show_status(FORMING)
            return False
        if len(canvas.pictures) > 1 and canvas.opened is None:
            canvas.open_cell(place)
            self._context.show_status(HOW)
            return False
        picture, card = canvas.pictures[place], self._request.card
        mask = self.picture.mask if self.picture is not None and place in self.masked else None
        if card is None or not self.start_from(picture, strength=1.0) or self.picture is None:
            return False
        self._strength.mark_raised()
        if mask is not None:  # the outline that was seen stays
            self.picture.mask = mask
            self._hand_mask()
        self._context.show_status(HOW)
        return picture.size == (card.size, card.size)  # else it is another now: let it be seen first

    def _masked_places(self) -> tuple[Sequence[int], int | None]:
        """Which images show the mask, and which of them is painted on: the start image, others while they are generated or
        while the brush is in use."""
        if self.view.shown:
            return (0,), 0
        shown = self.tools.brush.active or self._steering.generation.running
        return self.masked if shown else (), None

    @property
    def masked(self) -> Sequence[int]:
        """The places of the images on the canvas that have the mask as it is now."""
        if self.picture is None or self.picture.mask.empty:
            return ()
        if self.view.shown:
            return (0,)
        if not self.digests[1]:
            return ()
        settings = [picture.settings for picture in self.canvas.pictures]
        return [
            place
            for place, own in enumerate(settings)
            if own is not None and (own.source, own.mask) == self.digests
        ]

    def _on_mask_changed(self) -> None:
        if self.picture is not None:
            self._strength.follow_mask(empty=self.picture.mask.empty)
        self._show_mask()
        if self.view.shown:
            self.refresh_view()
        else:
            self.look()

    def _on_painted(self) -> None:
        self.refresh_view()
        self._show_mask()

    def _prepare_painting(self) -> None:
        """The brush is about to be taken: have something on the canvas to paint on."""
        if not self.canvas.pictures:
            self.look()
        self._hand_mask()

    def _paint_on_start(self) -> None:
        if not self.tools.brush.active:
            self.look()
        self.tools.toggle()

    def _on_mask_shown(self) -> None:
        if self.view.shown:
            self.look()

    def _on_brush(self) -> None:
        self.section.show_brush(self.tools.brush.size)
        self._show_mask()

    # --- by the user's hand ---

    def _on_strength(self, strength: float) -> None:
        self._strength.choose(strength)
        if not self.view.shown:
            self.look()

    def _on_feather(self, feather: float) -> None:
        if self.picture is not None:
            self.picture.mask.feather = feather
            self.tools.show_mask()
            self._on_painted()

    def _connect(self) -> None:
        section, tools = self.section, self.tools
        self.commands.open_action.triggered.connect(self.ask)
        self.commands.use_wanted.connect(self.start_from)
        section.show_wanted.connect(self.look)
        section.remove_wanted.connect(self.remove)
        section.find_wanted.connect(self.ask)
        section.paint_wanted.connect(self._paint_on_start)
        section.strength_changed.connect(self._on_strength)
        section.feather_changed.connect(self._on_feather)
        section.resamples_changed.connect(lambda times: self._request.change(resamples=times))
        section.brush_resized.connect(tools.brush.resize)
        tools.starting.connect(self._prepare_painting)
        tools.mask_changed.connect(self._on_mask_changed)
        tools.mask_shown.connect(self._on_mask_shown)
        tools.brush.painted.connect(self._on_painted)
        tools.brush.changed.connect(self._on_brush)
        self._noise.levels_changed.connect(lambda levels: section.show_schedule(levels.shares))
        self._noise.drawn.connect(self._on_noise)
        generation = self._steering.generation
        generation.changed.connect(lambda: tools.follow_generation(generation.running))
        self._request.changed.connect(self.follow)
        self._request.model_changed.connect(self.follow)
        self._request.leaving_model.connect(self.settle_if_possible)
