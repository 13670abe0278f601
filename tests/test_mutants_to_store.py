"""Thousands of damaged and absurd frames of both brokers, all the way to JSON and onto the disk."""

from __future__ import annotations

import json
import math
import random
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

import mdactors_kite.codec
import mdactors_upstox.codec
from mdactors.adapter import BrokerToken, Decoded
from mdactors.market.instrument import Instrument, InstrumentType
from mdactors.market.interest import View
from mdactors.market.numbering import Numbering
from mdactors.market.position import Position
from mdactors.market.quote import MODES
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

FRAMES = 2500
NOON_NS = 1_790_663_400_000_000_000
VIEWS = (*(View(mode) for mode in MODES), View("full", "flat"))
VECTORS = Path(__file__).parent / "adapters"
ABSURD_FLOATS = (
    math.nan, math.inf, -math.inf, 1e308, -1e300, 2.0**53, -(2.0**53), 2.0**53 - 1, 5e-324, 1e-9, -0.0, -1.5,
)  # fmt: skip
ABSURD_WHOLES = (
    2**63 - 1, -(2**63), 2**53, -(2**53), 2**53 - 1, 2**31, -1, 0,
    253_402_300_800_000,  # the year 10000
    -62_135_596_800_000,  # the year 1, at which some languages' empty times begin
)  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30")


def vectors(broker: str) -> Any:
    """The reference frames of a broker."""
    return json.loads((VECTORS / broker / "vectors.json").read_text(encoding="utf-8"))


def instrument(token: BrokerToken, place: int) -> Instrument:
    """Something listed under a broker's token."""
    kinds: tuple[InstrumentType, ...] = ("STOCK", "INDEX", "FUTURE", "OPTION")
    return Instrument(place, f"SYMBOL{place}", "NSE", "NSE_EQ", kinds[place % 4], f"NSE_EQ|{token}")


def damaged(rng: random.Random, data: bytes) -> bytes:
    """One damage to the bytes."""
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
            return data[:at] or b"\x00"


def kite_packets() -> list[bytes]:
    """One packet of every layout."""
    frames = [bytes.fromhex(vector["hex"]) for vector in vectors("kite")]
    return [frame[4 : 4 + int.from_bytes(frame[2:4])] for frame in frames]


def kite_frames(rng: random.Random) -> Iterator[bytes]:
    """Frames of packets with absurd words in them, every other one damaged besides."""
    pool = kite_packets()
    words = [struct.pack(">I", word) for word in (0, 1, 2**31 - 1, 2**31, 2**32 - 1)]
    for number in range(FRAMES):
        packets = []
        for body in rng.choices(pool, k=rng.randint(1, 4)):
            for _ in range(rng.randrange(4) if len(body) > 4 else 0):
                at = rng.randrange(4, len(body) - 3, 4)
                body = body[:at] + rng.choice([*words, rng.randbytes(4)]) + body[at + 4 :]
            packets.append(struct.pack(">H", len(body)) + body)
        frame = struct.pack(">H", len(packets)) + b"".join(packets)
        yield damaged(rng, frame) if number % 2 else frame


def kite_tokens() -> set[BrokerToken]:
    return {int.from_bytes(body[:4]) for body in kite_packets()}


def upstox_feeds() -> list[tuple[str, official.Feed]]:
    """Every feed of the reference frames under its key."""
    frames = [official.FeedResponse.FromString(bytes.fromhex(v["hex"])) for v in vectors("upstox").values()]
    return [(key, feed) for frame in frames for key, feed in frame.feeds.items()]


def numbers_of(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """Every number that a message holds or could hold, in the parts that it has."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None:
            if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_INT64):
                yield message, field
            continue
        value = getattr(message, field.name)
        parts = [value] if isinstance(value, Message) and message.HasField(field.name) else []
        for part in parts if isinstance(value, Message) else value:
            yield from numbers_of(part)


def upstox_frames(rng: random.Random) -> Iterator[bytes]:
    """Frames of feeds with absurd numbers in them, every third one damaged besides."""
    pool = upstox_feeds()
    for number in range(FRAMES):
        time = rng.choice((1_790_658_002_035, *ABSURD_WHOLES))
        frame = official.FeedResponse(type=rng.randrange(2), currentTs=time)
        for key, feed in rng.choices(pool, k=rng.randint(1, 4)):
            frame.feeds[key].CopyFrom(feed)
            places = list(numbers_of(frame.feeds[key]))
            for part, field in rng.choices(places, k=rng.randrange(3)):
                whole = field.type == FieldDescriptor.TYPE_INT64
                setattr(part, field.name, rng.choice(ABSURD_WHOLES if whole else ABSURD_FLOATS))
        data = frame.SerializeToString()
        yield damaged(rng, data) if number % 3 == 0 else data


def upstox_tokens() -> set[BrokerToken]:
    return {key for key, _ in upstox_feeds()}


def strictly_parsed(data: bytes) -> Any:
    """What JSON says, without the words that Python's parser takes and no other."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(data, parse_constant=refuse)


def violations(value: Any, path: str = "") -> list[str]:
    """Where a client would find what the contract excludes."""
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in violations(part, f"{path}.{name}")]
    if isinstance(value, list):
        return [found for part in value for found in violations(part, f"{path}[]")]
    if value is None:
        return [f"{path} is null"]
    if isinstance(value, int | float) and not -(2**53) < value < 2**53:
        return [f"{path} is {value}"]
    return []


def check_words(tick: Tick) -> None:
    """Every view of a tick is as the contract says."""
    for view in VIEWS:
        written = strictly_parsed(encode(tick, view))
        assert not violations(written), (view, tick.quote)
        assert written["seq"] == tick.seq
        if view.shape == "tick":
            times = [written["timestamp"], written["receivedAt"], written.get("lastTradeTime")]
            assert all(TIME.fullmatch(time) for time in times if time is not None), times


@pytest.mark.parametrize(
    ("codec", "make_frames", "make_tokens"),
    [
        pytest.param(mdactors_kite.codec, kite_frames, kite_tokens, id="kite"),
        pytest.param(mdactors_upstox.codec, upstox_frames, upstox_tokens, id="upstox"),
    ],
)
def test_what_a_mutant_says_is_valid_for_every_client_and_kept_whole(
    codec: Any, make_frames: Any, make_tokens: Any, tmp_path: Path
) -> None:
    tokens = sorted(make_tokens(), key=str)
    table: Mapping[BrokerToken, Instrument] = {token: instrument(token, n) for n, token in enumerate(tokens)}
    numbering = Numbering("broker", 7, table)
    store = SqliteTicks(SqliteDatabase(tmp_path / "ticks.db"))
    published = bad = 0
    at: Position | None = None
    try:
        for number, frame in enumerate(make_frames(random.Random(2026))):
            decoded: Decoded = codec.decode(frame)
            bad += len(decoded.bad)
            ticks = numbering.number(decoded.quotes, NOON_NS + number)
            for tick in ticks:
                check_words(tick)
            published += len(ticks)
            upto = Position("journal", 1, number + 1, published)
            assert store.write(ticks, at, upto) == 0
            at = upto
        kept = [row for one in table.values() for row in store.read(one.token, -(2**80), 2**80, 10**6)]
        assert len(kept) == store.count() == published
    finally:
        store.close()
    assert published > FRAMES
    assert bad > FRAMES // 10


def test_the_end_of_kites_clock_in_the_year_2106_is_not_believed(tmp_path: Path) -> None:
    (packet,) = [body for body in kite_packets() if len(body) == 184][:1]
    last_second = b"\xff\xff\xff\xff"
    packet = packet[:44] + last_second + packet[48:60] + last_second + packet[64:]
    quotes = mdactors_kite.codec.decode(b"\x00\x01\x00\xb8" + packet).quotes
    token = quotes[0].token
    ticks = Numbering("kite", 7, {token: instrument(token, 0)}).number(quotes, NOON_NS)
    check_words(ticks[0])
    written = strictly_parsed(encode(ticks[0], View("full")))
    assert written["timestamp"] == written["receivedAt"]
    assert (written["timestampSource"], "lastTradeTime" in written) == ("receipt", False)
    store = SqliteTicks(SqliteDatabase(tmp_path / "ticks.db"))
    try:
        assert store.write(ticks, None, Position("journal", 1, 1, 1)) == 0
        (row,) = store.read(0, 0, 2**62, 10)
        assert (row.tick_timestamp, row.last_trade_time) == (NOON_NS // 1_000_000, None)
    finally:
        store.close()
