"""What a client asks for by the parameters of a websocket's address: pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from mdactors.market.interest import Interest, Shape, View
from mdactors.market.quote import Mode
from mdactors.web.paths import Path

Switch = Literal["", "0", "1"]
"""Off or on; empty where the client leaves it to us."""


class Terms(msgspec.Struct, frozen=True):
    """How a session wants to be served; where it does not say, its path decides."""

    mode: Mode = "quote"
    """Of the ticks on a path that sends everything."""
    shape: Shape = "tick"
    events: Switch = ""
    pins: Switch = ""

    def first_interest(self, path: Path) -> Interest:
        """What a session gets before it has asked for anything."""
        return Interest(
            everything=path.carries if path.everything else None,
            everything_view=View(self.mode, self.shape),
            shape=self.shape,
            events=self.events == "1",
            pinned=self.pins == "1",
        )

    def pins_silent(self, path: Path) -> bool:
        """Whether a session gets what is pinned once it has been silent for a while."""
        return path.market and self.pins == ""

    def asking(self, path: Path) -> tuple[bool, bool]:
        """Whether a session that asks for something gets events, and what is pinned."""
        return self.events == "1" or (path.market and self.events == ""), self.pins == "1"
