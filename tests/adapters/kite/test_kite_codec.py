"""The codec against recorded, synthetic and malformed frames."""

from __future__ import annotations

import json
from pathlib import Path
from struct import pack

import pytest

from mdactors.adapter import Depth, Level
from mdactors_kite.codec import KiteQuote, decode

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
BY_NAME = {vector["name"]: vector for vector in VECTORS}
EQUITY_FULL = bytes.fromhex(BY_NAME["synthetic 5: equity full + depth"]["hex"])
LTP = bytes.fromhex("00010008000b450100022cc7")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_vector_says_what_the_reference_says(vector):
    frame = bytes.fromhex(vector["hex"])
    decoded = decode(frame)
    assert decoded.bad == []
    assert decoded.notice == ""
    assert len(decoded.quotes) == len(vector["quotes"])
    for quote, wanted in zip(decoded.quotes, vector["quotes"], strict=True):
        wanted = dict(wanted)
        sides = wanted.pop("depth", None)
        book = sides and Depth(
            **{side: tuple(Level(*level) for level in levels) for side, levels in sides.items()}
        )
        assert quote.depth() == book
        said = {
            name: getattr(quote, name)
            for name in KiteQuote.__struct_fields__
            if name not in ("raw", "book", "complete", "snapshot") and getattr(quote, name) is not None
        }
        assert said == wanted
        assert quote.complete
        assert not quote.snapshot
        assert quote.raw in frame


def test_the_raw_bytes_of_a_quote_are_its_packet_and_the_book_its_last_120_bytes():
    (quote,) = decode(EQUITY_FULL).quotes
    assert quote.raw == EQUITY_FULL[4:]
    assert quote.book == EQUITY_FULL[4 + 64 :]


@pytest.mark.parametrize(
    ("segment", "divisor"),
    [(s, {3: 10_000_000, 6: 10_000, 12: 10_000}.get(s, 100)) for s in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 255)],
)
def test_prices_are_divided_by_what_the_segment_says(segment, divisor):
    token = 1234 << 8 | segment
    (quote,) = decode(pack(">HHIi", 1, 8, token, 123_456_789)).quotes
    assert quote.last_price == 123_456_789 / divisor
    rung = pack(">IiHH", 7, 123_456_000, 2, 0)
    full = pack(">HHIi", 1, 184, token, 1) + bytes(56) + rung + bytes(48) + rung + bytes(48)
    (quote,) = decode(full).quotes
    level = Level(123_456_000 / divisor, 7, 2)
    assert quote.depth() == Depth((level,), (level,))


def test_every_price_is_signed_and_every_quantity_and_time_is_not():
    body = pack(
        ">IiIiIIIiiiiIIIII", 53490439, -3763, 2**32 - 1, -1, 2**32 - 2, 2**32 - 3, 2**32 - 4, -5, -6, -7, -8,
        2**32 - 9, 2**32 - 10, 0, 0, 2**32 - 11,
    ) + pack(">IiHH", 2**32 - 12, -13, 2**16 - 1, 0) + bytes(108)  # fmt: skip
    (quote,) = decode(b"\x00\x01\x00\xb8" + body).quotes
    assert quote.last_price == -37.63
    assert [quote.average_price, quote.open, quote.high, quote.low] == [-0.01, -0.05, -0.06, -0.07]
    assert quote.previous_close == -0.08
    assert [quote.last_quantity, quote.volume] == [2**32 - 1, 2**32 - 2]
    assert [quote.buy_quantity, quote.sell_quantity, quote.open_interest] == [
        2**32 - 3,
        2**32 - 4,
        2**32 - 10,
    ]
    assert [quote.last_trade_time, quote.exchange_time] == [(2**32 - 9) * 1000, (2**32 - 11) * 1000]
    assert quote.depth() == Depth((Level(-0.13, 2**32 - 12, 2**16 - 1),), ())


def test_before_the_first_trade_times_and_the_days_prices_are_absent():
    body = pack(">IiIiIIIiiii", 408065, 148985, 0, 0, 0, 100, 200, 0, 0, 0, 148985) + bytes(140)
    (quote,) = decode(b"\x00\x01\x00\xb8" + body).quotes
    assert quote.last_trade_time is None
    assert quote.exchange_time is None
    assert [quote.open, quote.high, quote.low, quote.average_price, quote.volume] == [None] * 4 + [0]
    assert (quote.last_price, quote.previous_close) == (1489.85, 1489.85)
    assert quote.depth() == Depth((), ())
    index = pack(">HHIiiiiiiI", 1, 32, 256265, 1, 2, 3, 4, 5, 6, 0)
    assert decode(index).quotes[0].exchange_time is None


@pytest.mark.parametrize("frame", [b"", b"\x00", b"\x01", b"\xff", b"\x00\x00"])
def test_heartbeats_and_empty_frames_say_nothing(frame):
    decoded = decode(frame)
    assert (decoded.quotes, decoded.bad, decoded.notice, decoded.market_status) == ([], [], "", {})


@pytest.mark.parametrize(
    ("frame", "good", "reason", "rest"),
    [
        ("0001", 0, "the frame ends within packet 1 of 1", ""),
        ("000100", 0, "the frame ends within packet 1 of 1", "00"),
        ("00020008000b450100022cc7", 1, "the frame ends within packet 2 of 2", ""),
        ("00010008000001", 0, "the frame ends within packet 1 of 1", "0008000001"),
        ("00010010" + "00" * 16, 0, "no layout has 16 bytes", "00" * 16),
        ("00010000", 0, "no layout has 0 bytes", ""),
        ("000100a4" + "11" * 164, 0, "no layout has 164 bytes", "11" * 164),
        ("00010008000b450100022cc7abcdef", 1, "3 bytes follow the last of 1 packets", "abcdef"),
        ("0000ab", 0, "1 bytes follow the last of 0 packets", "ab"),
        ("ffff0008000b450100022cc7", 1, "the frame ends within packet 2 of 65535", ""),
    ],
)
def test_what_cannot_be_read_is_one_bad_packet_beside_the_good_ones(frame, good, reason, rest):
    decoded = decode(bytes.fromhex(frame))
    assert [quote.token for quote in decoded.quotes] == [738561] * good
    assert [(bad.reason, bad.data.hex()) for bad in decoded.bad] == [(reason, rest)]


def test_a_packet_of_unknown_length_costs_only_itself():
    packet = LTP[2:]
    decoded = decode(b"\x00\x03" + packet + b"\x00\x05abcde" + packet)
    assert [quote.last_price for quote in decoded.quotes] == [1425.35, 1425.35]
    assert [bad.data for bad in decoded.bad] == [b"abcde"]


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ('{"type":"error","data":"more than 3000\\n instruments"}', "more than 3000 instruments"),
        ('{"type":"message","data":"maintenance at nine"}', "maintenance at nine"),
        ('{"type":"error","data":{"code":7}}', '{"code":7}'),
        ('{"type":"message","data":null}', ""),
        ('{"type":"error"}', ""),
        ('{"type":"error","data":"' + "x" * 2000 + '"}', "x" * 500),
        ('{"type":"order","data":{"order_id":"1"}}', ""),
        ('{"type":"instruments_meta","data":[1]}', ""),
        ('{"type":17}', ""),
        ('["error","no"]', ""),
        ("{broken", ""),
        ("", ""),
        ("\ud800", ""),
        ('{"type":"error","data":' + "[" * 5000 + "]" * 5000 + "}", ""),
    ],
)
def test_a_text_frame_is_a_notice_or_nothing(text, notice):
    decoded = decode(text)
    assert decoded.notice == notice
    assert (decoded.quotes, decoded.bad) == ([], [])


def test_a_quote_can_be_completed_by_merging_and_keeps_building_its_book():
    (base,) = decode(EQUITY_FULL).quotes
    (newer,) = decode(bytes.fromhex("0001000800063a0100024a22")).quotes
    merged = newer.merged(base)
    assert isinstance(merged, KiteQuote)
    assert merged.last_price == 1500.5
    assert merged.depth() == base.depth()
