"""The verdict on a store: whether it holds what a simulator sent, unbroken, once, and up to the end.

A *run* is one life of the daemon, with one broker connection and one epoch. What it has stored of an
instrument must be seq 1..n without a gap or a double, must say what the simulator's first n updates said,
and n must reach to at most a second before a kill; after a clean stop, to the last update.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from bench._sent import Beat, Sent

OWED_MS = 1000
"""What was sent so long before a kill must be stored."""
FINDINGS_SHOWN = 20

Row = tuple[int, int, int, bytes]
"""Epoch, instrument token, seq and the broker's bytes of a stored tick."""


class Run(msgspec.Struct):
    """One life of the daemon in wall time; ``clean`` where it was asked to stop and nothing came any more."""

    started_ms: int
    ended_ms: int
    clean: bool = False


class Verdict(msgspec.Struct):
    """What was found, summed up over all runs."""

    runs: int = 0
    rows: int = 0
    gaps: int = 0
    """Numbers missing between stored ones."""
    doubles: int = 0
    strangers: int = 0
    """Rows that nobody sent, in number or in epoch."""
    changed: int = 0
    """Instruments of a run whose rows say something else than was sent."""
    owed: int = 0
    """Updates sent long enough before the end that are not stored."""
    worst_tail_seconds: float = 0.0
    """The age of the oldest update that a kill cost, at the kill."""
    findings: list[str] = []

    @property
    def guilty(self) -> bool:
        """Whether any promise was broken."""
        return bool(self.findings)

    def find(self, run: int, text: str) -> None:
        """Note a broken promise; the first ones are kept."""
        if len(self.findings) < FINDINGS_SHOWN:
            self.findings.append(f"run {run}: {text}")


def judge(sent: Sent, runs: Sequence[Run], rows: Iterable[Row]) -> Verdict:
    """Compare a store with the simulator's log.

    Args:
        sent: the log, read to its end.
        runs: the daemon's lives, in order; no two overlap.
        rows: everything stored, ordered by epoch, instrument and seq.
    """
    verdict = Verdict(runs=len(runs))
    ends = [*(run.started_ms for run in runs[1:]), 1 << 60]
    evidence = []
    for number, (run, end) in enumerate(zip(runs, ends, strict=True), 1):
        connections = sent.between(run.started_ms, end)
        if len(connections) > 1:
            verdict.find(number, f"{len(connections)} connections, which cannot be told apart")
        evidence.append(connections[0] if connections else [])
    judged = set()
    for epoch, stored in itertools.groupby(rows, key=lambda row: row[0]):
        number = next((n for n, run in enumerate(runs, 1) if run.started_ms <= epoch <= run.ended_ms), 0)
        if not number or number in judged:
            lost = sum(1 for _ in stored)
            verdict.strangers += lost
            verdict.find(number, f"{lost} rows of epoch {epoch}, which nobody began or which is its second")
            continue
        judged.add(number)
        _Trial(verdict, number, runs[number - 1], evidence[number - 1]).hear(stored)
    for number, (run, beats) in enumerate(zip(runs, evidence, strict=True), 1):
        if number not in judged:
            _Trial(verdict, number, run, beats).hear(())
    return verdict


class _Trial:
    """One run's evidence against its rows."""

    def __init__(self, verdict: Verdict, number: int, run: Run, beats: Sequence[Beat]) -> None:
        self._verdict = verdict
        self._number = number
        self._run = run
        self._checkpoints = _checkpoints(beats)

    def hear(self, rows: Iterable[Row]) -> None:
        """Judge every instrument that was sent or stored."""
        unheard = dict(self._checkpoints)
        for token, stored in itertools.groupby(rows, key=lambda row: row[1]):
            unheard.pop(token, None)
            self._judge(token, [(seq, raw) for _, _, seq, raw in stored])
        for token in unheard:
            self._judge(token, [])

    def _judge(self, token: int, stored: list[tuple[int, bytes]]) -> None:
        verdict, checkpoints = self._verdict, self._checkpoints.get(token, [])
        seqs = [seq for seq, _ in stored]
        last = max(seqs, default=0)
        verdict.rows += len(seqs)
        self._count("doubles", token, len(seqs) - len(set(seqs)))
        self._count("gaps", token, last - len(set(seqs)))
        self._count("strangers", token, last - (checkpoints[-1].sent if checkpoints else 0))
        if seqs == list(range(1, last + 1)):
            self._count("changed", token, _says_else([raw for _, raw in stored], checkpoints))
        self._weigh_the_end(token, last, checkpoints)

    def _weigh_the_end(self, token: int, last: int, checkpoints: Sequence[_Checkpoint]) -> None:
        ended = self._run.ended_ms
        if self._run.clean:
            self._count("owed", token, checkpoints[-1].sent - last if checkpoints else 0)
            return
        owed = max((each.sent for each in checkpoints if each.time_ms <= ended - OWED_MS), default=0)
        self._count("owed", token, owed - last)
        first_lost = next((each for each in checkpoints if each.sent > last), None)
        if first_lost is not None:
            age = (ended - first_lost.after_ms) / 1000
            self._verdict.worst_tail_seconds = max(self._verdict.worst_tail_seconds, age)

    def _count(self, what: str, token: int, number: int) -> None:
        if number > 0:
            setattr(self._verdict, what, getattr(self._verdict, what) + number)
            self._verdict.find(self._number, f"{what}: {number} of instrument {token}")


class _Checkpoint(msgspec.Struct, frozen=True):
    """How many updates of an instrument were sent by ``time_ms``, the newest of them after ``after_ms``."""

    time_ms: int
    after_ms: int
    sent: int
    checksum: int | None


def _checkpoints(beats: Sequence[Beat]) -> dict[int, list[_Checkpoint]]:
    """By instrument."""
    found: dict[int, list[_Checkpoint]] = {}
    after = beats[0].time_ms if beats else 0
    for beat in beats:
        for token, updates in beat.sent.items():
            mine = found.setdefault(token, [])
            total = updates + (mine[-1].sent if mine else 0)
            mine.append(_Checkpoint(beat.time_ms, after, total, beat.checksums.get(token)))
        after = beat.time_ms
    return found


def _says_else(contents: Sequence[bytes], checkpoints: Sequence[_Checkpoint]) -> bool:
    """Whether the rows up to some checkpoint say something else than was sent until then."""
    checksum = 0
    wanted = {each.sent: each.checksum for each in checkpoints if each.checksum is not None}
    for place, content in enumerate(contents, 1):
        checksum = zlib.crc32(content, checksum)
        if wanted.get(place, checksum) != checksum:
            return True
    return False


def ordered(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows in the order that `judge` wants."""
    return iter(sorted(rows))
