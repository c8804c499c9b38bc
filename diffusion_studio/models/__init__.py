"""Models as folders: described, recognised, imported, exported and verified. No network is run here."""
