"""Where in its day each segment is."""

from __future__ import annotations

import msgspec

from mdactors.market.calendar import Calendar
from mdactors.market.market_status import SEGMENTS, market_status

NINE_NS = 1_790_652_600_000_000_000
"""09:00 on a Tuesday in India."""
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS


def at(time_ns: int, **said: dict[str, str]) -> dict[str, dict[str, object]]:
    found = market_status(Calendar(), time_ns, said)
    return {each.segment: msgspec.to_builtins(each) for each in found}


def test_each_segment_has_its_status_and_the_hours_of_its_session() -> None:
    found = at(NINE_NS + HOUR_NS)
    assert tuple(found) == SEGMENTS
    nine, quarter_past, half_past_three = (
        f"2026-09-29T{at}:00.000+05:30" for at in ("09:00", "09:15", "15:30")
    )
    assert found["NSE_EQ"] == {
        "segment": "NSE_EQ", "status": "open", "open": quarter_past, "close": half_past_three,
        "sessions": (
            {"phase": "pre_open", "from": nine, "to": quarter_past},
            {"phase": "open", "from": quarter_past, "to": half_past_three},
        ),
    }  # fmt: skip
    assert at(NINE_NS)["NSE_EQ"]["status"] == "pre_open"
    evening = at(NINE_NS + 9 * HOUR_NS)
    assert (evening["NSE_FO"]["status"], evening["MCX_FO"]["status"]) == ("closed", "open")


def test_on_a_day_without_a_session_there_are_no_hours() -> None:
    assert at(NINE_NS + 4 * DAY_NS)["NSE_EQ"] == {"segment": "NSE_EQ", "status": "closed"}


def test_what_brokers_say_stands_beside_it_and_their_segments_are_shown_too() -> None:
    found = at(NINE_NS, one={"NSE_EQ": "PRE_OPEN_START", "NSE_COM": "NORMAL_OPEN"}, other={"NSE_EQ": "OPEN"})
    assert found["NSE_EQ"]["said"] == {"one": "PRE_OPEN_START", "other": "OPEN"}
    assert found["NSE_COM"]["said"] == {"one": "NORMAL_OPEN"}
    assert "said" not in found["BSE_EQ"]
