"""What is believed of the figures of a day, through decoder, numbering and bars, for both brokers."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.market.calendar import ORDINARY, Calendar, Holiday, Hours, Span
from mdactors.market.candles import bars_of
from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.ist import IST
from mdactors.market.numbering import Numbering
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.tick_formats import decoded
from mdactors.market.trading_class import AUCTION_SHARES, OPTIONS
from mdactors_kite import codec as kite
from mdactors_upstox import codec as upstox

SHARE = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021")
OPTION = Instrument(
    45450 << 8 | 2, "NIFTY26DEC24000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45450", expiry="2026-12-29"
)
COMMODITY = Instrument(11000 << 8 | 7, "CRUDEOIL26DECFUT", "MCX", "MCX_FO", "FUTURE", "MCX_FO|11000")
EVERYTHING = SHARE, OPTION, COMMODITY
ROUND = 1 << 32


class Said(NamedTuple):
    """One update, and when it comes."""

    at: dt.datetime
    volume: int
    close: float = 1490.0
    price: float = 1480.0
    interest: int = 0
    traded: dt.datetime | None = None
    updated: dt.datetime | None = None


def at(time: str, day: int = 20) -> dt.datetime:
    """A time of November 2026; the 20th is a Friday."""
    return dt.datetime.combine(dt.date(2026, 11, day), dt.time.fromisoformat(time), IST)


def kite_quotes(instrument: Instrument, said: Said) -> Sequence[Quote]:
    packet = struct.pack(
        ">IiIiIIIiiiiIIIII120x",
        instrument.token, round(said.price * 100), 10, round(said.price * 100), said.volume, 500, 600,
        148_400, 149_500, 147_000, round(said.close * 100),
        _second(said.traded or said.at), said.interest, 0, 0, _second(said.updated or said.at),
    )  # fmt: skip
    return kite.decode(struct.pack(">HH", 1, len(packet)) + packet).quotes


def _second(time: dt.datetime) -> int:
    return int(time.timestamp())


def upstox_quotes(instrument: Instrument, said: Said) -> Sequence[Quote]:
    frame = official.FeedResponse(type=1, currentTs=_second(said.updated or said.at) * 1000)
    feed = frame.feeds[instrument.key]
    feed.requestMode = 1
    full = feed.fullFeed.marketFF
    full.ltpc.ltp, full.ltpc.cp, full.ltpc.ltq = said.price, said.close, 10
    full.ltpc.ltt = _second(said.traded or said.at) * 1000
    full.marketLevel.bidAskQuote.add(bidQ=5, bidP=said.price - 1, askQ=6, askP=said.price + 1)
    full.marketOHLC.ohlc.add(interval="1d", open=1484, high=1495, low=1470, close=said.price, vol=said.volume)
    full.vtt, full.oi, full.atp, full.tbq, full.tsq = said.volume, said.interest, said.price, 500, 600
    quotes = upstox.decode(frame.SerializeToString()).quotes
    quotes[0].complete = True  # also where a zero is on the wire, which proto3 leaves out
    return quotes


BROKERS: dict[str, Any] = {"kite": kite_quotes, "upstox": upstox_quotes}


class Line:
    """Frames of one broker on their way to ticks."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        keys = {each.key if broker == "upstox" else each.token: each for each in EVERYTHING}
        self.numbering = Numbering(broker, 1, keys, Calendar())
        self.ticks: list[Tick] = []

    def say(self, said: Said, instrument: Instrument = SHARE) -> Tick:
        quotes = BROKERS[self.broker](instrument, said)
        (tick,) = self.numbering.number(quotes, round(said.at.timestamp() * 1000) * 1_000_000)
        self.ticks.append(tick)
        return tick

    def say_all(self, updates: Iterable[Said], instrument: Instrument = SHARE) -> list[Tick]:
        return [self.say(said, instrument) for said in updates]

    def minutes(self) -> list[int]:
        """The volumes of the bars of a minute that there are."""
        bars = bars_of(self.ticks, Calendar(), ["1m"])
        return [bar.volume for bar in sorted(bars, key=lambda bar: bar.start)]


def volumes(ticks: Iterable[Tick]) -> list[int | None]:
    return [tick.quote.volume for tick in ticks]


def closes(ticks: Iterable[Tick]) -> list[float | None]:
    return [tick.quote.previous_close for tick in ticks]


@pytest.fixture(params=BROKERS)
def line(request: pytest.FixtureRequest) -> Line:
    return Line(request.param)


# --- Volume


def test_a_wild_volume_is_in_no_tick_and_in_no_bar(line):
    figures = [("11:00:01", 2_000), ("11:00:30", 2_050), ("11:01:05", 3_999_000_000), ("11:01:40", 2_300),
               ("11:02:20", 2_400), ("11:03:20", 2_600)]  # fmt: skip
    ticks = line.say_all(Said(at(time), volume) for time, volume in figures)
    assert volumes(ticks) == [2_000, 2_050, None, 2_300, 2_400, 2_600]
    assert line.minutes() == [50, 250, 100, 200]
    assert line.numbering.doubted == 1


def test_a_volume_that_is_not_known_is_left_out_of_the_tick_and_its_bytes_stay(line):
    line.say(Said(at("11:00"), 2_000))
    tick = line.say(Said(at("11:01"), 4_000_000_000))
    written = decoded(tick, View("full"))
    assert "volume" not in written
    assert written["lastTradedPrice"] == 1480.0
    assert tick.quote.raw


def test_a_confirmed_wild_volume_costs_the_day_no_later_bar(line):
    figures = [("11:00:01", 2_000), ("11:01", 3_999_000_000), ("11:01:10", 3_999_000_000), ("11:02", 2_300),
               ("11:02:30", 2_310), ("11:03:20", 2_600), ("11:04:20", 2_700)]  # fmt: skip
    line.say_all(Said(at(time), volume) for time, volume in figures)
    assert volumes(line.ticks)[-3:] == [2_310, 2_600, 2_700]
    assert line.minutes()[-2:] == [290, 100]


@pytest.mark.parametrize("broker", BROKERS)
def test_bars_go_on_from_a_confirmed_fall_of_any_size(broker):
    """With so many traded a day, not even the largest of a count of 32 bits is out of reach."""
    line = Line(broker)
    many = 300_000_000
    figures = [("11:00:01", many), ("11:01", 4_000_000_000), ("11:02", many + 300), ("11:02:30", many + 310),
               ("11:03:20", many + 600), ("11:04:20", many + 700)]  # fmt: skip
    line.say_all(Said(at(time), volume) for time, volume in figures)
    assert volumes(line.ticks)[-4:] == [None, many + 310, many + 600, many + 700]
    assert line.minutes()[-2:] == [290, 100]


def test_a_confirmed_wild_volume_is_taken_back_where_no_time_of_trades_is_told():
    """Kite's mode quote has neither the trade's time nor that of the update."""
    line = Line("kite")
    figures = [("11:00:01", 2_000), ("11:01", 3_999_000_000), ("11:01:10", 3_999_000_000), ("11:02", 2_300),
               ("11:02:30", 2_310), ("11:03:20", 2_600), ("11:04:20", 2_700)]  # fmt: skip
    for time, volume in figures:
        (quote,) = kite_quotes(SHARE, Said(at(time), volume))
        quote.last_trade_time = quote.exchange_time = None
        line.ticks += line.numbering.number([quote], _second(at(time)) * 1_000_000_000)
    assert line.minutes()[-2:] == [290, 100]


def test_a_partial_update_after_a_wild_one_says_what_was_known_before():
    line = Line("upstox")
    line.say(Said(at("11:00"), 2_000))
    assert line.say(Said(at("11:01"), 4_000_000_000)).quote.volume is None
    frame = official.FeedResponse(type=1, currentTs=_second(at("11:02")) * 1000)
    ltpc = frame.feeds[SHARE.key].fullFeed.marketFF.ltpc
    ltpc.ltp, ltpc.cp, ltpc.ltt = 1481, 1490, _second(at("11:02")) * 1000
    quotes = upstox.decode(frame.SerializeToString()).quotes
    (tick,) = line.numbering.number(quotes, _second(at("11:02")) * 1_000_000_000)
    assert (tick.quote.last_price, tick.quote.volume) == (1481, 2_000)


def test_a_new_trading_date_begins_with_its_own_figure_whatever_is_said_before_the_session(line):
    updates = [
        Said(at("15:29:00"), 5_000_000), Said(at("08:55", 23), 5_000_000, traded=at("15:29")),
        Said(at("09:15:01", 23), 22_500), Said(at("09:15:20", 23), 30_000),
    ]  # fmt: skip
    ticks = line.say_all(updates, OPTION)
    assert volumes(ticks) == [5_000_000, 5_000_000, 22_500, 30_000]


def test_who_has_not_traded_yet_may_say_an_earlier_days_figure_long_into_the_session(line):
    updates = [
        Said(at("10:00"), 9_000, traded=at("15:10", 19)), Said(at("11:00"), 9_000, traded=at("15:10", 19)),
        Said(at("11:30"), 75), Said(at("11:40"), 150),
    ]  # fmt: skip
    assert volumes(line.say_all(updates, OPTION)) == [9_000, 9_000, 75, 150]


def test_each_of_two_sessions_of_a_date_may_count_by_itself():
    spans = [("open", Span.read("09:15-10:00")), ("open", Span.read("11:30-12:30"))]
    special = {OPTIONS: Hours(tuple(spans))}
    calendar = Calendar(
        msgspec.structs.replace(ORDINARY, holidays={at("09:00").date(): Holiday("two", special=special)})
    )
    line = Line("kite")
    line.numbering = Numbering("kite", 1, {OPTION.token: OPTION}, calendar)
    figures = [("09:20", 9_000), ("09:30", 9_500), ("11:31", 300), ("11:32", 200), ("11:33", 450)]
    ticks = line.say_all((Said(at(time), volume) for time, volume in figures), OPTION)
    assert volumes(ticks) == [9_000, 9_500, 300, None, 450]


def test_a_count_of_32_bits_goes_on_beyond_them():
    line = Line("kite")
    begin = ROUND - 5_000
    line.say(Said(at("14:00"), begin), OPTION)  # so much at once is to be confirmed
    ticks = line.say_all(
        [Said(at("14:00:30"), begin + 1_000), Said(at("14:01:10"), 2_000), Said(at("14:02:10"), 2_750)],
        OPTION,
    )
    assert volumes(ticks) == [begin + 1_000, ROUND + 2_000, ROUND + 2_750]
    assert line.minutes()[-2:] == [6_000, 750]


def test_a_count_beyond_32_bits_is_known_again_after_a_restart():
    before, after = Line("kite"), Line("kite")
    begin = ROUND - 5_000
    before.say_all([Said(at("14:00"), begin), Said(at("14:01"), begin), Said(at("14:02"), 2_000)], OPTION)
    after.numbering.recall([before.ticks[-1]], _second(at("14:03")) * 1_000_000_000)
    assert after.say(Said(at("14:04"), 3_000), OPTION).quote.volume == ROUND + 3_000


def test_a_count_of_64_bits_is_never_carried():
    line = Line("upstox")
    begin = ROUND - 5_000
    ticks = line.say_all(Said(at(f"14:0{n}"), begin + 4_000 * n) for n in range(4))
    assert volumes(ticks) == [None, begin + 4_000, begin + 8_000, begin + 12_000]


# --- Times


@pytest.mark.parametrize("year", [1970, 2100])
def test_an_update_of_another_century_is_timed_by_its_receipt(line, year):
    line.say(Said(at("11:00"), 2_000))
    wrong = at("11:01").replace(year=year)
    tick = line.say(Said(at("11:01"), 2_100, updated=wrong, traded=wrong))
    written = decoded(tick, View("full"))
    assert written["timestamp"].startswith("2026-11-20T11:01:00")
    assert written["timestampSource"] == "receipt"
    assert "lastTradeTime" not in written
    line.say(Said(at("11:02"), 2_150))
    bars = list(bars_of(line.ticks, Calendar(), ["1m"]))
    assert {dt.datetime.fromtimestamp(bar.start / 1000, IST).date() for bar in bars} == {
        dt.date(2026, 11, 20)
    }
    assert sum(bar.volume for bar in bars) == 150


@pytest.mark.parametrize(("updated", "source"), [
    (at("11:00", 19), "receipt"), (at("11:00", 21), "receipt"), (at("23:30", 19), "exchange"),
    (at("00:20", 21), "exchange"), (at("09:00", 20), "exchange"),
])  # fmt: skip
def test_the_time_of_an_update_is_believed_within_the_trading_date_and_a_margin(line, updated, source):
    tick = line.say(Said(at("11:00"), 2_000, updated=updated))
    assert decoded(tick, View("quote"))["timestampSource"] == source


def test_on_a_weekend_the_last_trading_date_is_believed(line):
    tick = line.say(Said(at("11:00", 22), 2_000, updated=at("15:30")))
    assert decoded(tick, View("quote"))["timestampSource"] == "exchange"


def test_a_last_trade_of_an_earlier_year_is_the_past_of_an_illiquid_share(line):
    long_ago = at("11:00").replace(year=2019)
    assert line.say(Said(at("11:00"), 0, traded=long_ago)).quote.last_trade_time == _second(long_ago) * 1000


# --- Previous close


def test_the_previous_close_stays_until_the_next_trading_date_begins(line):
    updates = [
        Said(at("15:29:59"), 9_000), Said(at("16:05"), 9_000, close=1480.0),
        Said(at("16:06"), 9_000, close=1480.0), Said(at("12:00", 22), 9_000, close=1480.0),
        Said(at("08:00", 23), 9_000, close=1480.0),
    ]  # fmt: skip
    ticks = line.say_all(updates)
    assert closes(ticks) == [1490.0, 1490.0, 1490.0, 1490.0, 1480.0]
    assert [decoded(tick, View("quote"))["change"] for tick in ticks] == [-10, -10, -10, -10, 0]


def test_each_class_has_its_own_evening(line):
    """At 16:05 a commodity trades on, and its previous close may still be corrected."""
    updates = [Said(at("15:00"), 9_000), *[Said(at(f"16:0{n}"), 9_000, close=1495.0) for n in (5, 6)]]
    assert closes(line.say_all(updates, COMMODITY)) == [1490.0, 1490.0, 1495.0]
    evening = [Said(at(time), 9_000, close=1480.0) for time in ("23:56", "23:57")]
    assert closes(line.say_all(evening, COMMODITY)) == [1495.0, 1495.0]


def test_before_the_session_each_corrected_previous_close_is_taken(line):
    updates = [
        Said(at("08:55"), 0), Said(at("09:02"), 0, close=1470.5), Said(at("09:08"), 0, close=1468.0),
        Said(at("09:20"), 100, close=1468.0),
    ]  # fmt: skip
    assert closes(line.say_all(updates)) == [1490.0, 1470.5, 1468.0, 1468.0]


def test_the_first_trade_of_the_session_says_the_previous_close_of_the_day(line):
    """What was said before it may be the state of the day before."""
    stale = at("15:20", 19)
    updates = [
        Said(at("08:55"), 9_000, close=1485.0, traded=stale),
        Said(at("09:40"), 9_000, close=1486.0, traded=stale),
        Said(at("09:50"), 75, close=1490.0), Said(at("09:51"), 80, close=1468.0), Said(at("09:52"), 85),
    ]  # fmt: skip
    assert closes(line.say_all(updates)) == [1485.0, 1486.0, 1490.0, 1490.0, 1490.0]


def test_in_the_session_another_previous_close_is_taken_where_two_updates_in_a_row_say_it(line):
    said = [1490.0, 1468.0, 1490.0, 1468.0, 1468.0, 1468.0]
    ticks = line.say_all(Said(at(f"10:0{n}"), 100, close=close) for n, close in enumerate(said))
    assert closes(ticks) == [1490.0, 1490.0, 1490.0, 1490.0, 1468.0, 1468.0]


def test_who_begins_in_the_evening_says_no_previous_close_before_it_is_recalled(line):
    tick = line.say(Said(at("17:00"), 9_000, close=1480.0))
    written = decoded(tick, View("quote"))
    assert "close" not in written["ohlc"]
    assert "change" not in written


def test_a_previous_close_is_recalled_after_a_restart_in_the_evening(line):
    after = Line(line.broker)
    line.say(Said(at("15:20"), 9_000))
    after.numbering.recall(line.ticks, _second(at("17:00")) * 1_000_000_000)
    assert closes([after.say(Said(at("17:01"), 9_000, close=1480.0))]) == [1490.0]


def test_what_was_said_without_its_previous_close_is_said_once_more_when_it_is_recalled(line):
    after = Line(line.broker)
    line.say(Said(at("15:20"), 9_000))
    before = after.say(Said(at("17:01"), 9_000, close=1480.0))
    (tick,) = after.numbering.recall(line.ticks, _second(at("17:02")) * 1_000_000_000)
    assert (tick.quote.previous_close, tick.snapshot, tick.seq) == (1490.0, True, before.seq + 1)
    assert before.quote.previous_close is None
    assert after.numbering.newest() == [tick]


def test_a_previous_close_of_an_earlier_trading_date_is_not_recalled(line):
    after = Line(line.broker)
    line.say(Said(at("15:20", 19), 9_000))
    after.numbering.recall(line.ticks, _second(at("17:00")) * 1_000_000_000)
    assert closes([after.say(Said(at("17:01"), 9_000, close=1480.0))]) == [None]


def test_a_previous_close_that_nothing_recalls_can_be_learnt(line):
    before = line.say(Said(at("17:01"), 9_000, close=1480.0))
    token = before.quote.token
    assert line.numbering.withheld() == {token: dt.date(2026, 11, 20)}
    (tick,) = line.numbering.learn_closes({token: 1490.0}, _second(at("17:03")) * 1_000_000_000)
    assert tick.quote.previous_close == 1490.0
    assert line.numbering.withheld() == {}
    assert closes([line.say(Said(at("17:05"), 9_000, close=1480.0))]) == [1490.0]


def test_what_comes_back_on_the_same_date_has_its_previous_close(line):
    token = line.say(Said(at("15:20"), 9_000)).quote.token
    line.numbering.retire([token])
    assert closes([line.say(Said(at("17:01"), 9_000, close=1480.0))]) == [1490.0]


def test_a_close_of_zero_is_none(line):
    said = [1490.0, 0.0, 0.0, 1490.0]
    ticks = line.say_all(Said(at(f"10:0{n}"), 100, close=close) for n, close in enumerate(said))
    assert {tick.quote.previous_close for tick in ticks} <= {1490.0, None}
    assert ticks[-1].quote.previous_close == 1490.0


def test_a_share_whose_class_changes_keeps_what_is_known_of_its_day(line):
    line.say(Said(at("15:10"), 9_000))
    auctioned = msgspec.structs.replace(SHARE, trading_class=AUCTION_SHARES)
    line.numbering.use({each.key if line.broker == "upstox" else each.token: each for each in (auctioned,)})
    tick = line.say(Said(at("15:18"), 9_000, close=1480.0))
    assert (tick.phase, tick.quote.previous_close) == ("closing_orders", 1490.0)
    evening = line.say_all(Said(at(f"15:2{n}"), 9_000, close=1480.0) for n in range(3))
    assert closes(evening) == [1490.0] * 3


# --- Open interest


def changes(ticks: Iterable[Tick]) -> list[int | None]:
    return [tick.open_interest_change for tick in ticks]


def test_open_interest_is_compared_with_the_last_said_before_the_session(line):
    figures = [("08:50", 7_000), ("09:10", 7_500), ("09:15:01", 7_800), ("10:00", 6_900)]
    ticks = line.say_all((Said(at(time), 10, interest=interest) for time, interest in figures), OPTION)
    assert changes(ticks) == [0, 0, 300, -600]


def test_who_has_listened_over_night_knows_the_first_open_interest(line):
    updates = [
        Said(at("15:39"), 10, interest=7_000), Said(at("09:15:01", 23), 10, interest=7_600),
        Said(at("09:16", 23), 20, interest=7_700),
    ]  # fmt: skip
    assert changes(line.say_all(updates, OPTION)) == [None, 0, 100]


def test_who_begins_in_the_session_does_not_know_what_open_interest_it_began_with(line):
    figures = [("11:00", 7_000), ("11:01", 7_500)]
    ticks = line.say_all((Said(at(time), 10, interest=interest) for time, interest in figures), OPTION)
    assert changes(ticks) == [None, None]


def test_the_change_of_open_interest_survives_a_restart(line):
    after = Line(line.broker)
    figures = [("09:00", 7_000), ("11:00", 7_500)]
    line.say_all((Said(at(time), 10, interest=interest) for time, interest in figures), OPTION)
    after.numbering.recall([line.ticks[-1]], _second(at("11:05")) * 1_000_000_000)
    assert changes([after.say(Said(at("11:06"), 20, interest=7_100), OPTION)]) == [100]


def test_a_share_has_no_change_of_open_interest(line):
    assert changes([line.say(Said(at("11:00"), 10))]) == [None]


# --- Phase


@pytest.mark.parametrize(("time", "phase"), [
    ("08:30", "closed"), ("10:00", "open"), ("15:39", "open"), ("15:40", "closed"),
])  # fmt: skip
def test_the_phase_is_that_of_the_instruments_class(line, time, phase):
    assert line.say(Said(at(time), 10), OPTION).phase == phase


def test_the_phase_goes_by_the_time_of_the_update_where_that_is_believed(line):
    late = line.say(Said(at("15:40:02"), 10, updated=at("15:39:59")), OPTION)
    wrong = line.say(Said(at("15:40:03"), 10, updated=at("10:00").replace(year=2100)), OPTION)
    assert (late.phase, wrong.phase) == ("open", "closed")


# --- Recorded


@pytest.mark.realdata
def test_no_volume_of_recorded_ticks_is_lost_where_two_are_in_swapped_order(shared_data: Path):
    with gzip.open(shared_data / "nse_ticks_2025-12-15.csv.gz", "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    instruments = {key: Instrument(n << 8, key, "NSE", key[:6], "OPTION", key)
                   for n, key in enumerate(sorted({row["instrument_key"] for row in rows}), 1)}  # fmt: skip
    numbering = Numbering("upstox", 1, instruments, Calendar())
    highest: dict[str, int] = {}
    left_out: dict[str, int] = defaultdict(int)
    ticks: list[Tick] = []
    for row in rows:
        key, said = row["instrument_key"], int(row["vtt"]) if row["vtt"] else None
        quote = Quote(
            key, "full", float(row["ltp"]), last_trade_time=int(row["ltt_ms"]), volume=said,
            exchange_time=int(row["ltt_ms"]), complete=True,
        )  # fmt: skip
        received_ns = round(dt.datetime.fromisoformat(row["recv_time"]).timestamp() * 1000) * 1_000_000
        (tick,) = numbering.number([quote], received_ns)
        ticks.append(tick)
        if said is None:
            continue
        falls = said < highest.get(key, 0)
        assert tick.quote.volume == (None if falls else said)
        left_out[key] += falls
        highest[key] = max(said, highest.get(key, 0))
    assert sorted(left_out.values()) == [0, 5]
    newest = {tick.quote.token: tick.quote.volume for tick in ticks if tick.quote.volume is not None}
    assert newest == highest
    assert numbering.doubted == 5
