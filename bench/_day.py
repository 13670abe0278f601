"""A whole day of a made-up market, recorded as raw frames of Kite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mdactors.market.moment import read_moment
from mdactors.simulator import Exchange, Session, SimulatorOptions
from mdactors.store.frames import FrameWriter
from mdactors_kite.simulator import KiteConversation, KiteSimulator

OPENS = "2026-11-20T09:15"
INSTRUMENTS = 150
_STEP_MS = 250
_NS_PER_MS = 1_000_000


class Recorder:
    """The other end of a conversation: what it is sent goes into a file."""

    id = 1
    is_open = True

    def __init__(self, writer: FrameWriter) -> None:
        self.updates = 0
        self.now_ms = 0
        self._writer = writer

    def send(self, data: bytes | str) -> None:
        """Keep a frame."""
        self._writer.write(self.now_ms * _NS_PER_MS, "kite/connection-1", data)

    def ping(self) -> None:
        """Keep nothing."""

    def close(self, code: int = 1000) -> None:
        """Stay."""

    def drop(self) -> None:
        """Stay."""

    def count_sent(self, token: int, updates: int, content: bytes) -> None:  # noqa: ARG002 - see `Peer`
        """Count."""
        self.updates += updates


def record_day(path: Path, hours: float, rate: float, seed: int = 1) -> int:
    """Record so many hours from the open on, with ``rate`` updates a second; how many there are."""
    opens_ms = read_moment(OPENS) // _NS_PER_MS
    exchange = Exchange(
        instruments=INSTRUMENTS, seed=seed, rate=rate, start_ms=opens_ms - 5_000, session=Session()
    )
    with FrameWriter(path) as writer:
        writer.describe("kite", exchange.instruments)
        recorder = Recorder(writer)
        recorder.now_ms = exchange.now_ms
        conversation = KiteConversation(recorder, KiteSimulator(exchange, SimulatorOptions(beat=0)))
        _subscribe(conversation, list(exchange.states))
        while exchange.now_ms < opens_ms + hours * 3_600_000:
            recorder.now_ms = exchange.now_ms + _STEP_MS
            for changed in exchange.updates(recorder.now_ms):
                assert not hasattr(changed, "pieces"), "it is made up"
                conversation.on_beat(list(changed), exchange.now_ms)
    return recorder.updates


def _subscribe(conversation: KiteConversation, tokens: Sequence[int]) -> None:
    conversation.on_message(json.dumps({"a": "subscribe", "v": tokens}))
    conversation.on_message(json.dumps({"a": "mode", "v": ["full", tokens]}))
