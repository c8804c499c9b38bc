"""What is around the canvas of the Generate page: toolbar, caption, messages, star, full screen."""
