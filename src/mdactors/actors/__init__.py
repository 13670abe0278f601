"""The actors, one file each: they decide and tell."""
