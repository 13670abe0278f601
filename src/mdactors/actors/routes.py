"""Who is sent which instrument, in which view: the hub's reverse index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from mdactors.actors.view_routes import ViewRoutes
from mdactors.actors.watchers import Watchers
from mdactors.market.candle import Bar, Interval
from mdactors.market.instrument import Instrument
from mdactors.market.interest import BarChannel, Filter, Interest, View
from mdactors.protocol import Delivery

Targets = Sequence[tuple[View, Sequence["Bucket"]]]


class Bucket:
    """What one session, or all sessions of one group, gets of the batch in hand."""

    __slots__ = ("frames", "keys", "sessions")

    def __init__(self, sessions: Sequence[str]) -> None:
        self.sessions = sessions
        self.keys: list[int | str | None] = []
        self.frames: list[bytes] = []

    def take(self) -> Delivery:
        """The finished delivery; the bucket is empty again."""
        keys, frames = self.keys, self.frames
        self.keys, self.frames = [], []
        return Delivery(self.sessions, keys, frames, frames[0] if len(frames) == 1 else b"".join(frames))


class ChannelRoutes:
    """Who gets which bars.

    The sessions that want all bars of one width share a bucket, so that a minute's end costs one append
    a bar, not one per bar and session.
    """

    def __init__(self) -> None:
        self._watchers: Watchers[BarChannel, Bucket] = Watchers()
        self._shared: dict[Interval, Bucket] = {}

    def set(self, session: str, bucket: Bucket, before: Set[BarChannel], channels: Set[BarChannel]) -> None:
        """Make these all the channels of a session, which had others before."""
        self._watchers.set(session, bucket, before, channels)
        for channel in before ^ channels:
            if channel.token is None:
                self._shared[channel.interval] = Bucket(tuple(self._watchers.of(channel)))

    def targets(self, bar: Bar) -> Sequence[Bucket]:
        """The buckets of this bar; each session is in one of them."""
        shared = self._shared.get(bar.interval)
        all_bars = [shared] if shared is not None and shared.sessions else []
        named = self._watchers.of(BarChannel(bar.interval, bar.instrument.token))
        if not named:
            return all_bars
        everybody = self._watchers.of(BarChannel(bar.interval))
        return [*all_bars, *(bucket for session, bucket in named.items() if session not in everybody)]


class Routes:
    """Interest by session, and from it the targets of each instrument, found once and kept.

    Sessions that want nothing but everything of one filter in one view form a group with one
    bucket, so that a tick costs the group one append, not one per session.
    """

    def __init__(self) -> None:
        self._interests: dict[str, Interest] = {}
        self._buckets: dict[str, Bucket] = {}
        self._groups: dict[tuple[Filter, View], dict[str, None]] = {}
        self._group_buckets: dict[tuple[Filter, View], Bucket] = {}
        self._wishes: dict[int, dict[str, View]] = {}
        self._found: dict[int, Targets] = {}
        self._channels = ChannelRoutes()
        self.views = ViewRoutes()

    def __len__(self) -> int:
        return len(self._interests)

    def get(self, session: str) -> Interest | None:
        """The session's whole interest, None where it has no routes."""
        return self._interests.get(session)

    def with_events(self) -> Sequence[str]:
        """The sessions that get events."""
        return [session for session, interest in self._interests.items() if interest.events]

    def set(self, session: str, interest: Interest) -> None:
        """Make this the session's whole interest."""
        before = self._interests.get(session, Interest())
        self._interests[session] = interest
        self._buckets.setdefault(session, Bucket((session,)))
        for token in before.tokens.keys() - interest.tokens.keys():
            self._forget_wish(session, token)
        for token, mode in interest.tokens.items():
            view = View(mode, interest.shape)
            if self._wishes.setdefault(token, {}).get(session) != view:
                self._wishes[token][session] = view
                self._found.pop(token, None)
        self._join_group(session, before, interest)
        self._channels.set(session, self._buckets[session], before.channels, interest.channels)
        self.views.set(session, before.views, interest.views)

    def set_all(self, interests: Mapping[str, Interest]) -> None:
        """Make these all the routes there are."""
        for session in [session for session in self._interests if session not in interests]:
            self.drop(session)
        for session, interest in interests.items():
            self.set(session, interest)

    def drop(self, session: str) -> None:
        """Forget a session."""
        if session in self._interests:
            self.set(session, Interest())
            del self._interests[session], self._buckets[session]

    def targets(self, instrument: Instrument) -> Targets:
        """The buckets of this instrument's ticks, by view."""
        found = self._found.get(instrument.token)
        if found is None:
            found = self._found[instrument.token] = self._find(instrument)
        return found

    def bar_targets(self, bar: Bar) -> Sequence[Bucket]:
        """The buckets of this bar; each session is in one of them."""
        return self._channels.targets(bar)

    def _find(self, instrument: Instrument) -> Targets:
        by_view: dict[View, list[Bucket]] = {}
        wishes = self._wishes.get(instrument.token, {})
        for session, view in wishes.items():
            by_view.setdefault(view, []).append(self._buckets[session])
        for (everything, view), sessions in self._groups.items():
            if not everything.admits(instrument):
                continue
            if wishes.keys().isdisjoint(sessions):
                by_view.setdefault(view, []).append(self._group_buckets[everything, view])
            else:  # somebody named this instrument too, and gets it as named
                by_view.setdefault(view, []).extend(
                    self._buckets[session] for session in sessions if session not in wishes
                )
        return tuple((view, tuple(buckets)) for view, buckets in by_view.items())

    def _forget_wish(self, session: str, token: int) -> None:
        self._wishes[token].pop(session, None)
        if not self._wishes[token]:
            del self._wishes[token]
        self._found.pop(token, None)

    def _join_group(self, session: str, before: Interest, interest: Interest) -> None:
        old, new = _group(before), _group(interest)
        if old == new:
            return
        if old is not None:
            self._groups[old].pop(session, None)
        if new is not None:
            self._groups.setdefault(new, {})[session] = None
        for group in (old, new):
            if group is not None:
                self._group_buckets[group] = Bucket(tuple(self._groups[group]))
                if not self._groups[group]:
                    del self._groups[group], self._group_buckets[group]
        self._found.clear()


def _group(interest: Interest) -> tuple[Filter, View] | None:
    if interest.everything is None:
        return None
    return interest.everything, interest.everything_view
