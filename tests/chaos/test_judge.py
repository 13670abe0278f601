"""The judge itself: what it lets pass, and that nothing wrong gets past it."""

from __future__ import annotations

import json
import zlib

import pytest
from bench._judge import Run, judge
from bench._sent import Sent

RUN = Run(started_ms=10_000, ended_ms=20_000)
EPOCH = 10_500
TOKENS = (256, 512)
BEAT_MS = 50


def content(token, seq):
    return b"%d says %d" % (token, seq)


def logged(connection, until_ms, from_ms=EPOCH):
    """Lines of a log in which each instrument is updated once a beat."""
    sums = dict.fromkeys(TOKENS, 0)
    for number, time_ms in enumerate(range(from_ms, until_ms + 1, BEAT_MS), 1):
        sums = {token: zlib.crc32(content(token, number), sums[token]) for token in TOKENS}
        sent = dict.fromkeys(TOKENS, 1)
        yield {"time_ms": time_ms, "connection": connection, "sent": sent, "checksums": sums}


def stored(last, epoch=EPOCH):
    """The rows of a run that kept so many updates of each instrument."""
    return [(epoch, token, seq, content(token, seq)) for token in TOKENS for seq in range(1, last + 1)]


@pytest.fixture
def evidence(tmp_path):
    """``evidence(*lines)``: a log that was read."""

    def read(*lines):
        path = tmp_path / "sent.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        sent = Sent(path)
        sent.read()
        return sent

    return read


@pytest.fixture
def sent(evidence):
    """Everything up to a kill at 20 s: 191 updates of each instrument."""
    return evidence(*logged(1, RUN.ended_ms))


def test_a_store_that_holds_everything_is_innocent(sent):
    verdict = judge(sent, [RUN], stored(191))
    assert not verdict.guilty, verdict
    assert verdict.rows == 382


def test_a_tail_younger_than_a_second_may_be_missing_and_its_age_is_told(sent):
    verdict = judge(sent, [RUN], stored(180))
    assert not verdict.guilty, verdict
    assert verdict.worst_tail_seconds == pytest.approx(0.55)


def test_a_longer_missing_tail_is_found(sent):
    verdict = judge(sent, [RUN], stored(165))
    assert verdict.owed == 2 * 6
    assert verdict.guilty


def test_after_a_clean_stop_nothing_may_be_missing(sent):
    clean = Run(RUN.started_ms, RUN.ended_ms, clean=True)
    assert judge(sent, [clean], stored(190)).owed == 2
    assert not judge(sent, [clean], stored(191)).guilty


def test_a_deleted_row_is_found(sent):
    rows = stored(191)
    del rows[40]
    verdict = judge(sent, [RUN], rows)
    assert (verdict.gaps, verdict.doubles) == (1, 0)
    assert verdict.findings == ["run 1: gaps: 1 of instrument 256"]


def test_a_doubled_row_is_found(sent):
    rows = stored(191)
    rows.insert(40, rows[40])
    verdict = judge(sent, [RUN], rows)
    assert (verdict.gaps, verdict.doubles) == (0, 1)
    assert verdict.guilty


def test_a_row_that_says_something_else_is_found(sent):
    rows = stored(191)
    rows[40] = (*rows[40][:3], b"something else")
    assert judge(sent, [RUN], rows).changed == 1


def test_two_updates_that_changed_places_are_found(sent):
    rows = stored(191)
    rows[40], rows[41] = (*rows[40][:3], rows[41][3]), (*rows[41][:3], rows[40][3])
    assert judge(sent, [RUN], rows).changed == 1


def test_a_row_that_was_never_sent_is_found(sent):
    assert judge(sent, [RUN], stored(192)).strangers == 2


def test_an_instrument_of_which_nothing_is_stored_is_found(sent):
    verdict = judge(sent, [RUN], [row for row in stored(191) if row[1] != 512])
    assert verdict.owed == 171


def test_a_run_of_which_nothing_is_stored_is_found(sent):
    assert judge(sent, [RUN], []).owed == 2 * 171


def test_rows_of_an_epoch_that_no_run_began_are_found(sent):
    verdict = judge(sent, [RUN], [*stored(191), *stored(3, epoch=30_000)])
    assert verdict.strangers == 6


def test_numbering_that_began_anew_within_a_run_is_found(sent):
    verdict = judge(sent, [RUN], [*stored(191), *stored(3, epoch=11_000)])
    assert verdict.strangers == 6


def test_each_run_is_judged_by_its_own_connection(evidence):
    second = Run(25_000, 30_000)
    sent = evidence(*logged(1, 20_040), *logged(2, 30_000, from_ms=25_500))
    rows = [*stored(191), *stored(85, epoch=25_400)]
    verdict = judge(sent, [RUN, second], rows)
    assert not verdict.guilty, verdict
    assert verdict.worst_tail_seconds == pytest.approx(0.3)
    assert judge(sent, [RUN, second], [*stored(85), *stored(91, epoch=25_400)]).owed == 2 * (171 - 85)


def test_a_run_that_was_killed_before_it_connected_owes_nothing(evidence):
    runs = [Run(8_000, 9_000), RUN]
    assert not judge(evidence(*logged(1, 20_000)), runs, stored(191)).guilty


def test_two_connections_in_one_run_cannot_be_judged(evidence):
    sent = evidence(*logged(1, 15_000), *logged(2, 20_000, from_ms=15_100))
    assert judge(sent, [RUN], stored(91)).guilty
