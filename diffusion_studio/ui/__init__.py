"""The window: the only part of the application that knows Qt. It shows what jobs say and asks for new ones."""
