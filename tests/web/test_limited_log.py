"""What clients do wrong cannot fill the log."""

from __future__ import annotations

import logging

import pytest

from mdactors.web.limited_log import LINES, LimitedLog

logger = logging.getLogger("limited")


@pytest.fixture
def limited():
    return LimitedLog(logger)


def test_one_key_is_one_line(limited, caplog):
    for n in range(50):
        limited.warn("origin x", "refused %d", n)
    assert caplog.messages == ["refused 0"]


def test_ever_new_keys_are_not_more_lines_than_the_budget(limited, caplog):
    for n in range(10_000):
        limited.warn(f"origin {n}", "refused %d", n)
    assert caplog.messages == [f"refused {n}" for n in range(LINES)]


def test_the_next_line_says_how_many_were_left_out(limited, caplog, monkeypatch):
    for n in range(LINES + 7):
        limited.warn(f"origin {n}", "refused")
    monkeypatch.setattr("mdactors.web.limited_log.SECONDS", 0.0)
    limited.warn("origin 0", "refused %s", "again")
    limited.warn("origin 0", "refused %s", "again")
    assert caplog.messages[LINES:] == ["refused again (and 7 warnings left out before)", "refused again"]
