"""The outside contract's pure part: frames, events, answers, close codes."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import ABNF
from websocket._abnf import frame_buffer

from mdactors.answers import request_answer
from mdactors.protocol import (
    BadRequest,
    CloseCode,
    ErrorCode,
    alarm_event,
    error_answer,
    frame_text,
    gap_event,
    heartbeat_event,
    parse_request,
    status_event,
    welcome_event,
)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_frame_is_what_a_websocket_client_reads_as_one_text_message(size):
    data = bytearray(frame_text(b"x" * size))

    def receive(count):
        taken, data[:] = bytes(data[:count]), data[count:]
        return taken

    frame = frame_buffer(receive, skip_utf8_validation=False).recv_frame()
    assert (frame.fin, frame.opcode, frame.mask_value, frame.data) == (1, ABNF.OPCODE_TEXT, 0, b"x" * size)
    assert not data


def read(data):
    """The request, or what is wrong with it."""
    try:
        return parse_request(data), None
    except BadRequest as error:
        return None, error


@given(
    st.one_of(
        st.binary(), st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
    )
)
def test_whatever_a_client_sends_is_a_request_or_a_bad_request(data):
    request, error = read(data)
    if error is None:
        assert request.action in ("SUBSCRIBE", "UNSUBSCRIBE")
    else:
        assert json.loads(error_answer(error))["event"] == "error"


@given(
    st.fixed_dictionaries(
        {"action": st.sampled_from(["SUBSCRIBE", "BUY", 1, None])},
        optional={
            name: st.none()
            | st.text()
            | st.lists(st.text() | st.integers())
            | st.sampled_from(["INDEX", "full"])
            for name in ("type", "symbols", "mode", "keys", "id", "sector", "expiry", "other")
        },
    )
)
def test_an_error_names_a_field_that_the_request_has_and_echoes_its_id(fields):
    _, error = read(msgspec.json.encode(fields))
    if error is not None:
        assert error.code == ErrorCode.INVALID_FIELD
        assert error.field in fields
        assert error.request_id == fields.get("id")


def test_a_request_deeper_than_any_stack_is_a_bad_request():
    with pytest.raises(BadRequest):
        parse_request("[" * 100_000)


def test_unknown_fields_are_ignored_and_the_mode_is_quote_where_none_is_given():
    request = parse_request('{"action":"SUBSCRIBE","symbols":["A"],"mode":null,"colour":"red"}')
    assert (request.mode, request.symbols) == ("quote", ["A"])


def test_an_answer_sorts_what_was_asked_into_symbols_unknown_and_rejected():
    request = {
        "event": "subscribed",
        "id": 0,
        "symbols": {"a": "A", "b": "B"},
        "tokens": {"a": 1, "b": 2},
        "unknown": ["c"],
    }
    assert request_answer(request, {2: "no capacity", 9: "other"}, {}) == {
        "event": "subscribed",
        "id": 0,
        "symbols": {"a": "A"},
        "instrumentTokens": {"a": 1},
        "unknown": ["c"],
        "rejected": [{"symbol": "B", "asked": "b", "reason": "no capacity"}],
    }


def test_what_is_unsubscribed_is_never_rejected():
    request = {"event": "unsubscribed", "id": None, "symbols": {"a": "A"}, "tokens": {"a": 1}, "unknown": []}
    answer = {"event": "unsubscribed", "symbols": {"a": "A"}, "unknown": [], "rejected": []}
    assert request_answer(request, {1: "no capacity"}, {}) == answer


AT_NS = 1_790_658_001_500_000_000
TIME = "2026-09-29T10:30:01.500+05:30"


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (
            welcome_event(3, AT_NS, [{"source": "x", "status": "live", "epoch": 3}]),
            {
                "event": "welcome",
                "protocol": 1,
                "epoch": 3,
                "time": TIME,
                "sources": [{"source": "x", "status": "live", "epoch": 3}],
            },
        ),
        (heartbeat_event(AT_NS), {"event": "heartbeat", "time": TIME}),
        (status_event("x", "live"), {"event": "status", "source": "x", "status": "live"}),
        (
            status_event("x", "stale", "d"),
            {"event": "status", "source": "x", "status": "stale", "detail": "d"},
        ),
        (
            gap_event("x", "x/connection-1", AT_NS, AT_NS),
            {"event": "gap", "source": "x", "connection": "x/connection-1", "from": TIME, "to": TIME},
        ),
        (
            alarm_event("a", "text", active=False),
            {"event": "alarm", "id": "a", "text": "text", "active": False},
        ),
        (
            alarm_event("a", "text", active=True, since=TIME),
            {"event": "alarm", "id": "a", "text": "text", "active": True, "since": TIME},
        ),
    ],
)
def test_events_say_what_happened(event, fields):
    assert json.loads(event) == fields


def test_the_range_of_a_close_code_says_whether_to_reconnect():
    assert {code: code.reconnect for code in CloseCode} == {
        CloseCode.TOO_BIG: False,
        CloseCode.RESTART: True,
        CloseCode.STALLED: True,
        CloseCode.OVERFLOW: True,
        CloseCode.FULL: True,
    }
    assert all(len(code.meaning.encode()) <= 123 for code in CloseCode), "a close frame holds no more"
