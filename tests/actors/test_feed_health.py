"""The word for a feed: live, stale, delayed or closed."""

from __future__ import annotations

from mdactors.actors.feed_health import SECOND_NS, FeedHealth
from mdactors.market.calendar import Calendar

NOW = 1_790_658_000 * SECOND_NS  # a Tuesday, 10:30 IST
SUNDAY = NOW + 5 * 86_400 * SECOND_NS
SHARES = {"NSE_EQ"}


def make(now: int = NOW, *, always_open: bool = False) -> FeedHealth:
    return FeedHealth(Calendar(always_open=always_open), now, 10.0, 3.0)


def test_a_feed_that_was_just_heard_is_live() -> None:
    health = make()
    health.heard(NOW, NOW // 1_000_000)
    health.judge(NOW + SECOND_NS, SHARES)
    assert health.status == "live"


def test_whether_a_segment_is_open_is_known_before_anything_is_judged() -> None:
    assert make().is_open
    assert not make(SUNDAY).is_open


def test_ten_seconds_without_a_data_frame_are_stale_while_the_segment_is_open() -> None:
    health = make()
    health.judge(NOW + 11 * SECOND_NS, SHARES)
    assert health.status == "stale"


def test_a_silent_feed_of_a_closed_segment_is_closed_not_stale() -> None:
    health = make(SUNDAY)
    health.judge(SUNDAY + 60 * SECOND_NS, SHARES)
    assert health.status == "closed"


def test_a_receipt_three_seconds_later_than_the_least_is_delayed() -> None:
    health = make()
    health.heard(NOW, NOW // 1_000_000 - 20)
    health.heard(NOW + SECOND_NS, NOW // 1_000_000 + 1000 - 3_100)
    health.judge(NOW + SECOND_NS, SHARES)
    assert health.status == "delayed"


def test_a_clock_that_is_simply_off_is_not_delayed() -> None:
    health = make()
    for second in range(5):
        received = NOW + second * SECOND_NS
        health.heard(received, received // 1_000_000 + 5_000)
    health.judge(NOW + 5 * SECOND_NS, SHARES)
    assert health.status == "live"


def test_frames_without_an_exchange_time_do_not_count_for_the_delay() -> None:
    health = make()
    health.heard(NOW, NOW // 1_000_000)
    health.heard(NOW + 8 * SECOND_NS, 0)
    health.judge(NOW + 8 * SECOND_NS, SHARES)
    assert health.status == "live"


def test_one_exchange_time_far_in_the_future_does_not_make_the_feed_delayed() -> None:
    health = make()
    health.heard(NOW, NOW // 1_000_000 + 10**12)
    health.heard(NOW + SECOND_NS, NOW // 1_000_000 + 990)
    health.judge(NOW + SECOND_NS, SHARES)
    assert health.status == "live"


def test_a_clock_that_was_set_is_forgotten_after_two_windows() -> None:
    health = make(always_open=True)
    health.heard(NOW, NOW // 1_000_000 + 20_000)
    for minute in range(1, 14):
        received = NOW + minute * 60 * SECOND_NS
        health.heard(received, received // 1_000_000 - 20)
    health.judge(received, SHARES)
    assert health.status == "live"


def test_a_feed_that_was_never_heard_is_not_live() -> None:
    health = make()
    health.judge(NOW + SECOND_NS, SHARES)
    assert (health.status, health.detail) == ("stale", "no data yet")


def test_judging_says_whether_the_word_changed() -> None:
    health = make()
    health.heard(NOW, 0)
    assert health.judge(NOW, SHARES)
    assert not health.judge(NOW, SHARES)
    assert health.judge(NOW + 20 * SECOND_NS, SHARES)


def test_a_brokers_new_word_for_a_segment_is_a_change_once() -> None:
    health = make()
    health.judge(NOW, SHARES)
    health.said({"NSE_EQ": "NORMAL_OPEN"})
    assert health.judge(NOW, SHARES)
    assert not health.judge(NOW, SHARES)
    health.said({"NSE_EQ": "NORMAL_OPEN"})
    assert not health.judge(NOW, SHARES)
    health.said({"NSE_FO": "CLOSING_START"})
    assert health.judge(NOW, SHARES)
    assert health.market_status == {"NSE_EQ": "NORMAL_OPEN", "NSE_FO": "CLOSING_START"}


def test_a_feed_that_an_operator_closed_is_closed_although_its_segment_is_open() -> None:
    health = make()
    health.judge(NOW + 60 * SECOND_NS, SHARES, shut=True)
    assert (health.status, health.detail, health.is_open) == ("closed", "closed by an operator", True)
    health.judge(NOW + 61 * SECOND_NS, SHARES)
    assert health.status == "stale"
