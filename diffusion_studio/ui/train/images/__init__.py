"""The Images step: the folder to train on, its report, and what was left out."""
