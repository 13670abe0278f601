"""Who is listed under another number now: a share that moves between series gets another exchange token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.names import SHARE_SERIES, has_own_key


class Move(msgspec.Struct, frozen=True, array_like=True):
    """An instrument as it was listed, and the token that it has now."""

    former: Instrument
    token: int


def moves(
    before: Mapping[int, Instrument], listed: Mapping[int, Instrument], earlier: Iterable[Move] = ()
) -> tuple[Move, ...]:
    """Find who of a table before goes on under another token.

    It is the same instrument where the key is, as far as that says an ISIN, else where a share's segment and
    symbol without the series are. Contracts never move: their tokens are given to others.

    Args:
        before: the instruments of the table before, by token.
        listed: those of the table that takes its place.
        earlier: moves that count further on, as far as they lead anywhere.
    """
    gone = [before[token] for token in before.keys() - listed.keys()]
    gone = [each for each in gone if not each.is_derivative]
    if not gone and not earlier:
        return ()
    by_identity = {_identity(each): token for token, each in listed.items() if not each.is_derivative}
    found = [Move(each, token) for each in gone if (token := by_identity.get(_identity(each))) is not None]
    to = {move.former.token: move.token for move in found}
    kept = [msgspec.structs.replace(each, token=to.get(each.token, each.token)) for each in earlier]
    back = [each for each in kept if each.token in listed and each.former.token not in listed]
    return (*back, *found)


def _identity(instrument: Instrument) -> str | int:
    if has_own_key(instrument):
        return instrument.key
    if instrument.series in SHARE_SERIES:
        return f"{instrument.segment}|{instrument.symbol_without_series}"
    return instrument.token
