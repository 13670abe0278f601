"""A price of 0 is not known: through decoder and numbering into all that is made of it, for both brokers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.movers import BY, Movers
from mdactors.market.numbering import Numbering
from mdactors.market.option_chain import option_chain
from mdactors.market.prices import price
from mdactors.market.quote import MODES, Quote
from mdactors.market.sector_board import SectorBoard
from mdactors.market.tick import Tick
from mdactors.market.tick_formats import decoded
from mdactors.market.underlyings import Underlying
from mdactors.store.packed import pack, unpack
from mdactors.store.ticks import StoredTick, row_of
from mdactors_kite import codec as kite
from mdactors_upstox import codec as upstox

SHARE = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")
INDEX = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
OPTION = Instrument(
    45450 << 8 | 2, "NIFTY26DEC24000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|45450",
    expiry="2026-12-29", strike=24000.0, option_type="CE", underlying="NIFTY",
)  # fmt: skip
FUTURE = Instrument(45451 << 8 | 2, "NIFTY26DECFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|45451")
EVERYTHING = SHARE, INDEX, OPTION, FUTURE
NOW_MS = 1_795_149_930_000
"""A Friday at 10:15 in India."""
Prices = dict[str, float]
PRICED: Prices = {"last": 1507.25, "close": 1490.0, "open": 1495.0, "high": 1510.0, "low": 1488.5}
UNPRICED = PRICED | {"last": 0.0}
UNTRADED = dict.fromkeys(PRICED, 0.0)


def kite_quotes(instrument: Instrument, mode: str, said: Prices) -> Sequence[Quote]:
    last, close, opened, high, low = (round(said[name] * 100) for name in PRICED)
    if mode == "ltp":
        packet = struct.pack(">Ii", instrument.token, last)
    elif instrument.type == "INDEX":
        packet = struct.pack(">Iiiiii4x", instrument.token, last, high, low, opened, close)
        packet += struct.pack(">I", NOW_MS // 1000) if mode == "full" else b""
    else:
        packet = struct.pack(
            ">IiIiIIIiiii", instrument.token, last, 0, last, 0, 100, 100, opened, high, low, close
        )
        if mode == "full":
            packet += struct.pack(">IIIII120x", 0, 0, 0, 0, NOW_MS // 1000)
    return kite.decode(b"\x00\x01" + struct.pack(">H", len(packet)) + packet).quotes


def upstox_frame(instrument: Instrument, mode: str, said: Prices, kind: int) -> official.FeedResponse:
    frame = official.FeedResponse(type=kind, currentTs=NOW_MS)
    feed = frame.feeds[instrument.key]
    if mode == "ltp":
        part, ltpc = None, feed.ltpc
    elif mode == "quote":
        part, ltpc = None, feed.firstLevelWithGreeks.ltpc
    else:
        part = feed.fullFeed.indexFF if instrument.type == "INDEX" else feed.fullFeed.marketFF
        ltpc = part.ltpc
    ltpc.SetInParent()
    ltpc.ltp, ltpc.cp = said["last"], said["close"]
    if part is not None:
        part.marketOHLC.ohlc.add(interval="1d", open=said["open"], high=said["high"], low=said["low"])
    return frame


def upstox_quotes(instrument: Instrument, mode: str, said: Prices, kind: int = 0) -> Sequence[Quote]:
    return upstox.decode(upstox_frame(instrument, mode, said, kind).SerializeToString()).quotes


BROKERS = {"kite": kite_quotes, "upstox": upstox_quotes}


def numbering(broker: str, *instruments: Instrument) -> Numbering:
    by_token: dict[Any, Instrument] = {
        each.token if broker == "kite" else each.key: each for each in instruments
    }
    return Numbering(broker, 1, by_token)


def tick_of(broker: str, instrument: Instrument, mode: str, said: Prices) -> Tick:
    quotes = BROKERS[broker](instrument, mode, said)
    (tick,) = numbering(broker, instrument).number(quotes, NOW_MS * 1_000_000)
    return tick


def prices_of(said: dict[str, Any]) -> dict[str, Any]:
    """Whatever of a tick's JSON is a price, or made of prices."""
    names = {"lastTradedPrice", "averagePrice", "change", "changePercent"}
    return {name: value for name, value in said.items() if name in names or name.startswith("ohlc.")}


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("instrument", EVERYTHING, ids=lambda each: each.type)
@pytest.mark.parametrize("wire", ["ltp", "quote", "full"])
def test_no_form_of_a_tick_shows_a_price_of_zero_or_what_would_be_made_of_it(
    broker: str, instrument: Instrument, wire: str
) -> None:
    if broker == "upstox" and (wire, instrument.type) == ("quote", "INDEX"):
        pytest.skip("an index has no such mode there")
    tick = tick_of(broker, instrument, wire, UNTRADED)
    for mode in MODES:
        assert prices_of(decoded(tick, View(mode))) == {}
    assert not decoded(tick, View(shape="flat")).keys() & {"ltp", "open", "high", "low", "close", "change"}
    shown = price(tick)
    assert (shown.ltp, shown.cp, shown.change) == (None, None, None)
    assert unpack(pack(tick)).tick(instrument).quote.last_price is None
    stored = StoredTick(*row_of(tick, raw=False)).tick(Quote)
    assert prices_of(decoded(stored, View("full"))) == {}


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("instrument", EVERYTHING, ids=lambda each: each.type)
def test_what_has_no_price_keeps_the_close_before_and_its_day(broker: str, instrument: Instrument) -> None:
    said = prices_of(decoded(tick_of(broker, instrument, "full", UNPRICED), View("full")))
    assert said == {f"ohlc.{name}": PRICED[name] for name in ("open", "high", "low", "close")}


@pytest.mark.parametrize("broker", BROKERS)
def test_a_share_without_a_price_is_no_loser_and_not_in_its_sector(broker: str) -> None:
    movers, board = Movers(), SectorBoard({SHARE.token: "IT"})
    for said in (PRICED, UNPRICED):
        tick = tick_of(broker, SHARE, "full", said)
        movers.update(tick)
        board.update(tick)
    assert [movers.top(by, 5) for by in BY] == [[], [], [], []]
    (sector,) = board.standings(["IT"])
    assert (sector.priced, sector.declines, sector.change_percent) == (0, 0, None)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_chain_whose_index_has_no_price_has_no_spot_and_nothing_at_the_money(broker: str) -> None:
    underlying = Underlying("NIFTY", "NSE", INDEX, [], {OPTION.expiry: [OPTION]})
    ticks = [tick_of(broker, INDEX, "full", UNPRICED), tick_of(broker, OPTION, "full", UNTRADED)]
    chain = option_chain(underlying, OPTION.expiry, {each.instrument.token: each for each in ticks})
    shown = msgspec.json.decode(msgspec.json.encode(chain))
    assert not shown.keys() & {"spot", "atTheMoney"}
    (row,) = shown["rows"]
    assert not row["ce"].keys() & {"lastTradedPrice", "change", "changePercent"}


@pytest.mark.parametrize("instrument", EVERYTHING, ids=lambda each: each.type)
@pytest.mark.parametrize("mode", ["ltp", "full"])
def test_a_live_price_of_zero_does_not_bring_back_what_was_known_before(
    instrument: Instrument, mode: str
) -> None:
    numbers = numbering("upstox", instrument)
    (_,) = numbers.number(upstox_quotes(instrument, mode, PRICED), NOW_MS * 1_000_000)
    for _ in range(2):
        (tick,) = numbers.number(upstox_quotes(instrument, mode, UNTRADED, 1), NOW_MS * 1_000_000)
        assert prices_of(decoded(tick, View("full"))) == {}
    frame = official.FeedResponse(type=1, currentTs=NOW_MS)
    frame.feeds[instrument.key].fullFeed.marketFF.marketLevel.bidAskQuote.add(bidQ=5, bidP=99.0)
    (tick,) = numbers.number(upstox.decode(frame.SerializeToString()).quotes, NOW_MS * 1_000_000)
    assert prices_of(decoded(tick, View("full"))) == {}, "and an update without a trade fills in none"


@pytest.mark.parametrize("instrument", EVERYTHING, ids=lambda each: each.type)
def test_a_part_that_is_absent_leaves_a_known_price_as_it_is(instrument: Instrument) -> None:
    numbers = numbering("upstox", instrument)
    numbers.number(upstox_quotes(instrument, "full", PRICED), NOW_MS * 1_000_000)
    frame = upstox_frame(instrument, "full", PRICED, 1)
    feed = frame.feeds[instrument.key].fullFeed
    part = feed.indexFF if instrument.type == "INDEX" else feed.marketFF
    part.ClearField("ltpc")
    part.ClearField("marketOHLC")
    (tick,) = numbers.number(upstox.decode(frame.SerializeToString()).quotes, NOW_MS * 1_000_000)
    shown = decoded(tick, View("full"))
    assert shown["lastTradedPrice"] == PRICED["last"]
    assert [shown[f"ohlc.{name}"] for name in ("open", "close")] == [PRICED["open"], PRICED["close"]]


# --- The book, and what is on offer


def book_frame(kind: int, rungs: Sequence[tuple[int, float, int, float]], **totals: float) -> bytes:
    frame = official.FeedResponse(type=kind, currentTs=NOW_MS)
    full = frame.feeds[SHARE.key].fullFeed.marketFF
    full.ltpc.ltp, full.ltpc.cp, full.atp, full.vtt = 1507.25, 1490.0, 1500.0, 40
    full.marketOHLC.ohlc.add(interval="1d", open=1495.0, high=1510.0, low=1488.5)
    for bid_quantity, bid, ask_quantity, ask in rungs:
        full.marketLevel.bidAskQuote.add(bidQ=bid_quantity, bidP=bid, askQ=ask_quantity, askP=ask)
    for name, value in totals.items():
        setattr(full, name, value)
    return bytes(frame.SerializeToString())


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("none", [0.0, 21_474_836.47, -21_474_836.48, 20_000_000.0])
def test_orders_at_any_price_are_no_rung(kind: int, none: float) -> None:
    data = book_frame(kind, [(40, 1520.0, 15, 1490.0), (25, 1515.5, 900, none), (7_000, none, 0, 0.0)])
    (tick,) = numbering("upstox", SHARE).number(upstox.decode(data).quotes, NOW_MS * 1_000_000)
    depth = decoded(tick, View("full"))["depth"]
    assert depth["buy"] == [{"price": 1520.0, "quantity": 40}, {"price": 1515.5, "quantity": 25}]
    assert depth["sell"] == [{"price": 1490.0, "quantity": 15}]


@pytest.mark.parametrize(
    ("totals", "shown"),
    [
        ({"tbq": 710.0, "tsq": 820.0}, (710, 820)),
        ({"tbq": 710.0}, (710, 0)),  # nobody sells: at the upper band
        ({"tsq": 820.0}, (0, 820)),
        ({}, (300, 400)),  # neither was said
    ],
)
def test_totals_that_are_on_the_wire_are_said_with_a_book_or_without(
    totals: dict[str, float], shown: tuple[int, int]
) -> None:
    numbers = numbering("upstox", SHARE)
    numbers.number(
        upstox.decode(book_frame(0, [(1, 1500.0, 1, 1501.0)], tbq=300.0, tsq=400.0)).quotes,
        NOW_MS * 1_000_000,
    )
    (tick,) = numbers.number(upstox.decode(book_frame(1, [], **totals)).quotes, NOW_MS * 1_000_000)
    said = decoded(tick, View("full"))
    assert (said["buyQuantity"], said["sellQuantity"]) == shown
    assert said["depth"]["buy"] == [{"price": 1500.0, "quantity": 1}], "an absent book is unchanged"


# --- Sentinels


@pytest.mark.parametrize("sentinel", [21_474_836.47, 21_474_836.48, 20_000_000.0])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("instrument", EVERYTHING, ids=lambda each: each.type)
@pytest.mark.parametrize("field", ["last", "close", "open", "high", "low"])
def test_a_sentinel_is_refused_and_counted_and_the_rest_of_its_update_stays(
    sentinel: float, sign: int, instrument: Instrument, field: str
) -> None:
    wrong = PRICED | {field: sign * sentinel}
    result = upstox.decode(upstox_frame(instrument, "full", wrong, 0).SerializeToString())
    assert (len(result.refused), result.bad) == (1, [])
    (tick,) = numbering("upstox", instrument).number(result.quotes, NOW_MS * 1_000_000)
    shown = prices_of(decoded(tick, View("full")))
    whole = {"lastTradedPrice": PRICED["last"]} | {f"ohlc.{n}": PRICED[n] for n in PRICED if n != "last"}
    del whole["lastTradedPrice" if field == "last" else f"ohlc.{field}"]
    assert {name: value for name, value in shown.items() if "change" not in name} == whole


def test_what_sentinels_are_goes_by_the_divisor_of_a_segment_at_kite() -> None:
    for segment, divisor in ((1, 100), (3, 10_000_000), (6, 10_000)):
        for raw in (2**31 - 1, -(2**31), 2_000_000_000):
            result = kite.decode(struct.pack(">HHIi", 1, 8, 77 << 8 | segment, raw))
            is_price = raw == 2_000_000_000 and divisor != 100
            assert result.quotes[0].last_price == (raw / divisor if is_price else None)
            assert len(result.refused) == (not is_price)
