"""The window itself: what is around the pages."""
