"""Small widgets that depend on no page."""
