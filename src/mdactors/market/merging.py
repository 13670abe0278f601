"""What several brokers list, merged: one identity and one row for each instrument."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from mdactors.market import indices
from mdactors.market.instrument import BSE_OTHERS, NSE_SHARES, Instrument, InstrumentRow, is_share
from mdactors.market.names import SHARE_SERIES, has_own_key
from mdactors.market.quote import BrokerToken

SectorOf: TypeAlias = Callable[[str, str], tuple[str, str]]
"""(ISIN, symbol without series) -> (code of the sector, industry); both may be empty."""
Listed: TypeAlias = Iterable[tuple[Instrument, BrokerToken]]
"""What one broker lists: each instrument with the broker's token for it."""


class Stranger(msgspec.Struct, frozen=True):
    """What one broker lists and could not be told to be one instrument of the others'."""

    symbol: str
    reason: str


class Merged:
    """One row for each instrument by our token, and each broker's tokens for them.

    Fill it with `add`, the broker that describes first, then take `rows` and `tokens`.
    """

    def __init__(self) -> None:
        self.by_token: dict[int, InstrumentRow] = {}
        self.tokens: dict[str, dict[int, BrokerToken]] = {}
        self.strangers: dict[str, list[Stranger]] = {}
        """By broker."""
        self.adjusted: list[str] = []
        """Options whose strikes differ between two lists: one has not heard yet that they were adjusted."""

    def add(self, broker: str, listed: Listed) -> None:
        """Take over a broker's list. Of two rows of one broker with the same token the first counts.

        Of two brokers that list the same instrument the first describes it, and what it does not know
        is taken from the other. It is the same where the token is; where a share has another token
        (it moved from series EQ to BE, and one list is older), where segment, symbol and, as far as
        both are known, ISIN are. Where an option's strikes differ, the list with the lower one is the newer,
        and describes it: a bonus, a split or a dividend lowers strikes, and hardly anything raises them.
        """
        known = self.tokens.setdefault(broker, {})
        alone = not self.by_token
        late: list[tuple[InstrumentRow, BrokerToken]] = []
        for instrument, broker_token in listed:
            row = _row(instrument)
            held = self.by_token.get(row.token)
            if row.token in known:
                if held is not None and held.key != row.key:
                    self._keep_apart(broker, row, f"its token {row.token} is that of {held.symbol}")
                continue
            if held is None and not alone and row.type == "STOCK":
                late.append((row, broker_token))
            else:
                self._take(broker, row.token, row, held, known, broker_token)
        if late:
            self._take_moved(broker, late, known)

    def _take(
        self,
        broker: str,
        token: int,
        row: InstrumentRow,
        held: InstrumentRow | None,
        known: dict[int, BrokerToken],
        broker_token: BrokerToken,
    ) -> None:
        if held is None:
            self.by_token[token] = row
        elif held.terms == row.terms and (row.type != "INDEX" or held.exchange == row.exchange):
            self.by_token[token] = _completed(held, row)
        elif _is_adjusted(held, row):
            newer, older = (held, row) if held.strike < row.strike else (row, held)
            self.by_token[token] = _completed(newer, older)
            self.adjusted.append(f"{newer.symbol} (was {older.strike:.10g})")
        elif held.expiry < row.expiry:
            # The exchange gives the token of an expired contract to another: the older list does not
            # know of that yet, and its broker would stream the new one.
            self._forget(token)
            self.by_token[token] = row
        else:
            if held.expiry == row.expiry:
                self._keep_apart(broker, row, f"its token {token} is that of {held.symbol}")
            return
        known[token] = broker_token

    def _keep_apart(self, broker: str, row: InstrumentRow, reason: str) -> None:
        self.strangers.setdefault(broker, []).append(Stranger(row.symbol, reason))

    def _forget(self, token: int) -> None:
        for known in self.tokens.values():
            known.pop(token, None)

    def _take_moved(
        self, broker: str, late: list[tuple[InstrumentRow, BrokerToken]], known: dict[int, BrokerToken]
    ) -> None:
        shares = {
            (row.segment, row.symbol_without_series): token
            for token, row in self.by_token.items()
            if row.series in SHARE_SERIES and token not in known
        }
        for row, broker_token in late:
            if row.token in known:
                continue
            token = shares.get((row.segment, row.symbol_without_series), 0)
            held = self.by_token.get(token) if row.series in SHARE_SERIES else None
            if held is not None and token not in known and held.isin in ("", row.isin):
                self._take(broker, token, row, held, known, broker_token)
                continue
            if held is not None:
                reason = "a second of this symbol" if token in known else f"the ISIN is not {held.isin}"
                self._keep_apart(broker, row, reason)
            self._take(broker, row.token, row, None, known, broker_token)

    def complete(self, rows: Iterable[InstrumentRow]) -> None:
        """Take flags and facts from a further list, which adds no instruments: margin, leverage."""
        by_key = {row.key: token for token, row in self.by_token.items()}
        for row in rows:
            token = row.token if row.token in self.by_token else by_key.get(row.key)
            if token is not None:
                self.by_token[token] = _completed(self.by_token[token], row)

    def rows(
        self, series: Collection[str] = NSE_SHARES, sector_of: SectorOf | None = None
    ) -> Iterator[InstrumentRow]:
        """Every row, finished: what it is by its ISIN, whether it can be traded, its sector.

        Args:
            series: NSE's series whose shares are tradable.
            sector_of: the sectors; left out: none are known.
        """
        for row in self.by_token.values():
            etf = _is_etf(row)
            sector, industry = row.sector, row.industry
            if sector_of is not None and row.type == "STOCK":
                sector, industry = sector_of(row.isin, row.symbol_without_series)
            told = msgspec.structs.replace(row, etf=etf, sector=sector, industry=industry)
            tradable = etf or row.is_derivative or is_share(told, series)
            yield msgspec.structs.replace(told, tradable=tradable) if tradable else told


def merge(listings: Mapping[str, Listed]) -> Merged:
    """Everything that each broker lists, the one that describes first."""
    merged = Merged()
    for broker, listed in listings.items():
        merged.add(broker, listed)
    return merged


def _is_adjusted(one: InstrumentRow, other: InstrumentRow) -> bool:
    """Whether it is one option, with the strike of before its adjustment and with that of after it."""
    alike = one.type == other.type == "OPTION" and one.option_type == other.option_type
    return alike and one.expiry == other.expiry and one.segment == other.segment


def _row(instrument: Instrument) -> InstrumentRow:
    """As a row; an index with its key from the table of indices, which not every broker says."""
    row = (
        instrument
        if isinstance(instrument, InstrumentRow)
        else InstrumentRow(*msgspec.structs.astuple(instrument))
    )
    if row.type == "INDEX" and (index := indices.by_token(row.token)) and index.key not in ("", row.key):
        return msgspec.structs.replace(row, key=index.key)
    return row


def _completed(first: InstrumentRow, other: InstrumentRow) -> InstrumentRow:
    """The first, with what only the other knows."""
    changes: dict[str, object] = {
        name: getattr(other, name)
        for name in ("series", "underlying", "name", "isin", "mtf", "mis", "cas_eligible")
        if not getattr(first, name) and getattr(other, name)
    }
    if has_own_key(other) and not has_own_key(first):
        changes["key"] = other.key
    return msgspec.structs.replace(first, **changes) if changes else first


def _is_etf(row: InstrumentRow) -> bool:
    """A fund's unit by its ISIN, traded like a share (whose ISIN begins with INE); without one: as listed."""
    if row.type != "STOCK" or not row.isin:
        return row.etf
    shares = row.series in NSE_SHARES if row.segment == "NSE_EQ" else row.series not in BSE_OTHERS - {"E"}
    return shares and row.isin.startswith("INF")
