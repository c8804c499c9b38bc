"""How much noise a start image gets: what the user chose, or what its mask asks for."""

from __future__ import annotations

from diffusion_studio.ui.generate.request import USUAL, GenerationRequest

USUAL_STRENGTH = USUAL.strength


class StartStrength:
    """What is painted starts from full noise, unless the user has chosen how much of it is kept."""

    def __init__(self, request: GenerationRequest) -> None:
        self._request = request
        self._chosen = False  # by the user
        self._raised = False  # for a mask

    def choose(self, strength: float) -> None:
        self._chosen = True
        self._request.change(strength=strength)

    def forget(self) -> None:
        """Another image: nothing has been chosen for it yet."""
        self._chosen = False

    def mark_raised(self) -> None:
        """It was raised to full noise for painting, and falls again when the mask is cleared."""
        self._raised = True

    def follow_mask(self, *, empty: bool) -> None:
        """The mask was painted or cleared."""
        if self._chosen:
            return
        strength = self._request.settings.strength
        if not empty and strength == USUAL_STRENGTH:
            self._raised = True
            self._request.change(strength=1.0)
        elif empty and self._raised and strength == 1:
            self._raised = False
            self._request.change(strength=USUAL_STRENGTH)
