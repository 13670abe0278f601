"""A new instrument table while streaming: subscriptions carry over, the expired leave, the new appear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mdactors.actors.placement import Upstream
from mdactors.actors.subscription_manager import SubscriptionManager
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Interest
from mdactors.market.numbering import Numbering
from mdactors.market.quote import Quote
from mdactors.market.sectors import Sectors
from mdactors.messages import InstrumentsLoaded, SessionReported, SetInterest
from mdactors.runtime import Address, ChildSpec
from mdactors_kite.adapter import KiteAdapter, KiteSettings

SHARE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
OTHER = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")
AUGUST = Instrument(514, "NIFTY26AUGFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|2", expiry="2026-08-25")
SEPTEMBER = Instrument(1026, "NIFTY26SEPFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|4", expiry="2026-09-29")
MOVED = 99 << 8 | 1
"""The broker's token for the share, after it moved to another series."""
BEFORE = InstrumentTable.build({"kite": [(each, each.token) for each in (SHARE, OTHER, AUGUST)]})
AFTER = InstrumentTable.build({"kite": [(SHARE, MOVED), (OTHER, OTHER.token), (SEPTEMBER, SEPTEMBER.token)]})
SECTORS = Sectors()


def test_what_is_wanted_streams_on_under_the_brokers_new_tokens(
    listen: Callable[[str], Any], run_tree: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    hub, connection = listen("hub"), listen("kite/connection-1")
    manager = Address("subscription_manager")
    arguments = {
        "upstreams": [Upstream(connection.address, KiteAdapter(KiteSettings(connections=1)))],
        "hub": hub.address,
        "board": hub.board(),
        "table": lambda: BEFORE,
        "ask_sessions": lambda: None,
        "sectors": lambda: SECTORS,
    }
    run_tree([ChildSpec(manager, SubscriptionManager, arguments)])
    wanted: dict[int, Any] = {SHARE.token: "quote", OTHER.token: "quote", AUGUST.token: "quote"}
    manager.tell(SessionReported("page", Interest(wanted)))

    def streamed() -> set[Any]:
        told = connection.of(SetInterest)
        return set(told[-1].wanted) if told else set()

    wait_until(lambda: streamed() == {SHARE.token, OTHER.token, AUGUST.token})
    manager.tell(InstrumentsLoaded(AFTER))
    wait_until(lambda: streamed() == {MOVED, OTHER.token})
    assert all(OTHER.token in told.wanted for told in connection.of(SetInterest)), "never let go"
    manager.tell(SessionReported("page", Interest(wanted | {SEPTEMBER.token: "quote"})))
    wait_until(lambda: streamed() == {MOVED, OTHER.token, SEPTEMBER.token})


def test_nothing_of_an_expired_contract_completes_the_one_that_has_its_token_now() -> None:
    october = msgspec.structs.replace(AUGUST, symbol="NIFTY26OCTFUT", expiry="2026-10-27")
    numbering = Numbering("kite", 1, BEFORE.broker_instruments("kite"))
    numbering.number([Quote(AUGUST.token, "ltp", 1.0, complete=True)], 1)
    numbering.use(InstrumentTable.build({"kite": [(october, october.token)]}).broker_instruments("kite"))
    assert numbering.newest() == []
    assert numbering.number([Quote(AUGUST.token, "ltp", 2.0, complete=False)], 2) == []
    assert numbering.without_base == [AUGUST.token]
    (tick,) = numbering.number([Quote(AUGUST.token, "ltp", 1.0, complete=True)], 3)
    assert (tick.instrument.symbol, tick.seq, tick.repeat) == ("NIFTY26OCTFUT", 2, False)


def test_the_numbers_go_on_under_the_brokers_new_token_and_end_for_the_expired() -> None:
    numbering = Numbering("kite", 1, BEFORE.broker_instruments("kite"))

    def seqs(*tokens: int) -> list[tuple[str, int]]:
        quotes = [Quote(token, "ltp", 1.0, complete=True) for token in tokens]
        return [(tick.instrument.symbol, tick.seq) for tick in numbering.number(quotes, 1)]

    every = (SHARE.token, OTHER.token, AUGUST.token)
    assert [seq for _, seq in seqs(*every)] == [1, 1, 1]
    numbering.use(AFTER.broker_instruments("kite"))
    assert seqs(MOVED, *every, SEPTEMBER.token) == [("RELIANCE", 2), ("INFY", 2), ("NIFTY26SEPFUT", 1)]
    assert numbering.unknown == 2
