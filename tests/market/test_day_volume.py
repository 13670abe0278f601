"""A day's volume goes up by and by; what jumps, falls or begins again is looked at twice."""

from __future__ import annotations

import pytest

from mdactors.market.day_volume import LARGEST, DayVolume

ROUND = 1 << 32
WILD = 3_912_000_000


def weighed(*figures: int, counts_to: int = 0, begun: int | None = None) -> list[int | None]:
    """What is believed of figures that are said one after the other in the session."""
    volume = DayVolume(counts_to)
    if begun is not None:
        volume.recall(begun)
    return [volume.weigh(figure, in_session=True) for figure in figures]


def test_a_figure_that_rises_is_believed():
    assert weighed(10, 10, 25, 9_000_000) == [10, 10, 25, 9_000_000]


@pytest.mark.parametrize("wild", [WILD, ROUND - 1, 1 << 31, 1 << 50])
def test_one_wild_figure_is_not_known_and_changes_nothing_after_it(wild):
    assert weighed(700, 820, wild, 990, 1_000) == [700, 820, None, 990, 1_000]


def test_a_wild_figure_is_not_believed_where_it_is_the_first_of_the_day():
    assert weighed(WILD, 820, 990) == [None, 820, 990]


def test_a_jump_that_the_next_figure_confirms_is_taken():
    assert weighed(700, WILD, WILD + 40, WILD + 50) == [700, None, WILD + 40, WILD + 50]


def test_two_wild_figures_that_do_not_agree_confirm_nothing():
    assert weighed(700, WILD, WILD - 9, 820) == [700, None, None, 820]


def test_there_is_a_way_back_from_a_wild_figure_that_was_confirmed():
    assert weighed(700, WILD, WILD, 820, 990, 1_000) == [700, None, WILD, None, 990, 1_000]


def test_a_large_step_that_the_days_figure_bears_out_is_believed():
    large = LARGEST // 4
    assert weighed(large, large + LARGEST + 1) == [large, large + LARGEST + 1]


def test_two_updates_in_swapped_order_cost_nothing():
    assert weighed(700, 820, 790, 900) == [700, 820, None, 900]


def test_a_fall_that_the_next_figure_confirms_is_taken():
    assert weighed(700, 30, 31, 45) == [700, None, 31, 45]


def test_there_is_a_way_back_from_a_fall_that_was_confirmed():
    assert weighed(700, 30, 31, 760, 790) == [700, None, 31, 760, 790]


def test_what_agrees_with_a_figure_that_was_given_up_confirms_nothing():
    assert weighed(700, 30, 710, 31, 720) == [700, None, 710, None, 720]


def test_a_new_trading_date_may_begin_below_the_one_before():
    volume = DayVolume()
    volume.weigh(5_000_000, in_session=True)
    volume.begin()
    assert [volume.weigh(figure, in_session=True) for figure in (22_500, 30_000)] == [22_500, 30_000]


def test_before_the_session_a_figure_may_be_yesterdays_and_fall_at_any_time():
    volume = DayVolume()
    said = [(5_000_000, False), (5_000_000, True), (22_500, True), (900, True)]
    assert [volume.weigh(figure, in_session=at) for figure, at in said] == [
        5_000_000,
        5_000_000,
        22_500,
        None,
    ]


def test_a_counter_that_begins_again_is_carried_on():
    assert weighed(ROUND - 900, 350, 400, 1 << 30, begun=ROUND - 1_000, counts_to=ROUND) == [
        ROUND - 900, ROUND + 350, ROUND + 400, ROUND + (1 << 30),
    ]  # fmt: skip


def test_a_counter_that_never_begins_again_falls():
    assert weighed(ROUND - 900, 350, begun=ROUND - 1_000) == [ROUND - 900, None]


def test_a_fall_far_from_the_counters_end_is_a_fall():
    assert weighed(3_000_000_000, 350, 360, begun=2_900_000_000, counts_to=ROUND) == [
        3_000_000_000,
        None,
        360,
    ]


def test_two_updates_in_swapped_order_around_a_counters_end_cost_nothing():
    assert weighed(350, ROUND - 20, 400, begun=ROUND - 90, counts_to=ROUND) == [
        ROUND + 350,
        None,
        ROUND + 400,
    ]


def test_a_small_figure_near_a_counters_end_that_nothing_confirms_is_taken_back():
    before = ROUND - 40_000_000
    assert weighed(5, before + 10, before + 20, before + 30, begun=before, counts_to=ROUND) == [
        ROUND + 5, None, before + 20, before + 30,
    ]  # fmt: skip


def test_a_counter_begins_again_more_than_once():
    begun = 2 * ROUND - 10
    assert weighed(ROUND - 5, 3, 1 << 31, begun=begun, counts_to=ROUND) == [
        2 * ROUND - 5, 2 * ROUND + 3, 2 * ROUND + (1 << 31),
    ]  # fmt: skip


def test_no_counter_begins_again_after_a_jump():
    figures = ROUND - 90, ROUND - 80, 350, 360
    assert weighed(*figures, begun=300, counts_to=ROUND) == [None, ROUND - 80, None, 360]


@pytest.mark.parametrize("said", [[40], [40, 55]])
def test_what_was_carried_before_a_restart_is_known_again_whenever_it_is_recalled(said):
    volume = DayVolume(ROUND)
    for figure in said:
        volume.weigh(figure, in_session=True)
    volume.recall(ROUND + 20)
    assert volume.weigh(60, in_session=True) == ROUND + 60


def test_a_counter_that_began_again_while_nobody_listened_is_carried_on():
    volume = DayVolume(ROUND)
    volume.weigh(40, in_session=True)
    volume.recall(ROUND - 20)
    assert volume.weigh(60, in_session=True) == ROUND + 60


def test_what_is_recalled_from_the_same_round_changes_nothing():
    volume = DayVolume(ROUND)
    volume.weigh(4_000, in_session=True)
    volume.recall(3_900)
    assert [volume.weigh(figure, in_session=True) for figure in (4_010, 4_020)] == [4_010, 4_020]
