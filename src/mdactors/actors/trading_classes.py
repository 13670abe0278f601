"""When what is subscribed at one broker trades, without asking for each instrument again and again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import is_not

from mdactors.adapter import BrokerToken
from mdactors.market.calendar import TradingClass
from mdactors.market.instrument import Instrument


class TradingClasses:
    """Knows the class of each token that was asked about, for a day; belongs to one actor.

    Args:
        find: what a token means; None where that is not known.
        underlyings: what contracts are written on.
    """

    def __init__(
        self, find: Callable[[BrokerToken], Instrument | None], underlyings: Collection[str]
    ) -> None:
        self._find = find
        self._found: frozenset[TradingClass] = frozenset()
        self._asked: Sequence[Mapping[BrokerToken, object]] = ()
        self._known: dict[BrokerToken, TradingClass] = {}
        self.use(underlyings)

    def use(self, underlyings: Collection[str]) -> None:
        """Go by a new table for what is not known yet: it shall not cost thousands of look-ups."""
        self._underlyings = set(underlyings)
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
        if known is None and (instrument := self._find(token)) is not None:
            known = self._known[token] = self._classify(instrument)
        return known

    def _classify(self, instrument: Instrument) -> TradingClass:
        is_share = instrument.type == "STOCK"
        return TradingClass(
            instrument.segment, is_share and instrument.symbol_without_series in self._underlyings
        )
