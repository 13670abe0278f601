"""The program stopped and started again: its bars are those of the ticks that it stored."""

from __future__ import annotations

import pytest
from bench.stops import endure, plan

pytestmark = pytest.mark.any_day

STOPS = 2
SPEED = 20.0


def test_stops_at_any_phase_of_a_minute_leave_out_no_bar(tmp_path):
    verdict = endure(tmp_path, plan(STOPS, 1), SPEED)
    assert verdict.by_plain_computation == []
    assert verdict.by_rebuild == []
    assert verdict.alarms == []
    assert verdict.bars > 100
