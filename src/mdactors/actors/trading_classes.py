"""When what is subscribed at one broker trades, without asking for each instrument again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_not

from mdactors.adapter import BrokerToken
from mdactors.market.instrument import Instrument
from mdactors.market.trading_class import Traded, trading_class_of


class TradingClasses:
    """Knows the class of each token that was asked about, for a day; belongs to one actor.

    Args:
        find: what a token means; None where that is not known.
    """

    def __init__(self, find: Callable[[BrokerToken], Instrument | None]) -> None:
        self._find = find
        self._found: frozenset[Traded] = frozenset()
        self._asked: Sequence[Mapping[BrokerToken, object]] = ()
        self._known: dict[BrokerToken, Traded] = {}

    def look_again(self) -> None:
        """There is a new table: look up what is not known yet, and no more; it would be thousands."""
        self._asked = ()

    def forget(self) -> None:
        """A day is over: look everything up anew."""
        self._known.clear()
        self._asked = ()

    def of(self, subscribed: Sequence[Mapping[BrokerToken, object]]) -> frozenset[Traded]:
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

    def _class(self, token: BrokerToken) -> Traded | None:
        known = self._known.get(token)
        if known is None and (instrument := self._find(token)) is not None:
            known = self._known[token] = Traded(instrument.segment, trading_class_of(instrument))
        return known
