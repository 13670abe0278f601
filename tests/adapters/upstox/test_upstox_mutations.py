"""Ten thousand damaged frames: none crashes anything or costs a good entry beside the bad one."""

from __future__ import annotations

import random

import pytest
from google.protobuf.message import DecodeError
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors_upstox import salvage
from mdactors_upstox.codec import decode

FRAMES = 10_000
TIME = b"\x18\xf3\xf8\xa2\xdc\x8e\x34"


def name(number):
    """Keys so different that no single damage makes one of another."""
    return f"NSE_FO|{(number + 1) * 11111}"


def entry(key, feed):
    frame = official.FeedResponse()
    frame.feeds[key].CopyFrom(feed)
    return frame.SerializeToString()


@pytest.fixture(scope="module")
def feeds(frame):
    """One feed of each reference frame that has one."""
    frames = [official.FeedResponse.FromString(frame(f"V{number}")) for number in (2, 3, 4, 5, 6, 7)]
    return [feed for response in frames for feed in response.feeds.values()]


def damaged(rng, data):
    """One damage."""
    at = rng.randrange(len(data))
    match rng.choice(("flip", "flip", "byte", "insert", "delete", "cut")):
        case "flip":
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case "byte":
            return data[:at] + rng.randbytes(1) + data[at + 1 :]
        case "insert":
            return data[:at] + rng.randbytes(rng.randint(1, 8)) + data[at:]
        case "delete":
            return data[:at] + data[at + rng.randint(1, 8) :]
        case _:
            return data[:at]


def exercised(quotes):
    """Everything that somebody later does with a quote must be possible."""
    for quote in quotes:
        quote.depth()
        quote.greeks()
        quote.merged(quote)
    return quotes


def test_no_damage_to_one_entry_crashes_anything_or_costs_another_entry(feeds):
    rng = random.Random(2026)
    parsed = saved = bad = 0
    for _ in range(FRAMES):
        entries = [entry(name(number), rng.choice(feeds)) for number in range(rng.randint(2, 6))]
        hurt = rng.randrange(len(entries))
        whole = decode(b"\x08\x01" + b"".join(entries) + TIME)
        assert len(whole.quotes) == len(entries)
        entries[hurt] = damaged(rng, entries[hurt])
        data = b"\x08\x01" + b"".join(entries) + TIME
        decoded = decode(data)
        bad += len(decoded.bad)
        good = {quote.token: quote for quote in whole.quotes if quote.token != name(hurt)}
        kept = {quote.token: quote for quote in exercised(decoded.quotes)}
        lost = [key for key, quote in good.items() if kept.get(key) != quote]
        assert not lost, (hurt, data.hex())
        try:
            official.FeedResponse.FromString(data)
            parsed += 1
        except DecodeError:
            saved += 1
    assert min(parsed, saved, bad) > FRAMES // 10


def test_no_damage_anywhere_crashes_anything(feeds):
    rng = random.Random(1)
    read = 0
    for _ in range(FRAMES):
        data = b"\x08\x01" + b"".join(entry(f"NSE_EQ|{n}", rng.choice(feeds)) for n in range(3)) + TIME
        for _ in range(rng.randint(1, 6)):
            data = damaged(rng, data) or b"\x00"
        read += len(exercised(decode(data).quotes))
    assert read > FRAMES // 2, "most damage leaves something to read"


def test_noise_yields_nothing_but_bad_packets():
    rng = random.Random(3)
    for _ in range(1000):
        decoded = decode(rng.randbytes(rng.randint(1, 300)))
        assert decoded.quotes == []


def test_what_lies_between_saved_entries_is_kept_for_the_log(frame):
    first, last = frame("V7")[2:-7], frame("V4")[2:-7]
    data = b"\x08\x01" + first + b"rubbish" + last + TIME
    found, lost = salvage.rescue(data, lambda key, raw: (key, len(raw)))
    assert found == {
        "NSE_EQ|INE002A01018": ("NSE_EQ|INE002A01018", 40),
        "NSE_FO|45450": ("NSE_FO|45450", 374),
    }
    assert lost == [b"rubbish"]
    assert salvage.current_time(data) == 1790658002035
