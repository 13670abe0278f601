"""Ticks as JSON arrays, lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, get_args

import pytest

from mdactors.market.columns import COLUMNS, choose, fields
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.quote import MODES, Auction, Depth, Greeks, Level, Mode, Quote
from mdactors.market.tick import Tick
from mdactors.market.tick_formats import decoded, format_ticks, json_array
from mdactors.market.view import encode

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", etf=True)


class Booked(Quote):
    """Says everything that there is."""

    def depth(self) -> Depth:
        return Depth(
            tuple(Level(100.0 - n, 10 * n + 10, n + 1) for n in range(30)),
            (Level(101.0, 7), Level(102.0, 8, 2)),
        )

    def greeks(self) -> Greeks:
        return Greeks(0.5, -1.0, 0.01, 3.0, 0.2)


def full_tick(seq: int = 1) -> Tick:
    quote = Booked(
        "R", "full", 1421.05, 12, 1_790_000_000_123, 2**40, 1420.12, 1400.0, 1433.2, 1399.95, 1411.3, 0, 5, 6,
        1_790_000_000_456, 0.125, complete=True,
        open_interest_high=9, open_interest_low=0, auction=Auction(99.5, 98.0, 700, -40, -50),
    )  # fmt: skip
    return Tick(RELIANCE, quote, "x", 7, seq, 1_790_000_001_000_000_000, True, True, True, "pre_open", 3)


def bare_tick(seq: int = 1) -> Tick:
    return Tick(RELIANCE, Quote("R", "ltp"), "x", 7, seq, 1_790_000_001_000_000_000)


def whole(pages: Any, name: str, mode: Mode = "quote", chosen: tuple[str, ...] = ()) -> bytes:
    return b"".join(format_ticks(pages, name, mode, chosen))


def leaves(value: Any, name: str = "") -> set[str]:
    """The dotted names of everything in a decoded tick, rungs counted from 1."""
    if isinstance(value, dict):
        return {
            leaf for key, part in value.items() for leaf in leaves(part, f"{name}.{key}" if name else key)
        }
    if isinstance(value, list):
        return {leaf for n, part in enumerate(value, 1) for leaf in leaves(part, f"{name}.{n}")}
    return {name}


@pytest.mark.parametrize("mode", get_args(Mode))
def test_the_columns_of_a_mode_are_what_its_fullest_tick_says_no_less_and_no_more(mode: Mode) -> None:
    said = leaves(json.loads(encode(full_tick(), View(mode))))
    names = [column.name for column in COLUMNS[mode]]
    sparse = {name for name in names if name.startswith("depth.sell.") or name == "depth.buy.1.orders"}
    assert set(names) - sparse == said - sparse
    assert said <= set(names)
    assert len(names) == len(set(names))


def test_json_is_one_array_and_ndjson_one_line_a_tick_as_on_the_websocket() -> None:
    ticks = [full_tick(1), bare_tick(2), full_tick(3)]
    for mode in MODES:
        sent = [json.loads(encode(tick, View(mode))) for tick in ticks]
        assert json.loads(whole([ticks[:2], ticks[2:]], "json", mode)) == sent
        lines = whole([ticks[:2], ticks[2:]], "ndjson", mode).splitlines()
        assert [json.loads(line) for line in lines] == sent


def test_nothing_is_an_empty_array_no_line_and_a_header_alone() -> None:
    assert whole([], "json") == b"[]"
    assert whole([], "ndjson") == b""
    assert whole([], "csv").decode() == ",".join(column.name for column in COLUMNS["quote"]) + "\n"


def test_an_array_begins_with_the_first_page() -> None:
    assert list(json_array([[b"1", b"2"], [], [b"3"]])) == [b"[1,2", b",3", b"]"]


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_row_of_csv_says_all_that_the_tick_does(mode: Mode) -> None:
    rows = list(csv.DictReader(io.StringIO(whole([[full_tick(), bare_tick()]], "csv", mode).decode())))
    said = decoded(full_tick(), View(mode))
    assert rows[0]["timestamp"] == said["timestamp"]
    assert float(rows[0]["lastTradedPrice"]) == 1421.05
    assert (rows[0]["etf"], rows[0]["snapshot"], rows[1]["snapshot"]) == ("true", "true", "false")
    assert (rows[1]["lastTradedPrice"], rows[1]["lastTradeTime"]) == ("", "")
    if mode in ("full", "depth30"):
        assert (rows[0]["depth.buy.1.price"], rows[0]["depth.sell.2.orders"]) == ("100.0", "2")
        assert (rows[0]["depth.sell.1.orders"], rows[0]["depth.sell.3.price"]) == ("", "")
        assert (rows[0]["greeks.delta"], rows[1]["greeks.delta"]) == ("0.5", "")


def test_fields_choose_and_order() -> None:
    chosen = ("seq", "ohlc.close", "lastTradedPrice", "ohlc")
    (picked,) = json.loads(whole([[full_tick()]], "json", "quote", chosen))
    ohlc = {"open": 1400.0, "high": 1433.2, "low": 1399.95, "close": 1411.3}
    assert list(picked.items()) == [
        ("seq", 1), ("ohlc.close", 1411.3), ("lastTradedPrice", 1421.05), ("ohlc", ohlc),
    ]  # fmt: skip
    header, row = whole([[full_tick()]], "csv", "quote", ("seq", "ohlc")).decode().splitlines()
    assert (header, row) == ("seq,ohlc.open,ohlc.high,ohlc.low,ohlc.close", "1,1400.0,1433.2,1399.95,1411.3")


def test_what_is_unknown_is_left_out_of_json_and_empty_in_csv() -> None:
    assert whole([[bare_tick()]], "json", "quote", ("volume", "seq")) == b'[{"seq":1}]'
    assert whole([[bare_tick()]], "csv", "quote", ("volume", "seq")) == b"volume,seq\n,1\n"


@pytest.mark.parametrize("name", ["price", "ohlc.", "ohlc.mid", "depth", "averagePrice", "oh"])
def test_a_field_that_the_mode_has_not_is_an_error_that_names_those_it_has(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is no field of a tick in mode quote; there are symbol, "):
        choose("quote", [name])


def test_fields_are_named_once_each() -> None:
    assert fields("full")[-3:] == ["iv", "auction", "depth"]
