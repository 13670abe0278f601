"""Over a recorded feed the minutes are the broker's: soon, through outages, and to the piece."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import _broker_minutes
from bench._recorded import Update, key_of, recordings, updates

from mdactors.market.calendar import Calendar
from mdactors.market.candles import bars_of
from mdactors.market.interval import MINUTE_MS

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module", params=recordings(), ids=lambda file: file.stem)
def recording(request: pytest.FixtureRequest) -> tuple[str, list[Update]]:
    file: Path = request.param
    return key_of(file), list(updates(file))


def whole_minutes(played: list[Update]) -> list[int]:
    """The begins of those that the recording holds from begin to end, and that the broker told."""
    first, last = played[0].told_ms, played[-1].told_ms
    return [at for at in sorted(_broker_minutes.told(played)) if first <= at and at + MINUTE_MS <= last]


def test_every_minute_is_the_brokers_within_65_seconds_of_its_end(recording) -> None:
    key, played = recording
    minutes = _broker_minutes.Minutes(key, played)
    told = _broker_minutes.told(played)
    assert len(whole_minutes(played)) >= 39
    for at in whole_minutes(played):
        made, said = minutes.bars[at], told[at]
        assert made.source == "broker"
        assert (made.open, made.high, made.low, made.close, made.volume) == (
            said.open, said.high, said.low, said.close, said.volume,
        )  # fmt: skip
    assert minutes.late() == 0


def test_the_volumes_of_the_minutes_are_what_the_days_figure_rose_by(recording) -> None:
    key, played = recording
    assert _broker_minutes.apart(played, _broker_minutes.Minutes(key, played).bars) == 0


def test_no_minute_that_an_outage_of_a_minute_or_two_touched_is_without_a_bar(recording) -> None:
    key, played = recording
    for touched, lost in _broker_minutes.missing(key, played, (20, 60, 105), 133).values():
        assert touched >= 15
        assert lost == 0


def test_what_is_made_again_of_the_ticks_is_what_was_published(recording) -> None:
    key, played = recording
    published = _broker_minutes.Minutes(key, played).bars
    again = {bar.start: bar for bar in bars_of(_broker_minutes.ticks(key, played), Calendar(), ["1m"])}
    assert {at: (bar.source, bar.close, bar.volume) for at, bar in again.items()} == {
        at: (bar.source, bar.close, bar.volume) for at, bar in published.items()
    }
