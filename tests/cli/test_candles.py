"""``mdactors candles rebuild``: bars out of stored ticks."""

from __future__ import annotations

from typing import Any

import pytest

from mdactors.cli import main
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument
from mdactors.market.quote import BrokerBar, Quote
from mdactors.market.tick import Tick
from mdactors.store.opening import open_stores

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")
OPEN = 1_795_146_300_000
"""2026-11-20T09:15:00+05:30, a Friday."""
MINUTE = 60_000
MS = 1_000_000
DAY = ("--from", "2026-11-20", "--to", "2026-11-20")


def trades(instrument: Instrument, minutes: int, begin: int = OPEN, every_ms: int = 10_000) -> list[Tick]:
    """A trade of ten pieces every so often, its price the number of its minute."""
    ticks = []
    for n in range(minutes * MINUTE // every_ms):
        at = begin + n * every_ms
        price = 100.0 + (at - begin) // MINUTE
        quote = Quote("R", "full", price, last_trade_time=at, volume=1000 + 10 * n, exchange_time=at)
        ticks.append(Tick(instrument, quote, "x", 7, n + 1, (at + 40) * MS))
    return ticks


def stored(folder: Any, instrument: Instrument = RELIANCE) -> list[tuple[int, float, int]]:
    """(minute after the open, close, volume) of every stored minute bar."""
    ticks, bars = open_stores(folder.settings, folder.data)
    found = bars.read(instrument.key, "1m", 0, 2 * OPEN, 10_000)
    ticks.close()
    return [((bar.ts - OPEN) // MINUTE, bar.close, bar.volume) for bar in found]


def put(folder: Any, *bars: Bar) -> None:
    ticks, store = open_stores(folder.settings, folder.data)
    store.write(bars)
    ticks.close()


def expected(minutes: int) -> list[tuple[int, float, int]]:
    """The first figure is the baseline, so that the first bar lacks its ten pieces."""
    return [(n, 100.0 + n, 60 if n else 50) for n in range(minutes)]


def test_bars_are_made_again_and_what_was_wrong_is_gone(folder, run, capsys):
    folder.keep(trades(RELIANCE, 5) + trades(INFY, 3))
    put(
        folder,
        Bar(RELIANCE, "1m", OPEN, 1.0, 1.0, 1.0, 1.0, 1),
        Bar(RELIANCE, "1m", OPEN + 200 * MINUTE, 1.0, 1.0, 1.0, 1.0, 1),
    )
    assert run("candles", "rebuild", *DAY) == 0
    assert stored(folder) == expected(5)
    assert stored(folder, INFY) == expected(3)
    assert capsys.readouterr().out == "2026-11-20: bars 8, ticks 48, instruments 2\n"


def test_to_do_it_twice_changes_nothing(folder, run):
    folder.keep(trades(RELIANCE, 5))
    for _ in range(2):
        assert run("candles", "rebuild", *DAY) == 0
        assert stored(folder) == expected(5)


def test_only_the_days_that_are_meant_are_touched(folder, run, capsys):
    days = [OPEN + day * 86_400_000 for day in (-1, 0, 3)]
    for day in days:
        folder.keep(trades(RELIANCE, 2, day))
    other = Bar(RELIANCE, "1m", days[2] + 7 * MINUTE, 1.0, 1.0, 1.0, 1.0, 1)
    put(folder, other)
    assert run("candles", "rebuild", "--from", "2026-11-19", "--to", "2026-11-21") == 0
    assert len(stored(folder)) == 2 + 2 + 1
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-19: bars 2, ticks 12, instruments 1",
        "2026-11-20: bars 2, ticks 12, instruments 1",
        "2026-11-21: no ticks, nothing changed",
    ]


def test_the_last_tick_of_the_days_before_says_that_all_of_the_first_figure_is_todays(folder, run):
    folder.keep(trades(RELIANCE, 1, OPEN - 3 * 86_400_000))
    folder.keep(trades(RELIANCE, 1, OPEN + 60 * MINUTE))
    assert run("candles", "rebuild", *DAY) == 0
    assert stored(folder) == [(60, 100.0, 1050)]


def test_bars_whose_ticks_are_no_longer_kept_stay(folder, run):
    folder.keep([])
    put(folder, Bar(RELIANCE, "1m", OPEN, 1.0, 2.0, 0.5, 1.5, 7))
    assert run("candles", "rebuild", *DAY) == 0
    assert stored(folder) == [(0, 1.5, 7)]


def test_one_symbol_leaves_the_others_alone(folder, run):
    folder.keep(trades(RELIANCE, 3) + trades(INFY, 3))
    put(folder, Bar(INFY, "1m", OPEN, 1.0, 1.0, 1.0, 1.0, 1))
    assert run("candles", "rebuild", *DAY, "--symbol", "RELIANCE") == 0
    assert stored(folder) == expected(3)
    assert stored(folder, INFY) == [(0, 1.0, 1)]


def test_an_instrument_that_hardly_trades_has_all_its_bars(folder, run):
    folder.keep(trades(RELIANCE, 100, every_ms=5 * MINUTE))
    assert run("candles", "rebuild", *DAY) == 0
    assert [minute for minute, _, _ in stored(folder)] == list(range(0, 100, 5))


def test_ticks_are_taken_in_the_order_in_which_they_came_and_yesterdays_trade_makes_no_bar(folder, run):
    said_again = Quote(
        "R", "full", 99.0, last_trade_time=OPEN - 86_400_000, volume=5, exchange_time=OPEN - 900_000
    )
    first = Tick(RELIANCE, said_again, "x", 6, 1, (OPEN - 900_000) * MS)
    folder.keep([first, *reversed(trades(RELIANCE, 3))])
    assert run("candles", "rebuild", *DAY) == 0
    assert [(minute, close) for minute, close, _ in stored(folder)] == [(0, 100.0), (1, 101.0), (2, 102.0)]


def test_the_second_bars_are_made_where_they_are_stored(folder, run):
    folder.keep(trades(RELIANCE, 1))
    folder.config.write_text(f"data_dir: {folder.data}\nstore: {{bars: [1s, 1m]}}\n")
    assert run("candles", "rebuild", *DAY) == 0
    ticks, bars = open_stores(folder.settings, folder.data)
    assert len(bars.read(RELIANCE.key, "1s", 0, 2 * OPEN, 100)) == 6
    ticks.close()


def told(ticks: list[Tick], first_minute: int = 0) -> list[Tick]:
    """The same ticks, with the broker's bar of the minute before from one minute on."""
    for each in ticks:
        start = each.quote.exchange_time // MINUTE * MINUTE - MINUTE
        if start >= OPEN + first_minute * MINUTE:
            each.quote.minute = BrokerBar(start, 1.0, 9.0, 1.0, 2.0, 77)
    return ticks


def sources(folder: Any) -> list[tuple[int, str, int]]:
    """(minute after the open, source, volume) of every stored minute bar."""
    ticks, bars = open_stores(folder.settings, folder.data)
    found = bars.read(RELIANCE.key, "1m", 0, 2 * OPEN, 10_000)
    ticks.close()
    return [((bar.ts - OPEN) // MINUTE, bar.source, bar.volume) for bar in found]


@pytest.mark.parametrize("names", [(), ("--symbol", "RELIANCE")])
def test_minutes_that_the_broker_told_are_its_bars_again(folder, run, names):
    folder.keep(told(trades(RELIANCE, 4), 1))
    assert run("candles", "rebuild", *DAY, *names) == 0
    assert sources(folder) == [(0, "ticks", 50), (1, "broker", 77), (2, "broker", 77), (3, "ticks", 60)]


@pytest.mark.parametrize("names", [(), ("--symbol", "RELIANCE")])
def test_a_bar_of_higher_rank_than_what_is_made_again_stays(folder, run, names):
    folder.keep(trades(RELIANCE, 4))
    put(
        folder,
        Bar(RELIANCE, "1m", OPEN + MINUTE, 1.0, 1.0, 1.0, 1.0, 8, source="broker"),
        Bar(RELIANCE, "1m", OPEN + 2 * MINUTE, 1.0, 1.0, 1.0, 1.0, 9, source="backfill"),
        Bar(RELIANCE, "1m", OPEN + 3 * MINUTE, 1.0, 1.0, 1.0, 1.0, 1),
        Bar(RELIANCE, "1m", OPEN + 9 * MINUTE, 1.0, 1.0, 1.0, 1.0, 1),
        Bar(RELIANCE, "1m", OPEN + 10 * MINUTE, 1.0, 1.0, 1.0, 1.0, 10, source="backfill"),
    )
    assert run("candles", "rebuild", *DAY, *names) == 0
    assert sources(folder) == [
        (0, "ticks", 50), (1, "broker", 8), (2, "backfill", 9), (3, "ticks", 60), (10, "backfill", 10),
    ]  # fmt: skip


@pytest.mark.parametrize("names", [(), ("--symbol", "RELIANCE")])
def test_who_prefers_ticks_has_bars_of_ticks_made_again(folder, run, names):
    folder.keep(told(trades(RELIANCE, 2)))
    put(
        folder,
        Bar(RELIANCE, "1m", OPEN, 1.0, 1.0, 1.0, 1.0, 8, source="broker"),
        Bar(RELIANCE, "1m", OPEN + MINUTE, 1.0, 1.0, 1.0, 1.0, 9, source="backfill"),
    )
    folder.config.write_text(f"data_dir: {folder.data}\ncandles: {{prefer: ticks}}\n")
    assert run("candles", "rebuild", *DAY, *names) == 0
    assert sources(folder) == [(0, "ticks", 50), (1, "backfill", 9)]


def test_the_action_must_be_named(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["candles"])
    assert ended.value.code == 2
    assert "ACTION" in capsys.readouterr().err
