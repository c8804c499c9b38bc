"""Files on the disk: how they are opened, written, moved and deleted."""
