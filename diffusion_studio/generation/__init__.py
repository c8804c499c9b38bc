"""From a model and settings to pictures, step by step."""
