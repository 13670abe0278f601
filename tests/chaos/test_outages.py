"""A store or a cache that is away for some seconds while ticks flow."""

from __future__ import annotations

import pytest
from bench._cache_away import KINDS, cache_away
from bench._store_away import store_away

pytestmark = pytest.mark.any_day


def test_a_postgres_that_was_away_holds_everything_once_and_no_client_noticed(tmp_path, postgres):
    figures = store_away(tmp_path, postgres, seconds=5.0)
    assert figures["rows"] > 20_000
    assert {figures[name] for name in ("lost", "doubled", "wrong", "findings")} == {0}, figures
    assert {figures[name] for name in ("clients_disconnected", "clients_missing")} == {0}, figures


def test_a_redis_that_is_killed_or_hangs_costs_no_answer_and_is_filled_again(tmp_path, redis):
    figures = cache_away(tmp_path, redis, pairs=1, seconds=2.0, rate=1000)
    assert {figures[f"{kind}_rest_failures"] for kind in KINDS} == {0}, figures
    assert figures["cache_ticks_missing"] == 0
    assert {figures[name] for name in ("clients_disconnected", "clients_missing")} == {0}, figures
