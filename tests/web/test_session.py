"""What a client of a websocket can ask, and what it hears."""

from __future__ import annotations

import json
import logging

import pytest
import websocket

from mdactors.market.interest import View
from mdactors.messages import SessionClosed, SessionReported, SessionsReported
from mdactors.protocol import CloseCode
from mdactors.web.paths import PATHS

SELECTIVE = [path.name for path in PATHS if not path.everything]
ALL = [path.name for path in PATHS if path.everything]


@pytest.mark.parametrize("raw", ["", "/websocket"])
@pytest.mark.parametrize("path", [path.name for path in PATHS])
def test_every_path_answers_with_and_without_the_suffix_for_raw_websockets(stage, wait_until, path, raw):
    stage.start()
    stage.connect(path + raw)
    wait_until(lambda: stage.told)
    interest = stage.told[0].interest
    assert interest.tokens == {}
    assert (interest.events, interest.pinned) == (False, False)
    assert (interest.everything is not None) == path.endswith("/all")


def test_the_paths_of_the_contract_are_there():
    kinds = ("indices", "stocks", "futures", "options")
    everything = {f"/ws/{kind}/all" for kind in kinds} | {"/ws/stocks/nse/all", "/ws/stocks/bse/all"}
    assert {path.name for path in PATHS} == everything | {f"/ws/{kind}" for kind in (*kinds, "market")}


def test_a_path_of_everything_wants_what_its_filter_admits_in_the_mode_and_shape_of_its_parameters(
    stage, wait_until
):
    stage.start()
    stage.connect("/ws/stocks/bse/all?mode=full&shape=flat&events=1")
    wait_until(lambda: stage.told)
    interest = stage.told[0].interest
    assert (interest.everything.exchange, interest.everything.types) == ("BSE", {"STOCK"})
    assert (interest.everything_view, interest.events) == (View("full", "flat"), True)


def test_a_subscription_is_answered_with_the_symbol_of_each_asked_name_and_what_is_unknown(stage, ask):
    stage.start()
    client = stage.connect("/ws/indices")
    answer = ask(
        client, action="SUBSCRIBE", type="INDEX", symbols=["NIFTY", "SENSEX", "nifty 50", "NOPE"], id=7
    )
    assert answer == {
        "event": "subscribed",
        "id": 7,
        "symbols": {"NIFTY": "NIFTY 50", "SENSEX": "SENSEX", "nifty 50": "NIFTY 50"},
        "instrumentTokens": {"NIFTY": 256265, "SENSEX": 265, "nifty 50": 256265},
        "unknown": ["NOPE"],
        "rejected": [],
    }
    assert stage.told[-1].interest.tokens == {256265: "quote", 265: "quote"}


@pytest.mark.parametrize("name", ["NIFTY", "NIFTY 50"])
def test_unsubscribe_takes_the_alias_or_the_symbol(stage, ask, name):
    stage.start()
    client = stage.connect("/ws/indices")
    ask(client, action="SUBSCRIBE", type="INDEX", symbols=["NIFTY", "SENSEX"])
    answer = ask(client, action="UNSUBSCRIBE", type="INDEX", symbols=[name], id={"any": "json"})
    assert (answer["event"], answer["symbols"], answer["id"]) == (
        "unsubscribed",
        {name: "NIFTY 50"},
        {"any": "json"},
    )
    assert stage.told[-1].interest.tokens == {265: "quote"}


def test_what_expired_since_can_still_be_unsubscribed(stage, ask):
    stage.start()
    client = stage.connect("/ws/futures")
    ask(client, action="SUBSCRIBE", symbols=["NIFTY26NOVFUT"])
    stage.table = type(stage.table).build({"x": [(stage.table.by_token[265], 265)]})
    assert ask(client, action="UNSUBSCRIBE", symbols=["nifty26novfut"])["symbols"] == {
        "nifty26novfut": "NIFTY26NOVFUT"
    }
    assert stage.told[-1].interest.tokens == {}


@pytest.mark.parametrize("name", ["BSE_EQ|INE002A01018", "bse:reliance", "128083204", 128083204])
def test_unsubscribe_takes_what_was_asked_the_symbol_or_the_token(stage, ask, name):
    stage.start()
    client = stage.connect("/ws/stocks")
    answer = ask(client, action="SUBSCRIBE", symbols=["BSE_EQ|INE002A01018", "RELIANCE"])
    assert answer["symbols"] == {"BSE_EQ|INE002A01018": "BSE:RELIANCE", "RELIANCE": "RELIANCE"}
    assert answer["instrumentTokens"] == {"BSE_EQ|INE002A01018": 128083204, "RELIANCE": 738561}
    ended = ask(client, action="UNSUBSCRIBE", symbols=[name])
    assert (ended["symbols"], ended["unknown"]) == ({str(name): "BSE:RELIANCE"}, [])
    assert stage.told[-1].interest.tokens == {738561: "quote"}


def test_every_session_is_listed_with_the_names_that_mean_just_what_it_has(stage, ask):
    stage.start()
    ask(stage.connect("/ws/market"), action="SUBSCRIBE", symbols=["BSE:RELIANCE", "RELIANCE", "SENSEX"])
    (session,) = stage.get("/api/ticks/subscriptions")[1].values()
    assert session["subscribedSymbols"] == ["BSE:RELIANCE", "RELIANCE", "SENSEX"]


def test_a_bare_symbol_means_nse_and_an_exchange_can_be_said_outright(stage, ask):
    stage.start()
    client = stage.connect("/ws/stocks")
    ask(client, action="SUBSCRIBE", type="STOCK", symbols=["RELIANCE"], mode="full")
    ask(client, action="SUBSCRIBE", type="STOCK", symbols=["BSE:RELIANCE"], mode="ltp")
    assert stage.told[-1].interest.tokens == {738561: "full", 128083204: "ltp"}


def test_what_cannot_be_streamed_is_rejected_with_the_reason_and_leaves_the_sessions_interest(
    stage, ask, wait_until
):
    stage.refused = {408065: "no capacity"}
    stage.start()
    client = stage.connect("/ws/stocks")
    answer = ask(client, action="SUBSCRIBE", type="STOCK", symbols=["RELIANCE", "INFY"])
    assert answer["symbols"] == {"RELIANCE": "RELIANCE"}
    assert answer["rejected"] == [{"symbol": "INFY", "asked": "INFY", "reason": "no capacity"}]
    stage.call(stage.web.report_sessions)
    wait_until(lambda: stage.told_of(SessionsReported))
    assert stage.told[-1].interests[stage.session()].tokens == {738561: "quote"}


def test_the_market_path_takes_any_mix_and_keys(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    answer = ask(
        client, action="SUBSCRIBE", symbols=["NIFTY", "NIFTY26NOVFUT"], keys=["BSE_EQ|INE002A01018"], extra=1
    )
    assert answer["symbols"] == {
        "NIFTY": "NIFTY 50",
        "NIFTY26NOVFUT": "NIFTY26NOVFUT",
        "BSE_EQ|INE002A01018": "BSE:RELIANCE",
    }


def test_a_symbol_of_another_type_than_was_asked_for_is_unknown(stage, ask):
    stage.start()
    client = stage.connect("/ws/market")
    assert ask(client, action="SUBSCRIBE", type="STOCK", symbols=["NIFTY 50"])["unknown"] == ["NIFTY 50"]


SYMBOLS = {"symbols": ["NIFTY"]}


@pytest.mark.parametrize(
    ("path", "request_", "code", "field"),
    [
        ("/ws/indices", "{not json", "invalid_json", None),
        ("/ws/indices", "[1, 2]", "invalid_json", None),
        ("/ws/indices", b"\xff\xfe", "invalid_json", None),
        ("/ws/indices", SYMBOLS, "invalid_field", "action"),
        ("/ws/indices", SYMBOLS | {"action": "BUY"}, "invalid_field", "action"),
        ("/ws/indices", SYMBOLS | {"action": "SUBSCRIBE", "mode": "deep"}, "invalid_field", "mode"),
        ("/ws/indices", SYMBOLS | {"action": "SUBSCRIBE", "type": "BOND"}, "invalid_field", "type"),
        ("/ws/indices", {"action": "SUBSCRIBE", "symbols": "NIFTY"}, "invalid_field", "symbols"),
        ("/ws/indices", {"action": "SUBSCRIBE", "symbols": ["NIFTY", 5]}, "invalid_field", "symbols"),
        ("/ws/indices", {"action": "SUBSCRIBE"}, "invalid_field", "symbols"),
        ("/ws/indices", {"action": "SUBSCRIBE", "symbols": []}, "invalid_field", "symbols"),
        ("/ws/indices/all", {"action": "UNSUBSCRIBE", "symbols": []}, "invalid_field", "symbols"),
        ("/ws/market", SYMBOLS | {"action": "SUBSCRIBE", "keys": []}, "invalid_field", "keys"),
        ("/ws/market", {"action": "UNSUBSCRIBE", "keys": []}, "invalid_field", "keys"),
        ("/ws/market", {"action": "SUBSCRIBE", "channels": []}, "invalid_field", "channels"),
        ("/ws/market", SYMBOLS | {"action": "UNSUBSCRIBE", "channels": []}, "invalid_field", "channels"),
        ("/ws/market", {"action": "SUBSCRIBE", "symbols": [], "sector": "IT"}, "invalid_field", "symbols"),
        ("/ws/indices", {"action": "SUBSCRIBE", "keys": ["NIFTY"]}, "invalid_field", "symbols"),
        ("/ws/indices", SYMBOLS | {"action": "SUBSCRIBE", "type": "STOCK"}, "wrong_path", "type"),
        ("/ws/indices/all", SYMBOLS | {"action": "SUBSCRIBE"}, "wrong_path", "action"),
        ("/ws/indices", {"action": "SUBSCRIBE", "sector": "IT"}, "invalid_field", "symbols"),
        ("/ws/market", {"action": "SUBSCRIBE", "sector": "IT"}, "invalid_field", "sector"),
        ("/ws/market", {"action": "SUBSCRIBE", "sector": ["IT"]}, "invalid_field", "sector"),
        ("/ws/market", {"action": "SUBSCRIBE", "underlying": "INFY"}, "invalid_field", "underlying"),
        ("/ws/market", {"action": "SUBSCRIBE", "underlying": 5}, "invalid_field", "underlying"),
        (
            "/ws/market",
            {"action": "SUBSCRIBE", "underlying": "NIFTY", "expiry": 7},
            "invalid_field",
            "expiry",
        ),
        ("/ws/market", SYMBOLS | {"action": "SUBSCRIBE", "expiry": "2026-11-24"}, "invalid_field", "expiry"),
        ("/ws/market", {"action": "SUBSCRIBE", "channels": ["movers"]}, "invalid_field", "channels"),
        ("/ws/market", SYMBOLS | {"action": "SUBSCRIBE", "channels": ["m"]}, "invalid_field", "channels"),
        ("/ws/market", {"action": "SUBSCRIBE", "channels": "candles"}, "invalid_field", "channels"),
        ("/ws/market", {"action": "SUBSCRIBE", "channels": ["candles:5m"]}, "invalid_field", "channels"),
        ("/ws/market", {"action": "SUBSCRIBE", "channels": ["candles:1m:NO"]}, "invalid_field", "channels"),
        ("/ws/market", {"action": "SUBSCRIBE", "channels": ["candles"] * 11}, "too_many_symbols", "channels"),
        ("/ws/indices", SYMBOLS | {"action": "SUBSCRIBE", "channels": ["candles"]}, "wrong_path", "channels"),
        ("/ws/indices", {"action": "SUBSCRIBE", "symbols": ["X"] * 11}, "too_many_symbols", "symbols"),
        ("/ws/indices", SYMBOLS | {"action": "SUBSCRIBE", "x": "y" * 2000}, "too_large", None),
    ],
)
def test_a_bad_request_is_answered_with_an_error_that_names_the_field_and_changes_nothing(
    stage, wait_until, path, request_, code, field
):
    stage.start(max_symbols_per_request=10, max_request_bytes=1700)
    client = stage.connect(path)
    wait_until(lambda: stage.told)
    if isinstance(request_, dict):
        request_ = json.dumps(request_ | {"id": "a"})
    client.send(
        request_, websocket.ABNF.OPCODE_TEXT if isinstance(request_, str) else websocket.ABNF.OPCODE_BINARY
    )
    error = json.loads(client.recv())
    assert (error["event"], error["code"], error.get("field")) == ("error", code, field)
    assert error["message"]
    assert error.get("id") == ("a" if '"id"' in str(request_) and code != "too_large" else None)
    if code == "wrong_path":
        assert "/ws/market" in error["message"]
    assert len(stage.told) == 1


def test_an_error_on_a_path_of_everything_names_the_selective_path(stage, ask):
    stage.start()
    client = stage.connect("/ws/stocks/nse/all")
    error = ask(client, action="UNSUBSCRIBE", type="STOCK", symbols=["RELIANCE"])
    assert "use /ws/stocks or /ws/market" in error["message"]


def test_before_the_instruments_are_loaded_a_request_is_an_error_and_not_unknown(stage, ask):
    stage.table = type(stage.table).build({})
    stage.start()
    assert ask(stage.connect("/ws/stocks"), action="SUBSCRIBE", symbols=["INFY"])["code"] == "not_ready"


def test_many_invalid_requests_of_one_session_make_one_line_in_the_log(stage, ask, caplog):
    stage.start()
    client = stage.connect("/ws/stocks")
    with caplog.at_level(logging.WARNING, "mdactors.web"):
        for _ in range(20):
            ask(client, action="NO")
    assert len([line for line in caplog.messages if "invalid request" in line]) == 1


def test_a_session_that_closes_is_told_of_and_a_restarted_manager_hears_of_the_others(stage, ask, wait_until):
    stage.start()
    first, second = stage.connect("/ws/stocks"), stage.connect("/ws/indices")
    ask(first, action="SUBSCRIBE", symbols=["INFY"])
    ask(second, action="SUBSCRIBE", symbols=["SENSEX"])
    names = {each.session: each.interest for each in stage.told_of(SessionReported)}
    gone = next(name for name, interest in names.items() if 408065 in interest.tokens)
    first.close()
    wait_until(lambda: stage.told_of(SessionClosed))
    assert [each.session for each in stage.told_of(SessionClosed)] == [gone]
    stage.call(stage.web.report_sessions)
    wait_until(lambda: stage.told_of(SessionsReported))
    (report,) = stage.told_of(SessionsReported)
    del names[gone]
    assert report.interests == names


def hears_nothing(client, seconds=0.2):
    client.settimeout(seconds)
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.recv()
    return True


def test_the_heartbeat_comes_after_the_welcome_and_to_nobody_else(stage, wait_until):
    stage.start(heartbeat_seconds=0.05)
    client = stage.connect("/ws/stocks?events=1")
    silent = stage.connect("/ws/stocks")
    wait_until(lambda: len(stage.told) == 2)
    assert hears_nothing(client)
    stage.send([stage.session(0)], (None, {"event": "welcome"}), welcomes=True)
    welcome, heartbeat = (json.loads(client.recv()) for _ in range(2))
    assert (welcome["event"], heartbeat["event"]) == ("welcome", "heartbeat")
    assert heartbeat["time"].endswith("+05:30")
    assert hears_nothing(silent)


def close_code(client):
    opcode, data = client.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big")


def test_a_server_that_stops_closes_its_sessions_with_the_code_for_it(stage):
    stage.start()
    client = stage.connect("/ws/stocks")
    stage.stop_web()
    assert close_code(client) == CloseCode.RESTART


def test_one_session_too_many_is_closed_with_the_code_for_it_and_never_reported(stage, ask, wait_until):
    stage.start(max_sessions=1)
    first = stage.connect("/ws/stocks")
    wait_until(lambda: stage.told)
    assert close_code(stage.connect("/ws/stocks")) == CloseCode.FULL
    assert ask(first, action="SUBSCRIBE", symbols=["INFY"])["event"] == "subscribed"
    assert len(stage.told) == 2


def test_a_client_may_be_silent_for_longer_than_the_kernel_counts(stage, ask):
    stage.start(outbox_seconds=1e9)
    assert ask(stage.connect("/ws/stocks"), action="SUBSCRIBE", symbols=["INFY"])["symbols"]


def test_a_message_far_too_large_closes_the_session(stage, wait_until):
    stage.start(max_symbols_per_request=10, max_request_bytes=1700)
    client = stage.connect("/ws/stocks")
    wait_until(lambda: stage.told)
    client.send("x" * 20_000)
    assert close_code(client) == CloseCode.TOO_BIG
    wait_until(lambda: stage.told_of(SessionClosed))


@pytest.mark.parametrize("query", ["mode=deep", "shape=round", "events=maybe", "pins=2", "pins=1"])
def test_a_wrong_parameter_of_a_path_is_refused_by_its_name(stage, query):
    stage.start()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        stage.connect(f"/ws/stocks/all?{query}")
    assert refused.value.status_code == 400
    assert json.loads(refused.value.resp_body)["error"]["field"] == query.partition("=")[0]


def test_a_parameter_that_no_path_has_is_ignored_on_a_websocket(stage, ask):
    stage.start()
    client = stage.connect("/ws/stocks/websocket?t=1795146300000&token=abc")
    assert ask(client, action="SUBSCRIBE", symbols=["INFY"])["event"] == "subscribed"


@pytest.mark.parametrize("opcode", [websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY])
def test_a_byte_order_mark_before_a_request_is_read_over(stage, ask, opcode):
    stage.start()
    client = stage.connect("/ws/stocks")
    request = json.dumps({"action": "SUBSCRIBE", "symbols": ["RELIANCE"], "id": 1})
    client.send(request.encode("utf-8-sig"), opcode)
    assert json.loads(client.recv())["symbols"] == {"RELIANCE": "RELIANCE"}


def test_a_byte_order_mark_alone_is_no_request(stage, wait_until):
    stage.start()
    client = stage.connect("/ws/stocks")
    client.send("\ufeff")
    assert json.loads(client.recv())["code"] == "invalid_json"


LONG = "NSE_FO|MIDCPNIFTY {:05d} PE 29 SEP 26"
"""As long as names become."""


@pytest.mark.parametrize("indent", [None, 2])
def test_as_many_of_the_longest_names_as_a_request_may_have_fit_into_it(stage, ask, indent):
    stage.start()
    names = [LONG.format(number) for number in range(5000)]
    client = stage.connect("/ws/options")
    client.send(json.dumps({"action": "SUBSCRIBE", "type": "OPTION", "symbols": names}, indent=indent))
    assert json.loads(client.recv())["unknown"] == names
    assert ask(client, action="SUBSCRIBE", symbols=[*names, "ONE MORE"])["code"] == "too_many_symbols"
