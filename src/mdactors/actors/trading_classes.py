"""When what is subscribed at one broker trades, without asking for each instrument again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_not

from mdactors.adapter import BrokerToken
from mdactors.market.calendar import TradingClass
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable


class TradingClasses:
    """Knows the class of each token that was asked about, for a day; belongs to one actor."""

    def __init__(self, broker: str, table: InstrumentTable) -> None:
        self._broker = broker
        self._found: frozenset[TradingClass] = frozenset()
        self._asked: Sequence[Mapping[BrokerToken, object]] = ()
        self._known: dict[BrokerToken, TradingClass] = {}
        self.use(table)

    def use(self, table: InstrumentTable) -> None:
        """Go by this table for what is not known yet: a new one shall not cost thousands of look-ups."""
        self._instruments = table.broker_instruments(self._broker)
        self._underlyings = set(table.underlyings())
        self._asked = ()

    def forget(self) -> None:
        """A day is over: look everything up anew."""
        self._known.clear()
        self._asked = ()

    def of(self, subscribed: Sequence[Mapping[BrokerToken, object]]) -> frozenset[TradingClass]:
        """The classes of all these tokens; each mapping is replaced, and never changed, by who owns it."""
        if len(subscribed) != len(self._asked) or any(map(is_not, subscribed, self._asked)):
            self._asked = subscribed
            self._found = frozenset(
                found
                for tokens in subscribed
                for token in tokens
                if (found := self._class(token)) is not None
            )
        return self._found

    def _class(self, token: BrokerToken) -> TradingClass | None:
        known = self._known.get(token)
        if known is None and (instrument := self._instruments.get(token)) is not None:
            known = self._known[token] = self._classify(instrument)
        return known

    def _classify(self, instrument: Instrument) -> TradingClass:
        is_share = instrument.type == "STOCK"
        return TradingClass(
            instrument.segment, is_share and instrument.symbol_without_series in self._underlyings
        )
