"""Decoding, up to the final tick: our two codecs against the brokers' own Python clients.

Kite: one frame of 200 full packets against ``KiteTicker``'s parser. Upstox: one frame of 100 full
feeds against the streamer's parse and dictionary. Each pair runs interleaved in one process; a figure
is the best of several rounds, a ratio is theirs over ours. *raw* leaves the book as the broker's bytes
until somebody encodes it, *built* builds every book.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

from bench._frames import kite_frame, kite_instruments, upstox_frame, upstox_instruments
from bench._pipeline import Pipeline
from mdactors.market.tick import Tick
from mdactors_kite.adapter import KiteAdapter, KiteSettings
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings

ROUNDS = 15
REPEATS = 20


def measure() -> dict[str, object]:
    """Packets a second and ratios, for both brokers."""
    return {**_kite(), **_upstox()}


def _kite() -> dict[str, object]:
    from kiteconnect import KiteTicker

    count = 200
    frame = kite_frame(count)
    ticker = KiteTicker("key", "token")
    pipeline = Pipeline(KiteAdapter(KiteSettings()), kite_instruments(count))
    return _compare("kite", count, lambda: ticker._parse_binary(frame), pipeline, frame)


def _upstox() -> dict[str, object]:
    from google.protobuf.json_format import MessageToDict
    from upstox_client.feeder.proto import MarketDataFeedV3_pb2

    count = 100
    frame = upstox_frame(count)

    def official() -> None:
        response = MarketDataFeedV3_pb2.FeedResponse()
        response.ParseFromString(frame)
        MessageToDict(response)

    pipeline = Pipeline(UpstoxAdapter(UpstoxSettings()), upstox_instruments(count))
    return _compare("upstox", count, official, pipeline, frame)


def _compare(
    name: str, count: int, official: Callable[[], object], pipeline: Pipeline, frame: bytes
) -> dict[str, object]:
    assert len(pipeline.ticks(frame)) == count

    def raw() -> None:
        pipeline.ticks(frame)

    def built() -> None:
        _build(pipeline.ticks(frame))

    theirs, ours, ours_built = _best([official, raw, built])
    return {
        f"{name}_official_per_second": count / theirs,
        f"{name}_raw_per_second": count / ours,
        f"{name}_built_per_second": count / ours_built,
        f"{name}_ratio_raw": theirs / ours,
        f"{name}_ratio_built": theirs / ours_built,
    }


def _build(ticks: Sequence[Tick]) -> None:
    for tick in ticks:
        tick.quote.depth()
        tick.quote.greeks()


def _best(functions: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of one call each, the best of interleaved rounds."""
    best = [float("inf")] * len(functions)
    for _ in range(ROUNDS):
        for index, function in enumerate(functions):
            gc.collect()
            started = time.perf_counter()
            for _ in range(REPEATS):
                function()
            best[index] = min(best[index], (time.perf_counter() - started) / REPEATS)
    return best
