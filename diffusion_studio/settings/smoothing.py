"""How long an average of a run's weights can be that is chosen after the training, as a share of its steps."""

from __future__ import annotations

SHORTEST, LONGEST = 0.03, 0.2
# The best length for the smallest networks of Karras et al. 2024 (EDM2, table 2); their larger ones wanted shorter averages.
RECOMMENDED = 0.13
PERCENTS = range(round(100 * SHORTEST), round(100 * LONGEST) + 1)  # those that a slider offers
