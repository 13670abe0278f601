"""Views of the market follow the ticks, for those who watch and those who ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mdactors.actors.market_views import MarketViews
from mdactors.market.calendar import Calendar
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.quote import Auction, Quote
from mdactors.market.sectors import Sector, Sectors
from mdactors.market.tick import Tick
from mdactors.market.timetable import ALWAYS, Hours, Span, Timetable
from mdactors.market.trading_class import SHARES
from mdactors.messages import (
    ChainAsked,
    ChannelsWatched,
    FeedStatusChanged,
    InstrumentsLoaded,
    MarketStatusAsked,
    MoversAsked,
    NewestKnown,
    NewestWanted,
    PricesAsked,
    SectorsAsked,
    TicksPublished,
    ViewsPublished,
)
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill, MailboxPolicy, Message

NINE_NS = 1_790_652_600_000_000_000
"""09:00 on a Tuesday in India."""
TEN_NS = NINE_NS + 3_600_000_000_000
EXPIRY = "2026-10-27"


def share(number: int, symbol: str) -> Instrument:
    return Instrument(
        number << 8 | 1, symbol, "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|INE{number:09d}", series="EQ"
    )


def option(number: int, strike: float, side: Any) -> Instrument:
    return Instrument(
        number << 8 | 2, f"NIFTY26OCT{strike:g}{side}", "NSE", "NSE_FO", "OPTION", f"NSE_FO|{number}",
        expiry=EXPIRY, strike=strike, option_type=side, underlying="NIFTY",
    )  # fmt: skip


NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
SBIN, INFY, TCS = share(1, "SBIN"), share(2, "INFY"), share(3, "TCS")
CALL, PUT = option(10, 24400.0, "CE"), option(11, 24400.0, "PE")
SECTORS = Sectors(
    [Sector("BANKING", "Banks", symbols=("SBIN",)), Sector("IT", "Software", symbols=("INFY", "TCS"))]
)
CHAIN = f"chain:NIFTY:{EXPIRY}"


def table_of(*instruments: Instrument) -> InstrumentTable:
    return InstrumentTable.build({"test": [(each, each.token) for each in instruments]})


def tick(instrument: Instrument, last: float, *, at_ns: int = TEN_NS, **said: Any) -> Tick:
    quote = Quote(instrument.token, "full", last, previous_close=100.0, **said)
    return Tick(instrument, quote, "test", 1, 1, at_ns)


class Rig:
    def __init__(
        self,
        listen: Callable[[str], Any],
        run_tree: Callable[..., Any],
        now_ns: int = TEN_NS,
        calendar: Calendar | None = None,
    ) -> None:
        self.table = table_of(NIFTY, SBIN, INFY, TCS, CALL, PUT)
        self.hub = listen("hub")
        self.clock = FakeClock(now_ns)
        self.address = Address("market_views", MailboxPolicy(capacity=1000))
        arguments = {
            "hub": self.hub.address,
            "calendar": calendar or Calendar(),
            "table": lambda: self.table,
            "sectors": lambda: SECTORS,
        }
        run_tree([ChildSpec(self.address, MarketViews, arguments)], self.clock)

    def tell(self, message: Message) -> None:
        self.address.tell(message)
        self.settle()

    def publish(self, *ticks: Tick) -> None:
        self.tell(TicksPublished(ticks))

    def settle(self) -> None:
        """Until everything told before is handled, here and at the hub."""
        self.describe()
        while self.address.depth:
            self.describe()
        self.describe()
        self.hub.address.ask(Describe(), timeout=5).result()

    def describe(self) -> dict[str, Any]:
        return dict(self.ask(Describe()))

    def ask(self, message: Message) -> Any:
        return self.address.ask(message, timeout=5).result()

    def watch(self, *channels: str) -> None:
        self.tell(ChannelsWatched(frozenset(channels)))

    def beat(self) -> None:
        self.clock.advance(1.0)
        self.settle()

    def heard(self, channel: str) -> list[dict[str, Any]]:
        payloads = [message.payloads for message in self.hub.of(ViewsPublished)]
        return [json.loads(each[channel]) for each in payloads if channel in each]


@pytest.fixture
def rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(listen, run_tree)


def names(event: dict[str, Any]) -> list[str]:
    return [row["symbol"] for row in event["rows"]]


def test_a_channel_that_is_newly_watched_is_published_at_once_and_then_when_it_changed(rig: Rig) -> None:
    rig.publish(tick(SBIN, 101.0), tick(INFY, 103.0))
    rig.watch("movers:gainers")
    assert [names(event) for event in rig.heard("movers:gainers")] == [["INFY", "SBIN"]]
    rig.beat()
    assert len(rig.heard("movers:gainers")) == 1
    rig.publish(tick(TCS, 102.0), tick(SBIN, 99.0))
    assert len(rig.heard("movers:gainers")) == 1
    rig.beat()
    event = rig.heard("movers:gainers")[1]
    assert (event["event"], event["by"], names(event)) == ("movers", "gainers", ["INFY", "TCS"])


def test_an_empty_market_is_a_view_too(rig: Rig) -> None:
    rig.watch("movers:losers")
    assert rig.heard("movers:losers") == [{"event": "movers", "by": "losers", "rows": []}]


def test_a_channel_that_is_watched_again_is_published_again(rig: Rig) -> None:
    rig.watch("movers:active", "status")
    rig.watch("status")
    rig.watch("movers:active", "status")
    assert (len(rig.heard("movers:active")), len(rig.heard("status"))) == (2, 1)


def test_while_nobody_watches_or_asks_nothing_is_worked_out(rig: Rig) -> None:
    rig.publish(tick(SBIN, 101.0), tick(INFY, 103.0))
    rig.publish(tick(SBIN, 102.0))
    rig.beat()
    assert (rig.describe()["instruments"], rig.describe()["updates"]) == (2, 0)
    assert [row.last_traded_price for row in rig.ask(MoversAsked("gainers"))] == [103.0, 102.0]
    assert rig.describe()["updates"] == 2


def test_each_question_is_answered_with_the_newest_ticks(rig: Rig) -> None:
    rig.publish(tick(SBIN, 90.0, volume=10), tick(INFY, 103.0), tick(TCS, 101.0), tick(NIFTY, 24410.0))
    rig.publish(tick(CALL, 50.0, open_interest=75), tick(PUT, 40.0, open_interest=150))
    assert [row.symbol for row in rig.ask(MoversAsked("losers", 5))] == ["SBIN"]
    assert [row.symbol for row in rig.ask(MoversAsked("gainers", 1))] == ["INFY"]
    (it,) = rig.ask(SectorsAsked(["software", "FISHING"]))
    assert (it.code, it.change_percent, it.advances) == ("IT", 2.0, 2)
    assert [sector.code for sector in rig.ask(SectorsAsked())] == ["BANKING", "IT"]
    assert rig.ask(SectorsAsked(["FISHING"])) == []
    chain = rig.ask(ChainAsked("Nifty 50"))
    assert (chain.underlying, chain.expiry, chain.spot) == ("NIFTY", EXPIRY, 24410.0)
    assert chain.pcr.open_interest == 2.0
    assert rig.ask(PricesAsked("index"))["NSE_INDEX|Nifty 50"].ltp == 24410.0
    assert len(rig.ask(PricesAsked())) == 6
    assert rig.ask(MarketStatusAsked())[0].segment == "NSE_EQ"


def test_there_is_no_chain_of_what_has_no_options_or_not_then(rig: Rig) -> None:
    assert rig.ask(ChainAsked("NIFTY", EXPIRY)) is not None
    assert rig.ask(ChainAsked("NIFTY", "2026-10-28")) is None
    assert rig.ask(ChainAsked("SBIN")) is None


def test_sectors_chains_and_status_are_channels_too(rig: Rig) -> None:
    rig.publish(tick(INFY, 103.0), tick(CALL, 50.0, open_interest=75))
    rig.watch("sector:IT", CHAIN, "status")
    (sector,), (chain,), (status,) = rig.heard("sector:IT"), rig.heard(CHAIN), rig.heard("status")
    assert (sector["event"], sector["code"], sector["changePercent"]) == ("sector", "IT", 3.0)
    assert (chain["event"], chain["rows"][0]["ce"]["lastTradedPrice"]) == ("chain", 50.0)
    assert (status["event"], status["segments"][0]["status"]) == ("market_status", "open")
    rig.tell(FeedStatusChanged("test", "live", segments={"NSE_EQ": "NORMAL_OPEN"}))
    rig.beat()
    assert rig.heard("status")[1]["segments"][0]["said"] == {"test": "NORMAL_OPEN"}


def test_a_channel_of_nothing_is_silent_and_harms_no_other(rig: Rig) -> None:
    rig.watch("sector:FISHING", "chain:NIFTY:2020-01-01", "movers:volume")
    assert [set(message.payloads) for message in rig.hub.of(ViewsPublished)] == [{"movers:volume"}]


def test_a_new_table_drops_what_is_no_longer_listed_and_keeps_the_rest(rig: Rig) -> None:
    rig.publish(tick(SBIN, 101.0), tick(INFY, 103.0))
    rig.watch("movers:gainers", CHAIN)
    rig.publish(tick(TCS, 104.0))
    rig.tell(InstrumentsLoaded(table_of(NIFTY, SBIN, TCS)))
    rig.beat()
    assert names(rig.heard("movers:gainers")[-1]) == ["TCS", "SBIN"]
    assert rig.ask(ChainAsked("NIFTY")) is None


def test_a_fresh_one_asks_the_hub_and_goes_on_where_its_predecessor_was(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.publish(tick(SBIN, 101.0))
    rig.tell(Kill("a bug"))
    rig.publish(tick(INFY, 105.0))
    wait_until(lambda: len(rig.hub.of(NewestWanted)) == 2)
    rig.tell(NewestKnown([tick(SBIN, 101.0), tick(INFY, 90.0)]))
    rig.watch("movers:gainers")
    assert names(rig.heard("movers:gainers")[-1]) == ["INFY", "SBIN"]


# --- Auctions


def in_auction(instrument: Instrument, auction: Auction | None, at_ns: int = NINE_NS, **of_tick: Any) -> Tick:
    made = tick(instrument, 101.0, at_ns=at_ns, auction=auction, exchange_time=at_ns // 1_000_000)
    return msgspec.structs.replace(made, **{"phase": "pre_open", **of_tick})


@pytest.fixture
def early(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    """At nine, when shares have a quarter of an hour before they trade."""
    day = Hours((("pre_open", Span.read("09:00-09:15")), ("open", Span.read("09:15-15:30"))))
    calendar = Calendar(Timetable(groups={SHARES: SHARES}, hours={SHARES: [(ALWAYS, day)]}))
    return Rig(listen, run_tree, NINE_NS, calendar)


def test_the_auctions_of_all_and_of_one_are_told_as_they_change_and_end(early: Rig) -> None:
    rig = early
    one = f"auction:{SBIN.token}"
    rig.watch("auction", one)
    assert rig.heard("auction") == [{"event": "auction", "rows": []}]
    assert rig.heard(one) == [{"event": "auction", "rows": [], "symbol": "SBIN"}]
    rig.publish(in_auction(TCS, Auction(99.5)), in_auction(SBIN, Auction(102.5, 101.5, 700, -40, 3)))
    rig.beat()
    row = {
        "symbol": "SBIN", "instrumentToken": SBIN.token, "instrumentKey": SBIN.key,
        "timestamp": "2026-09-29T09:00:00.000+05:30", "phase": "pre_open", "lastTradedPrice": 101.0,
        "close": 100.0, "price": 102.5, "referencePrice": 101.5, "matched": 700, "imbalance": 40,
        "side": "sell",
    }  # fmt: skip
    assert rig.heard(one)[-1]["rows"] == [row]
    assert [each["symbol"] for each in rig.heard("auction")[-1]["rows"]] == ["SBIN", "TCS"]
    rig.publish(in_auction(SBIN, None))
    rig.beat()
    assert rig.heard(one)[-1]["rows"] == []
    assert [each["symbol"] for each in rig.heard("auction")[-1]["rows"]] == ["TCS"]


def test_an_auction_that_nobody_ends_is_over_when_its_class_trades(early: Rig) -> None:
    rig = early
    one = f"auction:{SBIN.token}"
    rig.publish(in_auction(SBIN, Auction(102.5)))
    rig.watch("auction", one)
    assert [len(rig.heard(channel)[-1]["rows"]) for channel in ("auction", one)] == [1, 1]
    rig.clock.advance(15 * 60.0)
    rig.settle()
    assert [len(rig.heard(channel)[-1]["rows"]) for channel in ("auction", one)] == [0, 0]
