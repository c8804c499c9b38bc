"""The look of the window: tokens, style sheet, icons, type and text."""
