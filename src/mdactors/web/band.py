"""The options around the money that a group has, wherever the money goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mdactors.market.quote import Mode
from mdactors.market.strikes import Strikes


class Band:
    """The options around the money that one group has.

    Args:
        strikes: of the group's expiry; they know where the money is.
        each_side: how many strikes on each side of the one at the money.
        mode: in which the options are wanted.
    """

    def __init__(self, strikes: Strikes, each_side: int, mode: Mode) -> None:
        self.mode = mode
        self._strikes = strikes
        self._each_side = each_side
        self._seen: list[float | None] = []
        """The prices of the last time: while they are the same, the money is where it was."""

    @property
    def priced_by(self) -> Sequence[int]:
        """The tokens of what says where the money is, the best first."""
        return self._strikes.priced_by

    @property
    def behind(self) -> Mapping[int, Mode]:
        """What must stream for it, whether a client wants that or not: the best of what prices it."""
        return dict.fromkeys(self.priced_by[:1], "ltp")

    def tokens(self) -> list[int]:
        """The options' tokens, from the money outwards."""
        return self._strikes.tokens(self._each_side)

    def follow(self, prices: Mapping[int, float]) -> set[int]:
        """Go where the money is by these prices (token -> the last one).

        Returns:
            The tokens that it had before, where it has moved; else none.
        """
        seen = [prices.get(token) for token in self.priced_by]
        if seen == self._seen:
            return set()
        self._seen = seen
        middle = self._strikes.middle_at(prices)
        if middle == self._strikes.middle:
            return set()
        before = set(self.tokens())
        self._strikes.middle = middle
        return before
