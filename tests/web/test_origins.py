"""Which pages may talk to the server, by websocket and by REST."""

from __future__ import annotations

import json
import logging

import pytest
import websocket

from mdactors.web.origins import Origins, is_local_host

HOST = "md.example.com:8080"


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        ([], None, True),
        ([], "http://md.example.com:8080", True),
        ([], "https://MD.example.com:8080", True),
        ([], "http://localhost:3000", True),
        ([], "https://127.0.0.1", True),
        ([], "http://md.example.com:9090", False),
        ([], "https://evil.example", False),
        ([], "http://localhost.evil.example", False),
        ([], "http://localhost@evil.example", False),
        ([], "null", False),
        ([], "", False),
        ([], "http://[broken", False),
        (["https://app.example.com/"], "https://APP.example.com", True),
        (["https://app.example.com"], "http://app.example.com", False),
        (["https://app.example.com"], "http://localhost:3000", False),
        (["https://app.example.com"], None, True),
        (["*"], "https://evil.example", True),
        (["*"], "null", True),
    ],
)
def test_which_origins_are_allowed(allowed, origin, answer):
    assert Origins(allowed).allows(origin, HOST) is answer


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("evil.example:8080", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host, local):
    assert is_local_host(host) is local


def test_a_websocket_of_a_refused_origin_gets_403_and_one_line_that_names_the_setting(stage, caplog):
    stage.start()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with pytest.raises(websocket.WebSocketBadStatusException) as refused:
                stage.connect("/ws/stocks", origin="https://evil.example")
            assert refused.value.status_code == 403
            assert json.loads(refused.value.resp_body)["error"]["code"] == "origin_refused"
    (line,) = [line for line in caplog.messages if "evil.example" in line]
    assert "server.origins" in line
    assert stage.told == []


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:5173", None])
def test_a_websocket_of_an_allowed_origin_is_opened(stage, wait_until, origin):
    stage.start()
    if origin is None:
        origin = f"http://127.0.0.1:{stage.port}"
    stage.connect("/ws/stocks", origin=origin, header={"Sec-Fetch-Site": "cross-site"})
    wait_until(lambda: stage.told)


def test_rest_answers_an_allowed_origin_with_its_name_also_when_it_fails(stage):
    stage.start(origins=["https://app.example.com"])
    for path, status in (("/live", 200), ("/api/ticks/today/NOPE", 404), ("/nothing", 404)):
        got, headers, _ = stage.http("GET", path, {"Origin": "https://app.example.com"})
        assert (got, headers["Access-Control-Allow-Origin"]) == (status, "https://app.example.com")
        assert headers["Vary"] == "Origin"


def test_rest_refuses_another_origin(stage):
    stage.start(origins=["https://app.example.com"])
    status, headers, body = stage.http("GET", "/live", {"Origin": "http://localhost:3000"})
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    assert "server.origins" in json.loads(body)["error"]["message"]


def test_a_browser_that_asks_before_it_sends_is_answered(stage):
    stage.start()
    status, headers, body = stage.http(
        "OPTIONS",
        "/api/ticks/admin/refresh-instruments",
        {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"},
    )
    assert (status, body) == (204, b"")
    assert headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "POST" in headers["Access-Control-Allow-Methods"]
