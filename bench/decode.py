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
from mdactors_kite.adapter import KiteAdapter, KiteSettings
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings

ROUNDS = 15
REPEATS = 10
SEEDS = (7, 8)
"""Two frames take turns, so that no tick repeats the one before."""
Read = Callable[[bytes], object]
GOALS = {"kite_ratio_raw": (">=", 10.0), "upstox_ratio_raw": (">=", 8.0)}


def measure() -> dict[str, object]:
    """Packets a second and ratios, for both brokers."""
    return {**_kite(), **_upstox()}


def _kite() -> dict[str, object]:
    from kiteconnect import KiteTicker

    count = 200
    frames = [kite_frame(count, seed) for seed in SEEDS]
    ticker = KiteTicker("key", "token")
    pipeline = Pipeline(KiteAdapter(KiteSettings()), kite_instruments(count))
    return _compare("kite", count, ticker._parse_binary, pipeline, frames)


def _upstox() -> dict[str, object]:
    from google.protobuf.json_format import MessageToDict
    from upstox_client.feeder.proto import MarketDataFeedV3_pb2

    count = 100
    frames = [upstox_frame(count, seed) for seed in SEEDS]

    def official(frame: bytes) -> None:
        response = MarketDataFeedV3_pb2.FeedResponse()
        response.ParseFromString(frame)
        MessageToDict(response)

    pipeline = Pipeline(UpstoxAdapter(UpstoxSettings()), upstox_instruments(count))
    return _compare("upstox", count, official, pipeline, frames)


def _compare(
    name: str, count: int, official: Read, pipeline: Pipeline, frames: Sequence[bytes]
) -> dict[str, object]:
    assert len(pipeline.ticks(frames[0])) == count

    def built(frame: bytes) -> None:
        for tick in pipeline.ticks(frame):
            tick.quote.depth()
            tick.quote.greeks()

    theirs, ours, ours_built = _best([official, pipeline.ticks, built], frames)
    return {
        f"{name}_official_per_second": count / theirs,
        f"{name}_raw_per_second": count / ours,
        f"{name}_built_per_second": count / ours_built,
        f"{name}_ratio_raw": theirs / ours,
        f"{name}_ratio_built": theirs / ours_built,
    }


def _best(readers: Sequence[Read], frames: Sequence[bytes]) -> list[float]:
    """Seconds for one frame each, the best of interleaved rounds."""
    best = [float("inf")] * len(readers)
    for _ in range(ROUNDS):
        for index, read in enumerate(readers):
            gc.collect()
            started = time.perf_counter()
            for _ in range(REPEATS):
                for frame in frames:
                    read(frame)
            best[index] = min(best[index], (time.perf_counter() - started) / REPEATS / len(frames))
    return best
