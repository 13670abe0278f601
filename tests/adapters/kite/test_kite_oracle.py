"""The codec against the official client's parser, on the vectors and on generated frames."""

from __future__ import annotations

import json
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from mdactors_kite.codec import decode

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12)

# Where a price is neither negative nor a sentinel, a rung has one and no time is zero, both must agree; the
# rest is in test_kite_disagreements.
prices = st.integers(0, 2**31 - 2).filter(lambda price: price != 2_000_000_000)
counts = st.integers(0, 2**32 - 1)
times = st.integers(1, 2**32 - 1)
tokens = st.builds(
    lambda number, segment: number << 8 | segment, st.integers(0, 2**24 - 1), st.sampled_from(SEGMENTS)
)
rungs = st.builds(
    lambda *fields: pack(">IIHH", *fields),
    st.integers(1, 2**32 - 1),
    prices.filter(bool),
    st.integers(0, 2**16 - 1),
    st.just(0),
)
sides = st.lists(rungs, max_size=5).map(lambda said: b"".join(said).ljust(60, b"\x00"))


def _body(layout, *fields):
    return st.builds(lambda *values: pack(layout, *values), *fields)


quote_bodies = _body(
    ">IIIIIIIIIII", tokens, prices, counts, prices, counts, counts, counts, prices, prices, prices, prices
)
bodies = st.one_of(
    _body(">II", tokens, prices),
    _body(">IIIIIIi", tokens, *[prices] * 5, st.integers(-(2**31), 2**31 - 1)),
    _body(">IIIIIIiI", tokens, *[prices] * 5, st.integers(-(2**31), 2**31 - 1), times),
    quote_bodies,
    st.builds(
        lambda quote, rest, buy, sell: quote + rest + buy + sell,
        quote_bodies,
        _body(">IIIII", times, counts, counts, counts, times),
        sides,
        sides,
    ),
)
frames = st.lists(bodies, max_size=12).map(
    lambda packets: pack(">H", len(packets)) + b"".join(pack(">H", len(body)) + body for body in packets)
)


@pytest.fixture(scope="module")
def official(comparable):
    ticker = KiteTicker("key", "token")

    def parse(frame):
        ticks = ticker._parse_binary(frame)
        for tick in ticks:
            comparable(tick)
            for name in ("exchange_timestamp", "last_trade_time"):
                if tick.get(name) is not None:
                    tick[name] = tick[name].timestamp()
        return ticks

    return parse


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_both_read_every_vector_alike(vector, official, as_ticker):
    frame = bytes.fromhex(vector["hex"])
    ours = [as_ticker(quote) for quote in decode(frame).quotes]
    theirs = official(frame)
    if "negative price" in vector["name"]:
        assert ours[0].pop("last_price") == -37.63
        assert theirs[0].pop("last_price") == 42949635.33
    assert ours == theirs


@settings(max_examples=500, deadline=None)
@given(frame=frames)
def test_both_read_every_well_formed_frame_alike(frame, official, as_ticker):
    decoded = decode(frame)
    assert decoded.bad == []
    assert [as_ticker(quote) for quote in decoded.quotes] == official(frame)
