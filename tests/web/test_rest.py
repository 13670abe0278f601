"""REST: what each path answers, and how it fails."""

from __future__ import annotations

import gc
import json
import socket
from pathlib import Path

import msgspec
import pytest

from mdactors.errors import MdactorsError
from mdactors.market.instruments import InstrumentTable
from mdactors.web import application

REFRESH = "/api/ticks/admin/refresh-instruments"


def post(stage, path, **headers):
    status, _, body = stage.http("POST", path, headers)
    return status, json.loads(body)


def test_health_says_up_with_200_and_down_with_503_and_details(stage):
    stage.start()
    status, answer = stage.get("/health")
    assert (status, answer["status"]) == (200, "UP")
    assert (answer["details"]["x"], answer["details"]["bufferSize"]) == ("connected", 0)
    stage.up = False
    status, answer = stage.get("/health")
    assert (status, answer["status"]) == (503, "DOWN")
    assert (answer["details"]["x"], answer["details"]["reasons"]) == ("disconnected", ["x is not connected"])


def test_live_is_the_process_and_ready_can_serve(stage):
    stage.start()
    assert stage.get("/live") == (200, {"status": "UP"})
    assert stage.get("/ready") == (200, {"status": "UP"})
    stage.up = False
    assert stage.get("/live") == (200, {"status": "UP"})
    assert stage.get("/ready") == (503, {"status": "DOWN"})


def test_a_load_balancer_may_ask_with_head_and_gets_the_status_without_a_body(stage):
    stage.start()
    for path in ("/health", "/live", "/ready"):
        status, headers, body = stage.http("HEAD", path)
        assert (status, body) == (200, b"")
        assert headers["Content-Length"] == str(len(stage.http("GET", path)[2]))
    stage.up = False
    assert [stage.http("HEAD", path)[0] for path in ("/health", "/live", "/ready")] == [503, 200, 503]


def test_status_is_what_the_daemon_says_of_itself(stage):
    stage.start()
    assert stage.get("/api/status") == (200, {"version": "1"})


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "", "%C2%B2", "%FF", "9" * 30])
def test_a_parameter_that_is_no_whole_number_is_named(stage, value):
    stage.start()
    status, body = stage.get(f"/api/ticks/today/RELIANCE?lastMinutes={value}")
    assert status == 400
    assert (body["error"]["code"], body["error"]["field"]) == ("invalid_parameter", "lastMinutes")


def test_a_path_that_is_no_text_is_an_invalid_parameter_too(stage):
    stage.start()
    status, body = stage.get("/api/ticks/today/%FF")
    assert (status, body["error"]["code"], body["error"]["field"]) == (400, "invalid_parameter", "symbol")


def test_an_unknown_symbol_is_404_with_suggestions(stage):
    stage.start()
    for path in ("/api/ticks/today/RELIANSE", "/api/market/snapshot?instrument=RELIANSE"):
        status, body = stage.get(path)
        assert status == 404
        assert body["error"]["code"] == "unknown_symbol"
        assert body["error"]["suggestions"] == ["RELIANCE"]


def test_the_404_of_a_former_name_has_the_new_one_first(stage):
    renamed = [
        msgspec.structs.replace(each, symbol="RELIND", own_name="") if each.symbol == "RELIANCE" else each
        for each in stage.table.by_token.values()
    ]
    stage.table = InstrumentTable.of(renamed, {}, "2026-11-24", stage.table)
    stage.start()
    for path in ("/api/ticks/today/RELIANCE", "/api/market/snapshot?instrument=NSE:RELIANCE"):
        status, body = stage.get(path)
        assert (status, body["error"]["suggestions"][0]) == (404, "RELIND")
        assert body["error"]["message"].endswith("; it is RELIND now")


def test_the_snapshot_is_the_newest_tick_in_the_flat_shape(stage, a_tick):
    stage.ticks = {738561: a_tick()}
    stage.start()
    status, body = stage.get("/api/market/snapshot?instrument=NSE_EQ%7CINE002A01018")
    assert status == 200
    assert (body["instrumentKey"], body["key"]) == ("NSE_EQ|RELIANCE", "NSE_EQ|INE002A01018")
    assert (body["ltp"], body["close"], body["symbol"], body["seq"]) == (1500.5, 1490.0, "RELIANCE", 7)


def test_a_snapshot_needs_an_instrument_and_a_tick(stage):
    stage.start()
    status, body = stage.get("/api/market/snapshot")
    assert (status, body["error"]["field"]) == (400, "instrument")
    status, body = stage.get("/api/market/snapshot?instrument=INFY")
    assert (status, body["error"]["code"]) == (404, "no_tick")


def test_an_actor_that_does_not_answer_in_time_is_a_503(stage, monkeypatch):
    monkeypatch.setattr("mdactors.web.handler.ANSWER_SECONDS", 0.05)
    stage.start()
    stage.gate.clear()
    status, body = stage.get("/api/market/snapshot?instrument=INFY")
    assert (status, body["error"]["code"]) == (503, "no_answer")


def test_an_actor_that_is_gone_is_a_503(stage):
    stage.start()
    stage._tree.stop()
    status, body = stage.get("/api/market/snapshot?instrument=INFY")
    assert (status, body["error"]["code"]) == (503, "no_answer")


def test_subscriptions_shows_every_session(stage, ask):
    stage.start()
    client = stage.connect("/ws/stocks/websocket")
    ask(client, action="SUBSCRIBE", symbols=["INFY", "RELIANCE"])
    ask(client, action="UNSUBSCRIBE", symbols=["INFY"])
    status, body = stage.get("/api/ticks/subscriptions")
    name = stage.session()
    assert status == 200
    assert list(body) == [name]
    connected_at = body[name].pop("connectedAt")
    assert connected_at.endswith("+05:30")
    assert body[name] == {"sessionId": name, "endpoint": "/ws/stocks", "subscribedSymbols": ["RELIANCE"]}


def test_refresh_answers_how_many_instruments_there_are(stage):
    stage.start()
    assert post(stage, REFRESH) == (
        200,
        {
            "status": "success",
            "message": "Instrument cache refreshed successfully",
            "indices": 2,
            "stocks": 3,
            "futures": 1,
            "options": 0,
        },
    )


def test_a_refresh_that_fails_is_500_with_the_reason(stage):
    stage.refresh_fails = True
    stage.start()
    status, body = post(stage, REFRESH)
    assert (status, body["status"], body["error"]["code"]) == (500, "error", "refresh_failed")
    assert body["message"] == body["error"]["message"] == "the instrument list cannot be had: no route"


def test_with_an_admin_token_only_who_has_it_may_refresh(stage):
    stage.start(token="s3cret")
    assert post(stage, REFRESH)[0] == 401
    assert post(stage, REFRESH, Authorization="Bearer wrong")[0] == 401
    assert post(stage, REFRESH, Authorization="Bearer s3cret")[0] == 200
    assert stage.get("/api/ticks/subscriptions")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8080"},
        {"X-Forwarded-For": "10.0.0.7"},
        {"Origin": "https://evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_without_a_token_only_this_machine_may_refresh(stage, headers):
    stage.start()
    assert post(stage, REFRESH, **headers)[0] == 403


def test_the_start_log_says_that_the_admin_rest_is_open(stage, caplog):
    stage.start()
    assert "admin.token is not set" in caplog.text


def test_what_is_not_there_and_what_is_not_allowed_is_json_too(stage):
    stage.start()
    status, body = stage.get("/api/nothing")
    assert (status, body["error"]["code"]) == (404, "not_found")
    for headers in ({}, {"Upgrade": "websocket"}, {"Connection": "Upgrade"}):
        status, body = stage.get("/ws/indices/all/websocket", **headers)
        assert (status, body["error"]["code"]) == (400, "upgrade_required")
    status, body = post(stage, "/live")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")


def test_the_page_shows_itself_and_asks_nobody_else(stage):
    stage.start()
    status, headers, body = stage.http("GET", "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"/ws/${name}/all" in body
    assert b"http://" not in body
    assert b"https://" not in body
    assert body.count(b"\n") <= 170


@pytest.mark.filterwarnings("ignore:unclosed <socket")  # Tornado forgets the socket that it could not bind
def test_a_port_that_is_taken_is_an_error_that_names_the_settings(stage):
    stage.start()
    other = type(stage)()
    try:
        with pytest.raises(MdactorsError, match=f"server.port: cannot listen on 127.0.0.1:{stage.port}"):
            other.start(port=stage.port)
    finally:
        other.close()
    del other
    gc.collect()


def test_who_takes_nothing_of_an_answer_loses_the_connection_and_holds_nobody_up(
    stage, monkeypatch, wait_until
):
    async def status():
        return {"version": "x" * 30_000_000}

    def connections():
        """Those of the server that are established."""
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        return sum(line[1].endswith(f":{stage.port:04X}") and line[3] == "01" for line in lines)

    stage.status = status
    monkeypatch.setattr(application, "SILENT_SECONDS", 0.5)
    stage.start(outbox_seconds=0.5)
    with socket.create_connection(("127.0.0.1", stage.port)) as client:
        client.sendall(b"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: connections() == 1)
        assert stage.get("/live") == (200, {"status": "UP"})
        wait_until(lambda: connections() == 0, 20.0)
