"""A recording on a server: when it begins, that nothing is left out for who reads slowly, and its end."""

from __future__ import annotations

import json
import time

import pytest
import websocket

from mdactors.market.instrument import InstrumentRow
from mdactors.plugins import load_simulator
from mdactors.simulator import Replay, SimulatorOptions, SimulatorServer, player
from mdactors.simulator.replay import LEAD_MS
from mdactors.store.frames import FrameWriter

FRAMES = 500
BEGIN_MS = 1_795_146_300_000
RELIANCE = InstrumentRow(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018")


@pytest.fixture
def recorded(tmp_path):
    """Frames of 20 kB each that are for everybody, one each 10 ms."""
    with FrameWriter(tmp_path / "day.frames") as writer:
        writer.describe("kite", [RELIANCE])
        for number in range(FRAMES):
            body = b"\x00\x01" + number.to_bytes(4) * 5000
            writer.write((BEGIN_MS + 10 * number) * 1_000_000, "kite", body)
    return tmp_path / "day.frames"


@pytest.fixture
def serve(recorded, monkeypatch):
    """``serve(speed)``: a server that plays it, and what it plays."""
    monkeypatch.setattr(player, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(player, "IDLE_SECONDS", 0.05)

    def start(speed):
        replay = Replay(recorded, speed=speed)
        return replay, SimulatorServer(load_simulator("kite")(replay, SimulatorOptions(speed=speed)))

    return start


def connect(server):
    url = f"ws://127.0.0.1:{server.port}/?api_key=simulated&access_token=simulated"
    return websocket.create_connection(url, timeout=10)


def subscribe(client):
    client.send(json.dumps({"a": "subscribe", "v": [RELIANCE.token]}))


def numbers(client, count):
    found = []
    while len(found) < count:
        frame = client.recv()
        if len(frame) > 1:
            found.append(int.from_bytes(frame[2:6]))
    return found


def test_nothing_is_played_before_somebody_has_subscribed_but_the_line_is_alive(serve):
    replay, server = serve(speed=1000)
    with server:
        client = connect(server)
        assert [client.recv() for _ in range(5)] == [b"\x00"] * 5
        assert replay.played == 0
        shown = replay.clock.time_ns()
        assert shown == (BEGIN_MS - LEAD_MS) * 1_000_000
        subscribe(client)
        assert numbers(client, 3) == [0, 1, 2]
        assert replay.clock.time_ns() > shown
        client.close()


def test_who_reads_slowly_gets_all_of_it_late(serve, monkeypatch):
    monkeypatch.setattr(player, "UNREAD_BYTES", 50_000)
    replay, server = serve(speed=50_000)
    with server:
        client = connect(server)
        subscribe(client)
        time.sleep(0.5)
        assert replay.played < FRAMES
        assert numbers(client, FRAMES) == list(range(FRAMES))
        client.close()


def test_who_does_not_read_at_all_is_cut_off_and_the_others_go_on(serve, monkeypatch, wait_until, caplog):
    monkeypatch.setattr(player, "UNREAD_BYTES", 50_000)
    monkeypatch.setattr(player, "STUCK_SECONDS", 0.3)
    _, server = serve(speed=50_000)
    with server:
        deaf, client = connect(server), connect(server)
        subscribe(client)
        assert numbers(client, FRAMES) == list(range(FRAMES))
        wait_until(lambda: server.connections == [2])
        deaf.shutdown()
        client.close()
    assert "takes nothing for" in caplog.text


def test_behind_its_end_the_line_is_kept_alive(serve, wait_until):
    replay, server = serve(speed=50_000)
    with server:
        client = connect(server)
        subscribe(client)
        numbers(client, FRAMES)
        wait_until(lambda: replay.over)
        assert [client.recv() for _ in range(3)] == [b"\x00"] * 3
        client.close()
