"""From a model and settings to images, step by step."""
