"""``mdactors journal``: a folder is listed and checked, also while a daemon writes it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mdactors.cli import main
from mdactors.market.instrument import Instrument
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.journal import Journal
from mdactors.store.journal_appender import Appender
from mdactors.store.journal_segment import HEADER_BYTES, segments

SHARE = Instrument(257, "A", "NSE", "NSE_EQ", "STOCK", "A")
START_NS = 1_795_146_300_000_000_000
SECOND_NS = 1_000_000_000
Capture = pytest.CaptureFixture[str]


def append(appender: Appender, first: int, count: int) -> None:
    """A tick a second, in one record."""
    appender.append(
        [
            Tick(SHARE, Quote(257, "ltp", float(seq)), "t", 1, seq, START_NS + seq * SECOND_NS)
            for seq in range(first, first + count)
        ]
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Two segments of 30 and 10 ticks; it is open, as a daemon's is."""
    journal = Journal(tmp_path / "journal", segment_bytes=1 << 20, max_bytes=1 << 30)
    appender = journal.appender()
    append(appender, 0, 10)
    append(appender, 10, 20)
    append(journal.appender(), 30, 10)
    yield journal
    journal.close()


def test_inspect_lists_the_segments(journal: Journal, capsys: Capture) -> None:
    assert main(["journal", "inspect", str(journal.folder)]) == 0
    title, head, *rows = capsys.readouterr().out.splitlines()
    assert title == f"journal {journal.id}: 40 ticks in {journal.size():,} bytes"
    assert head.split() == ["SEGMENT", "BYTES", "RECORDS", "TICKS", "FIRST", "LAST"]
    sizes = [f"{segment.path.stat().st_size:,}" for segment in segments(journal.folder)]
    times = ["2026-11-20T09:15:00.000+05:30", "2026-11-20T09:15:29.000+05:30"]
    assert rows[0].split() == ["1", sizes[0], "2", "30", *times]
    assert rows[1].split()[:4] == ["2", sizes[1], "1", "10"]
    assert len(rows) == 2


def test_inspect_gives_the_same_as_json(journal: Journal, capsys: Capture) -> None:
    assert main(["journal", "inspect", "--json", str(journal.folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["journal"], told["ticks"], told["bytes"]) == (journal.id, 40, journal.size())
    assert [each["ticks"] for each in told["segments"]] == [30, 10]
    assert (told["first"], told["last"]) == (
        "2026-11-20T09:15:00.000+05:30",
        "2026-11-20T09:15:39.000+05:30",
    )


def test_verify_reads_a_whole_journal(journal: Journal, capsys: Capture) -> None:
    assert main(["journal", "verify", str(journal.folder)]) == 0
    assert capsys.readouterr().out == "OK: 40 ticks\n"


def test_verify_names_damage_and_fails(journal: Journal, capsys: Capture) -> None:
    path = segments(journal.folder)[0].path
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 40] ^= 1
    path.write_bytes(data)
    assert main(["journal", "verify", str(journal.folder)]) == 1
    damage, whole = capsys.readouterr().out.splitlines()
    assert damage.startswith(f"segment 1: bytes {HEADER_BYTES} to ")
    assert whole == "1 damaged ranges; 30 ticks can be read"
    assert main(["journal", "inspect", str(journal.folder)]) == 0


def test_a_torn_tail_is_said_and_is_no_damage(journal: Journal, capsys: Capture) -> None:
    path = segments(journal.folder)[-1].path
    path.write_bytes(path.read_bytes()[:-1])
    torn = path.stat().st_size - HEADER_BYTES
    assert main(["journal", "verify", str(journal.folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{torn} bytes behind the last whole record: torn by a crash, or being written; not damage",
        "OK: 30 ticks",
    ]
    assert main(["journal", "inspect", "--json", str(journal.folder)]) == 0
    assert json.loads(capsys.readouterr().out)["segments"][1]["last"] is None


def test_a_folder_without_a_journal_is_an_error(tmp_path: Path, capsys: Capture) -> None:
    for action in ("inspect", "verify"):
        assert main(["journal", action, str(tmp_path)]) == 1
        assert capsys.readouterr().err == f"mdactors: {tmp_path}: holds no journal\n"


def test_verify_shows_its_progress_on_a_terminal_only(journal: Journal) -> None:
    leader, terminal = pty.openpty()
    try:
        words = [sys.executable, "-m", "mdactors", "journal", "verify", str(journal.folder)]
        told = subprocess.run(words, stdout=subprocess.PIPE, stderr=terminal, check=True, timeout=30)
        drawn = os.read(leader, 65_536)
    finally:
        os.close(leader)
        os.close(terminal)
    assert told.stdout == b"OK: 40 ticks\n"
    assert b"verify" in drawn or b"bytes" in drawn or b"kB" in drawn
    silent = subprocess.run(words, capture_output=True, check=True, timeout=30)
    assert silent.stderr == b""
