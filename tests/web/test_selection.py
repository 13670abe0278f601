"""One session's interest, changed by requests and by what cannot be streamed."""

from __future__ import annotations

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sectors
from mdactors.protocol import Request
from mdactors.web.directory import Directory
from mdactors.web.paths import PATHS
from mdactors.web.selection import Selection
from mdactors.web.terms import Terms

SHARES = [
    Instrument((n << 8) | 1, name, "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|{name}", series="EQ")
    for n, name in enumerate(("INFY", "TCS"), 1)
]
TABLE = InstrumentTable.build({"x": [(share, share.token) for share in SHARES]})
DIRECTORY = Directory(TABLE, Sectors(), "2026-11-20")
INFY, TCS = (share.token for share in SHARES)
(STOCKS,) = (path for path in PATHS if path.name == "/ws/stocks")


def selection() -> Selection:
    return Selection(STOCKS, Terms(), 10)


def subscribe(chosen: Selection, *names: str) -> int:
    """Ask for these; the version of the interest afterwards."""
    chosen.change(Request("SUBSCRIBE", symbols=list(names)), DIRECTORY)
    return chosen.interest.version


def test_what_cannot_be_streamed_is_taken_out() -> None:
    chosen = selection()
    version = subscribe(chosen, "INFY", "TCS")
    chosen.remove([INFY], version)
    assert (set(chosen.interest.tokens), chosen.symbols) == ({TCS}, ["TCS"])


def test_what_was_asked_for_again_while_the_refusal_was_under_way_stays() -> None:
    chosen = selection()
    first = subscribe(chosen, "INFY")
    second = subscribe(chosen, "INFY")
    chosen.remove([INFY], first)
    assert chosen.symbols == ["INFY"]
    chosen.remove([INFY], second)
    assert chosen.symbols == []


def test_a_request_for_something_else_does_not_keep_what_was_refused() -> None:
    chosen = selection()
    first = subscribe(chosen, "INFY")
    subscribe(chosen, "TCS")
    chosen.remove([INFY], first)
    assert chosen.symbols == ["TCS"]


def test_a_refusal_of_what_was_unsubscribed_since_changes_nothing() -> None:
    chosen = selection()
    version = subscribe(chosen, "INFY", "TCS")
    chosen.change(Request("UNSUBSCRIBE", symbols=["INFY"]), DIRECTORY)
    chosen.remove([INFY], version)
    assert chosen.symbols == ["TCS"]


def test_what_was_subscribed_ends_by_its_names_of_then_whatever_they_mean_today() -> None:
    bse = Instrument(500001 << 8 | 4, "WIPRO", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE075A01022")
    nse = Instrument(969473, "WIPRO", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE075A01022", series="EQ")

    def directory(day: str, *shares: Instrument) -> Directory:
        table = InstrumentTable.of(shares, {}, day)
        return Directory(table, Sectors(), day)

    yesterday, today = directory("2026-11-19", bse), directory("2026-11-20", bse, nse)
    for name in ("WIPRO", "bse_eq|wipro", str(bse.token)):
        chosen = selection()
        chosen.change(Request("SUBSCRIBE", symbols=["WIPRO", "BSE_EQ|WIPRO"]), yesterday)
        ended = chosen.change(Request("UNSUBSCRIBE", symbols=[name]), today)
        assert (ended["symbols"], ended["tokens"]) == ({name: "BSE:WIPRO"}, {name: bse.token})
        assert not chosen.interest.tokens
    chosen.change(Request("SUBSCRIBE", symbols=["WIPRO"]), yesterday)
    chosen.change(Request("SUBSCRIBE", symbols=["WIPRO"]), today)
    chosen.change(Request("UNSUBSCRIBE", symbols=["wipro"]), today)
    assert set(chosen.interest.tokens) == {bse.token}, "of two that were asked for so, the last"


def test_of_another_type_than_was_asked_for_nothing_ends() -> None:
    (market,) = (path for path in PATHS if path.market)
    chosen = Selection(market, Terms(), 10)
    subscribe(chosen, "INFY", "TCS")
    answer = chosen.change(Request("UNSUBSCRIBE", type="INDEX", symbols=["INFY"]), DIRECTORY)
    assert (answer["symbols"], answer["unknown"], chosen.symbols) == ({}, ["INFY"], ["INFY", "TCS"])
    unlisted = Directory(InstrumentTable.of([SHARES[1]], {}), Sectors(), "2026-11-20")
    ended = chosen.change(Request("UNSUBSCRIBE", type="INDEX", symbols=["INFY"]), unlisted)
    assert (ended["symbols"], chosen.symbols) == ({"INFY": "INFY"}, ["TCS"]), (
        "of what is gone no type is known"
    )
