"""The written list of where we differ from the official client's parser on purpose, each entry a test."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from struct import pack
from zoneinfo import ZoneInfo

import pytest
from kiteconnect import KiteTicker

from mdactors_kite.codec import decode

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
EQUITY_FULL = next(bytes.fromhex(v["hex"]) for v in VECTORS if "equity full + depth" in v["name"])
LTP = bytes.fromhex("00010008000b450100022cc7")


@pytest.fixture(scope="module")
def official():
    return KiteTicker("key", "token")._parse_binary


def _patched(offset, value):
    """The full equity frame with four other bytes at an offset of its packet."""
    at = 4 + offset
    return EQUITY_FULL[:at] + value + EQUITY_FULL[at + 4 :]


@pytest.mark.parametrize(
    ("offset", "ours", "theirs"),
    [
        (4, lambda q: q.last_price, lambda t: t["last_price"]),
        (12, lambda q: q.average_price, lambda t: t["average_traded_price"]),
        (28, lambda q: q.open, lambda t: t["ohlc"]["open"]),
        (32, lambda q: q.high, lambda t: t["ohlc"]["high"]),
        (36, lambda q: q.low, lambda t: t["ohlc"]["low"]),
        (40, lambda q: q.previous_close, lambda t: t["ohlc"]["close"]),
        (68, lambda q: q.depth().buy[0].price, lambda t: t["depth"]["buy"][0]["price"]),
        (128, lambda q: q.depth().sell[0].price, lambda t: t["depth"]["sell"][0]["price"]),
    ],
)
def test_a_negative_price_is_negative_here_and_huge_there(official, offset, ours, theirs):
    frame = _patched(offset, pack(">i", -3763))
    assert ours(decode(frame).quotes[0]) == -37.63
    assert theirs(official(frame)[0]) == 42949635.33


@pytest.mark.parametrize("offset", [4, 8, 12, 16, 20])
def test_an_index_figure_below_zero_is_negative_here_and_huge_there(official, offset):
    body = bytearray(pack(">I", 256265) + bytes(28))
    body[offset : offset + 4] = pack(">i", -150)
    frame = b"\x00\x01\x00\x20" + bytes(body)
    quote, tick = decode(frame).quotes[0], official(frame)[0]
    assert -1.5 in (quote.last_price, quote.open, quote.high, quote.low, quote.previous_close)
    assert 42949671.46 in (tick["last_price"], *tick["ohlc"].values())


@pytest.mark.parametrize("cut", ["00020008000b450100022cc7", "00020008000b450100022cc70008000b45"])
def test_a_frame_cut_after_good_packets_keeps_them_here_and_loses_them_there(official, cut):
    frame = bytes.fromhex(cut)
    decoded = decode(frame)
    assert [quote.last_price for quote in decoded.quotes] == [1425.35]
    assert len(decoded.bad) == 1
    with pytest.raises(struct.error):
        official(frame)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_times_are_epoch_milliseconds_here_and_naive_in_the_hosts_zone_there(zone):
    code = (
        "import sys; from kiteconnect import KiteTicker; from mdactors_kite.codec import decode; "
        "frame = bytes.fromhex(sys.argv[1]); quote = decode(frame).quotes[0]; "
        "print(quote.exchange_time, quote.last_trade_time); "
        "print(KiteTicker('key', 'token')._parse_binary(frame)[0]['exchange_timestamp'].isoformat())"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, EQUITY_FULL.hex()]
    run = subprocess.run(command, env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True)
    ours, theirs = run.stdout.splitlines()
    assert ours == "1795149930000 1795149929000"
    there = datetime.fromtimestamp(1795149930, ZoneInfo(zone))
    assert theirs == there.replace(tzinfo=None).isoformat()


def test_a_time_of_zero_is_absent_here_and_1970_there(official):
    frame = EQUITY_FULL[:48] + bytes(4) + EQUITY_FULL[52:64] + bytes(4) + EQUITY_FULL[68:]
    quote, tick = decode(frame).quotes[0], official(frame)[0]
    assert (quote.last_trade_time, quote.exchange_time) == (None, None)
    assert tick["last_trade_time"] == tick["exchange_timestamp"]
    assert tick["exchange_timestamp"].timestamp() == 0


@pytest.mark.parametrize("length", [0, 4, 16, 164, 185])
def test_an_unknown_length_is_reported_here_and_dropped_or_raised_there(official, length):
    frame = pack(">HH", 1, length) + bytes(length)
    decoded = decode(frame)
    assert decoded.quotes == []
    assert [bad.reason for bad in decoded.bad] == [f"no layout has {length} bytes"]
    if length < 4:
        with pytest.raises(struct.error):
            official(frame)
    else:
        assert official(frame) == []


def test_bytes_behind_the_last_packet_are_reported_here_and_ignored_there(official):
    decoded = decode(LTP + b"more")
    assert len(decoded.quotes) == len(official(LTP + b"more")) == 1
    assert [bad.data for bad in decoded.bad] == [b"more"]


def test_the_change_of_an_index_is_computed_by_neither_from_the_wire_and_not_at_all_in_the_codec(official):
    frames = [pack(">HHIiiiiii", 1, 28, 256265, 912685, 916760, 911630, 916695, 912685, n) for n in (-36, 36)]
    assert {official(frame)[0]["change"] for frame in frames} == {0.0}
    ours = [decode(frame).quotes[0] for frame in frames]
    assert ours[0].same_content(ours[1])


def test_an_empty_rung_is_left_out_here_and_a_price_of_zero_there(official):
    frame = _patched(64, bytes(4))
    book = decode(frame).quotes[0].depth()
    tick = official(frame)[0]
    assert len(book.buy) == 4
    assert len(tick["depth"]["buy"]) == 5
    assert [level.price for level in book.buy] == [rung["price"] for rung in tick["depth"]["buy"][1:]]


def test_the_volume_of_an_index_is_zero_here_and_missing_there(official):
    frame = pack(">HHIiiiiii", 1, 28, 256265, 1, 2, 3, 4, 5, 6)
    assert decode(frame).quotes[0].volume == 0
    assert "volume_traded" not in official(frame)[0]


def test_a_range_of_open_interest_without_a_highest_is_absent_here_and_zeros_there(official):
    future = pack(">I", 14_500_098) + EQUITY_FULL[8:]
    for highest, lowest, ours in ((0, 0, (None, None)), (12_345, 0, (12_345, 0))):
        body = future[:52] + pack(">II", highest, lowest) + future[60:]
        (quote,), (tick,) = decode(EQUITY_FULL[:4] + body).quotes, official(EQUITY_FULL[:4] + body)
        assert (tick["oi_day_high"], tick["oi_day_low"]) == (highest, lowest)
        assert (quote.open_interest_high, quote.open_interest_low) == ours


@pytest.mark.parametrize(
    ("offset", "ours"),
    [
        (4, lambda q: q.last_price), (12, lambda q: q.average_price), (28, lambda q: q.open),
        (32, lambda q: q.high), (36, lambda q: q.low), (40, lambda q: q.previous_close),
    ],
)  # fmt: skip
@pytest.mark.parametrize("price", [0, 2**31 - 1, -(2**31 - 1), -(2**31), 2_000_000_000, -2_000_000_000])
def test_a_price_of_zero_or_a_sentinel_is_not_known_here_and_a_number_there(official, offset, ours, price):
    frame = _patched(offset, pack(">i", price))
    decoded, (tick,) = decode(frame), official(frame)
    (quote,) = decoded.quotes
    assert ours(quote) is None
    assert price % 2**32 / 100 in (tick["last_price"], tick["average_traded_price"], *tick["ohlc"].values())
    assert len(decoded.refused) == (price != 0), "which is counted"
    (sound,) = decode(EQUITY_FULL).quotes
    assert (quote.volume, quote.depth()) == (sound.volume, sound.depth()), "the rest of the update stays"


@pytest.mark.parametrize("price", [0, 2**31 - 1, -(2**31), 2_000_000_000])
def test_a_rung_at_no_price_is_left_out_here_and_has_a_number_there(official, price):
    frame = _patched(68, pack(">i", price))
    (quote,), (tick,) = decode(frame).quotes, official(frame)
    assert [level.price for level in quote.depth().buy] == [r["price"] for r in tick["depth"]["buy"][1:]]
    assert len(quote.depth().sell) == 5


def test_broken_counts_without_a_packet_are_reported_here_and_raise_there(official):
    for text in ("0001", "000100", "00010008000001"):
        frame = bytes.fromhex(text)
        assert len(decode(frame).bad) == 1
        with pytest.raises(struct.error):
            official(frame)


def test_a_share_has_no_open_interest_here_and_a_zero_there(official):
    (ours,), (theirs,) = decode(EQUITY_FULL).quotes, official(EQUITY_FULL)
    assert (ours.open_interest, theirs["oi"]) == (None, 0)
