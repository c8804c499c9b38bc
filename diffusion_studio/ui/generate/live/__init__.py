"""Images that follow the hand, and the square of four seeds to wander in."""
