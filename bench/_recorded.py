"""Recorded updates of Upstox's feed as the wire has them, and the broker's own minutes in them."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from google.protobuf.json_format import ParseDict
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.market import ist
from mdactors.market.candle import Bar
from mdactors.market.instrument import Instrument, InstrumentType

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "upstox_frames"
"""One file an instrument: JSON of one update a line, with the recorder's time of the receipt."""
BEHIND_MS = 5_900
"""So far the recorder's clock ran behind the exchange's at most; the frames' own times were not recorded."""
_TYPES: dict[str, InstrumentType] = {"NSE_INDEX": "INDEX", "NSE_FO": "OPTION"}


class Update(NamedTuple):
    """One instrument's update: a live frame of its own, and what the frame says beside the trade."""

    received_ns: int
    frame: bytes
    minute: Bar | None
    """The broker's bar of the last minute that is over."""
    volume: int
    """The day's figure; 0 where the frame says none."""
    told_ms: int
    """What time it was for the exchange."""
    traded_ms: int


def instrument_of(key: str) -> Instrument:
    """An instrument for a key of the recording."""
    segment, _, name = key.partition("|")
    return Instrument(1 << 8 | 1, name, "NSE", segment, _TYPES.get(segment, "STOCK"), key)


def recordings() -> list[Path]:
    """The recorded instruments' files; none where no recorded data lies beside the checkout."""
    return sorted(FOLDER.glob("*.jsonl.gz"))


def key_of(file: Path) -> str:
    """Whose updates a file holds."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return str(json.loads(next(lines))["instrumentKey"])


def updates(file: Path) -> Iterator[Update]:
    """A file's updates, in the order in which they were received."""
    instrument = instrument_of(key_of(file))
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            said = json.loads(line)
            received = dt.datetime.fromisoformat(said.pop("_insertion_time")).replace(tzinfo=ist.IST)
            told_ms = round(received.timestamp() * 1000) + BEHIND_MS
            frame = official.FeedResponse(type=official.live_feed, currentTs=told_ms)
            feed = frame.feeds[said.pop("instrumentKey")]
            ParseDict(said, feed)
            yield Update(
                round(received.timestamp() * 1e6) * 1_000,
                frame.SerializeToString(),
                _minute(instrument, feed),
                feed.fullFeed.marketFF.vtt,
                told_ms,
                _ltt(feed),
            )


def _ltt(feed: official.Feed) -> int:
    full = feed.fullFeed
    return int((full.marketFF if full.HasField("marketFF") else full.indexFF).ltpc.ltt)


def _minute(instrument: Instrument, feed: official.Feed) -> Bar | None:
    full = feed.fullFeed
    part = full.marketFF if full.HasField("marketFF") else full.indexFF
    for each in part.marketOHLC.ohlc:
        if each.interval == "I1":
            return Bar(instrument, "1m", each.ts, each.open, each.high, each.low, each.close, each.vol)
    return None
