"""The way to a socket and the list of instruments, against every answer that Upstox and its gateway give."""

from __future__ import annotations

import datetime as dt
import gzip
import json

import msgspec
import pytest
import requests
import responses

from mdactors import __version__
from mdactors.adapter import Secret, Unlisted
from mdactors.errors import BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings

AUTHORIZE = "https://api.upstox.com/v3/feed/market-data-feed/authorize"
INSTRUMENTS = "https://assets.upstox.com/market-quote/instruments/exchange/complete.json.gz"
ADDRESS = "wss://feed.example/feeds?requestId=r&code=one-time"
TOKEN = "a-token-to-hide"


@pytest.fixture
def upstox():
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def adapter():
    return UpstoxAdapter(UpstoxSettings(access_token=Secret(TOKEN)))


def trouble(code, message="no"):
    return {"status": "error", "errors": [{"error_code": code, "message": message, "errorCode": code}]}


@pytest.mark.parametrize("spelling", ["authorized_redirect_uri", "authorizedRedirectUri"])
def test_the_address_is_asked_for_with_the_token_and_a_user_agent(
    upstox, adapter, spelling, monkeypatch, tmp_path
):
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    upstox.get(AUTHORIZE, json={"status": "success", "data": {spelling: ADDRESS}})
    endpoint = adapter.endpoint()
    assert endpoint.url.reveal() == ADDRESS
    asked = upstox.calls[0].request.headers
    assert asked["Authorization"] == f"Bearer {TOKEN}"
    assert asked["User-Agent"] == endpoint.headers["User-Agent"] == f"mdactors/{__version__}"
    assert "Authorization" not in endpoint.headers, "the address carries its own code"
    assert "one-time" not in repr(endpoint)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, trouble("UDAPI100050", f"Invalid token {TOKEN}"), LoginRequired),
        (401, trouble("UDAPI100016"), LoginRequired),
        (403, trouble("UDAPI100067"), LoginRequired),
        (403, trouble("UDAPI100073"), LoginRequired),
        (403, trouble("UDAPI100074"), BrokerRefused),
        (403, "error code: 1010", BrokerRefused),
        (401, {"status": "error", "message": "blocked"}, BrokerRefused),
        (403, {"status": "error", "errors": [{"message": "blocked"}]}, BrokerRefused),
        (401, {"message": "Unauthorized"}, BrokerRefused),
        (400, "<html>bad request</html>", BrokerRefused),
        (403, "", BrokerRefused),
        (401, "who are you", BrokerRefused),
        (400, trouble("UDAPI10000"), BrokerRefused),
        (429, trouble("UDAPI10005"), BrokerRefused),
        (429, "slow down", BrokerRefused),
        (500, trouble("UDAPI100500"), BrokerUnavailable),
        (503, "<html>", BrokerUnavailable),
        (200, "<html>", BrokerUnavailable),
        (200, {"status": "success", "data": {}}, BrokerUnavailable),
        (200, {"status": "success", "data": {"authorized_redirect_uri": 5}}, BrokerUnavailable),
    ],
)
def test_a_refusal_is_sorted_by_its_status_and_its_envelope(upstox, adapter, status, body, kind):
    upstox.get(AUTHORIZE, body=body if isinstance(body, str) else json.dumps(body), status=status)
    with pytest.raises(kind) as raised:
        adapter.endpoint()
    assert type(raised.value) is kind
    assert TOKEN not in str(raised.value)
    assert "http" not in str(raised.value)
    if isinstance(raised.value, BrokerRefused):
        assert raised.value.retry_after >= (30 if status == 429 else 5)


@pytest.mark.parametrize(
    ("status", "body", "in_doubt"),
    [
        (400, "<html>bad request</html>", True),
        (401, {"message": "Unauthorized"}, True),
        (403, "<html>blocked</html>", True),
        (403, "", True),
        (403, trouble("UDAPI100074"), False),
        (400, trouble("UDAPI10000"), False),
        (404, "<html>", False),
        (429, "slow down", False),
    ],
)
def test_only_a_gateways_refusal_leaves_the_login_in_doubt(upstox, adapter, status, body, in_doubt):
    upstox.get(AUTHORIZE, body=body if isinstance(body, str) else json.dumps(body), status=status)
    with pytest.raises(BrokerRefused) as raised:
        adapter.endpoint()
    assert raised.value.login_in_doubt is in_doubt
    assert "<" not in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_gateways_page_instead_of_the_list_is_waited_out(upstox, adapter, status):
    upstox.get(INSTRUMENTS, body="<html><body>Request blocked</body></html>", status=status)
    with pytest.raises(BrokerRefused, match="Request blocked"):
        adapter.download()


@pytest.mark.parametrize("error", [requests.ConnectionError, requests.Timeout, requests.exceptions.SSLError])
def test_a_lost_network_is_a_state_whose_text_hides_the_address(upstox, adapter, error):
    upstox.get(AUTHORIZE, body=error(f"{ADDRESS} failed"))
    with pytest.raises(BrokerUnavailable) as raised:
        adapter.endpoint()
    assert str(raised.value).endswith(f" from api.upstox.com: {error.__name__}")
    assert "one-time" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def rows(*odd):
    share = {
        "segment": "NSE_EQ", "exchange": "NSE", "name": "RELIANCE INDUSTRIES LTD", "isin": "INE002A01018",
        "instrument_type": "EQ", "instrument_key": "NSE_EQ|INE002A01018", "lot_size": 1,
        "exchange_token": "2885", "tick_size": 10.0, "trading_symbol": "RELIANCE",
    }  # fmt: skip
    return json.dumps([share, *odd]).encode()


@pytest.mark.parametrize("packed", [True, False])
def test_instruments_come_packed_and_may_have_been_unpacked_on_the_way(upstox, adapter, packed):
    body = gzip.compress(rows()) if packed else rows()
    upstox.get(INSTRUMENTS, body=body, content_type="application/gzip")
    (listing,) = adapter.instruments()
    assert (listing.token, listing.instrument.token) == ("NSE_EQ|INE002A01018", 738561)
    asked = upstox.calls[0].request.headers
    assert asked["User-Agent"] == f"mdactors/{__version__}"
    assert "Authorization" not in asked


def test_a_list_that_has_not_changed_is_not_sent_again(upstox, adapter):
    said = {"ETag": '"abc"', "Last-Modified": "Tue, 18 Aug 2026 00:00:00 GMT"}
    upstox.get(INSTRUMENTS, body=rows(), headers=said)
    first = adapter.download()
    assert (first.etag, first.modified) == ('"abc"', said["Last-Modified"])
    assert "If-None-Match" not in upstox.calls[0].request.headers
    upstox.upsert("GET", INSTRUMENTS, status=304)
    assert adapter.download(before=first) is None
    asked = upstox.calls[1].request.headers
    assert asked["If-None-Match"] == '"abc"'
    assert asked["If-Modified-Since"] == said["Last-Modified"]


@pytest.mark.parametrize(("name", "flags"), [("MTF", (True, False)), ("NSE_MIS", (False, True))])
def test_further_lists_lie_beside_the_whole_one_and_flag_what_is_on_them(upstox, adapter, name, flags):
    assert name in adapter.lists
    upstox.get(INSTRUMENTS.replace("complete", name), body=gzip.compress(rows()))
    fetched = adapter.download(name)
    (listing,) = adapter.listings(fetched.data, name)
    assert (listing.instrument.mtf, listing.instrument.mis) == flags


def test_a_row_that_cannot_be_read_costs_only_itself_and_is_named(adapter):
    odd = [
        {"segment": "NSE_EQ"},
        {**json.loads(rows())[0], "exchange_token": "none"},
        {**json.loads(rows())[0], "segment": "NSE_FO", "instrument_type": "FUT", "expiry": 10**30},
        5,
    ]
    told = list(adapter.listings(rows(*odd)))
    unlisted = [each for each in told if isinstance(each, Unlisted)]
    assert len(told) - len(unlisted) == 1
    good = json.loads(rows())[0]["trading_symbol"]
    assert [each.symbol for each in unlisted] == ['{"segment": "NSE_EQ"}', good, good, "5"]
    assert all(each.reason for each in unlisted)


def test_an_index_is_read_though_nothing_but_its_key_is_said(adapter):
    key = "NSE_INDEX|Nifty Bank"
    for said in (
        {},
        dict.fromkeys(("exchange", "instrument_type", "exchange_token", "trading_symbol", "name")),
    ):
        row = {"segment": "NSE_INDEX", "instrument_key": key, **said}
        (found,) = adapter.listings(json.dumps([row]).encode())
        told = found.instrument
        assert (told.symbol, told.token, told.exchange, found.token) == ("NIFTY BANK", 260105, "NSE", key)


@pytest.mark.parametrize(
    "changed",
    [
        {"tick_size": None, "lot_size": None, "strike_price": None, "expiry": None, "weekly": None},
        {"exchange_token": 2885, "lot_size": 1.0, "expiry": 0.0},
        {"exchange_token": 2885.0, "lot_size": "1", "tick_size": "10.0", "weekly": "false"},
        {"exchange_token": " 2885 ", "trading_symbol": " RELIANCE ", "lot_size": " 1.0 ", "mtf_enabled": ""},
        {"more": {"than": ["was", "known"]}},
    ],
)
def test_a_row_is_read_whatever_types_its_values_are_of(adapter, changed):
    row = {
        "segment": "NSE_EQ", "exchange": "NSE", "name": "RELIANCE", "isin": "INE002A01018",
        "instrument_type": "EQ", "instrument_key": "NSE_EQ|INE002A01018", "exchange_token": "2885",
        "trading_symbol": "RELIANCE",
        "lot_size": 1, "tick_size": 10.0,
    }  # fmt: skip
    plain, found = (list(adapter.listings(json.dumps([each]).encode())) for each in (row, row | changed))
    told = found[0].instrument
    assert told == msgspec.structs.replace(plain[0].instrument, tick_size=told.tick_size)
    assert told.tick_size in (0.1, 0.05)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", gzip.compress(rows())[:-40], b"\x1f\x8bnot gzip"])
def test_a_damaged_list_is_unavailable(upstox, adapter, body):
    upstox.get(INSTRUMENTS, body=body)
    with pytest.raises(BrokerUnavailable, match="damaged"):
        list(adapter.instruments())


def test_a_refused_list_says_so(upstox, adapter):
    upstox.get(INSTRUMENTS, status=403, body="AccessDenied")
    with pytest.raises(BrokerRefused, match="gateway"):
        list(adapter.instruments())


# --- Candles of a day

CANDLES = "https://api.upstox.com/v3/historical-candle/NSE_INDEX%7CNifty%2050/days/1/2026-11-22/2026-10-24"


@pytest.mark.parametrize(("days", "close"), [
    (["2026-11-20", "2026-11-19"], 20.0),
    (["2026-11-23", "2026-11-20"], 20.0), (["2026-11-23"], None), ([], None),
])  # fmt: skip
def test_the_previous_close_is_that_of_the_last_candle_before_the_date(upstox, adapter, days, close):
    candles = [[f"{day}T00:00:00+05:30", 9.0, 9.5, 8.5, float(day[-2:]), 100, 0] for day in days]
    upstox.get(CANDLES, json={"status": "success", "data": {"candles": candles}})
    assert adapter.previous_close("NSE_INDEX|Nifty 50", dt.date(2026, 11, 23)) == close
    assert upstox.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(("status", "body", "kind"), [
    (401, json.dumps(trouble("UDAPI100050", TOKEN)), LoginRequired), (429, "", BrokerRefused),
    (502, "<html>", BrokerUnavailable), (200, "<html>", BrokerUnavailable),
    (200, '{"data":{"candles":[["2026-11-20"]]}}', BrokerUnavailable),
])  # fmt: skip
def test_candles_that_cannot_be_had_are_the_error_that_the_answer_stands_for(
    upstox, adapter, status, body, kind
):
    upstox.get(CANDLES, body, status=status)
    with pytest.raises(kind) as raised:
        adapter.previous_close("NSE_INDEX|Nifty 50", dt.date(2026, 11, 23))
    assert TOKEN not in str(raised.value)
