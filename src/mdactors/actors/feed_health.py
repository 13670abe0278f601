"""The word for a feed: live, stale, delayed or closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mdactors.market.calendar import Calendar

SECOND_NS = 1_000_000_000
WINDOW_NS = 300 * SECOND_NS
"""The least difference is that of this window and the one before: a clock that was set is forgotten."""
ABSURD_MS = -60_000
"""An exchange time so far ahead of ours is a mistake and says nothing."""


class FeedHealth:
    """Judges one broker's feed by when data frames came and how old they were.

    *delayed* compares the receipt with the exchange's time against the least difference seen lately,
    so that a clock that is simply off is not taken for a slow feed.
    """

    def __init__(self, calendar: Calendar, now_ns: int, stale_seconds: float, delayed_seconds: float) -> None:
        self._calendar = calendar
        self.status = "stale"
        self.detail = "no data yet"
        self.is_open = self._any_open((), now_ns)
        """Whether a streamed segment is open, by the calendar."""
        self.market_status: Mapping[str, str] = {}
        """Segment -> the broker's word for it; replaced, never changed."""
        self._judged: tuple[str, str, Mapping[str, str]] = (self.status, self.detail, {})
        self._stale_ns = int(stale_seconds * SECOND_NS)
        self._delayed_ms = int(delayed_seconds * 1000)
        self._heard_ns = 0
        self._lag_ms: int | None = None
        self._window_ns = now_ns
        self._least: list[int | None] = [None, None]
        """The least difference of the window before and of this one."""

    def heard(self, received_ns: int, exchange_ms: int) -> None:
        """A data frame came; ``exchange_ms`` is its newest exchange time, 0 where it carries none."""
        self._heard_ns = received_ns
        lag = received_ns // 1_000_000 - exchange_ms
        if not exchange_ms or lag < ABSURD_MS:
            return
        if received_ns - self._window_ns > WINDOW_NS:
            self._window_ns = received_ns
            self._least = [self._least[1], None]
        self._lag_ms = lag
        least = self._least[1]
        if least is None or lag < least:
            self._least[1] = lag

    def said(self, words: Mapping[str, str]) -> None:
        """The broker has a word for some segments."""
        self.market_status = {**self.market_status, **words}

    def judge(self, now_ns: int, segments: Iterable[str], *, shut: bool = False) -> bool:
        """Find the word anew; whether it, or what the broker says, changed since it was last found.

        Args:
            now_ns: the time, in nanoseconds since 1970.
            segments: those that stream.
            shut: whether an operator has closed the connections.
        """
        before = self._judged
        self.status, self.detail = self._word(now_ns, segments, shut)
        self._judged = (self.status, self.detail, self.market_status)
        return self._judged != before

    def _any_open(self, segments: Iterable[str], now_ns: int) -> bool:
        """NSE's shares stand for all as long as nothing streams."""
        return any(self._calendar.is_open(segment, now_ns) for segment in segments or ("NSE_EQ",))

    def _word(self, now_ns: int, segments: Iterable[str], shut: bool) -> tuple[str, str]:
        self.is_open = self._any_open(segments, now_ns)
        if not self.is_open:
            return "closed", "no streamed segment is open"
        if shut:
            return "closed", "closed by an operator"
        if not self._heard_ns:
            return "stale", "no data yet"
        if now_ns - self._heard_ns > self._stale_ns:
            return "stale", f"no data for {self._stale_ns // SECOND_NS} s"
        least = [each for each in self._least if each is not None]
        if self._lag_ms is not None and least and self._lag_ms - min(least) > self._delayed_ms:
            return "delayed", f"{self._delayed_ms / 1000:g} s or more behind"
        return "live", ""
