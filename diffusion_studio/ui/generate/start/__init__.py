"""The start picture, its mask and variations."""
