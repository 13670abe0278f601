"""The strikes of one expiry, and the one at the money as it follows the price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mdactors.market.instrument import Instrument

MOVES_AT = 0.75
"""How much of the way to the next strike the price must have gone: from a half on it is nearer to that,
and the rest keeps a price that sways there from moving everything to and fro."""


def at_the_money(strikes: Sequence[float], price: float, before: float | None = None) -> float:
    """The strike that counts as the one at the money.

    Args:
        strikes: ascending, at least one.
        price: of what the options are written on.
        before: the one that counted before, if any.

    Returns:
        The strike nearest to the price, of two the lower; but the one before as long as the price has not
        gone far enough beyond it.
    """
    nearest = min(strikes, key=lambda strike: (abs(strike - price), strike))
    if before is None or before == nearest or before not in strikes:
        return nearest
    beside = strikes[strikes.index(before) + (1 if price > before else -1)]
    return nearest if abs(price - before) > MOVES_AT * abs(beside - before) else before


class Strikes:
    """The options of one expiry by strike, and where the money is among them.

    Args:
        options: all of them, at least one.
        priced_by: tokens of what says where the money is, the best first.
        middle: the strike that counted as the one at the money before, if any.
    """

    def __init__(
        self, options: Sequence[Instrument], priced_by: Sequence[int], middle: float | None = None
    ) -> None:
        self._tokens: dict[float, list[int]] = {}
        for option in options:
            self._tokens.setdefault(option.strike, []).append(option.token)
        self._strikes = sorted(self._tokens)
        self.priced_by = priced_by
        self.middle = middle if middle in self._tokens else None
        """The strike at the money; None until a price is known."""

    def middle_at(self, prices: Mapping[int, float]) -> float | None:
        """Where the money would be by these prices (token -> the last one)."""
        said = (prices.get(token, 0.0) for token in self.priced_by)
        price = next((price for price in said if price > 0), None)
        return self.middle if price is None else at_the_money(self._strikes, price, self.middle)

    def tokens(self, each_side: int | None = None) -> list[int]:
        """The options' tokens from the money outwards, or from the strike in the middle until it is known.

        Args:
            each_side: how many strikes on each side of that; None for all.
        """
        strikes = self._strikes
        middle = strikes[len(strikes) // 2] if self.middle is None else self.middle
        if each_side is not None:
            place = strikes.index(middle)
            strikes = strikes[max(0, place - each_side) : place + each_side + 1]
        outwards = sorted(strikes, key=lambda strike: (abs(strike - middle), strike))
        return [token for strike in outwards for token in self._tokens[strike]]
