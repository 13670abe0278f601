"""The judge's log against what a client really received."""

from __future__ import annotations

import json
import zlib
from collections import Counter

import msgspec
import websocket

from mdactors.plugins import load_simulator
from mdactors.simulator import SimulatorOptions, SimulatorServer, open_venue
from mdactors_kite.adapter import KiteAdapter, KiteSettings

OPTIONS = SimulatorOptions(beat=0.02, rate=2000)
TOKENS = [738561, 408065, 256265]
FRAMES = 30


def test_counts_and_checksums_are_those_of_what_a_client_received(tmp_path, clock):
    path = tmp_path / "sent.jsonl"
    options = msgspec.structs.replace(OPTIONS, sent_log=str(path))
    counts, sums = Counter(), {}
    with SimulatorServer(load_simulator("kite")(open_venue(options, clock), options)) as server:
        client = websocket.create_connection(
            f"ws://127.0.0.1:{server.port}/?api_key=simulated&access_token=simulated", timeout=5
        )
        client.send(json.dumps({"a": "subscribe", "v": TOKENS}))
        client.send(json.dumps({"a": "mode", "v": ["full", TOKENS]}))
        for _ in range(FRAMES):
            take(client.recv(), counts, sums)
        server.faults.silence(60)
        while sum(counts.values()) < sum(server.sent()[1].values()):
            take(client.recv(), counts, sums)
        client.close()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    written, last = Counter(), {}
    for line in lines:
        written.update({int(token): updates for token, updates in line["sent"].items()})
        last.update({int(token): checksum for token, checksum in line["checksums"].items()})
    assert written == counts
    assert set(written) == set(TOKENS)
    assert last == sums


def take(frame, counts, sums):
    for quote in KiteAdapter(KiteSettings()).decode(frame).quotes:
        counts[quote.token] += 1
        sums[quote.token] = zlib.crc32(quote.raw, sums.get(quote.token, 0))
