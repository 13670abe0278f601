"""Measurements as ratios within one run: ``python -m bench NAME [--json]``, one file a figure."""
