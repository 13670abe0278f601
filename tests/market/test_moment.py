"""Moments as people and programs write them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.ist import iso
from mdactors.market.moment import FARTHEST_NS, read_moment

NINE_FIFTEEN = 1_795_146_300_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:15:00",
        "2026-11-20 09:15:00",
        "2026-11-20T09:15",
        "2026-11-20T09:15:00+05:30",
        "2026-11-20T09:15:00 05:30",
        "2026-11-20T09:15:00.000 0530",
        "2026-11-20 09:15 05:30",
        "2026-11-20T03:45:00Z",
        "2026-11-19T22:45:00-05:00",
        "  1795146300000 ",
    ],
)
def test_one_moment_in_every_form(text: str) -> None:
    assert read_moment(text) == read_moment(text, last=True) == NINE_FIFTEEN


def test_a_date_is_its_begin_or_its_last_moment() -> None:
    midnight = read_moment("2026-11-20T00:00:00")
    assert read_moment("2026-11-20") == midnight
    assert read_moment("2026-11-20", last=True) == read_moment("2026-11-21") - 1


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-11-20T25:00", "1795146300", "12", "2026-11-20T09:15+99:99"]
)
def test_what_is_no_time_is_said_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write 2026-11-20, 2026-11-20T09:15:00"):
        read_moment(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "1969-12-31", "-99999999999999"])
def test_before_1970_is_1970(text: str) -> None:
    assert read_moment(text) == 0


@pytest.mark.parametrize("text", ["9999-12-31", "999999999999999999"])
def test_what_is_too_far_away_is_the_farthest(text: str) -> None:
    assert read_moment(text, last=True) == FARTHEST_NS


@given(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)))
def test_what_we_write_is_read_again(moment: dt.datetime) -> None:
    ms = int(moment.replace(tzinfo=dt.UTC).timestamp() * 1000)
    assert read_moment(iso(ms)) == ms * 1_000_000
    assert read_moment(iso(ms).replace("+", " ")) == ms * 1_000_000
