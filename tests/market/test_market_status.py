"""Where in its day each segment is."""

from __future__ import annotations

from typing import Any

import msgspec

from mdactors.market.calendar import Calendar
from mdactors.market.market_status import SEGMENTS, market_status

NINE_NS = 1_790_652_600_000_000_000
"""09:00 on a Tuesday in India."""
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS


def at(time_ns: int, **said: dict[str, str]) -> dict[str, dict[str, Any]]:
    found = market_status(Calendar(), time_ns, said)
    return {each.segment: msgspec.to_builtins(each) for each in found}


def test_each_segment_has_its_status_and_the_hours_of_its_session() -> None:
    found = at(NINE_NS + HOUR_NS)
    assert tuple(found) == SEGMENTS
    nine, quarter_past, half_past_three, ten_to_four, four = (
        f"2026-09-29T{at}:00.000+05:30" for at in ("09:00", "09:15", "15:30", "15:50", "16:00")
    )
    assert found["NSE_EQ"] == {
        "segment": "NSE_EQ", "status": "open", "open": quarter_past, "close": half_past_three,
        "sessions": (
            {"phase": "pre_open", "from": nine, "to": quarter_past},
            {"phase": "open", "from": quarter_past, "to": half_past_three},
            {"phase": "post_close", "from": ten_to_four, "to": four},
        ),
        "classes": found["NSE_EQ"]["classes"],
    }  # fmt: skip
    assert at(NINE_NS)["NSE_EQ"]["status"] == "pre_open"
    evening = at(NINE_NS + 9 * HOUR_NS)
    assert (evening["NSE_FO"]["status"], evening["MCX_FO"]["status"]) == ("closed", "open")


def test_classes_of_a_segment_that_keep_other_hours_are_told_apart() -> None:
    auction = NINE_NS + 6 * HOUR_NS + HOUR_NS // 3  # 15:20
    found = at(auction)
    classes = {segment: status["classes"] for segment, status in found.items() if "classes" in status}
    assert {name: list(each) for name, each in classes.items()} == {
        "NSE_EQ": ["auction_shares"],
        "BSE_EQ": ["auction_shares"],
        "NSE_FO": ["near_futures"],
        "BSE_FO": ["near_futures"],
        "MCX_FO": ["commodities_to_21", "commodities_to_17"],
    }
    assert found["NSE_EQ"]["status"] == "open"
    assert classes["NSE_EQ"]["auction_shares"]["status"] == "closing_orders"
    assert at(NINE_NS)["NSE_FO"]["status"] == "closed"
    assert at(NINE_NS)["NSE_FO"]["classes"]["near_futures"]["status"] == "pre_open"
    evening = at(NINE_NS + 9 * HOUR_NS)["MCX_FO"]
    assert (evening["status"], evening["classes"]["commodities_to_17"]["status"]) == ("open", "closed")


def test_on_a_day_without_a_session_there_are_no_hours() -> None:
    assert at(NINE_NS + 4 * DAY_NS)["NSE_EQ"] == {"segment": "NSE_EQ", "status": "closed"}


def test_what_brokers_say_stands_beside_it_and_their_segments_are_shown_too() -> None:
    found = at(NINE_NS, one={"NSE_EQ": "PRE_OPEN_START", "NSE_COM": "NORMAL_OPEN"}, other={"NSE_EQ": "OPEN"})
    assert found["NSE_EQ"]["said"] == {"one": "PRE_OPEN_START", "other": "OPEN"}
    assert found["NSE_COM"]["said"] == {"one": "NORMAL_OPEN"}
    assert "said" not in found["BSE_EQ"]
