"""The channels of one session: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from mdactors.market.interest import BarChannel
from mdactors.market.quote import Mode
from mdactors.web.channels import Channel, Find, made_of, reread
from mdactors.web.directory import Directory

Made: TypeAlias = Mapping[Channel, Mapping[int, Mode]]
"""Channel -> what it is made of."""


class SessionChannels:
    """Which channels a session has, and by which names it asked for them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Channel] = {}
        """By the names that were asked for."""
        self.made: Made = {}
        """Replaced, never changed."""
        self._mute: set[str] = set()
        """The names of those about what is listed no more."""

    def bars(self) -> frozenset[BarChannel]:
        """Those of bars."""
        return frozenset(each for each in self.by_name.values() if isinstance(each, BarChannel))

    def views(self) -> frozenset[str]:
        """Those of views of the market."""
        return frozenset(each for each in self.by_name.values() if isinstance(each, str))

    def watch(self, channels: Mapping[str, Channel], made: Made) -> None:
        """Have these, too; ``made`` is of the new ones among them."""
        held = set(self.by_name.values())
        self.by_name |= {name: channel for name, channel in channels.items() if channel not in held}
        self.made = {**self.made, **made}

    def unwatch(self, channels: Mapping[str, Channel]) -> None:
        """Have these no longer, by whichever names they were asked for."""
        ended = set(channels.values())
        self.by_name = {name: channel for name, channel in self.by_name.items() if channel not in ended}
        self.made = {channel: made for channel, made in self.made.items() if channel not in ended}
        self._mute &= self.by_name.keys()

    def reread(self, directory: Directory, find: Find) -> tuple[list[str], list[str]]:
        """Have them show what they are about as it is listed now.

        Returns:
            The names of those whose instrument, sector or chain is gone, and of those where it is back.
        """
        gone, back = [], []
        for name, channel in self.by_name.items():
            now = reread(name, channel, directory, find)
            if now is None:
                gone.append(name)
            else:
                self.by_name[name] = now
                back.append(name)
        ended, begun = [name for name in gone if name not in self._mute], self._mute.intersection(back)
        self._mute = set(gone)
        self.made = {self.by_name[name]: made_of(self.by_name[name], directory) for name in back}
        return ended, sorted(begun)
