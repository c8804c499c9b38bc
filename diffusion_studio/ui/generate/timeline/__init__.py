"""The timeline under the canvas."""
