"""The simulator's REST."""

from __future__ import annotations

import gzip
import json
from datetime import date

import pytest
import requests

SHARE, OPTION, INDEX = "NSE_EQ|INE002A01018", "NSE_FO|45450", "NSE_INDEX|Nifty 50"


@pytest.fixture
def get(serve, board):
    server = serve(board)

    def fetch(path, token="simulated", **query):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"http://127.0.0.1:{server.port}{path}", params=query, headers=headers, timeout=5)

    return fetch


def test_the_list_of_instruments_is_open_and_packed_without_saying_so(get):
    reply = get("/market-quote/instruments/exchange/complete.json.gz", token="")
    assert "Content-Encoding" not in reply.headers
    rows = {row["instrument_key"]: row for row in json.loads(gzip.decompress(reply.content))}
    assert rows.keys() == {SHARE, OPTION, INDEX}
    assert rows[SHARE]["tick_size"] == 10.0
    assert rows[OPTION]["trading_symbol"] == "NIFTY 24400 PE 24 NOV 26"
    assert rows[OPTION]["expiry"] == 1795544999000, "a second before midnight in India"
    assert "lot_size" not in rows[INDEX]


@pytest.mark.parametrize(
    "path",
    ["/v3/market-quote/ltp", "/v3/market-quote/ohlc", "/v3/market-quote/quotes", "/v2/market/status/NSE",
     "/v2/market/holidays", "/v3/feed/market-data-feed/authorize"],
)  # fmt: skip
def test_a_wrong_token_gets_the_envelope_with_both_spellings(get, path):
    reply = get(path, token="wrong")
    assert reply.status_code == 401
    (trouble,) = reply.json()["errors"]
    assert trouble["error_code"] == trouble["errorCode"] == "UDAPI100050"


def test_last_prices_come_under_other_names_and_with_the_key_inside(get):
    reply = get("/v3/market-quote/ltp", instrument_key=f"{SHARE},{INDEX}").json()
    assert reply["status"] == "success"
    assert reply["data"]["NSE_EQ:RELIANCE"] == {
        "last_price": 1277.4, "instrument_token": SHARE, "ltq": 42, "volume": 7790518, "cp": 1274.0,
    }  # fmt: skip
    assert reply["data"]["NSE_INDEX:Nifty 50"]["instrument_token"] == INDEX


def test_candles_of_the_day_and_of_the_minute(get):
    day = get("/v3/market-quote/ohlc", instrument_key=SHARE, interval="1d").json()["data"]["NSE_EQ:RELIANCE"]
    assert (day["live_ohlc"]["open"], day["live_ohlc"]["high"], day["prev_ohlc"]) == (1270.0, 1279.9, None)
    minute = get("/v3/market-quote/ohlc", instrument_key=SHARE, interval="I1").json()["data"][
        "NSE_EQ:RELIANCE"
    ]
    assert minute["prev_ohlc"]["high"] == 1277.5
    assert get("/v3/market-quote/ohlc", instrument_key=SHARE, interval="5m").status_code == 400
    assert get("/v3/market-quote/ohlc", instrument_key=SHARE).json()["errors"][0]["error_code"] == "UDAPI1027"


def test_a_full_quote_has_five_rungs_a_side_with_orders(get):
    quote = get("/v3/market-quote/quotes", instrument_key=SHARE).json()["data"]["NSE_EQ:RELIANCE"]
    assert quote["depth"]["buy"][0] == {"quantity": 570, "price": 1277.3, "orders": 3}
    assert quote["depth"]["sell"][4] == {"quantity": 0, "price": 0.0, "orders": 0}
    assert quote["timestamp"].endswith("+05:30")
    assert (quote["prev_close_price"], quote["net_change"]) == (1274.0, 3.4)


def test_one_bad_key_fails_the_whole_batch(get):
    reply = get("/v3/market-quote/ltp", instrument_key=f"{SHARE},NSE_EQ|NOBODY")
    assert (reply.status_code, reply.json()["errors"][0]["error_code"]) == (400, "UDAPI100095")
    assert get("/v3/market-quote/ltp").json()["errors"][0]["error_code"] == "UDAPI1009"
    many = ",".join([SHARE] * 501)
    assert (
        get("/v3/market-quote/quotes", instrument_key=many).json()["errors"][0]["error_code"] == "UDAPI100042"
    )


def test_the_status_of_an_exchange_and_the_holidays(get, board):
    status = get("/v2/market/status/NFO").json()["data"]
    assert status == {"exchange": "NFO", "status": "NORMAL_OPEN", "last_updated": board.now_ms}
    assert get("/v2/market/status/NYSE").json()["errors"][0]["error_code"] == "UDAPI1089"
    days = get("/v2/market/holidays").json()["data"]
    assert days[0]["date"] == "2026-01-26"
    assert get("/v2/market/holidays/2026-01-26").json()["data"] == days[:1]
    assert get("/v2/market/holidays/2026-01-27").json()["data"] == []


@pytest.mark.parametrize("key", [SHARE, INDEX])
def test_the_adapter_is_told_the_close_of_the_day_before(serve, connect, board, key):
    adapter = connect(serve(board)).adapter
    assert adapter.previous_close(key, date(2026, 11, 20)) == board.by_key(key).previous_close
