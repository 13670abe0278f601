"""The word for a feed: live, quiet, stale, needs_login, delayed or closed."""

from __future__ import annotations

import datetime as dt

import pytest

from mdactors.actors.feed_health import SECOND_NS, FeedHealth
from mdactors.actors.line import Upkeep
from mdactors.config import CalendarSettings
from mdactors.config.sessions import load_calendar
from mdactors.market import ist
from mdactors.market import trading_class as classes
from mdactors.market.calendar import Calendar
from mdactors.market.trading_class import Traded

NOW = 1_790_658_000 * SECOND_NS  # a Tuesday, 10:30 IST
SUNDAY = NOW + 5 * 86_400 * SECOND_NS
SHARE, INDEX = Traded("NSE_EQ", classes.SHARES), Traded("NSE_INDEX", classes.INDICES)
AUCTIONED = Traded("NSE_EQ", classes.AUCTION_SHARES)
CONTRACT, NEAR = Traded("NSE_FO", classes.OPTIONS), Traded("NSE_FO", classes.NEAR_FUTURES)
CRUDE, COTTON, CARDAMOM = (
    Traded("MCX_FO", each)
    for each in (classes.COMMODITIES, classes.COMMODITIES_TO_21, classes.COMMODITIES_TO_17)
)


class Feed:
    """A feed whose clock a test moves: data and heartbeats come when it says so."""

    def __init__(self, now: int = NOW, *subscribed: Traded, calendar: Calendar | None = None) -> None:
        self.health = FeedHealth(calendar or Calendar(), now, 10.0, 3.0)
        self.subscribed = subscribed
        self.now = now
        self.at = 0.0
        self.heartbeat: float | None = None

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.now += round(seconds * SECOND_NS)

    def data(self, *, lag: float = 0.0) -> None:
        """Data comes, so many seconds behind the exchange."""
        self.heartbeat = self.at
        self.health.heard(self.at, self.now, self.now // 1_000_000 - round(lag * 1000))

    def beat(self) -> None:
        self.heartbeat = self.at

    def judge(self, *, login: str = "", shut: bool = False) -> bool:
        upkeep = Upkeep(self.heartbeat, login, shut)
        return self.health.judge(self.at, self.now, self.subscribed, upkeep)

    def word(self, *, login: str = "", shut: bool = False) -> str:
        self.judge(login=login, shut=shut)
        return self.health.status


def test_a_feed_whose_data_comes_is_live() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    feed.wait(10)
    assert feed.word() == "live"


def test_whether_a_segment_is_open_is_known_before_anything_is_judged() -> None:
    assert Feed(NOW).health.is_open
    assert not Feed(SUNDAY).health.is_open


def test_heartbeats_without_data_for_ten_seconds_are_quiet() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    for _ in range(11):
        feed.wait(1)
        feed.beat()
    assert (feed.word(), feed.health.detail) == ("quiet", "no data for 10 s")
    feed.data()
    assert feed.word() == "live"


def test_neither_data_nor_heartbeats_for_ten_seconds_are_stale_while_the_segment_is_open() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    feed.wait(10)
    assert feed.word() == "live"
    feed.wait(1)
    assert (feed.word(), feed.health.detail) == ("stale", "no data for 10 s, no heartbeats")
    feed.beat()
    assert feed.word() == "quiet"


def test_a_feed_that_never_brought_anything_is_stale_and_says_that_it_is_not_connected() -> None:
    feed = Feed(NOW, SHARE)
    feed.wait(1)
    assert (feed.word(), feed.health.detail) == ("stale", "no data yet, not connected")


def test_a_lost_connection_is_stale_once_its_last_data_is_old() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    feed.heartbeat = None
    feed.wait(9)
    assert feed.word() == "live"
    feed.wait(2)
    assert (feed.word(), feed.health.detail) == ("stale", "no data for 10 s, not connected")


def test_silence_is_measured_by_the_monotonic_clock() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    feed.now += 3600 * SECOND_NS  # somebody set the wall clock
    assert feed.word() == "live"
    feed.now -= 5400 * SECOND_NS
    assert feed.word() == "live"
    feed.at += 11
    assert feed.word() == "stale"


def test_nothing_that_is_subscribed_is_neither_stale_nor_live() -> None:
    feed = Feed(NOW)
    assert (feed.word(), feed.health.detail) == ("quiet", "nothing is subscribed, not connected")
    feed.beat()
    assert (feed.word(), feed.health.detail) == ("quiet", "nothing is subscribed")
    feed.wait(60)
    assert feed.word() == "quiet"


# --- what can trade, by the shipped calendar


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ist.IST).timestamp()) * SECOND_NS


SHIPPED = load_calendar(CalendarSettings())
MONDAY = "2026-11-30T"


@pytest.mark.parametrize(
    ("time", "subscribed", "word"),
    [
        ("09:05:00", {CONTRACT}, "closed"),  # options have no pre-open session
        ("09:14:59", {CONTRACT}, "closed"),
        ("09:05:00", {NEAR}, "stale"),
        ("09:11:00", {NEAR, CONTRACT}, "quiet"),
        ("09:15:00", {CONTRACT}, "stale"),
        ("15:39:59", {CONTRACT}, "stale"),
        ("15:40:00", {CONTRACT}, "closed"),
        ("08:59:59", {SHARE}, "closed"),
        ("09:05:00", {SHARE}, "stale"),  # orders come in
        ("09:05:00", {SHARE, CONTRACT}, "stale"),
        ("09:11:00", {SHARE}, "quiet"),  # they are matched by then
        ("09:11:00", {SHARE, INDEX, CONTRACT}, "quiet"),
        ("09:11:00", {SHARE, CRUDE}, "stale"),
        ("09:15:00", {SHARE}, "stale"),
        ("15:14:59", {AUCTIONED}, "stale"),
        ("15:20:00", {AUCTIONED}, "quiet"),  # they have no last price in the closing auction
        ("15:20:00", {AUCTIONED, SHARE}, "stale"),
        ("15:20:00", {INDEX}, "stale"),
        ("15:30:00", {SHARE}, "closed"),
        ("15:35:00", {SHARE, CONTRACT}, "stale"),
        ("15:32:00", {AUCTIONED}, "quiet"),  # its orders are matched
        ("15:36:00", {AUCTIONED}, "closed"),
        ("23:00:00", {CRUDE, CONTRACT}, "stale"),
        ("16:59:59", {CARDAMOM}, "stale"),
        ("17:00:00", {CARDAMOM}, "closed"),
        ("17:00:00", {CARDAMOM, COTTON}, "stale"),
        ("21:00:00", {CARDAMOM, COTTON}, "closed"),
        ("21:00:00", {CARDAMOM, COTTON, CRUDE}, "stale"),
    ],
)
def test_silence_is_stale_only_while_something_that_is_subscribed_could_trade(
    time: str, subscribed: set[Traded], word: str
) -> None:
    feed = Feed(at(MONDAY + time), *subscribed, calendar=SHIPPED)
    feed.data()
    feed.at += 140
    assert feed.word() == word
    feed.beat()
    assert feed.word() in ("quiet", "closed")


def test_a_feed_of_what_cannot_trade_yet_says_so() -> None:
    feed = Feed(at(MONDAY + "09:11:00"), NEAR, CONTRACT, calendar=SHIPPED)
    assert (feed.word(), feed.health.detail) == (
        "quiet",
        "nothing that is subscribed trades now, not connected",
    )


def test_a_silent_feed_of_a_closed_segment_is_closed_not_stale() -> None:
    feed = Feed(SUNDAY, SHARE)
    feed.wait(60)
    assert feed.word() == "closed"


# --- logins and operators


def test_a_login_that_is_needed_goes_before_everything_while_nothing_is_connected() -> None:
    feed = Feed(NOW, SHARE)
    assert (feed.word(login="token refused"), feed.health.detail) == ("needs_login", "token refused")
    assert Feed(NOW).word(login="token refused") == "needs_login"
    assert Feed(SUNDAY, SHARE).word(login="token refused") == "needs_login"


def test_a_connection_that_lives_on_while_another_needs_a_login_says_what_it_brings() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    assert feed.word(login="token refused") == "live"


def test_a_feed_that_an_operator_closed_is_closed_although_its_segment_is_open() -> None:
    feed = Feed(NOW, SHARE)
    feed.wait(60)
    assert feed.word(shut=True) == "closed"
    assert (feed.health.detail, feed.health.is_open) == ("closed by an operator", True)
    assert feed.word() == "stale"


# --- delay


def test_a_receipt_three_seconds_later_than_the_least_is_delayed() -> None:
    feed = Feed(NOW, SHARE)
    feed.data(lag=0.02)
    feed.wait(1)
    feed.data(lag=3.1)
    assert feed.word() == "delayed"


def test_a_clock_that_is_simply_off_is_not_delayed() -> None:
    feed = Feed(NOW, SHARE)
    for _ in range(5):
        feed.data(lag=-5.0)
        feed.wait(1)
    assert feed.word() == "live"


def test_frames_without_an_exchange_time_do_not_count_for_the_delay() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    feed.wait(8)
    feed.health.heard(feed.at, feed.now, 0)
    assert feed.word() == "live"


def test_one_exchange_time_far_in_the_future_does_not_make_the_feed_delayed() -> None:
    feed = Feed(NOW, SHARE)
    feed.data(lag=-1e9)
    feed.wait(1)
    feed.data(lag=0.01)
    assert feed.word() == "live"


def test_a_clock_that_was_set_is_forgotten_after_two_windows() -> None:
    feed = Feed(NOW, SHARE, calendar=Calendar(always_open=True))
    feed.data(lag=-20.0)
    for _ in range(13):
        feed.wait(60)
        feed.data(lag=0.02)
    assert feed.word() == "live"


# --- changes


def test_judging_says_whether_the_word_changed() -> None:
    feed = Feed(NOW, SHARE)
    feed.data()
    assert feed.judge()
    assert not feed.judge()
    feed.wait(20)
    assert feed.judge()


def test_a_brokers_new_word_for_a_segment_is_a_change_once() -> None:
    feed = Feed(NOW, SHARE)
    feed.judge()
    feed.health.said({"NSE_EQ": "NORMAL_OPEN"}, feed.now)
    assert feed.judge()
    assert not feed.judge()
    feed.health.said({"NSE_EQ": "NORMAL_OPEN"}, feed.now)
    assert not feed.judge()
    feed.health.said({"NSE_FO": "CLOSING_START"}, feed.now)
    assert feed.judge()
    assert feed.health.market_status == {"NSE_EQ": "NORMAL_OPEN", "NSE_FO": "CLOSING_START"}


# --- what a broker says against the calendar


def listen(feed: Feed, seconds: int, *, heartbeats: bool = True) -> str:
    """So many seconds without data; the word in the end."""
    for _ in range(seconds):
        feed.wait(1)
        if heartbeats:
            feed.beat()
        feed.judge()
    return feed.health.status


def test_a_broker_that_says_closed_on_an_ordinary_day_is_believed_after_a_minute() -> None:
    feed = Feed(at(MONDAY + "08:50:00"), SHARE, calendar=SHIPPED)
    feed.health.said({"NSE_EQ": "CLOSING_END"}, feed.now)
    assert listen(feed, 25 * 60 + 59) == "quiet"
    assert feed.health.contradicted == {}
    assert listen(feed, 2) == "closed"
    assert feed.health.contradicted == {"NSE_EQ": False}
    feed.health.said({"NSE_EQ": "NORMAL_OPEN"}, feed.now)
    assert listen(feed, 1) == "quiet"
    assert feed.health.contradicted == {}


def test_what_was_said_before_the_open_by_a_connection_that_died_is_no_word_against_it() -> None:
    feed = Feed(at(MONDAY + "09:10:00"), SHARE, calendar=SHIPPED)
    feed.health.said({"NSE_EQ": "PRE_OPEN_END"}, feed.now)
    feed.health.said({"NSE_EQ": "NORMAL_CLOSE"}, feed.now)
    assert listen(feed, 10 * 60, heartbeats=False) == "stale"
    assert feed.health.contradicted == {}


def test_a_broker_that_says_open_where_the_calendar_has_closed_is_believed_too() -> None:
    feed = Feed(at("2026-11-28T11:00:00"), SHARE, CONTRACT, calendar=SHIPPED)  # a Saturday
    feed.health.said({"NSE_EQ": "NORMAL_OPEN", "NSE_FO": "CLOSING_END"}, feed.now)
    assert listen(feed, 50) == "closed"
    assert listen(feed, 12) == "quiet"
    assert feed.health.contradicted == {"NSE_EQ": True}
    assert feed.health.opened(SHARE, feed.now)
    assert not feed.health.opened(CONTRACT, feed.now)
    assert listen(feed, 12, heartbeats=False) == "stale"


def test_on_a_day_that_the_calendar_names_its_word_stands_and_the_difference_is_told() -> None:
    feed = Feed(at("2026-11-24T11:00:00"), SHARE, calendar=SHIPPED)  # a holiday
    feed.health.said({"NSE_EQ": "NORMAL_OPEN"}, feed.now)
    assert listen(feed, 70) == "closed"
    assert feed.health.contradicted == {"NSE_EQ": True}


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("15:20:00", {"NSE_EQ": "CLOSING_START", "NSE_FO": "NORMAL_OPEN"}),
        ("09:12:00", {"NSE_EQ": "PRE_OPEN_END", "NSE_FO": "NORMAL_CLOSE"}),
        ("15:36:00", {"NSE_EQ": "NORMAL_CLOSE", "NSE_FO": "NORMAL_OPEN", "GLOBAL_INDEX": "NORMAL_OPEN"}),
        ("22:00:00", {"MCX_FO": "NORMAL_OPEN", "NSE_EQ": "CLOSING_END", "NCD_FO": "NORMAL_CLOSE"}),
    ],
)
def test_what_brokers_say_on_an_ordinary_day_contradicts_nothing(time: str, words: dict[str, str]) -> None:
    feed = Feed(at(MONDAY + time), SHARE, calendar=SHIPPED)
    feed.health.said(words, feed.now)
    listen(feed, 120)
    assert feed.health.contradicted == {}
