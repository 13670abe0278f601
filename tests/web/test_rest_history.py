"""REST of stored ticks: what was sent comes back, page by page, to those who read."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote as escaped

import pytest
from tests.today import NOW_MS

from mdactors.market.instrument import Instrument
from mdactors.market.interest import View
from mdactors.market.ist import iso
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.view import encode
from mdactors.store import pages
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks import StoredTick, TickStore
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors.web import streamed

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
ON_BSE = Instrument(128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", series="A")
EXPIRED = Instrument(13000194, "NIFTY26OCTFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|50782")
OPEN = 1_795_146_300_000
"""2026-11-20T09:15:00+05:30."""
MS = 1_000_000
PATH = "/api/ticks/historical"
DAY = f"{PATH}?symbol=RELIANCE&startTime=2026-11-20&endTime=2026-11-20"


def tick(seq: int, at_ms: int, instrument: Instrument = RELIANCE, **said: Any) -> Tick:
    quote = Quote("R", "full", 1421.05 + seq, volume=seq, previous_close=1400.0, exchange_time=at_ms, **said)
    return Tick(instrument, quote, "x", 7, seq, (at_ms + 37) * MS)


def keep(store: TickStore, ticks: list[Tick]) -> None:
    before = store.position("j")
    count = (before.ticks if before else 0) + len(ticks)
    store.write(ticks, before, Position("j", 1, count, count))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteTicks]:
    made = SqliteTicks(SqliteDatabase(tmp_path / "ticks.db"))
    yield made
    made.close()


@pytest.fixture
def serve(stage: Any, store: SqliteTicks) -> Callable[..., Any]:
    """``serve(ticks)``: a server whose store holds these."""

    def start(ticks: list[Tick]) -> Any:
        keep(store, ticks)
        stage.history = store
        return stage.start()

    return start


def sent(ticks: list[Tick], mode: Any = "quote") -> list[Any]:
    return [json.loads(encode(tick, View(mode))) for tick in ticks]


def test_history_is_a_bare_array_of_ticks_as_on_the_websocket_oldest_first(serve):
    ticks = [tick(n, OPEN + 250 * n) for n in range(20)]
    serve_order = ticks[10:] + ticks[:10]
    stage = serve(serve_order)
    assert stage.get(DAY) == (200, sent(ticks))


def test_both_ends_are_inclusive_and_a_time_without_offset_is_indian(serve):
    stage = serve([tick(n, OPEN + 1000 * n) for n in range(10)])
    ranges = {
        "startTime=2026-11-20T09:15:03&endTime=2026-11-20T09:15:06": [3, 4, 5, 6],
        "startTime=2026-11-20T03:45:03Z&endTime=2026-11-20T09:15:06.999": [3, 4, 5, 6],
        "startTime=2026-11-20T09:15:03.001&endTime=2026-11-20T09:15:05.999": [4, 5],
        "startTime=2026-11-20T09:15:08%2B05:30&endTime=2026-11-21": [8, 9],
        "startTime=2026-11-20T09:15:08+05:30&endTime=2026-11-20T10:00:00+05:30": [8, 9],
        f"startTime={OPEN + 8000}&endTime={OPEN + 9000}": [8, 9],
        "startTime=2026-11-20T09:15:04&endTime=2026-11-20T09:15:04": [4],
    }
    for asked, seqs in ranges.items():
        status, body = stage.get(f"{PATH}?symbol=RELIANCE&{asked}")
        assert (status, [each["seq"] for each in body]) == (200, seqs), asked


def test_without_an_end_it_goes_on_until_now(serve):
    stage = serve([tick(1, NOW_MS - 5000), tick(2, NOW_MS + 3_600_000)])
    start = escaped(iso(NOW_MS - 60_000))
    assert [each["seq"] for each in stage.get(f"{PATH}?symbol=RELIANCE&startTime={start}")[1]] == [1]


def test_nothing_is_an_empty_array(serve):
    stage = serve([tick(1, OPEN)])
    assert stage.get(f"{PATH}?symbol=INFY&startTime=2026-11-20&endTime=2026-11-20") == (200, [])
    assert stage.get(f"{PATH}?symbol=RELIANCE&startTime=2026-11-21&endTime=2026-11-22") == (200, [])


def test_an_instrument_is_meant_by_symbol_exchange_alias_key_or_token(serve):
    stage = serve([tick(1, OPEN), tick(2, OPEN, ON_BSE), tick(3, OPEN, EXPIRED)])
    asked = {
        "symbol=RELIANCE": 1,
        "symbol=NSE_EQ%7CINE002A01018": 1,
        "symbol=RELIANCE&exchange=NSE": 1,
        "symbol=reliance&exchange=bse": 2,
        "symbol=BSE:RELIANCE": 2,
        "symbol=BSE:RELIANCE&exchange=BSE": 2,
        "instrumentToken=738561": 1,
        "instrumentToken=13000194": 3,
    }
    for name, seq in asked.items():
        status, body = stage.get(f"{PATH}?{name}&startTime=2026-11-20&endTime=2026-11-20")
        assert (status, [each["seq"] for each in body]) == (200, [seq]), name


@pytest.mark.parametrize(
    "name", ["symbol=RELIANSE", "symbol=RELIANCE&exchange=MCX", "symbol=NSE:RELIANCE&exchange=BSE"]
)
def test_an_unknown_symbol_is_404_with_suggestions(serve, name):
    status, body = serve([]).get(f"{PATH}?{name}&startTime=2026-11-20")
    assert (status, body["error"]["code"], body["error"]["field"]) == (404, "unknown_symbol", "symbol")
    assert body["error"]["suggestions"] == ["RELIANCE"]


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ("symbol=RELIANCE", "startTime", "from when on"),
        ("startTime=2026-11-20", "symbol", "either symbol or instrumentToken"),
        ("exchange=NSE&startTime=2026-11-20", "symbol", "either symbol or instrumentToken"),
        ("symbol=INFY&instrumentToken=1&startTime=2026-11-20", "symbol", "either symbol or instrumentToken"),
        ("symbol=INFY&startTime=2026-11-21&endTime=2026-11-20", "startTime", "is after endTime"),
        ("symbol=INFY&startTime=2099-01-01", "startTime", "is after endTime"),
        ("symbol=INFY&startTime=soon", "startTime", "'soon' is no time: write 2026-11-20"),
        ("symbol=INFY&startTime=2026-11-20&endTime=late", "endTime", "'late' is no time"),
        ("symbol=INFY&startTime=2026-11-20&mode=all", "mode", "ltp, quote, full, depth30"),
        ("symbol=INFY&startTime=2026-11-20&format=xml", "format", "json, ndjson, csv"),
        ("symbol=INFY&startTime=2026-11-20&fields=seq,prise", "fields", "'prise' is no field"),
        ("symbol=INFY&startTime=2026-11-20&limit=0", "limit", "whole number"),
        ("instrumentToken=x&startTime=2026-11-20", "instrumentToken", "whole number"),
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_400_and_names_the_parameter(serve, asked, field, says):
    status, body = serve([]).get(f"{PATH}?{asked}")
    assert (status, body["error"]["code"], body["error"]["field"]) == (400, "invalid_parameter", field)
    assert says in body["error"]["message"]


def test_a_limit_is_the_first_so_many_and_pages_are_no_bound(serve, monkeypatch):
    monkeypatch.setattr(pages, "FIRST_PAGE", 3)
    monkeypatch.setattr(pages, "PAGE", 5)
    ticks = [tick(n, OPEN + 1000 * (n // 4)) for n in range(60)]
    stage = serve(ticks)
    assert stage.get(DAY) == (200, sent(ticks))
    assert stage.get(f"{DAY}&limit=17") == (200, sent(ticks[:17]))


def test_ndjson_csv_and_chosen_fields_say_what_they_are(serve):
    ticks = [tick(1, OPEN), tick(2, OPEN + 1)]
    stage = serve(ticks)
    _, headers, body = stage.http("GET", f"{DAY}&format=ndjson")
    assert headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in body.splitlines()] == sent(ticks)
    _, headers, body = stage.http("GET", f"{DAY}&format=csv&fields=seq,lastTradedPrice")
    assert headers["Content-Type"].startswith("text/csv")
    assert body.decode() == "seq,lastTradedPrice\n1,1422.05\n2,1423.05\n"
    assert stage.get(f"{DAY}&fields=seq,ohlc.close") == (
        200, [{"seq": 1, "ohlc.close": 1400.0}, {"seq": 2, "ohlc.close": 1400.0}],
    )  # fmt: skip
    assert stage.http("GET", f"{PATH}?symbol=INFY&startTime=2026-11-20&format=ndjson")[2] == b""


def test_without_a_store_it_is_503_and_says_which_setting(stage):
    stage.start()
    status, body = stage.get(DAY)
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert "store.ticks" in body["error"]["message"]


def test_a_store_that_is_away_is_503_with_the_reason(serve, store):
    stage = serve([])
    store.close()
    status, body = stage.get(DAY)
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert "ticks.db: cannot be read" in body["error"]["message"]


class Slowed(SqliteTicks):
    """Waits before each page but the first, so that a test can do something meanwhile."""

    gate = threading.Event()
    reads = 0

    def read(
        self, token: int, from_ns: int, to_ns: int, limit: int, after: StoredTick | None = None
    ) -> list[StoredTick]:
        self.reads += 1
        if after is not None:
            self.gate.wait(10)
        return super().read(token, from_ns, to_ns, limit, after)


@pytest.fixture
def slowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slowed]:
    monkeypatch.setattr(pages, "FIRST_PAGE", 3)
    monkeypatch.setattr(pages, "PAGE", 5)
    made = Slowed(SqliteDatabase(tmp_path / "slowed.db"))
    made.gate = threading.Event()
    keep(made, [tick(n, OPEN + n) for n in range(20)])
    yield made
    made.gate.set()
    made.close()


def test_the_first_page_is_sent_before_the_next_is_read(stage, slowed):
    stage.history = slowed
    stage.start()
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=5)
    connection.request("GET", DAY)
    response = connection.getresponse()
    begin = response.read1()
    assert json.loads(begin + b"]") == sent([tick(n, OPEN + n) for n in range(3)])
    slowed.gate.set()
    assert len(json.loads(begin + response.read())) == 20
    connection.close()


def test_a_store_that_fails_midway_cuts_the_connection_and_says_so_once(stage, slowed, caplog):
    stage.history = slowed
    stage.start()
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=5)
    connection.request("GET", DAY)
    response = connection.getresponse()
    assert response.status == 200
    response.read1()
    slowed.close()
    slowed.gate.set()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()
    said = [
        record
        for record in caplog.records
        if record.levelname in ("WARNING", "ERROR") and "cut" in record.message
    ]
    assert len(said) == 1
    assert "/api/ticks/historical is cut off: " in said[0].message
    assert "cannot be read" in said[0].message
    assert not [record for record in caplog.records if record.exc_info]
    assert stage.get("/live")[0] == 200


def test_a_client_that_goes_away_ends_the_reading(stage, slowed, caplog, wait_until):
    stage.history = slowed
    stage.start()
    client = socket.create_connection(("127.0.0.1", stage.port), timeout=5)
    client.sendall(f"GET {DAY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    wait_until(lambda: slowed.reads == 2)
    client.close()
    wait_until(lambda: not stage.web._server._connections)
    slowed.gate.set()
    stage.get("/live")
    stage.stop_web()
    assert slowed.reads <= 3
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


def test_a_client_that_reads_nothing_holds_up_the_reading_and_is_dropped_in_the_end(
    serve, store, monkeypatch, wait_until, caplog
):
    monkeypatch.setattr(streamed, "TAKES_NOTHING_SECONDS", 0.5)
    monkeypatch.setattr(pages, "FIRST_PAGE", 500)
    monkeypatch.setattr(pages, "PAGE", 500)
    read = []
    true_read = store.read

    def noted(*arguments: Any) -> list[StoredTick]:
        read.append(arguments)
        return true_read(*arguments)

    monkeypatch.setattr(store, "read", noted)
    stage = serve([tick(n, OPEN + n) for n in range(30_000)])
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", stage.port))
    client.sendall(f"GET {DAY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    wait_until(lambda: "its client takes nothing any more" in caplog.text, 10)
    assert 1 < len(read) < 60
    wait_until(lambda: not stage.web._server._connections)
    client.close()


def test_a_reader_that_is_slow_gets_everything(serve):
    ticks = [tick(n, OPEN + n) for n in range(12_000)]
    stage = serve(ticks)
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=10)
    connection.request("GET", DAY)
    response = connection.getresponse()
    begin = response.read(100)
    assert stage.get("/live")[0] == 200
    assert len(json.loads(begin + response.read())) == 12_000
    connection.close()
