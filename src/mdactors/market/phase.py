"""Where in its trading day an instrument is."""

from __future__ import annotations

from typing import Literal

Phase = Literal["pre_open", "open", "closing_orders", "closing_match", "post_close", "closed"]
"""The contract's words. ``closing_orders`` begins where continuous trading of an auction's shares ends."""

PHASES: tuple[Phase, ...] = ("open", "pre_open", "closing_orders", "closing_match", "post_close", "closed")
"""Stores keep their places: new ones go last."""
