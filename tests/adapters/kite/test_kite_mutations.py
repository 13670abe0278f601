"""Ten thousand damaged frames: none crashes anything or costs a good packet beside the bad one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from struct import pack

from mdactors_kite.codec import decode

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
FRAMES = 10_000


def _packets():
    """One packet of each vector; together they show every layout."""
    frames = [bytes.fromhex(vector["hex"]) for vector in VECTORS]
    return [frame[4 : 4 + int.from_bytes(frame[2:4])] for frame in frames]


def _frame(packets):
    return pack(">H", len(packets)) + b"".join(pack(">H", len(body)) + body for body in packets)


def _ends(packets):
    ends, at = [], 2
    for body in packets:
        at += 2 + len(body)
        ends.append(at)
    return ends


def _mutated(rng, frame, ends):
    """One damage; also the first byte that it touched."""
    kind = rng.choice(("flip", "flip", "cut", "insert", "delete", "length", "count"))
    if kind == "cut":
        at = rng.randrange(len(frame))
        return frame[:at], at
    if kind == "insert":
        at = rng.randrange(len(frame) + 1)
        return frame[:at] + rng.randbytes(rng.randint(1, 8)) + frame[at:], at
    if kind == "delete":
        at = rng.randrange(len(frame))
        return frame[:at] + frame[at + rng.randint(1, 8) :], at
    if kind == "length":
        at = rng.choice([2, *ends[:-1]])
        return frame[:at] + rng.randbytes(2) + frame[at + 2 :], at
    if kind == "count":
        return rng.randbytes(2) + frame[2:], 0
    at = rng.randrange(2, len(frame))
    return frame[:at] + bytes([frame[at] ^ 1 << rng.randrange(8)]) + frame[at + 1 :], at


def test_no_mutated_frame_crashes_the_codec_or_costs_a_packet_before_the_damage():
    rng = random.Random(2026)
    pool = _packets()
    kept = bad = 0
    for _ in range(FRAMES):
        packets = rng.choices(pool, k=rng.randint(1, 8))
        frame, ends = _frame(packets), _ends(packets)
        damaged, at = _mutated(rng, frame, ends)
        decoded = decode(damaged)
        for quote in decoded.quotes:
            quote.depth()
            quote.greeks()
        whole = sum(end <= at for end in ends)
        assert decoded.quotes[:whole] == decode(frame).quotes[:whole]
        assert len(decoded.quotes) >= whole
        kept += whole
        bad += len(decoded.bad)
    assert kept > FRAMES
    assert bad > FRAMES / 4


def test_damage_within_a_packet_costs_that_packet_only():
    rng = random.Random(7)
    pool = _packets()
    for _ in range(FRAMES // 4):
        packets = rng.choices(pool, k=6)
        good = decode(_frame(packets)).quotes
        hit = rng.randrange(6)
        body = bytearray(packets[hit])
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        quotes = decode(_frame([*packets[:hit], bytes(body), *packets[hit + 1 :]])).quotes
        assert len(quotes) == 6
        assert quotes[:hit] == good[:hit]
        assert quotes[hit + 1 :] == good[hit + 1 :]


def test_a_packet_that_is_cut_but_framed_right_costs_itself_only():
    pool = _packets()
    good = decode(_frame(pool)).quotes
    for hit, body in enumerate(pool):
        decoded = decode(_frame([*pool[:hit], body[:-1], *pool[hit + 1 :]]))
        assert decoded.quotes == good[:hit] + good[hit + 1 :]
        assert [bad.data for bad in decoded.bad] == [body[:-1]]
