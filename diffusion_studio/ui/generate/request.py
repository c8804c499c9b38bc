"""The request being composed on the Generate page: its settings, its seed and the branch it starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from random import SystemRandom
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.branches import branch, parts
from diffusion_studio.settings.effects import ONLY_WITH
from diffusion_studio.settings.generation import STEERING, GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, with_values

USUAL = GenerationSettings()
SHARED = ("model", "count", "history", "until")  # a branch takes them from its parent
OWN = (
    "seed",
    "count",
    "class_label",
    "prompt",
    "negative",
    "loras",
    "device",
    "precision",
)  # a model does not recommend them
Branch = tuple[GenerationSettings, int]  # the settings it leaves, and the step at which it leaves them


@dataclass(frozen=True, slots=True)
class RequestState:
    """Everything a request holds, to go back to."""

    settings: GenerationSettings
    described: GenerationSettings
    past: Branch | None
    locked: bool
    fresh: bool


class GenerationRequest(QObject):
    """`settings` never has a history: what a branch went through before is `past`. `value()` is what Generate asks for."""

    changing = Signal()  # before `changed`: for work that can begin beside what the window does then
    changed = Signal()
    model_changed = Signal()  # another model, or the same one described otherwise
    leaving_model = Signal()  # another model is about to be chosen by hand
    put_aside = Signal(
        object
    )  # GenerationSettings whose start image, mask and variation the new model leaves

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = RequestState(USUAL, USUAL, None, False, False)
        self._cards: dict[str, ModelCard] = {}
        self._asked: tuple[RequestState, ModelCard | None, GenerationSettings] | None = None
        # names and values of settings to begin with a model, instead of what it recommends
        self.begin_with: Callable[[ModelCard], Mapping[str, Any]] = lambda card: {}

    # --- what is asked for ---

    @property
    def settings(self) -> GenerationSettings:
        """The settings as composed so far; `until` may lie beyond `steps`."""
        return self._state.settings

    @property
    def past(self) -> Branch | None:
        """The settings and the step the request branches from; None: it starts from noise or a start image."""
        return self._state.past

    @property
    def locked(self) -> bool:
        """Whether the seed stays for the next generation."""
        return self._state.locked and self.settings.seed is not None

    @property
    def fresh(self) -> bool:
        """Whether an unlocked seed is to be used once, as it is."""
        return self._state.fresh

    @property
    def card(self) -> ModelCard | None:
        """The chosen model; None where none is installed."""
        return self._cards.get(self.settings.model)

    @property
    def cards(self) -> list[ModelCard]:
        return list(self._cards.values())

    def value(self) -> GenerationSettings:
        """What Generate asks for now. Raises `UserError` for a branch that is not possible."""
        known = self._asked  # several ask at each change, and checking all the settings takes a while
        if known is None or known[0] is not self._state or known[1] is not self.card:
            self._asked = known = (self._state, self.card, self._value())
        return known[2]

    def _value(self) -> GenerationSettings:
        own, past = self.settings, self.past
        own = own if self.card is None else self.card.effective(own)
        if own.batch and self.settings != self._state.described:
            own = replace(own, batch="")  # another image than was described: it has no place in its batch
        until = min(own.until, own.steps - 1)
        if past is None:
            return with_values(own, until=until)
        parent, step = past
        changes = {f.name: getattr(own, f.name) for f in fields(own) if f.name not in SHARED}
        return branch(replace(parent, model=own.model, count=own.count), step, **changes, until=until)

    # --- changes ---

    def change(self, **values: Any) -> None:
        """Replace some settings; the others, the lock and the branch stay. Raises `UserError` for a value that is not allowed."""
        self._take(replace(self._state, settings=self._possible(replace(self.settings, **values))))

    def edit(self, name: str, value: Any) -> None:
        """Replace one setting by the user's own hand, with what follows from it: a typed seed is locked, and another model or
        sampler brings its recommendations."""
        if name == "model":
            self.choose_model(value)
        elif name == "sampler":
            self._choose_sampler(value)
        elif name == "seed":
            self.lock_seed(value)
        else:
            self.change(**{name: value})

    def show(self, settings: GenerationSettings, *, lock: bool | None = None) -> None:
        """Take whole settings over, with their history. A seed they name is locked (it was asked for), unless `lock` says."""
        past = parts(settings)[-1] if settings.history else None
        own = self._possible(replace(settings, history=()))
        if own.seed is None or own != replace(settings, history=()):
            own = replace(own, batch="")
        locked = settings.seed is not None if lock is None else lock
        self._take(RequestState(own, own, past, locked, self.fresh and lock is not None))

    def leave_branch(self) -> None:
        """Generate with these settings, but not from a step of others."""
        self._take(replace(self._state, past=None))

    def branch_from(self, parent: GenerationSettings, step: int) -> None:
        """Become a branch of these settings at a step, with nothing changed yet."""
        own = self._possible(replace(parent, history=(), until=0))
        self._take(RequestState(own, own, (parent, step), own.seed is not None, False))

    def clear(self) -> None:
        """No start image, mask, variation or branch, and a random seed."""
        plain = {name: getattr(USUAL, name) for name in (*STEERING, "batch")}
        own = replace(self.settings, **plain, seed=None)
        self._take(replace(self._state, settings=own, past=None, locked=False, fresh=False))

    @property
    def state(self) -> RequestState:
        return self._state

    def restore(self, state: RequestState) -> None:
        """Go back to a state; a model that is gone since is replaced by the chosen one."""
        self._take(replace(state, settings=self._possible(state.settings)))

    # --- the seed ---

    def lock(self, on: bool) -> None:
        if on and self.settings.seed is None:
            self.draw_seed()
        self._take(replace(self._state, locked=on))

    def lock_seed(self, seed: int | None) -> None:
        """Use this seed from now on; None: a random one for each generation."""
        own = self._possible(replace(self.settings, seed=seed))
        self._take(replace(self._state, settings=own, locked=seed is not None, fresh=False))

    def use_seed_once(self, seed: int) -> None:
        """Use this seed for the next generation alone; the lock stays as it is."""
        own = self._possible(replace(self.settings, seed=seed))
        self._take(replace(self._state, settings=own, fresh=True))

    def draw_seed(self) -> None:
        """Take another random seed."""
        self.use_seed_once(SystemRandom().randint(0, LARGEST_SEED))

    def settle_seed(self) -> None:
        """What Generate does first: a locked seed, or one that was just chosen for once, is used as it is."""
        if not self.locked and not self.fresh:
            self.draw_seed()
        self._take(replace(self._state, fresh=False))

    # --- the model ---

    def show_cards(self, cards: Sequence[ModelCard]) -> None:
        """Offer these models, keeping the chosen one where it is still among them."""
        before = self.card
        self._cards = {card.name: card for card in cards}
        card = self.card
        if card is None and cards:
            self.choose_model(cards[0].name)
        elif card != before:
            if card is None:
                self.change(model="")
            self.model_changed.emit()
            self.changed.emit()

    def choose_model(self, name: str) -> None:
        """Another model by the user's hand: its recommendations, but the user's own seed, count and class.

        A start image, its mask and a variation stay where the new model generates at the same size. Else they mean another
        image there, and are put aside.
        """
        card = self._cards.get(name)
        if card is None or name == self.settings.model:
            return
        self.leaving_model.emit()
        before, left = self.card, self.settings
        stays = before is None or (card.sides, card.channels) == (before.sides, before.channels)
        kept = {name: getattr(left, name) for name in (*OWN, "until", *(STEERING if stays else ()))}
        own = self._possible(replace(card.defaults(), **{**kept, **self.begin_with(card)}))
        self._take(replace(self._state, settings=own))
        self.model_changed.emit()
        if not stays and (left.source or left.variation_strength or left.blend):
            self.put_aside.emit(left)

    def _choose_sampler(self, sampler: str) -> None:
        """What the model recommends together with its own sampler goes with it."""
        own = replace(self.settings, sampler=sampler)
        if self.card is not None:
            plain = self.card.without_recipe(own)
            own = replace(own, **{name: getattr(plain, name) for name in ONLY_WITH})
        self._take(replace(self._state, settings=own))

    def _possible(self, settings: GenerationSettings) -> GenerationSettings:
        """The same for a model that is installed and a class it has."""
        model = settings.model if settings.model in self._cards or not self._cards else self.settings.model
        card = self._cards.get(model)
        known = settings.class_label if card is not None and settings.class_label in card.classes else ""
        return with_values(settings, model=model if card is not None else "", class_label=known)

    def _take(self, state: RequestState) -> None:
        """Hold this from now on, and say so where it is another."""
        another_model = state.settings.model != self.settings.model
        if state != self._state:
            self._state = state
            self.changing.emit()
            self.changed.emit()
        if another_model:
            self.model_changed.emit()
