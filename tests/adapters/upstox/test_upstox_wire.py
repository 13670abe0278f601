"""The simulator's own protobuf writer against the official runtime."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors_upstox import wire

int64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
double = st.floats(allow_nan=False).filter(lambda value: value != 0 or str(value) == "0.0")


@given(int64, double, st.text())
def test_it_writes_what_the_official_runtime_writes(whole, real, text):
    candle = official.OHLC(interval=text, open=real, vol=whole)
    written = wire.real(2, real) + wire.whole(6, whole)
    assert (wire.text(1, text) if text else b"") + written == candle.SerializeToString()


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_varint_ends_with_its_first_byte_below_128(number):
    data = wire.varint(number)
    assert [byte > 127 for byte in data] == [True] * (len(data) - 1) + [False]
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(data)) == number


def test_zeros_are_not_written_and_empty_parts_are():
    assert (wire.whole(1, 0), wire.real(1, 0.0), wire.part(3, b"")) == (b"", b"", b"\x1a\x00")
