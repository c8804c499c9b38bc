"""What the canvas shows, in words on it: the image, its seed and settings, and where the panel differs from them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.settings.generation import OF_SIZE, OF_TEXT, GenerationSettings
from diffusion_studio.settings.options import options, with_values
from diffusion_studio.ui.generate.generations import setting_words
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.start.editor import StartEditor
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.look.buttons import ground_button
from diffusion_studio.ui.look.labels import ElidedLabel
from diffusion_studio.ui.look.texts import readable, tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.pictures.canvas import Canvas

COMPARED = (
    *(
        "model",
        "seed",
        "class_label",
        "steps",
        "guidance",
        "autoguidance",
        "sampler",
        "spacing",
        "eta",
        "churn",
        "clipping",
    ),
    *("source", "mask", "strength", "variation_strength", "blend"),
    *("prompt", "negative", "loras", "width", "height", "clip_skip"),
)
NAMED = (
    "class_label",
    "guidance",
    "prompt",
)  # besides seed, sampler and steps, where they are not the usual ones
UNNAMED = {"source": tr("start image"), "mask": tr("mask"), "class_label": tr("class"), "loras": "LoRA"}
WIDEST = 900  # pixels
NAMED_DIFFERENCES = 3  # settings that are named; of more the first two
ELIDED = 90  # pixels of its words that may be left out, for one row
ABOVE = 36  # pixels of the canvas that one row of it takes


class Caption(QObject):
    def __init__(
        self, request: GenerationRequest, canvas: Canvas, steering: Steering, start: StartEditor
    ) -> None:
        super().__init__(canvas)
        self._request, self._canvas, self._steering, self._start = request, canvas, steering, start
        self.frame = QFrame(canvas)
        self.frame.setObjectName("onGround")
        self.shown, self.differs = ElidedLabel(), ElidedLabel()
        self.reuse = ground_button(
            tr("Reuse settings"), tr("Use the settings this image was made with (Ctrl+U)")
        )
        self.seed = ground_button(tr("Seed only"), tr("Use the seed of this image (Ctrl+Shift+U)"))
        self._actions = QWidget()
        actions = QHBoxLayout(self._actions)
        actions.setContentsMargins(0, 0, 0, 0)
        actions.setSpacing(SPACE_XS)
        actions.addStretch(1)
        for button in self.controls:
            actions.addWidget(button)
        self._parts = QBoxLayout(QBoxLayout.Direction.LeftToRight, self.frame)
        self._parts.setContentsMargins(SPACE_S, SPACE_XS, SPACE_XS, SPACE_XS)
        self._parts.setSpacing(0)
        for label in (self.shown, self.differs):
            label.setProperty("small", True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._panel_row = QHBoxLayout()
        self._panel_row.setSpacing(0)
        self._panel_row.addWidget(self.differs)
        self._panel_row.addWidget(self._actions)
        self._parts.addWidget(self.shown)
        self._parts.addLayout(self._panel_row)
        canvas.shift_down = SPACE_L
        canvas.installEventFilter(self)
        self.live: Callable[[], str] = str  # what to say of an image that follows the controls; "" of another
        self._said: tuple[str, list[str]] | None = None
        self._described: GenerationSettings | None = None  # of the image that was described last, at its end
        canvas.view_changed.connect(self.describe)
        steering.generation.previewed.connect(self._on_preview)
        request.changed.connect(self.describe)
        request.model_changed.connect(self.describe)
        self.describe()

    @property
    def controls(self) -> list[QToolButton]:
        """In the order of the Tab key."""
        return [self.reuse, self.seed]

    def _on_preview(self) -> None:
        """Another run may have begun in the place of the one that was described; the step is for the timeline to say."""
        pictures = self._canvas.pictures
        settings = pictures[0].settings if pictures else None
        if settings is None or with_values(settings, until=0) != self._described:
            self.describe()

    def describe(self) -> None:
        """Say what is shown now."""
        words, differences = said = self._words()
        if said == self._said:
            return  # asked at every change of a control
        self._said = said
        self.shown.setText(words)
        self.differs.setText(_difference_words(differences))
        self.differs.setToolTip(tooltip(", ".join(differences)))
        self.differs.setVisible(bool(differences))
        self._actions.setVisible(bool(differences))
        self.frame.setAccessibleName(words)
        self.frame.setVisible(bool(words))
        self._place()

    def _words(self) -> tuple[str, list[str]]:
        canvas, steering = self._canvas, self._steering
        if not canvas.pictures:
            return "", []
        if self._start.view.shown:
            picture = self._start.picture
            return tr("Start image: {name}", name=readable(picture.name) if picture is not None else ""), []
        subject = canvas.chosen or canvas.pictures[0]
        settings = subject.settings
        self._described = (
            None if settings is None else with_values(canvas.pictures[0].settings or settings, until=0)
        )
        if settings is None:
            return tr("No generation settings found") if subject.path is not None else "", []
        live = self.live()
        if live:
            own = _parts(settings)
            return " · ".join([live, tr("Seed {seed}", seed=settings.seed), *own]), []
        run = steering.run if not steering.elsewhere else None
        compared = run.settings if run is not None and run.newest >= 0 else settings
        if not steering.elsewhere:
            settings = with_values(settings, until=0)
        count = len(canvas.pictures)
        seed = tr("Seed {seed}", seed=settings.seed)
        if count > 1 and canvas.chosen is None:
            seed = tr("{count} images from seed {seed}", count=count, seed=settings.seed)
        file = f"{readable(subject.path.name)} · " if steering.elsewhere and subject.path is not None else ""
        return file + seed + "".join(f" · {part}" for part in _parts(settings)), self._differences(compared)

    def _differences(self, shown: GenerationSettings) -> list[str]:
        panel, known, card = self._request.settings, options(GenerationSettings), self._request.card
        found = []
        for name in COMPARED:
            here, there = getattr(panel, name), getattr(shown, name)
            if (name == "model" and not there) or (card is not None and _idle(name, card.options)):
                continue
            if here != there:
                found.append(UNNAMED[name] if name in UNNAMED else known[name].label.lower())
        return found

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        """In one row over the image, or where the canvas is too narrow in two."""
        room = max(min(self._canvas.width() - 2 * SPACE_M, WIDEST), 0)
        shown = self._wanted(self.shown)
        differs = self._wanted(self.differs) if self.differs.text() else 0
        edges = SPACE_S + SPACE_XS
        both = sum(button.sizeHint().width() for button in self.controls) + 2 * SPACE_XS
        self.seed.setVisible(
            differs + both + edges - ELIDED // 2 <= room
        )  # “Reuse settings” has the seed as well
        actions = 0
        if not self._actions.isHidden():
            actions = both if not self.seed.isHidden() else self.reuse.sizeHint().width() + SPACE_XS
        in_row = shown + differs + actions + edges - ELIDED <= room
        self._parts.setDirection(
            QBoxLayout.Direction.LeftToRight if in_row else QBoxLayout.Direction.TopToBottom
        )
        self._panel_row.setStretch(0, 1)
        self.differs.setMinimumWidth(max(min(differs, room - edges - actions), 0))  # the facts give way to it
        self._parts.setStretch(0, shown)
        self._parts.setStretch(1, differs + actions)
        needed = shown + differs + actions if in_row else max(shown, differs + actions)
        self.frame.resize(min(needed + edges, room), self.frame.sizeHint().height())
        top = max((ABOVE - self.frame.height()) // 2, SPACE_XS)
        self.frame.move(self._canvas.width() - self.frame.width() - SPACE_M, top)

    def _wanted(self, label: ElidedLabel) -> int:
        return label.fontMetrics().horizontalAdvance(label.text()) + 2 * SPACE_L


def _difference_words(names: list[str]) -> str:
    """“Panel differs: model, steps, +3”; the tooltip has all of them."""
    if not names:
        return ""
    few = names if len(names) <= NAMED_DIFFERENCES else [*names[:2], f"+{len(names) - 2}"]
    return tr("Panel differs: {differences}", differences=", ".join(few))


def _idle(name: str, effective: Collection[str]) -> bool:
    """Whether this setting has no effect with the model."""
    return name in (*NAMED, *OF_TEXT, *OF_SIZE) and name not in effective


def _parts(settings: GenerationSettings) -> list[str]:
    usual = GenerationSettings()
    step = (
        tr("step {until} of {steps}", until=settings.until, steps=settings.steps)
        if settings.until
        else plural("{count} step", "{count} steps", settings.steps)
    )
    parts = [setting_words("sampler", settings.sampler), step]
    return parts + [
        setting_words(name, getattr(settings, name))
        for name in NAMED
        if getattr(settings, name) != getattr(usual, name)
    ]
