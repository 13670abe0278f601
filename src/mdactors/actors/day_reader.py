"""The actor that looks up what a broker's feed cannot tell of the trading date so far."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from mdactors.actors.feed_report import FeedReport
from mdactors.adapter import BrokerAdapter, BrokerToken
from mdactors.errors import BrokerError, StoreError
from mdactors.market.ist import DAY_SECONDS, SECOND_NS
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.messages import ClosesKnown, NewestKnown, NewestWanted
from mdactors.runtime import Actor, Address, Context, Message, handles
from mdactors.store.ticks import TickStore

LOOKS_BACK_NS = 10 * DAY_SECONDS * SECOND_NS
"""More than the longest pause between two trading dates."""
BEAT_SECONDS = 5.0
"""How often we look whether a previous close is wanted."""
RETRY_SECONDS = 5.0
"""After a failure; each further one waits twice as long."""
LONGEST_RETRY_SECONDS = 300.0


class ReadDue(Message, frozen=True):
    """Time to read the store again."""


class AskDue(Message, frozen=True):
    """Time to ask the broker for a close, if any is wanted."""


class DayReader(Actor):
    """Reads the store and asks the broker, so that the Normalizer waits for neither.

    Receives `NewestWanted` and answers `NewestKnown`: each instrument's newest stored tick, out of which the
    Normalizer takes the previous close, the day's volume and the open interest that the trading date began
    with. What nothing stored tells the previous close of lies open in the `FeedReport`: it is asked for at
    the broker's pace, by its candles of a day, and told as `ClosesKnown`. What fails is tried again. Its
    hooks run in its own thread, which store and broker block.
    """

    def __init__(
        self,
        context: Context,
        *,
        adapter: BrokerAdapter,
        store: TickStore | None,
        normalizer: Address,
        report: FeedReport,
    ) -> None:
        super().__init__(context)
        self._adapter = adapter
        self._store = store
        self._normalizer = normalizer
        self._report = report
        self._asked: dict[BrokerToken, dt.date] = {}
        """What was asked for: nobody gets another answer by asking again."""
        self._pause = RETRY_SECONDS
        self._counts = dict.fromkeys(("recalled", "asked", "learnt"), 0)

    def on_start(self) -> None:
        """Begin to look for what is wanted; runs in the actor's thread."""
        if self._adapter.closes_per_second:
            self.after(BEAT_SECONDS, AskDue())

    @handles(NewestWanted)
    def begin(self, _message: NewestWanted) -> None:
        """A Normalizer began: it knows nothing of the day."""
        self._asked.clear()
        self._read()

    @handles(ReadDue)
    def read_again(self, _message: ReadDue) -> None:
        """Try the store once more."""
        self._read()

    def _read(self) -> None:
        if self._store is None:
            return
        try:
            rows = self._store.newest(self.clock.time_ns() - LOOKS_BACK_NS)
        except StoreError as error:
            self.logger.warning("what the day's ticks said is not known yet: %s", error)
            self._retry(ReadDue())
            return
        self._pause = RETRY_SECONDS
        self._counts["recalled"] = len(rows)
        self.tell(self._normalizer, NewestKnown([_slim(row.tick(Quote)) for row in rows]))

    @handles(AskDue)
    def ask(self, _message: AskDue) -> None:
        """Ask for one close."""
        wanted = self._report.withheld.items()
        found = next((each for each in wanted if self._asked.get(each[0]) != each[1]), None)
        if found is None:
            self.after(BEAT_SECONDS, AskDue())
            return
        token, date = found
        try:
            close = self._adapter.previous_close(token, date)
        except BrokerError as error:
            self.logger.warning("no previous close of %s: %s", token, error)
            self._retry(AskDue())
            return
        self._pause = RETRY_SECONDS
        self._asked[token] = date
        self._counts["asked"] += 1
        if close is not None:
            self._counts["learnt"] += 1
            self.tell(self._normalizer, ClosesKnown({token: close}))
        self.after(1 / self._adapter.closes_per_second, AskDue())

    def _retry(self, message: Message) -> None:
        self.after(self._pause, message)
        self._pause = min(2 * self._pause, LONGEST_RETRY_SECONDS)

    def describe(self) -> dict[str, Any]:
        """Counters for ``/api/status``."""
        return dict(self._counts)


def _slim(tick: Tick) -> Tick:
    """The tick without what only its quote's own class can read."""
    quote = tick.quote
    slim = Quote(
        quote.token, quote.mode, volume=quote.volume, previous_close=quote.previous_close,
        open_interest=quote.open_interest,
    )  # fmt: skip
    return msgspec.structs.replace(tick, quote=slim)
