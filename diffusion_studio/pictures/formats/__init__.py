"""Each format taken apart: the part that makes the pixels, and what is said about them."""
