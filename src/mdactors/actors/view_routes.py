"""Who watches which views of the market, and what each view said last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from mdactors.actors.watchers import Watchers
from mdactors.protocol import Delivery, frame_text


class ViewRoutes:
    """The sessions of each channel of views, and for who comes next its newest event."""

    def __init__(self) -> None:
        self._watchers: Watchers[str, None] = Watchers()
        self._newest: dict[str, bytes] = {}
        """Channel -> a finished frame."""

    def set(self, session: str, before: Set[str], channels: Set[str]) -> None:
        """Make these all the channels of a session, which had others before."""
        self._watchers.set(session, None, before, channels)

    def watched(self) -> frozenset[str]:
        """The channels that anybody watches."""
        return self._watchers.channels()

    def forget(self, channels: Iterable[str]) -> None:
        """Nobody keeps what these say up to date any more."""
        for channel in channels:
            self._newest.pop(channel, None)

    def present(self, channels: Iterable[str]) -> Sequence[tuple[str, bytes]]:
        """Channel and newest frame, of those of these channels that have one."""
        return [(channel, self._newest[channel]) for channel in sorted(channels) if channel in self._newest]

    def take(self, payloads: Mapping[str, bytes]) -> Sequence[Delivery]:
        """Keep new events, and address each to all who watch its channel."""
        deliveries = []
        for channel, payload in payloads.items():
            if sessions := tuple(self._watchers.of(channel)):
                frame = self._newest[channel] = frame_text(payload)
                deliveries.append(Delivery(sessions, (channel,), (frame,), frame))
        return deliveries
