"""Who goes on under another token from one table to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from tests.today import TODAY

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable

ISIN = "NSE_EQ|INE900A01010"


def share(number: int, symbol: str, series: str = "EQ", key: str = "") -> Instrument:
    return Instrument(
        number << 8 | 1, symbol, "NSE", "NSE_EQ", "STOCK", key or f"NSE_EQ|{symbol}", series=series
    )  # fmt: skip


EQ, BE = share(71001, "ALPHACO", key=ISIN), share(71002, "ALPHACO", "BE", ISIN)
BZ = share(71009, "ALPHACO-BZ", "BZ", ISIN)
KITE_EQ, KITE_BE = share(81001, "BETACO"), share(81002, "BETACO-BE", "BE")
BOND_EQ, BOND = share(91001, "GAMMACO"), share(91002, "GAMMACO-N1", "N1")


def table(*rows: Instrument, before: InstrumentTable | None = None, day: str = TODAY) -> InstrumentTable:
    return InstrumentTable.of(rows, {}, day, before)


def token(found: Instrument | None) -> int | None:
    return None if found is None else found.token


def test_a_share_is_known_again_by_its_isin_or_by_its_symbol_without_the_series() -> None:
    now = table(BE, KITE_BE, BOND, before=table(EQ, KITE_EQ, BOND_EQ))
    assert [token(now.successor(each.token)) for each in (EQ, KITE_EQ, BOND_EQ)] == [
        BE.token, KITE_BE.token, None,
    ]  # fmt: skip
    assert now.formers(BE.token) == [EQ]


def test_who_is_still_listed_has_no_successor() -> None:
    now = table(EQ, BE, before=table(EQ))
    assert now.successor(EQ.token) is None


def test_moves_of_one_day_add_up_and_those_of_another_are_forgotten(tmp_path: Path) -> None:
    noon = table(BE, before=table(EQ))
    evening = table(BZ, before=noon)
    assert [token(evening.successor(each.token)) for each in (EQ, BE)] == [BZ.token, BZ.token]
    evening.save(tmp_path / "table")
    again = table(BZ, before=InstrumentTable.load(tmp_path / "table"))
    assert [each.token for each in again.formers(BZ.token)] == [EQ.token, BE.token]
    back = table(EQ, before=noon)
    assert (token(back.successor(BE.token)), token(back.successor(EQ.token))) == (EQ.token, None)
    assert table(BE, before=noon, day="2030-01-01").formers(BE.token) == []


def test_a_contract_never_moves() -> None:
    terms: dict[str, Any] = {"type": "FUTURE", "segment": "NSE_FO", "expiry": "2026-12-29"}
    old = msgspec.structs.replace(KITE_EQ, symbol="BETACO26DECFUT", series="", **terms)
    new = msgspec.structs.replace(old, token=old.token + 512)
    assert table(new, before=table(old)).successor(old.token) is None
