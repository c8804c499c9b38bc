"""The panel left of the canvas: the form of the request, presets, and the actions below."""
