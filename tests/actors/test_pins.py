"""What is pinned streams although no session wants it, until the day ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mdactors.actors.placement import Upstream
from mdactors.actors.subscription_manager import PINNED_MODE, REVIEW_SECONDS, SubscriptionManager
from mdactors.adapter import Limits
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Interest
from mdactors.market.sectors import Sector, Sectors
from mdactors.messages import (
    InstrumentsLoaded,
    PinAsked,
    RouteSet,
    RoutesKnown,
    RoutesWanted,
    SessionReported,
    SessionsReported,
    SetInterest,
    UnpinAsked,
)
from mdactors.runtime import Address, ChildSpec, Describe, FakeClock, Kill
from mdactors.store.pin_file import PinFile
from mdactors_kite.adapter import KiteAdapter, KiteSettings

SHARES = {
    n: Instrument((n << 8) | 1, f"SHARE{n}", "NSE", "NSE_EQ", "STOCK", f"NSE_EQ|SHARE{n}", series="EQ")
    for n in range(1, 8)
}
ONE, TWO, THREE, FOUR, FIVE = (SHARES[n].token for n in range(1, 6))
EVENING_NS = int(dt.datetime.fromisoformat("2026-11-20T23:59:50+05:30").timestamp()) * 1_000_000_000
SECTORS = Sectors([Sector("IT", "Information Technology", symbols=("SHARE3", "SHARE4"))])
UNASKED = Interest(pinned=True)


def table(*numbers: int) -> InstrumentTable:
    return InstrumentTable.build({"kite": [(SHARES[n], SHARES[n].token) for n in numbers]})


class SmallKite(KiteAdapter):
    """Kite with room for four instruments."""

    def __init__(self) -> None:
        super().__init__(KiteSettings())
        self.limits = Limits(connections=1, alone=dict.fromkeys(("ltp", "quote", "full"), 4), total=4)


class Rig:
    def __init__(
        self, listen: Callable[[str], Any], run_tree: Callable[..., Any], path: Path, **changed: Any
    ) -> None:
        self.clock = FakeClock(EVENING_NS)
        self.hub, self.connection = listen("hub"), listen("kite/connection-1")
        self.sessions: dict[str, Interest] = {}
        self.address = Address("subscription_manager")
        arguments = {
            "upstreams": [Upstream(self.connection.address, SmallKite())],
            "hub": self.hub.address,
            "board": self.hub.board(),
            "table": lambda: table(*SHARES),
            "ask_sessions": lambda: self.address.tell(SessionsReported(dict(self.sessions))),
            "sectors": lambda: SECTORS,
            "pin_file": PinFile(path),
            "upstream_mode": "ltp",
            "grace_seconds": 0.0,
        } | changed
        self.tree = run_tree([ChildSpec(self.address, SubscriptionManager, arguments)], self.clock)

    def ask(self, question: Any) -> Any:
        return self.address.ask(question, timeout=5).result()

    def settle(self) -> None:
        """Until the manager has done what it was told, and the others have heard of it."""
        for address in (self.address, self.hub.address, self.connection.address):
            address.ask(Describe(), timeout=5).result()

    def pin(self, *tokens: int, sectors: tuple[str, ...] = ()) -> Mapping[int, str]:
        reasons: Mapping[int, str] = self.ask(PinAsked(frozenset(tokens), frozenset(sectors)))
        return reasons

    def streamed(self) -> Mapping[Any, Any]:
        """What the connection is told, once the beat is over."""
        self.settle()
        self.clock.advance(0.1)
        self.settle()
        told = self.connection.of(SetInterest)
        return told[-1].wanted if told else {}

    def open(self, session: str, interest: Interest = UNASKED) -> None:
        self.sessions[session] = interest
        self.address.tell(SessionReported(session, interest))
        self.settle()

    def routes(self, session: str) -> Interest:
        """What the hub was told last of a session."""
        self.settle()
        interest: Interest = [each for each in self.hub.of(RouteSet) if each.session == session][-1].interest
        return interest


@pytest.fixture
def make_rig(
    listen: Callable[[str], Any], run_tree: Callable[..., Any], tmp_path: Path
) -> Callable[..., Rig]:
    return lambda **changed: Rig(listen, run_tree, tmp_path / "pins.json", **changed)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


def test_what_is_pinned_streams_in_full_without_any_session(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    assert rig.pin(ONE) == {}
    rig.open("a", Interest({ONE: "ltp", TWO: "ltp"}))
    wait_until(lambda: rig.streamed() == {ONE: PINNED_MODE, TWO: "ltp"})
    assert rig.ask(Describe())["pinned"] == {"streamed": 1, "wanted": 1}


def test_what_is_no_longer_pinned_is_unsubscribed_unless_somebody_wants_it(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.pin(ONE, TWO)
    rig.open("a", Interest({TWO: "ltp"}))
    wait_until(lambda: rig.streamed() == {ONE: "full", TWO: "full"})
    rig.ask(UnpinAsked(frozenset({ONE, TWO, FIVE})))
    wait_until(lambda: rig.streamed() == {TWO: "ltp"})


def test_what_is_pinned_stays_pinned_under_another_number(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.pin(ONE, TWO)
    wait_until(lambda: set(rig.streamed()) == {ONE, TWO})
    moved = msgspec.structs.replace(SHARES[1], token=(91 << 8) | 1, series="BE")
    listed = {"kite": [(each, each.token) for each in (moved, *(SHARES[n] for n in range(2, 8)))]}
    rig.address.tell(InstrumentsLoaded(InstrumentTable.build(listed, before=table(*SHARES))))
    wait_until(lambda: set(rig.streamed()) == {moved.token, TWO})
    rig.ask(UnpinAsked(frozenset({moved.token})))
    wait_until(lambda: set(rig.streamed()) == {TWO})


def test_a_sector_means_its_members_and_follows_a_new_table(
    make_rig: Callable[..., Rig], wait_until: Callable[..., None]
) -> None:
    rig = make_rig(table=lambda: table(1, 2, 3))
    rig.pin(ONE, THREE, sectors=("IT",))
    wait_until(lambda: set(rig.streamed()) == {ONE, THREE})
    rig.address.tell(InstrumentsLoaded(table(*SHARES)))
    wait_until(lambda: set(rig.streamed()) == {ONE, THREE, FOUR})
    rig.ask(UnpinAsked(sectors=frozenset({"IT"})))
    wait_until(lambda: set(rig.streamed()) == {ONE, THREE})


def test_what_is_pinned_and_does_not_fit_is_answered_with_the_reason_and_comes_when_there_is_room(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.open("a", Interest({ONE: "ltp", TWO: "ltp", THREE: "ltp"}))
    assert rig.pin(FOUR, FIVE, 999) == {FIVE: "no capacity", 999: "no broker lists it"}
    wait_until(lambda: set(rig.streamed()) == {ONE, TWO, THREE, FOUR})
    rig.open("a", Interest({ONE: "ltp"}))
    wait_until(lambda: set(rig.streamed()) == {ONE, FOUR, FIVE})


def test_who_has_asked_for_nothing_gets_what_is_pinned_as_it_changes(rig: Rig) -> None:
    rig.open("early")
    assert rig.routes("early") == UNASKED
    rig.pin(ONE)
    rig.open("late")
    for session in ("early", "late"):
        interest = rig.routes(session)
        assert interest.everything is not None
        assert (interest.everything.tokens, interest.everything_view.shape) == ({ONE}, "flat")
    rig.pin(TWO)
    assert rig.routes("early").everything.tokens == {ONE, TWO}  # type: ignore[union-attr]
    rig.ask(UnpinAsked(frozenset({ONE, TWO})))
    assert rig.routes("early") == UNASKED


def test_who_has_asked_for_something_gets_nothing_that_is_pinned(rig: Rig) -> None:
    rig.open("a", Interest({TWO: "ltp"}, events=True))
    told = len(rig.hub.of(RouteSet))
    rig.pin(ONE)
    rig.settle()
    assert len(rig.hub.of(RouteSet)) == told
    assert rig.routes("a").everything is None


def test_a_fresh_hub_is_told_who_gets_what_is_pinned(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.open("a")
    rig.pin(ONE)
    rig.address.tell(RoutesWanted())

    def pinned() -> Any:
        known = rig.hub.of(RoutesKnown)
        everything = known[-1].interests["a"].everything if known and known[-1].interests else None
        return everything is not None and everything.tokens

    wait_until(lambda: pinned() == {ONE})


def test_pins_outlive_the_actor(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.pin(ONE, sectors=("IT",))
    wait_until(lambda: set(rig.streamed()) == {ONE, THREE, FOUR})
    told = len(rig.connection.of(SetInterest))
    rig.address.tell(Kill("a bug"))
    wait_until(lambda: rig.streamed() and len(rig.connection.of(SetInterest)) > told)
    assert set(rig.streamed()) == {ONE, THREE, FOUR}


def test_pins_outlive_the_daemon_for_the_day(
    make_rig: Callable[..., Rig], tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    rig = make_rig()
    rig.pin(ONE)
    rig.tree.stop()
    second = make_rig()
    wait_until(lambda: set(second.streamed()) == {ONE})
    second.tree.stop()
    pins = PinFile(tmp_path / "pins.json")
    yesterday = pins.load()
    pins.save(type(yesterday)("2026-11-19", yesterday.tokens))
    third = make_rig()
    third.open("a", Interest({TWO: "ltp"}))
    wait_until(lambda: set(third.streamed()) == {TWO})


def test_pins_end_with_the_day_in_india(rig: Rig, wait_until: Callable[..., None]) -> None:
    rig.open("a")
    rig.pin(ONE)
    wait_until(lambda: set(rig.streamed()) == {ONE})
    for _ in range(3):
        rig.clock.advance(REVIEW_SECONDS)
        rig.ask(Describe())
    wait_until(lambda: rig.streamed() == {})
    assert rig.routes("a") == UNASKED
    rig.pin(TWO)
    wait_until(lambda: set(rig.streamed()) == {TWO})


def test_a_file_of_pins_that_is_damaged_costs_the_pins_and_nothing_else(
    make_rig: Callable[..., Rig], tmp_path: Path, wait_until: Callable[..., None], caplog: Any
) -> None:
    (tmp_path / "pins.json").write_text("{")
    rig = make_rig()
    assert rig.pin(ONE) == {}
    wait_until(lambda: set(rig.streamed()) == {ONE})
    assert "the pins of before are lost" in caplog.text
