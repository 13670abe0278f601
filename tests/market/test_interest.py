"""Interest, and placing it on connections."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from mdactors.adapter import Limits
from mdactors.market.interest import Slot, allocate
from mdactors.market.quote import MODES as ALL_MODES
from mdactors.market.quote import Mode, serving

MODES: Mapping[Mode, Mode] = {"ltp": "ltp", "quote": "full", "full": "full"}


def slot(name: str, capacity: int = 2, lists: range = range(1_000_000), limits: Limits | None = None) -> Slot:
    limits = limits or Limits(3, {"ltp": capacity, "full": capacity}, total=capacity)
    return Slot(name, limits.fits, lists.__contains__, MODES)


def test_instruments_fill_the_first_connection_first():
    placed, refused = allocate(dict.fromkeys(range(5), "full"), [slot("a"), slot("b")], {})
    assert placed == {0: "a", 1: "a", 2: "b", 3: "b"}
    assert refused == {4: "no capacity"}


def test_what_is_placed_stays_when_others_leave():
    placed, _ = allocate({2: "full", 3: "full", 9: "full"}, [slot("a"), slot("b")], {0: "a", 2: "b", 3: "b"})
    assert placed == {2: "b", 3: "b", 9: "a"}


def test_a_mode_changes_in_place_where_it_fits():
    placed, _ = allocate({1: "ltp", 2: "full"}, [slot("a"), slot("b")], {1: "b", 2: "b"})
    assert placed == {1: "b", 2: "b"}


def test_a_mode_that_does_not_fit_in_place_moves_before_anything_new():
    tight = slot("a", limits=Limits(1, {"ltp": 5, "full": 1}, {"ltp": 5, "full": 1}))
    wanted: dict[int, Mode] = {9: "full", 1: "full", 2: "full"}
    placed, refused = allocate(wanted, [tight, slot("b", 1)], {1: "a", 2: "a"})
    assert placed == {1: "a", 2: "b"}
    assert refused == {9: "no capacity"}


def test_a_mix_of_modes_has_the_combined_limits():
    limits = Limits(1, {"ltp": 5, "full": 3}, {"ltp": 2, "full": 2})
    wanted: dict[int, Mode] = dict.fromkeys(range(4), "ltp") | {10: "full"}
    placed, refused = allocate(wanted, [slot("a", limits=limits)], {})
    assert set(placed) == {0, 1, 2, 3}
    assert set(refused) == {10}


def test_a_mode_that_was_full_alone_is_tried_again_in_a_mix():
    limits = Limits(1, {"ltp": 5, "full": 1}, {"ltp": 5, "full": 3})
    wanted: dict[int, Mode] = {1: "full", 2: "full", 3: "ltp", 4: "full"}
    placed, refused = allocate(wanted, [slot("a", limits=limits)], {})
    assert set(placed) == {1, 3, 4}
    assert set(refused) == {2}


def test_an_instrument_goes_only_where_it_is_listed():
    connections = [slot("a", lists=range(5)), slot("b", lists=range(5, 10))]
    placed, refused = allocate({7: "full", 3: "full", 20: "full"}, connections, {})
    assert placed == {7: "b", 3: "a"}
    assert refused == {20: "no broker lists it"}


def test_a_mode_that_no_broker_has_is_served_in_the_richest_there_is():
    assert allocate({1: "depth30"}, [slot("a")], {}) == ({1: "a"}, {})


DEEP = {**MODES, "depth30": "depth30"}


def deep_slot(name: str, capacity: int = 1) -> Slot:
    limits = Limits(1, {"full": 9, "depth30": capacity}, {"full": 9, "depth30": capacity})
    return Slot(name, limits.fits, range(5).__contains__, DEEP)


def test_who_has_the_mode_goes_before_who_serves_less_of_it():
    connections = [slot("a"), deep_slot("b")]
    assert allocate({1: "depth30", 7: "depth30"}, connections, {})[0] == {1: "b", 7: "a"}
    assert allocate({1: "depth30", 2: "depth30"}, connections, {})[0] == {1: "b", 2: "a"}, "b is full"


def test_what_is_wanted_in_a_mode_that_another_has_moves_there():
    connections = [slot("a"), deep_slot("b")]
    assert allocate({1: "depth30"}, connections, {1: "a"})[0] == {1: "b"}
    assert allocate({7: "depth30"}, connections, {7: "a"})[0] == {7: "a"}, "b does not list it"
    assert allocate({2: "depth30", 1: "depth30"}, connections, {1: "b"})[0] == {1: "b", 2: "a"}


def test_a_wish_is_served_in_the_poorest_mode_that_holds_all_of_it():
    two: Mapping[Mode, Mode] = {"ltp": "ltp", "full": "full"}
    served = {mode: serving(two, mode) for mode in ALL_MODES}
    assert served == {"ltp": "ltp", "quote": "full", "full": "full", "depth30": "full"}
    assert serving({"ltp": "ltp"}, "full") == "ltp"


def test_a_connection_that_is_gone_gives_its_instruments_to_the_others():
    assert allocate({1: "full"}, [slot("b")], {1: "a"}) == ({1: "b"}, {})


@given(
    st.dictionaries(st.integers(0, 30), st.sampled_from(["ltp", "quote", "full"])),
    st.dictionaries(st.integers(0, 30), st.sampled_from(["ltp", "quote", "full"])),
)
def test_every_wish_is_placed_within_the_limits_or_refused(first: dict[int, Mode], then: dict[int, Mode]):
    limits = Limits(2, {"ltp": 8, "full": 6}, {"ltp": 5, "full": 4})
    connections = [slot("a", limits=limits), slot("b", limits=limits)]
    placed, _ = allocate(first, connections, {})
    again, refused = allocate(then, connections, placed)
    assert again.keys() | refused.keys() == then.keys()
    assert not again.keys() & refused.keys()
    for connection in connections:
        held = [MODES[then[token]] for token, name in again.items() if name == connection.name]
        assert limits.fits({mode: held.count(mode) for mode in ("ltp", "full")})
    assert allocate(then, connections, again)[0] == again


def test_nine_thousand_instruments_are_placed_in_no_time():
    connections = [slot(name, 3000) for name in "abc"]
    wanted: dict[int, Mode] = dict.fromkeys(range(9500), "full")
    best = 1.0
    for _ in range(3):
        started = time.perf_counter()
        placed, refused = allocate(wanted, connections, {})
        best = min(best, time.perf_counter() - started)
    assert (len(placed), len(refused)) == (9000, 500)
    assert best < 0.2  # 0.02 s on an idle machine
