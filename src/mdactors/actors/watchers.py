"""Who watches which channel."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from types import MappingProxyType
from typing import Any, Generic, TypeVar

Channel = TypeVar("Channel", bound=Hashable)
Kept = TypeVar("Kept")
_NOBODY: Mapping[str, Any] = MappingProxyType({})


class Watchers(Generic[Channel, Kept]):
    """The sessions of each channel, with what is kept of each; a channel that nobody watches is forgotten."""

    def __init__(self) -> None:
        self._sessions: dict[Channel, dict[str, Kept]] = {}

    def set(self, session: str, kept: Kept, before: Set[Channel], channels: Set[Channel]) -> None:
        """Make these all the channels of a session, which had others before."""
        for channel in before - channels:
            sessions = self._sessions[channel]
            del sessions[session]
            if not sessions:
                del self._sessions[channel]
        for channel in channels - before:
            self._sessions.setdefault(channel, {})[session] = kept

    def of(self, channel: Channel) -> Mapping[str, Kept]:
        """The sessions that watch a channel, in the order in which they came."""
        return self._sessions.get(channel, _NOBODY)

    def channels(self) -> frozenset[Channel]:
        """Those that anybody watches."""
        return frozenset(self._sessions)
