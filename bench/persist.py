"""Ticks on their way to disk: the journal's cost, our way into the stores against others, sizes, answers.

Ticks are full packets of 2,000 instruments as a live Kite feed gives them, decoded. PostgreSQL: what the
persister does (journal read included) against psql's binary copy of the same rows, psycopg's
``executemany`` and INSERT statements of 1,000 rows, in turn, into the same emptied table with its
indexes; ratios are the medians of the rounds. The journal's cost is that of appending 20 ticks as one
record, the best of several rounds, as measured and as it were on the machine that the goal was set for, where
the official Kite client parses 77,000 packets/s. Bytes a row are read from the stores and carried on to
a day of 12 million ticks. REST answers 30,000 ticks of one instrument out of a running daemon.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench._answers import history
from bench._frames import kite_frame
from bench._servers import postgres
from bench._ticks import TICKS_A_FRAME, frames_of_ticks
from bench._ways import Ways, carry
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store.journal import Journal
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

TICKS = 120_000
LARGE_BATCH = 100_000
DAY = 12_000_000
ROUNDS = 3
APPEND_ROUNDS = 5
SEGMENT_BYTES = 64 << 20
JOURNAL_BYTES = 8 << 30
REFERENCE_PER_SECOND = 77_000
"""Packets that the official Kite client parses on the machine that the goals were set for."""
GOALS = {
    "journal_append_us_per_tick_on_the_reference": ("<=", 1.0),
    "postgres_ratio_copy": (">=", 0.6),
    "postgres_ratio_executemany": (">=", 2.0),
    "postgres_ratio_inserts": (">=", 7.0),
}
Frames = Sequence[Sequence[Tick]]


def measure() -> dict[str, object]:
    """All figures."""
    machine = _machine()  # first: its parser makes so many objects that all others are visited
    frames = [frame for frame in frames_of_ticks(TICKS) if len(frame) == TICKS_A_FRAME]
    figures: dict[str, object] = {"ticks": sum(map(len, frames))}
    with tempfile.TemporaryDirectory() as folder:
        figures |= _journal(Path(folder), frames, machine)
        figures |= _postgres(Path(folder), frames)
        figures |= _sqlite(Path(folder), frames)
    with tempfile.TemporaryDirectory() as folder:
        figures |= {f"rest_sqlite_{name}": ms for name, ms in history(Path(folder), {}).items()}
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        settings = {"kind": "postgres", "url": server.dsn}
        figures |= {f"rest_postgres_{name}": ms for name, ms in history(Path(folder), settings).items()}
    return figures


def _journal(folder: Path, frames: Frames, machine: float) -> dict[str, object]:
    """What an append costs a tick; leaves a synced journal of all ticks in ``journal``."""
    ticks = sum(map(len, frames))
    rounds = []
    for number in range(APPEND_ROUNDS + 1):
        # The last one stays, as what the stores are filled from.
        place = folder / (f"journal-{number}" if number < APPEND_ROUNDS else "journal")
        journal = Journal(place, segment_bytes=SEGMENT_BYTES, max_bytes=JOURNAL_BYTES)
        appender = journal.appender()
        gc.collect()
        gc.disable()
        started = time.perf_counter()
        for frame in frames:
            appender.append(frame)
        rounds.append(time.perf_counter() - started)
        gc.enable()
        size = journal.size()
        end = appender.sync()
        if number < APPEND_ROUNDS:
            journal.release(end)
        journal.close()
    microseconds = min(rounds) / ticks * 1e6
    return {
        "machine_kite_official_per_second": machine,
        "journal_append_us_per_tick": microseconds,
        "journal_append_us_per_tick_on_the_reference": microseconds * machine / REFERENCE_PER_SECOND,
        "journal_bytes_per_tick": size / ticks,
    }


def _machine() -> float:
    """Packets a second of the official Kite client's parser, the best of some rounds."""
    from kiteconnect import KiteTicker

    count = 200
    frame, ticker = kite_frame(count, 7), KiteTicker("key", "token")
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        for _ in range(5):
            ticker._parse_binary(frame)
        best = min(best, (time.perf_counter() - started) / 5)
    return count / best


def _postgres(folder: Path, frames: Frames) -> dict[str, object]:
    place = folder / "postgres"
    place.mkdir()
    with postgres(place) as server, closing(Ways(server, folder / "journal", folder)) as ways:
        rounds = [
            [way() for way in (ways.ours, ways.copied, ways.many, ways.inserted)] for _ in range(ROUNDS)
        ]
        ticks = list(itertools.islice(itertools.chain.from_iterable(frames), LARGE_BATCH))
        large = ways.at_once(ticks)
        with_raw, without = ways.bytes_per_row(raw=True), ways.bytes_per_row(raw=False)
    names = ("persister", "copy", "executemany", "inserts")
    figures: dict[str, object] = {}
    for place_of, name in enumerate(names):
        figures[f"postgres_{name}_rows_per_second"] = statistics.median(speed[place_of] for speed in rounds)
    for place_of, name in enumerate(names[1:], 1):
        figures[f"postgres_ratio_{name}"] = statistics.median(speed[0] / speed[place_of] for speed in rounds)
    return figures | {"postgres_batch_of_100000_s": large} | _sizes("postgres", with_raw, without)


def _sqlite(folder: Path, frames: Frames) -> dict[str, object]:
    speeds, sizes = [], {}
    for number, raw in enumerate([True] * ROUNDS + [False]):
        path = folder / f"{number}.db"
        store = SqliteTicks(SqliteDatabase(path), raw=raw)
        started = time.perf_counter()
        count = carry(folder / "journal", store)
        if raw:
            speeds.append(count / (time.perf_counter() - started))
        store.close()  # and with it the log goes into the file
        sizes[raw] = path.stat().st_size / count
        path.unlink()
    store = SqliteTicks(SqliteDatabase(folder / "large.db"))
    ticks = list(itertools.islice(itertools.chain.from_iterable(frames), LARGE_BATCH))
    started = time.perf_counter()
    store.write(ticks, None, Position("bench", 1, 1, len(ticks)))
    large = time.perf_counter() - started
    store.close()
    figures: dict[str, object] = {"sqlite_persister_rows_per_second": statistics.median(speeds)}
    return figures | {"sqlite_batch_of_100000_s": large} | _sizes("sqlite", sizes[True], sizes[False])


def _sizes(store: str, with_raw: float, without: float) -> dict[str, object]:
    return {
        f"{store}_bytes_per_row": with_raw,
        f"{store}_bytes_per_row_without_raw": without,
        f"{store}_gb_a_day": with_raw * DAY / 1e9,
        f"{store}_gb_a_day_without_raw": without * DAY / 1e9,
    }
