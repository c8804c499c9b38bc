"""The words of a request: prompts with their history and styles, LoRAs, and the size of the image."""
