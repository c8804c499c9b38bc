"""Models that generate from prompts: their files read, described and opened as parts, without a network."""
