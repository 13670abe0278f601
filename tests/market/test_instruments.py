"""The instrument table: merging brokers, and keeping it on disk."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable


def share(token: int = 738561, symbol: str = "RELIANCE", **more: Any) -> Instrument:
    fields = {"exchange": "NSE", "segment": "NSE_EQ", "type": "STOCK", "series": "EQ"} | more
    fields.setdefault("key", f"{fields['segment']}|{symbol}")
    return Instrument(token=token, symbol=symbol, **fields)


def test_two_brokers_lead_to_one_instrument():
    plain = share(name="RELIANCE INDUSTRIES", lot_size=1)
    keyed = share(key="NSE_EQ|INE002A01018", isin="INE002A01018", name="Reliance")
    table = InstrumentTable.build({"one": [(plain, 738561)], "two": [(keyed, "NSE_EQ|INE002A01018")]})
    (merged,) = table.by_token.values()
    assert (merged.key, merged.isin, merged.name) == (
        "NSE_EQ|INE002A01018", "INE002A01018", "RELIANCE INDUSTRIES",
    )  # fmt: skip
    assert table.broker_instruments("one")[738561] is merged
    assert table.broker_instruments("two")["NSE_EQ|INE002A01018"] is merged
    assert table.broker_tokens("two") == {738561: "NSE_EQ|INE002A01018"}
    assert len(table) == 1


def test_a_real_key_of_the_first_broker_is_not_replaced():
    keyed = share(key="NSE_EQ|INE002A01018", isin="INE002A01018")
    table = InstrumentTable.build({"one": [(keyed, "k")], "two": [(share(), 738561)]})
    assert table.by_token[738561] == keyed


def test_an_index_has_the_key_of_the_table_of_indices_whoever_lists_it():
    nifty = share(256265, "NIFTY 50", segment="NSE_INDEX", type="INDEX", series="")
    table = InstrumentTable.build({"one": [(nifty, 256265)]})
    assert table.by_token[256265].key == "NSE_INDEX|Nifty 50"


def test_what_only_one_broker_lists_is_known_to_that_one_alone():
    table = InstrumentTable.build({"one": [(share(), 1)], "two": [(share(408065, "INFY"), 2)]})
    assert set(table.broker_tokens("one")) == {738561}
    assert set(table.broker_tokens("two")) == {408065}
    assert table.broker_tokens("three") == table.broker_instruments("three") == {}


def test_of_two_rows_with_one_token_the_first_counts():
    table = InstrumentTable.build({"one": [(share(), "a"), (share(name="again"), "b")]})
    assert table.broker_tokens("one") == {738561: "a"}
    assert table.by_token[738561].name == ""
    assert "b" not in table.broker_instruments("one")


def test_counts_are_by_type():
    table = InstrumentTable.build(
        {
            "one": [
                (share(), 1),
                (share(2, "NIFTY26AUGFUT", segment="NSE_FO", type="FUTURE"), 2),
                (share(3, "NIFTY26AUG25000CE", segment="NSE_FO", type="OPTION"), 3),
                (share(4, "NIFTY26AUG25000PE", segment="NSE_FO", type="OPTION"), 4),
                (share(265, "SENSEX", exchange="BSE", segment="BSE_INDEX", type="INDEX"), 265),
            ]
        }
    )
    assert table.counts() == {"indices": 1, "stocks": 1, "futures": 1, "options": 2}


def test_a_table_comes_back_from_disk_as_it_was(tmp_path: Path):
    path = tmp_path / "instruments.msgpack"
    option = share(
        3, "NIFTY26AUG25000CE", segment="NSE_FO", type="OPTION", option_type="CE", strike=25000.0,
        expiry="2026-08-25", underlying="NIFTY", lot_size=65, key="NSE_FO|58072",
    )  # fmt: skip
    table = InstrumentTable.build({"one": [(share(), 738561), (option, 3)], "two": [(share(), "NSE_EQ|X")]})
    table.save(path)
    table.save(path)
    again = InstrumentTable.load(path)
    assert again.by_token == table.by_token
    for broker in ("one", "two"):
        assert again.broker_tokens(broker) == table.broker_tokens(broker)
        assert again.broker_instruments(broker) == table.broker_instruments(broker)
    assert again.resolve("reliance") == table.resolve("RELIANCE") is not None
    assert [file.name for file in tmp_path.iterdir()] == ["instruments.msgpack"]


@pytest.mark.parametrize("cut", [0, 1, 30, -1])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, cut: int):
    path = tmp_path / "instruments.msgpack"
    InstrumentTable.build({"one": [(share(), 738561)]}).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StoreError, match=r"instruments\.msgpack: .*damaged; delete it"):
        InstrumentTable.load(path)


def test_a_file_whose_tokens_lead_nowhere_is_damaged(tmp_path: Path):
    path = tmp_path / "instruments.msgpack"
    stored = {"version": 1, "fields": Instrument.__struct_fields__, "rows": [], "tokens": {"one": {5: 5}}}
    path.write_bytes(msgspec.msgpack.encode(stored))
    with pytest.raises(StoreError, match="damaged"):
        InstrumentTable.load(path)


def test_a_file_of_another_version_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "instruments.msgpack"
    path.write_bytes(
        msgspec.msgpack.encode({"version": 99, "fields": ["token"], "rows": [[1]], "tokens": {}})
    )
    with pytest.raises(StoreError, match="another version"):
        InstrumentTable.load(path)


def test_a_missing_folder_or_file_is_one_clear_error(tmp_path: Path):
    table = InstrumentTable.build({"one": [(share(), 738561)]})
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        table.save(tmp_path / "nowhere" / "instruments.msgpack")
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        InstrumentTable.load(tmp_path / "instruments.msgpack")


# --- the recorded dumps


@pytest.fixture(scope="module")
def kite_rows() -> Any:
    def read(folder: Path) -> list[tuple[Instrument, int]]:
        text = gzip.decompress((folder / "kite_instruments.csv.gz").read_bytes()).decode()
        segments = {"NSE": "NSE_EQ", "BSE": "BSE_EQ", "NFO": "NSE_FO", "BFO": "BSE_FO"}
        rows = []
        for row in csv.DictReader(io.StringIO(text)):
            exchange, symbol, kind = row["exchange"], row["tradingsymbol"], row["instrument_type"]
            index = row["segment"] == "INDICES"
            segment = f"{exchange}_INDEX" if index else segments[exchange]
            stem, _, suffix = symbol.rpartition("-")
            instrument = Instrument(
                token=int(row["instrument_token"]),
                symbol=symbol,
                exchange={"NFO": "NSE", "BFO": "BSE"}.get(exchange, exchange),
                segment=segment,
                type="INDEX" if index else {"FUT": "FUTURE", "EQ": "STOCK"}.get(kind, "OPTION"),
                key=f"{segment}|{symbol}",
                series=suffix if segment == "NSE_EQ" and stem and len(suffix) == 2 else "EQ",
            )
            rows.append((instrument, instrument.token))
        return rows

    return read


@pytest.mark.realdata
def test_the_recorded_dumps_of_both_brokers_make_one_table(shared_data: Path, kite_rows: Any, tmp_path: Path):
    entries = msgspec.json.decode(
        gzip.decompress((shared_data / "upstox_complete_2026-08-18.json.gz").read_bytes())
    )
    codes = {"NSE_EQ": 1, "BSE_EQ": 4, "NSE_FO": 2, "BSE_FO": 5}
    kinds = {"FUT": "FUTURE", "CE": "OPTION", "PE": "OPTION"}
    keyed = [
        (
            Instrument(
                token=int(entry["exchange_token"]) << 8 | codes[entry["segment"]],
                symbol=entry["trading_symbol"],
                exchange=entry["exchange"],
                segment=entry["segment"],
                type=kinds.get(entry["instrument_type"], "STOCK"),
                key=entry["instrument_key"],
                isin=entry.get("isin", ""),
                series=entry["instrument_type"],
            ),
            entry["instrument_key"],
        )
        for entry in entries
        if entry["segment"] in codes
    ]
    table = InstrumentTable.build({"kite": kite_rows(shared_data), "upstox": keyed})
    reliance = table.resolve("RELIANCE")
    assert reliance is not None
    assert (reliance.token, reliance.key, reliance.isin) == (738561, "NSE_EQ|INE002A01018", "INE002A01018")
    assert table.broker_instruments("upstox")["NSE_EQ|INE002A01018"] is reliance
    for name, token in {
        "BSE:RELIANCE": 500325 << 8 | 4,
        "NSE:RELIANCE": 738561,
        "BSE_EQ|INE002A01018": 500325 << 8 | 4,
        "CHOLAFIN": 685 << 8 | 1,
        "MOTHERSON": 4204 << 8 | 1,
        "NSE_EQ|MOTHERSON": 4204 << 8 | 1,
        "NIFTY": 256265,
        "Nifty 50": 256265,
        "NSE_INDEX|Nifty 50": 256265,
        "BANKNIFTY": 260105,
        "VIX": 264969,
        "SENSEX": 265,
        "INFRA": 194823681,
        "BSE_INDEX|INFRA": 282377,
        "NSE_FO|58072": 14866434,
    }.items():
        found = table.resolve(name)
        assert found is not None, name
        assert found.token == token, name
    assert table.suggest("RELAINCE")[0] == "RELIANCE"
    path = tmp_path / "instruments.msgpack"
    table.save(path)
    again = InstrumentTable.load(path)
    assert len(again) == len(table) > 62_586
    assert again.by_token == table.by_token


@pytest.mark.realdata
def test_every_recorded_share_of_nse_is_found_by_its_symbol(shared_data: Path, kite_rows: Any):
    rows = kite_rows(shared_data)
    table = InstrumentTable.build({"kite": rows})
    for instrument, _ in rows:
        if instrument.exchange == "NSE":
            assert table.resolve(instrument.symbol) == table.by_token[instrument.token]
        assert table.resolve(f"{instrument.exchange}:{instrument.symbol}") == table.by_token[instrument.token]
        assert table.resolve(str(instrument.token)) == table.by_token[instrument.token]
        assert table.resolve(instrument.key) == table.by_token[instrument.token]
