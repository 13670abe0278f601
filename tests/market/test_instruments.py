"""The instrument table: read from one piece of memory, and kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument, InstrumentRow, is_share
from mdactors.market.instruments import InstrumentTable, Kind


def share(token: int = 738561, symbol: str = "RELIANCE", **more: Any) -> InstrumentRow:
    fields = {"exchange": "NSE", "segment": "NSE_EQ", "type": "STOCK", "series": "EQ"} | more
    fields.setdefault("key", f"{fields['segment']}|{symbol}")
    return InstrumentRow(token=token, symbol=symbol, **fields)


def option(token: int, underlying: str, expiry: str, strike: float, kind: str = "CE") -> InstrumentRow:
    return share(
        token, f"{underlying}{expiry}{strike:g}{kind}", segment="NSE_FO", type="OPTION", series="",
        expiry=expiry, strike=strike, option_type=kind, underlying=underlying, key=f"NSE_FO|{token >> 8}",
    )  # fmt: skip


def test_instruments_are_found_by_our_token_and_by_each_brokers():
    keyed = share(key="NSE_EQ|INE002A01018")
    table = InstrumentTable.build({"one": [(share(), 738561)], "two": [(keyed, "NSE_EQ|INE002A01018")]})
    (found,) = table.by_token.values()
    assert (type(found), found.key) == (Instrument, "NSE_EQ|INE002A01018")
    assert table.by_token[738561] == found
    assert table.broker_instruments("one") == {738561: found}
    assert table.broker_instruments("two") == {"NSE_EQ|INE002A01018": found}
    assert table.broker_tokens("two") == {738561: "NSE_EQ|INE002A01018"}
    assert len(table) == 1
    for unknown in (738560, 738562, 0, "738561", None):
        assert unknown not in table.by_token
        assert table.by_token.get(unknown) is None
        assert unknown not in table.broker_tokens("one")


def test_what_only_one_broker_lists_is_known_to_that_one_alone():
    table = InstrumentTable.build({"one": [(share(), 1)], "two": [(share(408065, "INFY"), "2")]})
    assert set(table.broker_tokens("one")) == {738561}
    assert set(table.broker_tokens("two")) == {408065}
    assert 1 in table.broker_instruments("one")
    assert 2 not in table.broker_instruments("two"), "2 is not the text 2"
    assert table.broker_tokens("three") == table.broker_instruments("three") == {}


def test_a_brokers_number_is_its_own_where_it_looks_like_one_of_ours():
    reliance, infy = share(), share(408065, "INFY")
    table = InstrumentTable.build({"one": [(reliance, 408065), (infy, 738561)], "two": [(infy, 408065)]})
    meant = {number: found.symbol for number, found in table.broker_instruments("one").items()}
    assert meant == {408065: "RELIANCE", 738561: "INFY"}
    assert table.broker_instruments("two")[408065].symbol == "INFY"
    assert 738561 not in table.broker_instruments("two")


def test_an_empty_table_answers_like_any_other(tmp_path: Path):
    table = InstrumentTable.build({})
    table.save(tmp_path / "instruments.msgpack")
    for empty in (table, InstrumentTable.load(tmp_path / "instruments.msgpack")):
        assert (len(empty), list(empty.by_token), list(empty.cash())) == (0, [], [])
        assert empty.resolve("RELIANCE") is None
        assert (empty.suggest("RELIANCE"), empty.contracts("NIFTY")) == ([], [])
        assert set(empty.counts().values()) == {0}


def test_counts_are_by_type():
    table = InstrumentTable.build(
        {
            "one": [
                (share(), 1),
                (share(2, "NIFTY26AUGFUT", segment="NSE_FO", type="FUTURE"), 2),
                (option(3, "NIFTY", "2026-08-25", 25000.0), 3),
                (option(4, "NIFTY", "2026-08-25", 25000.0, "PE"), 4),
                (share(265, "SENSEX", exchange="BSE", segment="BSE_INDEX", type="INDEX"), 265),
            ]
        }
    )
    assert table.counts() == {"indices": 1, "stocks": 1, "futures": 1, "options": 2}


def test_kinds_are_counted_once_however_many_brokers_list_them():
    bse = share(500325 << 8 | 4, exchange="BSE", segment="BSE_EQ")
    table = InstrumentTable.build({"one": [(share(), 1), (bse, 2)], "two": [(share(), "1")]})
    nse_shares, bse_shares = Kind("STOCK", "NSE"), Kind("STOCK", "BSE")
    assert table.kinds() == table.kinds({"one", "two"}) == {nse_shares: 1, bse_shares: 1}
    assert table.kinds({"two"}) == {nse_shares: 1}
    assert table.kinds(()) == {}


def test_contracts_come_by_underlying_expiry_and_strike_and_the_rest_apart():
    held = [
        option(5 << 8, "NIFTY", "2026-08-25", 25000.0, "PE"),
        option(4 << 8, "NIFTY", "2026-09-29", 24000.0),
        option(3 << 8, "NIFTY", "2026-08-25", 25000.0, "CE"),
        option(2 << 8, "INFY", "2026-08-25", 1500.0),
        option(1 << 8, "NIFTY", "2026-08-25", 9000.0),
        share(),
    ]
    table = InstrumentTable.of(held, {})
    assert [each.token >> 8 for each in table.contracts("NIFTY")] == [1, 3, 5, 4]
    assert [each.token >> 8 for each in table.contracts("INFY")] == [2]
    assert sorted(table.underlyings()) == ["INFY", "NIFTY"]
    assert list(table.cash()) == [share().hot()]


def test_a_table_comes_back_from_disk_as_it_was(tmp_path: Path):
    path = tmp_path / "instruments.msgpack"
    call = option(3, "NIFTY", "2026-08-25", 25000.0)
    table = InstrumentTable.build({"one": [(share(), 738561), (call, 3)], "two": [(share(), "NSE_EQ|X")]})
    table.save(path)
    table.save(path)
    again = InstrumentTable.load(path)
    assert again.by_token == table.by_token
    assert again.by_token[3] == call.hot()
    for broker in ("one", "two"):
        assert again.broker_tokens(broker) == table.broker_tokens(broker)
        assert again.broker_instruments(broker) == table.broker_instruments(broker)
    assert again.resolve("reliance") == table.resolve("RELIANCE") == share().hot()
    assert again.contracts("NIFTY") == [call.hot()]
    assert [file.name for file in tmp_path.iterdir()] == ["instruments.msgpack"]


@pytest.mark.parametrize("cut", [0, 1, 30, -1])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, cut: int):
    path = tmp_path / "instruments.msgpack"
    InstrumentTable.build({"one": [(share(), 738561)]}).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StoreError, match=r"instruments\.msgpack: .*damaged; delete it"):
        InstrumentTable.load(path)


@pytest.mark.parametrize("part", ["rows", "tokens", "names", "brokers", "contracts"])
def test_a_file_whose_parts_do_not_fit_together_is_damaged(tmp_path: Path, part: str):
    path = tmp_path / "instruments.msgpack"
    InstrumentTable.build({"one": [(share(), 738561)]}).save(path)
    stored = msgspec.msgpack.decode(path.read_bytes())
    other = tmp_path / "other"
    InstrumentTable.build({"one": [(share(), 1), (option(512, "A", "2026-08-25", 1.0), 2)]}).save(other)
    stored[part] = msgspec.msgpack.decode(other.read_bytes())[part]
    if part == "names":
        stored["names"][0][1] = b"12345678"
    if part == "contracts":
        stored["contracts"] = b"123"
    path.write_bytes(msgspec.msgpack.encode(stored))
    with pytest.raises(StoreError, match="damaged"):
        InstrumentTable.load(path)


def test_a_file_of_another_version_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "instruments.msgpack"
    path.write_bytes(msgspec.msgpack.encode({"version": 1, "fields": ["token"], "rows": [[1]], "tokens": {}}))
    with pytest.raises(StoreError, match="another version"):
        InstrumentTable.load(path)


def test_a_missing_folder_or_file_is_one_clear_error(tmp_path: Path):
    table = InstrumentTable.build({"one": [(share(), 738561)]})
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        table.save(tmp_path / "nowhere" / "instruments.msgpack")
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        InstrumentTable.load(tmp_path / "instruments.msgpack")


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({}, True),
        ({"series": "BE"}, True),
        ({"series": "BZ"}, True),
        ({"series": "SM"}, False),
        ({"series": "GB"}, False),
        ({"series": "IV"}, False),
        ({"etf": True}, False),
        ({"type": "INDEX", "segment": "NSE_INDEX"}, False),
        ({"segment": "BSE_EQ", "exchange": "BSE", "series": "A"}, True),
        ({"segment": "BSE_EQ", "exchange": "BSE", "series": ""}, True),
        ({"segment": "BSE_EQ", "exchange": "BSE", "series": "F"}, False),
    ],
)
def test_a_share_is_a_companys_and_of_a_series_that_counts(fields: dict[str, Any], meant: bool):
    assert is_share(share(**fields)) is meant


def test_further_series_count_where_they_are_asked_for():
    assert is_share(share(series="SM"), ("EQ", "SM"))
