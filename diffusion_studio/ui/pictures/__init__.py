"""Pictures on screen: canvas, viewer, thumbnails and what can be done with them."""
