"""What a morph is: its seeds, how many images lie between them, and the film they become."""

from __future__ import annotations

import random
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.axes import parse_values
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import LONGEST_PROMPT
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.films.target import format_field, scale_field
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.fields import IntField, name_field
from diffusion_studio.ui.widgets.form import SettingsForm
from diffusion_studio.ui.widgets.prompt_edit import PromptEdit

FRAMES = Option(tr("Images per seed"), tr("how many images from one seed to the next"), min=1, max=1000)
PROMPTS = Option(
    tr("Prompts"),
    tr("one a line: the morph goes from each to the next, with one seed for all or one for each"),
    longest=LONGEST_PROMPT,
    lines=True,
)
SHOWN = ("frame_rate", "hold", "scale")  # of a film's settings: the others are about the steps of one image
SEEDS = 3  # to begin with
EASILY_READ = 9999


class MorphForm(QWidget):
    """Begins with `seed` (None: a random one) and two random ones, and with the settings of the last `film`."""

    plan_changed = Signal()  # the images will be others
    film_changed = Signal()  # the film of the same images will be another one

    def __init__(
        self,
        seed: int | None,
        film: FilmSettings,
        parent: QWidget | None = None,
        *,
        prompt: str | None = None,
    ) -> None:
        """`prompt`: of a model that is prompted, which can morph between prompts, too."""
        super().__init__(parent)
        self.texts = PromptEdit(PROMPTS, 2, 5, self)
        self.texts.setPlaceholderText(tr("One prompt a line"))
        self.texts.setHidden(prompt is None)
        self.texts.show_value(" ".join((prompt or "").split()))
        self.seeds = QLineEdit()
        self.dice = IconButton("dice", tr("Random seeds"), tr("as many other seeds, chosen at random"), self)
        self.frames = IntField(FRAMES)
        self.frames.show_value(24)
        self.loop = QCheckBox(tr("Loop to first seed"))
        self.film_form = SettingsForm(
            FilmSettings,
            fields={"scale": scale_field()},
            skip=[name for name in FilmSettings.__slots__ if name not in SHOWN],
        )
        self.format = format_field()
        self._lay_out()
        first = seed if seed is not None else _random_seed()
        more = SEEDS - 1 if prompt is None else 0
        self.seeds.setText(", ".join(map(str, [first, *(_random_seed() for _ in range(more))])))
        self.seeds.setCursorPosition(0)
        self.film_form.show_value(replace(film, hold=0.0))
        self.texts.changed.connect(self.plan_changed)
        self.seeds.textChanged.connect(self.plan_changed)
        self.frames.changed.connect(self.plan_changed)
        self.loop.toggled.connect(self.plan_changed)
        self.film_form.changed.connect(self.film_changed)
        self.dice.clicked.connect(self._choose_seeds)

    def plan(self) -> tuple[list[int], int, bool]:
        """Seeds, images from one to the next, and whether it loops. Raises `UserError` for what cannot be morphed."""
        from diffusion_studio.jobs.morph import check

        seeds = [seed for seed in parse_values("seed", self.seeds.text()) if isinstance(seed, int)]
        prompts = self.prompts()
        if prompts and len(seeds) == 1:
            seeds *= len(prompts)
        if prompts and len(seeds) != len(prompts):
            raise UserError(
                tr(
                    "A morph of {count} prompts takes one seed for all, or {count} seeds, not {given}.",
                    count=len(prompts),
                    given=len(seeds),
                )
            )
        check(seeds, self.frames.value())
        return seeds, self.frames.value(), self.loop.isChecked()

    def prompts(self) -> list[str]:
        """Those to morph between; none where there are not several."""
        lines = [line.strip() for line in self.texts.value().split("\n") if line.strip()]
        return lines if len(lines) > 1 else []

    def film(self) -> FilmSettings:
        """Raises `UserError` for values that are not allowed."""
        value: FilmSettings = self.film_form.value()
        return value

    def _choose_seeds(self) -> None:
        count = max(len([part for part in self.seeds.text().split(",") if part.strip()]), 2)
        self.seeds.setText(", ".join(str(_random_seed()) for _ in range(count)))

    def _lay_out(self) -> None:
        name_field(self.frames, FRAMES)
        self.seeds.setAccessibleName(tr("Seeds"))
        self.seeds.setToolTip(tr("Whole numbers separated by commas; the morph goes from one to the next"))
        self.loop.setToolTip(tr("End where it began, so that the film plays in a loop"))
        seeds = QWidget()
        line = QHBoxLayout(seeds)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACE_XS)
        line.addWidget(self.seeds, 1)
        line.addWidget(self.dice)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_M)
        grid.setVerticalSpacing(SPACE_S)
        grid.setColumnMinimumWidth(0, self.film_form.label_width)
        grid.setColumnStretch(1, 1)
        rows = (
            (tr("Seeds"), seeds),
            (FRAMES.label, self.frames),
            ("", self.loop),
            (tr("Format"), self.format),
        )
        for row, (text, part) in enumerate(rows):
            label = plain_label(text, "quiet")
            label.setBuddy(self.seeds if part is seeds else part)
            grid.addWidget(label, row, 0)
            grid.addWidget(part, row, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        texts = plain_label(PROMPTS.label, "quiet")
        texts.setBuddy(self.texts)
        column.addWidget(texts)
        column.addWidget(self.texts)
        texts.setHidden(self.texts.isHidden())
        column.addLayout(grid)
        column.addWidget(self.film_form)


def _random_seed() -> int:
    return random.SystemRandom().randint(0, EASILY_READ)
