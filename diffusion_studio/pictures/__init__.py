"""Image files: what they are, decoded into the right colours, and listed in folders."""
