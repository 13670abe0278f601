"""The numbers of an auction, of the pre-open's or the closing one."""

from __future__ import annotations

from mdactors.adapter import Auction
from mdactors_upstox.bounds import MOST, is_price, possible

_NO_AUCTION = Auction()


def read_auction(iep: float, rp: float, matched: int, left: int, left_at_market: int) -> Auction | None:
    """The numbers of an auction; zeros count beside a price, else there is nothing that they are of."""
    price = iep if iep and is_price(iep) else None
    reference = rp if rp and is_price(rp) else None
    found = price is not None
    auction = Auction(
        price,
        reference,
        matched if (matched or found) and 0 <= matched < MOST else None,
        left if (left or found) and possible(left) else None,
        left_at_market if (left_at_market or found) and possible(left_at_market) else None,
    )
    return None if auction == _NO_AUCTION else auction
