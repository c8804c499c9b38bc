"""The Gallery page and what belongs to it."""
