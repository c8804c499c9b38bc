"""The user's own picture on the Generate page: opened, kept, shown with its noise on the canvas, and carried in the form.

The settings have the last word: what they name is loaded and shown, whoever put it there.
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
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.start.mask_tools import MaskTools
from diffusion_studio.ui.generate.start.own_view import OwnView
from diffusion_studio.ui.generate.start.start_section import StartSection
from diffusion_studio.ui.generate.start.variation import Variation
from diffusion_studio.ui.look.texts import readable, tooltip
from diffusion_studio.ui.pictures.drop import PictureDrop, ask_picture
from diffusion_studio.ui.pictures.picture import Picture, to_image

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.ui.base.context import AppContext
    from diffusion_studio.ui.generate.panel import GenerationPanel
    from diffusion_studio.ui.generate.start.start_picture import Draw, Kept, Levels, StartPicture
    from diffusion_studio.ui.generate.steering import Steering
    from diffusion_studio.ui.pictures.canvas import Canvas

USUAL_STRENGTH = GenerationSettings().strength
GONE = tr("The picture these settings start from is no longer kept here. Open its file again, or remove it.")
OTHER = tr("That is another picture than the one these settings started from. It is used instead.")


class OwnPicture(QObject):
    left = Signal()  # it was removed while the canvas showed it

    def __init__(
        self, context: AppContext, panel: GenerationPanel, canvas: Canvas, steering: Steering
    ) -> None:
        super().__init__(canvas)
        self.context, self.panel, self.canvas, self.steering = context, panel, canvas, steering
        self.start: StartPicture | None = None
        self.digests = ("", "")  # of source and mask, as the form has them and as they are shown here
        self._names: dict[str, str] = {}  # of pictures opened in this session, by digest
        self.levels: Levels | None = None  # of the chosen model
        self._schedule: Any = None  # those levels are of
        self._draw: Draw | None = None  # the noise that is shown or on its way
        self.chosen = False  # the strength, by the user's own hand
        self.section, self.variation = StartSection(), Variation()
        self.view = OwnView(self, canvas, steering)
        self.tools = MaskTools(self)
        self.drop = PictureDrop(canvas, self.open)
        self.drop.hovered.connect(self.tools.overlay.hover)
        self._make_actions()
        panel.add_section("model", self.section)
        panel.add_last(self.variation)
        self._connect()

    # --- what the page asks ---

    @property
    def file_entries(self) -> list[QAction | None]:
        return [self.open_action, None]

    def controls(self, panel: Sequence[Any]) -> list[Any]:
        """The panel's controls in the order of the Tab key, with those of the sections."""
        order = list(panel)
        chooser = order.index(self.panel.chooser) + 1
        order[chooser:chooser] = self.section.controls
        button = order.index(self.panel.button)
        order[button:button] = self.variation.controls
        return order

    def settle(self) -> None:
        """Keep the mask as it is painted, so that the settings can name it. Raises `UserError` where that fails."""
        if self.start is None:
            return
        from diffusion_studio.pictures.start_pictures import keep_mask

        mask = self.start.mask
        digest = "" if mask.empty else keep_mask(mask.soft())
        if digest != self.digests[1]:
            self.digests = (self.digests[0], digest)
            self.panel.form.carry(mask=digest)

    # --- the picture ---

    def ask(self) -> None:
        path = ask_picture(self.canvas)
        if path is not None:
            self.open(path)

    def open(self, picture: Path | np.ndarray, name: str = "") -> None:
        """Start from a file, or from (H, W, 3) uint8."""
        from diffusion_studio.ui.generate.start.start_picture import keep_picture

        name = name or (readable(picture.name) if isinstance(picture, Path) else tr("Dropped picture"))
        self.context.run(keep_picture(picture, name), lambda kept: self._on_kept(kept, name))

    def start_from(self, picture: Picture, **values: Any) -> bool:
        """Start from a picture of the canvas, at once; whether that could be done."""
        from diffusion_studio.pictures.start_pictures import keep
        from diffusion_studio.ui.generate.start.start_picture import Kept

        settings = picture.settings
        seed = f"seed {settings.seed}" if settings is not None else "a picture"
        try:
            name = readable(picture.path.name) if picture.path is not None else seed
            kept = Kept(keep(picture.pixels, name), picture.pixels)
        except UserError as error:
            self.context.show_fault(str(error))
            return False
        self._on_kept(kept, name, **values)
        return True

    def remove(self) -> None:
        """Draw from pure noise again; Undo brings picture and mask back."""
        viewing = self.view.shown
        with suppress(UserError):  # a mask that cannot be kept cannot be brought back
            self.settle()
        carried = self.panel.form.carried
        kept = {name: getattr(carried, name) for name in ("source", "mask", "strength", "resamples")}
        self.context.undo.push(Change("removal of the start picture", lambda: self.panel.form.carry(**kept)))
        self.tools.brush.activate(False)
        self.panel.form.carry(source="", mask="", strength=USUAL_STRENGTH, resamples=1)
        if viewing:
            self.left.emit()

    def _on_kept(self, kept: Kept, name: str, **values: Any) -> None:
        form = self.panel.form
        missing = self.start is None and bool(form.carried.source)
        self._names[kept.digest] = name
        if missing and kept.digest == form.carried.source:
            self._recall(*self.digests)  # it is here again
            return
        if missing:
            self.context.show_status(OTHER)
        known = {"strength": form.carried.strength if missing else USUAL_STRENGTH}
        self._take(kept)
        self.digests = (kept.digest, "")
        form.carry(source=kept.digest, mask="", **{**known, **values})
        self.view.look()

    def _take(self, kept: Kept) -> None:
        from diffusion_studio.ui.generate.start.start_picture import StartPicture

        name = self._names.get(kept.digest) or readable(kept.name) or tr("Start picture")
        self.section.masked.setToolTip(tooltip(kept.mask_name) if kept.mask_name else "")
        self.start, self._draw = StartPicture(kept.digest, kept.pixels, name), None
        self.chosen = False
        self._fit()
        if kept.mask is not None:
            self.start.take_mask(kept.mask)
        self.tools.take(self.start.mask)

    # --- following the settings ---

    def follow(self) -> None:
        """The settings in the form may be others."""
        carried = self.panel.form.carried
        if carried.source != self.digests[0]:
            self._recall(carried.source, carried.mask)
        elif carried.mask != self.digests[1]:
            self._recall_mask(carried.mask)
        self.variation.show_value(carried.variation_seed, carried.variation_strength)
        self._fit()
        self._show()

    def _recall(self, source: str, mask: str) -> None:
        """Show the picture these settings start from."""
        from diffusion_studio.pictures.start_pictures import has
        from diffusion_studio.ui.generate.start.start_picture import load_picture

        self.start, self.digests = None, (source, mask)
        self.tools.take(None)
        self.section.hide()
        if source and has(source):
            self.context.run(load_picture(source, mask), self._on_loaded)
        elif source:
            self.section.show_missing(GONE)

    def _recall_mask(self, mask: str) -> None:
        if self.start is not None:
            self._recall(self.digests[0], mask)

    def _on_loaded(self, kept: Kept) -> None:
        if kept.digest != self.digests[0]:
            return  # others have come meanwhile
        self._take(kept)
        if self.digests[1] and kept.mask is None:
            self.context.show_status(tr("The mask of these settings is no longer kept here; paint it again"))
            self.digests = (self.digests[0], "")
            self.panel.form.carry(mask="")
        self._fit()
        self._show()
        if not self.canvas.pictures and not self.steering.generation.running:
            self.view.look()

    def _fit(self) -> None:
        """See the picture as the chosen model does."""
        from diffusion_studio.ui.generate.start.start_picture import Draw, draw_noise

        card, start = self.panel.card, self.start
        if card is None or start is None:
            self.tools.take(None)
            return
        shift = self.panel.form.fields["shift"].value()
        if self._schedule is None or self._schedule[0] is not card.schedule or self._schedule[1] != shift:
            from diffusion_studio.ui.generate.start.start_picture import Levels

            self._schedule = (card.schedule, shift)
            self.levels = Levels.of(card.schedule, tokens=card.size**2, shift=shift)
            self.section.show_schedule(self.levels.shares)
        start.fit(card.size, card.channels)
        self.tools.take(start.mask)
        carried, seed = self.panel.form.carried, self.panel.seed.value() or 0
        shape = (card.channels, card.size, card.size)
        draw = Draw(seed, carried.variation_seed, carried.variation_strength, shape)
        if draw != self._draw:
            self._draw = draw
            self.context.run(draw_noise(draw), lambda noise: self._on_noise(draw, noise))

    def _on_noise(self, draw: Draw, noise: np.ndarray) -> None:
        if draw == self._draw and self.start is not None:
            self.start.noise = noise
            self.view.refresh()

    def _show(self) -> None:
        start, levels, carried = self.start, self.levels, self.panel.form.carried
        if start is None or levels is None:
            return
        self.section.show_picture(start.name, to_image(start.fitted), start.words)
        self.section.show_strength(carried.strength, levels.words(carried.strength))
        self.show_mask()
        self.view.refresh()

    def show_mask(self) -> None:
        start, carried = self.start, self.panel.form.carried
        if start is not None:
            self.section.show_mask(
                0.0 if start.mask.empty else start.mask.share,
                painting=self.tools.brush.active,
                feather=start.mask.feather,
                resamples=carried.resamples,
            )

    # --- by the user's hand ---

    def mask_painted(self) -> None:
        self.view.refresh()
        self.show_mask()

    def _on_strength(self, strength: float) -> None:
        self.chosen = True
        self.panel.form.carry(strength=strength)
        if not self.view.shown:
            self.view.look()

    def _on_feather(self, feather: float) -> None:
        if self.start is not None:
            self.start.mask.feather = feather
            self.tools.show_mask()
            self.mask_painted()

    def _on_variation(self) -> None:
        seed, strength = self.variation.value()
        if strength > 0 and self.panel.seed.value() is not None:
            self.panel.seed.lock.setChecked(True)  # a variation of a picture that changes anyway is none
        self.panel.form.carry(variation_seed=seed, variation_strength=strength)

    def _follow_canvas(self) -> None:
        self.start_action.setEnabled(bool(self.canvas.pictures) and not self.view.shown)

    def _start_from_shown(self) -> None:
        picture = self.canvas.chosen or (self.canvas.pictures[0] if self.canvas.pictures else None)
        if picture is not None and not self.view.shown:
            self.start_from(picture)

    def _make_actions(self) -> None:
        self.open_action = make_action(
            self.canvas,
            tr("Open picture…"),
            "Ctrl+O",
            tip="Start from a picture of your own instead of pure noise",
        )
        self.start_action = make_action(
            self.canvas,
            tr("Start from this picture"),
            tip="Take this picture part of the way back into noise",
        )
        self.start_action.setEnabled(False)

    def _connect(self) -> None:
        section = self.section
        self.open_action.triggered.connect(self.ask)
        self.start_action.triggered.connect(self._start_from_shown)
        section.show_wanted.connect(self.view.look)
        section.remove_wanted.connect(self.remove)
        section.find_wanted.connect(self.ask)
        section.paint_wanted.connect(self.tools.toggle_on_start)
        section.strength_changed.connect(self._on_strength)
        section.feather_changed.connect(self._on_feather)
        section.resamples_changed.connect(lambda times: self.panel.form.carry(resamples=times))
        section.brush_resized.connect(self.tools.brush.resize)
        self.variation.changed.connect(self._on_variation)
        self.panel.changed.connect(self.follow)
        self.panel.model_changed.connect(self.follow)
        self.canvas.view_changed.connect(self._follow_canvas)
