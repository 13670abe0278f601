"""The program killed without a word while ticks flow: what its store holds in the end."""

from __future__ import annotations

import pytest
from bench._shelf import PostgresShelf, SqliteShelf
from bench.chaos import plan, torment

pytestmark = pytest.mark.any_day

ROUNDS = 5
LONGEST_SECONDS = 1.2


def test_sqlite_holds_what_was_sent_up_to_a_second_before_each_kill(tmp_path):
    shelf = SqliteShelf(tmp_path)
    verdict = torment(tmp_path, shelf, plan(ROUNDS, 1, LONGEST_SECONDS))
    assert not verdict.guilty, verdict
    assert shelf.complaints() == 0
    assert verdict.runs == ROUNDS + 1
    assert verdict.worst_tail_seconds <= 1.0


def test_postgres_holds_what_was_sent_up_to_a_second_before_each_kill(tmp_path, postgres):
    shelf = PostgresShelf(postgres.dsn)
    verdict = torment(tmp_path, shelf, plan(ROUNDS, 2, LONGEST_SECONDS))
    assert not verdict.guilty, verdict
    assert shelf.complaints() == 0
    assert verdict.runs == ROUNDS + 1
    assert verdict.worst_tail_seconds <= 1.0
