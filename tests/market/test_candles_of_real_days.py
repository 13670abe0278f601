"""Bars of recorded days are those that the source, or a slow and plain computation, says."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import minutes

from mdactors.market import ist
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.candles import Candles, bars_of
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick

pytestmark = pytest.mark.realdata

Row = dict[str, str]
Words = tuple[float, float, float, float, int]
Key = tuple[str, str, int]
"""Symbol, interval, begin in milliseconds."""
Hours = dict[str, tuple[str, str]]
"""From when till when each symbol's trades make bars."""
WIDTHS = {"1s": 1_000, "1m": 60_000}


def rows_of(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def ms(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def instruments_of(rows: list[Row]) -> dict[str, Instrument]:
    """Each symbol's instrument, made from its name."""
    made = {}
    for number, row in enumerate(rows):
        name = row.get("symbol") or row["tradingsymbol"]
        if name in made:
            continue
        token = number + 1 << 8
        if name in ("NIFTY 50", "SENSEX"):
            made[name] = Instrument(token, name, "NSE", "NSE_INDEX", "INDEX", f"NSE_INDEX|{name}")
        elif name[-2:] in ("CE", "PE") or " CE " in name:
            made[name] = Instrument(token, name, "NSE", "NSE_FO", "OPTION", f"NSE_FO|{name}")
        else:
            made[name] = Instrument(token, name, "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|{name}")
    return made


def words_of(bars: list[Bar]) -> dict[Key, Words]:
    """The last word on each bar."""
    return {
        (bar.instrument.symbol, bar.interval, bar.start): (bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in bars
    }


def live(ticks: list[Tick]) -> list[Bar]:
    """What a builder hands out that is asked four times a second of the recorder's clock."""
    candles = Candles(Calendar(), ["1s", "1m"], 1.5)
    bars: list[Bar] = []
    asked = 0.0
    for tick in ticks:
        now = tick.received_ns / 1e6
        if now - asked >= 250:
            bars += candles.closed(now)
            asked = now
        candles.add([tick], now)
    return bars + candles.rest()


# --- Minute bars


def ticks_of_minutes(rows: list[Row], instruments: dict[str, Instrument]) -> Iterator[Tick]:
    """Each morning a snapshot, then four trades a minute, each with a quarter of the volume."""
    trades = [
        (ms(row["timestamp"]) + second * 1_000, place, row)
        for row in rows
        for place, second in enumerate((0, 15, 30, 59))
    ]
    volumes: dict[str, int] = {}
    day = -1
    for at, place, row in sorted(trades, key=lambda trade: trade[0]):
        if ist.day_number(at * 10**6) != day:
            day = ist.day_number(at * 10**6)
            volumes = dict.fromkeys(instruments, 0)
            for instrument in instruments.values():
                quote = Quote(instrument.token, "full", 1.0, volume=0)
                yield Tick(instrument, quote, "replay", 1, 1, (at - 900_000) * 10**6, snapshot=True)
        instrument = instruments[row["symbol"]]
        price = float(row[("open", "high", "low", "close")[place]])
        whole = int(float(row["volume"]))
        volumes[row["symbol"]] += whole // 4 if place < 3 else whole - 3 * (whole // 4)
        quote = Quote(
            instrument.token, "full", price, last_trade_time=at, volume=volumes[row["symbol"]], open=price
        )
        yield Tick(instrument, quote, "replay", 1, 1, at * 10**6)


@pytest.mark.parametrize(
    ("file", "stocks", "days"),
    [("nse_minute_2024-02-27_nifty50", 50, 1), ("nse_minute_2026-06-08_11_index", 3, 4)],
)
def test_a_day_of_minute_bars_gives_them_back(shared_data: Path, file: str, stocks: int, days: int) -> None:
    rows = rows_of(shared_data / f"{file}.csv.gz")
    instruments = instruments_of(rows)
    bars = list(bars_of(ticks_of_minutes(rows, instruments), Calendar(), ["1m"]))
    assert len(bars) == len(rows) == stocks * days * 375
    made = words_of(bars)
    for row in rows:
        volume = int(float(row["volume"])) if instruments[row["symbol"]].type != "INDEX" else 0
        prices = tuple(float(row[name]) for name in ("open", "high", "low", "close"))
        assert made[row["symbol"], "1m", ms(row["timestamp"])] == (*prices, volume)


# --- Recorded ticks


def recorded_ticks(rows: list[Row]) -> list[Tick]:
    instruments = instruments_of(rows)
    return [
        Tick(
            (instrument := instruments[row.get("symbol") or row["tradingsymbol"]]),
            Quote(
                instrument.token,
                "full",
                float(row["ltp"]),
                last_trade_time=int(row["ltt_ms"]) if row.get("ltt_ms") else None,
                volume=int(row["vtt"]) if row.get("vtt") else None,
            ),
            "recorder",
            1,
            number,
            ms(row["recv_time"]) * 10**6,
        )
        for number, row in enumerate(rows, 1)
    ]


def plain_bars(rows: list[Row], hours: Hours) -> dict[Key, Words]:
    """The same bars, computed slowly: every trade is put in its bucket, then each bucket is sorted."""
    trades: dict[Key, list[tuple[int, float, int]]] = defaultdict(list)
    seen: dict[str, tuple[str, int]] = {}
    for row in rows:
        symbol, traded, told = row.get("symbol") or row["tradingsymbol"], row.get("ltt_ms"), row.get("vtt")
        last_traded, highest = seen.get(symbol, ("", int(told) if told else 0))
        volume = int(told) if told else 0
        if traded is not None and traded == last_traded and volume <= highest:
            continue
        seen[symbol] = traded or "", max(volume, highest)
        at = int(traded) if traded else ms(row["recv_time"])
        opens, closes = hours[symbol]
        if opens <= ist.iso(at)[11:16] < closes:
            for interval, width in WIDTHS.items():
                key = symbol, interval, at // width * width
                trades[key].append((at, float(row["ltp"]), max(volume - highest, 0)))
    bars = {}
    for key, bucket in trades.items():
        bucket.sort(key=lambda trade: trade[0])
        prices = [price for _, price, _ in bucket]
        bars[key] = prices[0], max(prices), min(prices), prices[-1], sum(gain for _, _, gain in bucket)
    return bars


FULL_TICKS = (
    "nse_ticks_2025-12-15",
    {"MAXHEALTH": ("09:15", "15:30"), "BANKNIFTY 60000 CE 30 DEC 25": ("09:15", "15:40")},
)
LAST_PRICES = (
    "kite_ltp_ticks_2025-10-08",
    {"NIFTY 50": ("09:00", "15:30")}
    | dict.fromkeys(["NIFTY25O1425000CE", "NIFTY25O1425400PE"], ("09:15", "15:30")),
)


@pytest.mark.parametrize(("file", "hours"), [FULL_TICKS, LAST_PRICES], ids=["full ticks", "last prices"])
def test_recorded_ticks_give_the_bars_of_a_plain_computation(
    shared_data: Path, file: str, hours: Hours
) -> None:
    rows = rows_of(shared_data / f"{file}.csv.gz")
    ticks = recorded_ticks(rows)
    plain = plain_bars(rows, hours)

    final = list(bars_of(ticks, Calendar(), ["1s", "1m"]))
    assert len(final) == len(plain)
    assert words_of(final) == plain

    handed_out = live(ticks)
    assert words_of(handed_out) == plain
    corrections = sum(bar.correction for bar in handed_out)
    assert corrections < len(plain) / 100, "the grace is long enough for a real feed"


def test_the_volumes_of_a_recorded_day_add_up(shared_data: Path) -> None:
    rows = rows_of(shared_data / f"{FULL_TICKS[0]}.csv.gz")
    share = [row for row in rows if row["symbol"] == "MAXHEALTH"]
    within = [int(row["vtt"]) for row in share if ist.iso(int(row["ltt_ms"]))[11:19] < "15:30:00"]
    for interval in ("1s", "1m"):
        bars = bars_of(recorded_ticks(share), Calendar(), [interval])
        assert sum(bar.volume for bar in bars) == within[-1] - within[0]


def test_bars_of_a_recorded_feed_are_as_near_to_the_brokers_as_ever(shared_data: Path) -> None:
    assert (shared_data / "upstox_frames").is_dir()
    figures = minutes.measure()
    for name, (_, least) in minutes.GOALS.items():
        assert figures[name] >= least, name
