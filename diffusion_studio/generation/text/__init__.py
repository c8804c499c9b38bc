"""Generation from prompts: latents, conditioning, and an adapter for each family of models."""
