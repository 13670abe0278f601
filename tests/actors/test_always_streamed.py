"""What the configuration always streams: placed without any session, and following the money."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mdactors.actors.placement import Upstream
from mdactors.actors.subscription_manager import REVIEW_SECONDS, SubscriptionManager
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Filter, Interest
from mdactors.market.sectors import Sectors
from mdactors.market.selectors import ChainSelector, SymbolSelector, TypeSelector
from mdactors.market.universe import Universe
from mdactors.messages import (
    InstrumentsLoaded,
    PricesKnown,
    PricesWanted,
    RouteSet,
    SessionReported,
    SessionsReported,
    SetInterest,
)
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill
from mdactors_kite.adapter import KiteAdapter, KiteSettings

NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
STRIKES = range(24000, 25000, 100)
EXPIRY = "2026-11-24"
NOON_NS = 1_795_154_400_000_000_000
"""2026-11-20, noon in India."""
SECTORS = Sectors()


def option(strike: int) -> Instrument:
    symbol = f"NIFTY26NOV{strike}CE"
    return Instrument(
        (strike << 8) | 2, symbol, "NSE", "NSE_FO", "OPTION", f"NSE_FO|{strike}", expiry=EXPIRY,
        strike=float(strike), option_type="CE", underlying="NIFTY",
    )  # fmt: skip


def share(number: int, symbol: str, exchange: str = "NSE") -> Instrument:
    segment, code = f"{exchange}_EQ", 1 if exchange == "NSE" else 4
    series = "EQ" if exchange == "NSE" else "A"
    return Instrument(
        number << 8 | code, symbol, exchange, segment, "STOCK", f"{segment}|{symbol}", series=series
    )


TABLE = InstrumentTable.build(
    {"kite": [(each, each.token) for each in (NIFTY, *map(option, STRIKES))]},
)


class Rig:
    def __init__(self, listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> None:
        self.clock = FakeClock(NOON_NS)
        self.hub, self.connection = listen("hub"), listen("kite/connection-1")
        self.address = Address("subscription_manager")
        chain = ChainSelector(chain="NIFTY", expiries=1, strikes=1)
        arguments = {
            "upstreams": [Upstream(self.connection.address, KiteAdapter(KiteSettings()))],
            "hub": self.hub.address,
            "board": self.hub.board(),
            "table": lambda: TABLE,
            "ask_sessions": lambda: self.address.tell(SessionsReported({})),
            "sectors": lambda: SECTORS,
            "universe": lambda: Universe([chain]),
            "grace_seconds": 0.0,
        }
        run_tree([ChildSpec(self.address, SubscriptionManager, arguments)], self.clock)

    def describe(self) -> dict[str, Any]:
        return dict(self.address.ask(Describe(), timeout=5).result())

    def strikes(self) -> list[int]:
        """The strikes that stream, once the beat is over."""
        self.describe()
        self.clock.advance(0.1)
        self.describe()
        told = self.connection.of(SetInterest)
        return sorted(token >> 8 for token in (told[-1].wanted if told else ()) if token != NIFTY.token)


@pytest.fixture
def rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(listen, run_tree)


def test_a_chain_streams_around_the_middle_until_the_price_is_known_and_then_around_the_money(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    wait_until(lambda: rig.strikes() == [24400, 24500, 24600])
    assert NIFTY.token in rig.connection.of(SetInterest)[-1].wanted
    assert rig.describe()["always"] == {"streamed": 4, "wanted": 4}
    for price, strikes in ((24110.0, [24000, 24100, 24200]), (24810.0, [24700, 24800, 24900])):
        rig.address.tell(PricesKnown({NIFTY.token: price}))
        wait_until(lambda strikes=strikes: rig.strikes() == strikes)


def test_what_only_an_unconnected_broker_lists_is_neither_streamed_nor_counted(
    listen: Callable[[str], Any], run_tree: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    """Upstox's list may complete Kite's; what is on it alone cannot come from Kite."""
    on_both = [share(1, "RELIANCE"), share(2, "TCS"), share(3, "TCS", "BSE")]
    alone = [share(4, "NEW"), share(5, "NEWER", "BSE")]
    lists = {"kite": on_both, "upstox": [*on_both, *alone]}
    table = InstrumentTable.build({name: [(each, each.token) for each in of] for name, of in lists.items()})
    hub, connection, manager = listen("hub"), listen("kite/connection-1"), Address("subscription_manager")
    selectors = [TypeSelector("STOCK", exchange="NSE", limit="all"), SymbolSelector(("NEWER",))]
    arguments = {
        "upstreams": [Upstream(connection.address, KiteAdapter(KiteSettings()))],
        "hub": hub.address,
        "board": hub.board(),
        "table": lambda: table,
        "ask_sessions": lambda: None,
        "sectors": lambda: SECTORS,
        "universe": lambda: Universe(selectors, brokers=["kite"]),
    }
    run_tree([ChildSpec(manager, SubscriptionManager, arguments)])
    everything = Filter(frozenset({"STOCK"}), exchange="NSE")
    manager.tell(SessionReported("a", Interest(everything=everything, events=True)))
    status = manager.ask(Describe(), timeout=5).result()
    assert (status["wanted"], status["always"]) == (2, {"streamed": 2, "wanted": 2})
    assert status["types"]["stocks"] == {"streamed": 2, "listed": 3}
    assert [(each["selected"], each["of"]) for each in status["universe"]] == [(2, 2), (0, 1)]
    assert (status["refused"], status["unlisted"]) == ([], ["NEWER"])
    wait_until(lambda: hub.of(RouteSet))
    (route,) = hub.of(RouteSet)
    assert route.streams == {"stocks": {"streamed": 2, "listed": 2}}, "of NSE"


def test_the_hub_is_asked_for_the_price_at_the_start_and_again_and_again(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    wait_until(lambda: rig.hub.of(PricesWanted))
    for times in (2, 3):
        rig.clock.advance(REVIEW_SECONDS)
        wait_until(lambda times=times: len(rig.hub.of(PricesWanted)) == times)
    assert all(asked.tokens == {NIFTY.token} for asked in rig.hub.of(PricesWanted))


def test_a_price_that_is_not_known_any_more_moves_nothing(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.address.tell(PricesKnown({NIFTY.token: 24810.0}))
    wait_until(lambda: rig.strikes() == [24700, 24800, 24900])
    rig.address.tell(PricesKnown({}))
    assert rig.strikes() == [24700, 24800, 24900]


def test_options_that_have_expired_leave_with_their_day(rig: Rig, wait_until: Callable[..., None]) -> None:
    wait_until(lambda: rig.strikes() == [24400, 24500, 24600])
    for _ in range(2):
        rig.clock.advance(5 * 86_400)
        rig.describe()
    wait_until(lambda: rig.strikes() == [])


def test_a_restarted_one_asks_for_the_money_before_it_tells_the_broker_anything(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.address.tell(PricesKnown({NIFTY.token: 24810.0}))
    wait_until(lambda: rig.strikes() == [24700, 24800, 24900])
    asked, told = len(rig.hub.of(PricesWanted)), len(rig.connection.of(SetInterest))
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: len(rig.hub.of(PricesWanted)) > asked)
    assert len(rig.connection.of(SetInterest)) == told
    rig.address.tell(PricesKnown({NIFTY.token: 24810.0}))
    wait_until(lambda: len(rig.connection.of(SetInterest)) > told or rig.strikes() == [])
    assert rig.strikes() == [24700, 24800, 24900]


def test_a_configured_name_that_means_nothing_is_an_alarm_until_it_means_something_again(
    listen: Callable[[str], Any], run_tree: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    def of(*rows: Instrument, day: str, before: InstrumentTable | None = None) -> InstrumentTable:
        return InstrumentTable.build({"kite": [(each, each.token) for each in rows]}, day, before)

    nse, bse, old = share(1, "ONE"), share(500_001, "ONE", "BSE"), share(2, "OLD")
    new = share(2, "NEW")
    first = of(nse, bse, old, day="2026-11-19")
    second = of(bse, new, day="2026-11-20", before=first)
    hub, connection, manager = listen("hub"), listen("kite/connection-1"), Address("subscription_manager")
    board = hub.board()
    arguments = {
        "upstreams": [Upstream(connection.address, KiteAdapter(KiteSettings()))],
        "hub": hub.address,
        "board": board,
        "table": lambda: first,
        "ask_sessions": lambda: manager.tell(SessionsReported({})),
        "sectors": lambda: SECTORS,
        "universe": lambda: Universe([SymbolSelector(("ONE", "OLD"))]),
        "grace_seconds": 0.0,
    }
    run_tree([ChildSpec(manager, SubscriptionManager, arguments)])

    def streams() -> set[int]:
        told = connection.of(SetInterest)
        return set(told[-1].wanted) if told else set()

    wait_until(lambda: streams() == {nse.token, old.token})
    assert board.get("names") is None
    manager.tell(InstrumentsLoaded(second))
    wait_until(lambda: board.get("names") is not None)
    assert board.get("names").text == (
        "ONE is configured and does not stream: no instrument is called so; "
        "OLD is configured and does not stream: it is called NEW now"
    )
    wait_until(lambda: streams() == set())
    manager.tell(InstrumentsLoaded(of(nse, bse, old, day="2026-11-21", before=second)))
    wait_until(lambda: streams() == {nse.token, old.token})
    assert board.get("names") is None
