"""The word for a feed: live, quiet, stale, needs_login, delayed or closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mdactors.actors.line import Upkeep
from mdactors.market import trading_class
from mdactors.market.calendar import Calendar
from mdactors.market.contradiction import contradicted, overrules
from mdactors.market.trading_class import Traded, class_of_segment

SECOND_NS = 1_000_000_000
WINDOW_NS = 300 * SECOND_NS
"""The least difference is that of this window and the one before: a clock that was set is forgotten."""
ABSURD_MS = -60_000
"""An exchange time so far ahead of ours is a mistake and says nothing."""
LASTING_SECONDS = 60.0
"""What a broker says against the calendar counts once it has stood for so long: clocks differ, and words
take a moment."""
SHARES = Traded("NSE_EQ", trading_class.SHARES)


class FeedHealth:
    """Judges one broker's feed by when data and heartbeats came, how old they were, and what can move.

    Silence is measured in monotonic seconds, the exchanges' phases by the wall clock. *delayed* compares the
    receipt with the exchange's time against the least difference seen lately, so that a clock that is
    simply off is not taken for a slow feed.
    """

    def __init__(self, calendar: Calendar, now_ns: int, stale_seconds: float, delayed_seconds: float) -> None:
        self._calendar = calendar
        self.status = "quiet"
        self.detail = "nothing is subscribed"
        self.market_status: Mapping[str, str] = {}
        """Segment -> the broker's word for it; replaced, never changed."""
        self.contradicted: Mapping[str, bool] = {}
        """Segment -> whether the broker says that it is open, where the calendar has long said otherwise."""
        self._overruled: Mapping[str, bool] = {}
        """Those of them where the calendar gives way."""
        self._differs_since: dict[str, float] = {}
        self._said_ns: dict[str, int] = {}
        self.is_open = self._any_open((), now_ns)
        """Whether a subscribed segment is open."""
        self._judged: tuple[str, str, Mapping[str, str]] = ("", "", {})
        self._stale_seconds = stale_seconds
        self._delayed_ms = int(delayed_seconds * 1000)
        self._heard: float | None = None
        self._lag_ms: int | None = None
        self._window_ns = now_ns
        self._least: list[int | None] = [None, None]
        """The least difference of the window before and of this one."""

    def heard(self, at: float, received_ns: int, exchange_ms: int) -> None:
        """Data of something subscribed came.

        Args:
            at: monotonic seconds.
            received_ns: wall time.
            exchange_ms: its newest exchange time, 0 where it carries none.
        """
        self._heard = at
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

    def said(self, words: Mapping[str, str], received_ns: int) -> None:
        """The broker has a word for some segments."""
        self.market_status = {**self.market_status, **words}
        self._said_ns |= dict.fromkeys(words, received_ns)

    def judge(self, at: float, now_ns: int, subscribed: Collection[Traded], upkeep: Upkeep) -> bool:
        """Find the word anew; whether it, or what the broker says, changed since it was last found.

        Args:
            at: monotonic seconds.
            now_ns: wall time.
            subscribed: the classes of all that is to stream, whether it does or not.
            upkeep: how the connections stand.
        """
        before = self._judged
        self._compare(at, now_ns, upkeep)
        self.is_open = self._any_open(subscribed, now_ns)
        self.status, self.detail = self._word(at, now_ns, subscribed, upkeep)
        self._judged = (self.status, self.detail, self.market_status)
        return self._judged != before

    def _any_open(self, subscribed: Collection[Traded], now_ns: int) -> bool:
        """NSE's shares stand for all as long as nothing is subscribed."""
        return any(self.opened(each, now_ns) for each in subscribed or (SHARES,))

    def opened(self, traded: Traded, now_ns: int) -> bool:
        """Whether it is open: by the broker's word where that goes before the calendar."""
        said = self._overruled.get(traded.segment)
        return self._calendar.is_open(traded.trading_class, now_ns) if said is None else said

    def _moves(self, traded: Traded, now_ns: int) -> bool:
        said = self._overruled.get(traded.segment)
        return self._calendar.moves(traded.trading_class, now_ns) if said is None else said

    def _compare(self, at: float, now_ns: int, upkeep: Upkeep) -> None:
        """See where the broker's words and the calendar have differed for long.

        A word that was said before the present phase began counts as long as the connection lives: the broker
        says it again when it changes.
        """
        if not self.market_status or self._calendar.always_open:
            return
        differs = contradicted(self._calendar, now_ns, self.market_status)
        if not self._is_fresh(upkeep.heard, at):
            differs = {
                segment: is_open
                for segment, is_open in differs.items()
                if self._said_ns[segment] >= self._calendar.part(class_of_segment(segment), now_ns).begin_ns
            }
        self._differs_since = {segment: self._differs_since.get(segment, at) for segment in differs}
        self.contradicted = {
            segment: is_open
            for segment, is_open in differs.items()
            if at - self._differs_since[segment] >= LASTING_SECONDS
        }
        self._overruled = self.contradicted if overrules(self._calendar, now_ns) else {}

    def _word(
        self, at: float, now_ns: int, subscribed: Collection[Traded], upkeep: Upkeep
    ) -> tuple[str, str]:
        if upkeep.shut:
            return "closed", "closed by an operator"
        if upkeep.login and upkeep.heard is None:
            return "needs_login", upkeep.login
        if not self.is_open:
            return "closed", "no subscribed segment is open"
        if self._is_fresh(self._heard, at):
            return self._live()
        moves = any(self._moves(each, now_ns) for each in subscribed)
        silence = self._silence(moves=moves) if subscribed else "nothing is subscribed"
        if self._is_fresh(upkeep.heard, at):
            return "quiet", silence
        missed = "not connected" if upkeep.heard is None else "no heartbeats"
        return "stale" if moves else "quiet", f"{silence}, {missed}"

    def _silence(self, *, moves: bool) -> str:
        if not moves:
            return "nothing that is subscribed trades now"
        return "no data yet" if self._heard is None else f"no data for {self._stale_seconds:g} s"

    def _is_fresh(self, heard: float | None, at: float) -> bool:
        return heard is not None and at - heard <= self._stale_seconds

    def _live(self) -> tuple[str, str]:
        least = [each for each in self._least if each is not None]
        if self._lag_ms is not None and least and self._lag_ms - min(least) > self._delayed_ms:
            return "delayed", f"{self._delayed_ms / 1000:g} s or more behind"
        return "live", ""
