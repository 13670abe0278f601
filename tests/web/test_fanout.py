"""How deliveries reach clients: shared bytes, order, conflation of the slow, and bounds."""

from __future__ import annotations

import contextlib
import json
import socket

import websocket

from mdactors.messages import SessionClosed
from mdactors.protocol import CloseCode, Delivery, frame_text
from mdactors.web.outbox import CHUNK

PADDING = "x" * 400


def tick(token, seq):
    return token, {"instrumentToken": token, "seq": seq, "padding": PADDING}


def stalled(stage, path="/ws/stocks"):
    """A client that reads nothing until it is told to, behind a small receive buffer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(5)
    raw.connect(("127.0.0.1", stage.port))
    return stage.connect(path, socket=raw)


def outbox(stage, name):
    return stage.web._sessions._open[name].outbox


def messages(client, until):
    """What comes, up to the first message that fulfils the condition."""
    got = []
    while not got or not until(got[-1]):
        got.append(json.loads(client.recv()))
    return got


def test_a_delivery_reaches_each_of_its_sessions_and_nobody_else(stage, wait_until):
    stage.start()
    clients = [stage.connect("/ws/stocks") for _ in range(3)]
    wait_until(lambda: len(stage.told) == 3)
    names = [stage.session(number) for number in range(3)]
    stage.send([names[0], names[2], "nobody"], tick(1, 1), tick(2, 1))
    stage.send(names, (None, {"event": "end"}))
    got = [messages(client, lambda m: m.get("event") == "end") for client in clients]
    assert sorted(len(each) for each in got) == [1, 3, 3]
    assert [m.get("instrumentToken") for m in max(got, key=len)] == [1, 2, None]


def test_what_is_delivered_in_one_turn_of_the_loop_is_written_at_once_and_in_order(stage, wait_until):
    stage.start()
    client = stage.connect("/ws/stocks")
    wait_until(lambda: stage.told)
    name = stage.session()
    frames = [frame_text(json.dumps({"n": n}).encode()) for n in range(500)]
    writes = []
    stream = outbox(stage, name)._stream
    write = stream.write_to_fd

    def deliver():
        stream.write_to_fd = lambda data: (writes.append(len(data)), write(data))[1]
        for n, frame in enumerate(frames):
            stage.web.deliver([Delivery((name,), (n,), (frame,), frame)])

    stage.call(deliver)
    assert [m["n"] for m in messages(client, lambda m: m["n"] == 499)] == list(range(500))
    assert writes == [sum(map(len, frames))]


def test_a_stalled_client_gets_the_newest_of_each_instrument_and_another_gets_everything(stage, wait_until):
    stage.start(send_buffer_bytes=4096, outbox_bytes=100_000)
    slow = stalled(stage)
    wait_until(lambda: len(stage.told) == 1)
    slow_name = stage.session()
    quick = stage.connect("/ws/stocks")
    wait_until(lambda: len(stage.told) == 2)
    rounds, tokens = 300, range(1, 41)
    slow_outbox = stage.call(lambda: outbox(stage, slow_name))
    most = 0
    for seq in range(1, rounds + 1):
        stage.send([slow_name, stage.session()], *(tick(token, seq) for token in tokens))
        got = [json.loads(quick.recv()) for _ in tokens]
        assert [(m["instrumentToken"], m["seq"]) for m in got] == [(token, seq) for token in tokens]
        most = max(most, sum(len(each.joined) for each in stage.call(lambda: list(slow_outbox._waiting))))
    assert most < 100_000 + 2 * CHUNK
    assert slow_outbox.conflated > 0
    stage.send([slow_name], (1, {"instrumentToken": 1, "seq": rounds + 1}))
    late = messages(slow, lambda m: m["seq"] == rounds + 1)
    assert len(late) < rounds * len(tokens) / 2
    newest = {m["instrumentToken"]: m["seq"] for m in late}
    assert newest == dict.fromkeys(tokens, rounds) | {1: rounds + 1}
    for token in tokens:
        seqs = [m["seq"] for m in late if m["instrumentToken"] == token]
        assert seqs == sorted(set(seqs))


def test_a_pause_shorter_than_a_hiccup_costs_no_tick(stage, wait_until, monkeypatch):
    monkeypatch.setattr("mdactors.web.outbox.HICCUP_SECONDS", 60.0)
    stage.start(send_buffer_bytes=4096)
    client = stalled(stage)
    wait_until(lambda: stage.told)
    name = stage.session()
    fill(stage, name, wait_until)
    for seq in range(1, 1001):
        stage.send([name], tick(1, seq))
    got = messages(client, lambda m: m.get("seq") == 1000)
    assert [m["seq"] for m in got if "seq" in m] == list(range(1, 1001))


def fill(stage, name, wait_until):
    """Deliver until the socket takes no more."""
    big = {"padding": "y" * 60_000}
    for _ in range(200):
        stage.send([name], ("fill", big))
        if stage.call(lambda: outbox(stage, name)._pending_since) is not None:
            return
    raise AssertionError("the socket took everything")


def test_a_conflated_session_still_hears_answers_and_ticks_in_their_order(stage, wait_until, monkeypatch):
    """No tick that came after `unsubscribed` or before `subscribed` jumps over it."""
    monkeypatch.setattr("mdactors.web.outbox.HICCUP_SECONDS", 0.0)
    stage.start(send_buffer_bytes=4096)
    client = stalled(stage)
    wait_until(lambda: stage.told)
    name = stage.session()
    fill(stage, name, wait_until)
    stage.send([name], tick(1, 1), (None, {"event": "unsubscribed"}))
    stage.send([name], (None, {"event": "subscribed"}), tick(1, 2), tick(2, 1))
    stage.send([name], tick(1, 3), (None, {"event": "end"}))
    got = messages(client, lambda m: m.get("event") == "end")
    tail = [m.get("event") or (m["instrumentToken"], m["seq"]) for m in got if "event" in m or "seq" in m]
    assert tail == ["unsubscribed", "subscribed", (2, 1), (1, 3), "end"]


def close_code(client):
    while True:
        opcode, data = client.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


def test_answers_that_overflow_a_stalled_session_close_it_with_the_code_and_cost_another_nothing(
    stage, wait_until, ask
):
    stage.start(send_buffer_bytes=4096, outbox_bytes=50_000)
    client = stalled(stage)
    wait_until(lambda: stage.told)
    name = stage.session()
    fill(stage, name, wait_until)
    for n in range(200):
        stage.send([name], (None, {"event": "status", "n": n, "padding": PADDING}))
    wait_until(lambda: [each.session for each in stage.told_of(SessionClosed)] == [name])
    assert close_code(client) == CloseCode.OVERFLOW
    assert ask(stage.connect("/ws/stocks"), action="SUBSCRIBE", symbols=["INFY"])["event"] == "subscribed"


def test_ticks_never_overflow_a_stalled_session(stage, wait_until):
    stage.start(send_buffer_bytes=4096, outbox_bytes=4096)
    client = stalled(stage)
    wait_until(lambda: stage.told)
    name = stage.session()
    fill(stage, name, wait_until)
    for seq in range(1000):
        stage.send([name], *(tick(token, seq) for token in range(20)))
    stage.send([name], (None, {"event": "end"}))
    got = messages(client, lambda m: m.get("event") == "end")
    assert [m["seq"] for m in got if "seq" in m][-20:] == [999] * 20


def test_a_client_that_takes_nothing_for_too_long_is_closed_with_the_code(stage, wait_until):
    stage.start(send_buffer_bytes=4096, outbox_seconds=0.2)
    client = stalled(stage)
    wait_until(lambda: stage.told)
    name = stage.session()
    fill(stage, name, wait_until)
    wait_until(lambda: stage.told_of(SessionClosed))
    assert close_code(client) == CloseCode.STALLED


def test_the_server_tells_how_many_sessions_there_are_what_waits_and_how_they_ended(
    stage, wait_until, monkeypatch
):
    monkeypatch.setattr("mdactors.web.outbox.HICCUP_SECONDS", 0.0)
    stage.start(send_buffer_bytes=4096)
    assert stage.call(stage.web.describe) == {"sessions": 0, "conflated": 0, "waiting": 0, "closed": {}}
    slow = stalled(stage)
    wait_until(lambda: stage.told)
    name = stage.session()
    fill(stage, name, wait_until)
    for seq in range(1, 601):
        stage.send([name], tick(1, seq))
    wait_until(lambda: stage.call(stage.web.describe)["conflated"] > 0)
    described = stage.call(stage.web.describe)
    assert described["sessions"] == 1
    assert described["waiting"] > 0
    slow.shutdown()
    stage.connect("/ws/stocks").close(1000)
    wait_until(lambda: len(stage.told_of(SessionClosed)) == 2)
    after = stage.call(stage.web.describe)
    assert after["conflated"] >= described["conflated"]
    assert (after["sessions"], after["waiting"], after["closed"]) == (0, 0, {"1000": 1, "none": 1})


def test_a_snapshot_larger_than_the_outbox_reaches_a_client_that_reads(stage, wait_until):
    stage.start(outbox_bytes=4096)
    client = stage.connect("/ws/stocks")
    wait_until(lambda: stage.told)
    stage.send([stage.session()], (None, {"event": "subscribed"}), *(tick(token, 1) for token in range(5000)))
    got = messages(client, lambda m: m.get("instrumentToken") == 4999)
    assert [m["instrumentToken"] for m in got[1:]] == list(range(5000))


def test_after_the_close_frame_comes_no_data(stage, wait_until):
    stage.start()
    client = stage.connect("/ws/stocks")
    wait_until(lambda: stage.told)
    name = stage.session()

    def end_and_deliver():
        session = stage.web._sessions._open[name]
        session.outbox.fresh.append(Delivery((name,), (1,), (frame_text(b"{}"),), frame_text(b"{}")))
        session.socket.close(1000, "as Tornado does when a ping is not answered")
        session.outbox.flush()

    stage.call(end_and_deliver)
    opcode, _ = client.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    later = []
    with contextlib.suppress(websocket.WebSocketConnectionClosedException, ConnectionError):
        while True:
            later.append(client.recv_frame().opcode)
    assert set(later) <= {websocket.ABNF.OPCODE_CLOSE}


def test_a_client_that_vanishes_costs_the_others_nothing(stage, wait_until):
    stage.start()
    gone, stays = stage.connect("/ws/stocks"), stage.connect("/ws/stocks")
    wait_until(lambda: len(stage.told) == 2)
    names = [stage.session(0), stage.session(1)]
    gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    gone.sock.close()  # a reset, not a farewell
    seq = 0

    def noticed_by_sending():
        nonlocal seq
        seq += 1
        stage.send(names, tick(1, seq))
        return stage.told_of(SessionClosed)

    wait_until(noticed_by_sending)
    stage.send(names, tick(1, 10**6))
    got = messages(stays, lambda m: m["seq"] == 10**6)
    assert [m["seq"] for m in got[:-1]] == list(range(1, seq + 1))
