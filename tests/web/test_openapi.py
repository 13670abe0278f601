"""The document of REST: it is valid, it has every route, and the server answers as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openapi_spec_validator
import pytest
from tests.contract import contract

from mdactors.market.candle import Bar
from mdactors.market.instrument import InstrumentRow
from mdactors.market.position import Position
from mdactors.market.sectors import Sector, Sectors
from mdactors.store.bars_sqlite import SqliteBars
from mdactors.store.instruments import InstrumentStore
from mdactors.store.instruments_sqlite import write
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks
from mdactors.web.application import REST

WEB = Path(__file__).resolve().parents[2] / "src/mdactors/web"
OPEN = 1_795_146_300_000
"""2026-11-20T09:15:00+05:30."""
HISTORY = "/api/ticks/historical"
DAY = f"{HISTORY}?startTime=2026-09-21&endTime=2026-09-21"
REFRESH, SYNC = "/api/ticks/admin/refresh-instruments", "/api/v1/instruments/sync"
FEED = "/api/v1/market/market-feed"
PIN, UNPIN = "/api/market/subscribe", "/api/market/unsubscribe"
SEARCH, CHAIN = "/api/instruments", "/api/optionchain/NIFTY"
TODAY, CANDLES, SNAPSHOT = "/api/ticks/today/", "/api/candles/", "/api/market/snapshot"

# Operation, status, path, body, and what must have happened before.
CASES: list[tuple[str, int, str, Any, str]] = [
    ("page", 200, "/", None, ""),
    ("docs", 200, "/docs", None, ""),
    ("openapi", 200, "/openapi.json", None, ""),
    ("asyncapi", 200, "/asyncapi.json", None, ""),
    ("live", 200, "/live", None, ""),
    ("liveHead", 200, "/live", None, ""),
    ("ready", 200, "/ready", None, ""),
    ("ready", 503, "/ready", None, "down"),
    ("readyHead", 200, "/ready", None, ""),
    ("readyHead", 503, "/ready", None, "down"),
    ("health", 200, "/health", None, ""),
    ("health", 503, "/health", None, "down"),
    ("healthHead", 200, "/health", None, ""),
    ("healthHead", 503, "/health", None, "down"),
    ("subscriptions", 200, "/api/ticks/subscriptions", None, ""),
    ("ticksOfToday", 200, f"{TODAY}RELIANCE", None, ""),
    ("ticksOfToday", 400, f"{TODAY}RELIANCE?limit=0", None, ""),
    ("ticksOfToday", 400, f"{TODAY}%FF", None, ""),
    ("ticksOfToday", 404, f"{TODAY}RELIANSE", None, ""),
    ("ticksOfToday", 503, f"{TODAY}RELIANCE", None, "no instruments"),
    ("ticksOfHistory", 200, f"{DAY}&symbol=RELIANCE", None, ""),
    ("ticksOfHistory", 200, f"{DAY}&symbol=RELIANCE&mode=ltp", None, ""),
    ("ticksOfHistory", 200, f"{DAY}&symbol=RELIANCE&mode=depth30", None, ""),
    ("ticksOfHistory", 200, f"{DAY}&symbol=RELIANCE&fields=ohlc.close,ohlc,timestamp", None, ""),
    ("ticksOfHistory", 200, f"{DAY}&instrumentToken=738561&format=csv", None, ""),
    ("ticksOfHistory", 200, f"{DAY}&instrumentToken=738561&format=ndjson", None, ""),
    ("ticksOfHistory", 400, f"{HISTORY}?symbol=RELIANCE", None, ""),
    ("ticksOfHistory", 400, f"{DAY}&symbol=RELIANCE&fields=nothing", None, ""),
    ("ticksOfHistory", 404, f"{DAY}&symbol=RELIANSE", None, ""),
    ("ticksOfHistory", 503, f"{DAY}&symbol=RELIANCE", None, "no store"),
    ("marketSubscribe", 400, PIN, {"symbols": []}, ""),
    ("candles", 200, f"{CANDLES}RELIANCE?from=2026-11-20&to=2026-11-20", None, ""),
    ("candles", 200, f"{CANDLES}RELIANCE?from=2026-11-20&to=2026-11-20&interval=1d", None, ""),
    ("candles", 400, f"{CANDLES}RELIANCE?interval=2m", None, ""),
    ("candles", 404, f"{CANDLES}RELIANSE", None, ""),
    ("candles", 503, f"{CANDLES}RELIANCE", None, "no store"),
    ("marketSnapshot", 200, f"{SNAPSHOT}?instrument=RELIANCE", None, ""),
    ("marketSnapshot", 400, SNAPSHOT, None, ""),
    ("marketSnapshot", 404, f"{SNAPSHOT}?instrument=INFY", None, ""),
    ("marketSnapshot", 404, f"{SNAPSHOT}?instrument=RELIANSE", None, ""),
    ("marketSnapshot", 503, f"{SNAPSHOT}?instrument=RELIANCE", None, "no actors"),
    ("marketStatus", 200, "/api/market/status", None, ""),
    ("marketStatus", 503, "/api/market/status", None, "no actors"),
    ("marketHolidays", 200, "/api/market/holidays", None, ""),
    ("marketHolidays", 400, "/api/market/holidays?year=x", None, ""),
    ("marketSubscribe", 200, PIN, {"symbols": ["RELIANCE", "INFY", "NONE"], "sector": "IT"}, ""),
    ("marketSubscribe", 400, PIN, {"symbols": "RELIANCE"}, ""),
    ("marketSubscribe", 400, PIN, [], ""),
    ("marketSubscribe", 404, PIN, {"sector": "NONE"}, ""),
    ("marketSubscribe", 503, PIN, {"symbols": ["RELIANCE"]}, "no actors"),
    ("marketUnsubscribe", 200, UNPIN, {"symbols": ["RELIANCE", "NONE"]}, ""),
    ("marketUnsubscribe", 400, UNPIN, {}, ""),
    ("marketUnsubscribe", 404, UNPIN, {"sector": "NONE"}, ""),
    ("marketUnsubscribe", 503, UNPIN, {"symbols": ["RELIANCE"]}, "no instruments"),
    ("searchInstruments", 200, SEARCH, None, ""),
    ("searchInstruments", 200, f"{SEARCH}?q=rel&type=STOCK&sector=it&exchange=NSE&expiry=", None, ""),
    ("searchInstruments", 200, f"{SEARCH}?mtf=true&mis=false", None, ""),
    ("searchInstruments", 400, f"{SEARCH}?type=BOND", None, ""),
    ("searchInstruments", 404, f"{SEARCH}?sector=NONE", None, ""),
    ("searchInstruments", 503, SEARCH, None, "damaged store"),
    ("instrument", 200, f"{SEARCH}/RELIANCE", None, ""),
    ("instrument", 200, f"{SEARCH}/BSE:RELIANCE", None, ""),
    ("instrument", 400, f"{SEARCH}/%FF", None, ""),
    ("instrument", 404, f"{SEARCH}/RELIANSE", None, ""),
    ("instrument", 503, f"{SEARCH}/RELIANCE", None, "damaged store"),
    ("sectors", 200, "/api/sectors", None, ""),
    ("sectors", 503, "/api/sectors", None, "no actors"),
    ("sector", 200, "/api/sectors/IT", None, ""),
    ("sector", 400, "/api/sectors/%FF", None, ""),
    ("sector", 404, "/api/sectors/NONE", None, ""),
    ("sector", 503, "/api/sectors/IT", None, "no actors"),
    ("movers", 200, "/api/movers", None, ""),
    ("movers", 400, "/api/movers?by=price", None, ""),
    ("movers", 503, "/api/movers", None, "no actors"),
    ("optionChain", 200, CHAIN, None, ""),
    ("optionChain", 400, f"{CHAIN}?expiry=soon", None, ""),
    ("optionChain", 404, f"{CHAIN}?expiry=2026-11-25", None, ""),
    ("optionChain", 404, "/api/optionchain/NIFTI", None, ""),
    ("optionChain", 503, CHAIN, None, "no actors"),
    ("refreshInstruments", 200, REFRESH, {}, ""),
    ("refreshInstruments", 401, REFRESH, {}, "admin token"),
    ("refreshInstruments", 500, REFRESH, {}, "no instrument list"),
    ("refreshInstruments", 503, REFRESH, {}, "no actors"),
    ("syncInstruments", 200, SYNC, {}, ""),
    ("syncInstruments", 401, SYNC, {}, "admin token"),
    ("syncInstruments", 500, SYNC, {}, "no instrument list"),
    ("syncInstruments", 503, SYNC, {}, "no actors"),
    ("feedIndices", 200, f"{FEED}/indices", None, ""),
    ("feedIndices", 503, f"{FEED}/indices", None, "no actors"),
    ("feedPrices", 200, f"{FEED}/equity/prices", None, ""),
    ("feedPrices", 400, f"{FEED}/%FF/prices", None, ""),
    ("feedPrices", 404, f"{FEED}/shares/prices", None, ""),
    ("feedPrices", 503, f"{FEED}/all/prices", None, "no actors"),
    ("feedStatus", 503, f"{FEED}/status", None, "no actors"),
    ("feedConnect", 401, f"{FEED}/connect", None, "admin token"),
    ("feedConnect", 503, f"{FEED}/connect", None, "no actors"),
    ("feedDisconnect", 401, f"{FEED}/disconnect", None, "admin token"),
    ("feedDisconnect", 503, f"{FEED}/disconnect", None, "no actors"),
]
OF_THE_WHOLE_DAEMON = {
    ("status", 200), ("feedStatus", 200), ("feedConnect", 200), ("feedConnect", 409), ("feedDisconnect", 200),
}  # fmt: skip
"""They are tried in the end-to-end tests."""


@pytest.fixture
def serve(stage: Any, a_tick: Any, tmp_path: Path) -> Iterator[Any]:
    """``serve(happened)``: a server that knows a tick and a bar of RELIANCE."""
    database = SqliteDatabase(tmp_path / "ticks.db")

    def start(happened: str) -> Any:
        tick = a_tick()
        stage.ticks = {738561: tick}
        stage.cache.write([tick])
        stage.refused = {408065: "no capacity"}
        stage.sectors = Sectors([Sector("IT", "Information Technology", symbols=("INFY", "GONE"))])
        stage.up = happened != "down"
        stage.refresh_fails = happened == "no instrument list"
        if happened == "damaged store":
            (tmp_path / "instruments.db").write_bytes(b"no database" * 100)
        else:
            write(tmp_path / "instruments.db", [InstrumentRow(*msgspec.structs.astuple(tick.instrument))])
        stage.instrument_store = InstrumentStore(tmp_path / "instruments.db")
        if happened == "no instruments":
            stage.table = type(stage.table).build({})
        if happened != "no store":
            stage.history, stage.bars = SqliteTicks(database), SqliteBars(database, ["1s", "1m"])
            stage.history.write([tick], None, Position("j", 1, 1, 1))
            stage.bars.write([Bar(tick.instrument, "1m", OPEN, 100.0, 101.0, 99.0, 100.5, 7)])
        stage.start(token="s3cret" if happened == "admin token" else "")
        if happened == "no actors":
            stage._tree.stop()
        return stage

    yield start
    database.close()


def test_the_document_is_valid_openapi() -> None:
    openapi_spec_validator.validate(contract().openapi)


def test_every_route_and_method_of_the_server_is_documented_and_nothing_else() -> None:
    served = {
        (path, method.lower())
        for path, handler in REST.items()
        for method in handler.methods()
        if method != "OPTIONS"
    }
    assert served == {(path, method) for path, method, _ in contract().operations.values()}


def test_every_error_code_of_the_server_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in WEB.glob("*.py"))
    said = set(re.findall(r'Failure\(\s*\d+, "(\w+)"', source))
    assert said | {"internal_server_error", "method_not_allowed"} == set(
        contract().openapi["components"]["schemas"]["Reason"]["properties"]["code"]["enum"]
    )


@pytest.mark.parametrize(
    "happened", sorted({case[-1] for case in CASES}), ids=lambda words: words or "all is well"
)
def test_the_server_answers_as_documented(serve, happened):
    stage = serve(happened)
    for operation, status, path, body, _ in (case for case in CASES if case[-1] == happened):
        method = contract().operations[operation][1].upper()
        given, headers, answer = stage.http(method, path, body=None if body is None else json.dumps(body))
        assert given == status, f"{operation} {path}: {answer!r}"
        contract().check_answer(operation, given, headers["Content-Type"], answer)


def test_a_page_of_another_origin_is_refused_everywhere_as_documented(serve):
    stage = serve("")
    for operation, (path, method, _) in contract().operations.items():
        path = path.replace("{kind}", "index").replace("{symbol}", "RELIANCE")
        given, headers, answer = stage.http(method.upper(), path, {"Origin": "https://evil.example"})
        assert given == 403
        contract().check_answer(operation, given, headers["Content-Type"], answer)


def test_every_documented_answer_is_tried() -> None:
    tried = {(operation, status) for operation, status, *_ in CASES}
    refused = {(operation, 403) for operation in contract().operations}
    mistyped = {(operation, 400) for operation in contract().operations if operation not in ("page", "docs")}
    assert tried | refused | mistyped | OF_THE_WHOLE_DAEMON == contract().documented()


def test_a_method_that_a_path_does_not_have_is_405_and_names_those_it_has(serve):
    stage = serve("")
    status, headers, _ = stage.http("DELETE", "/live")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_page_of_the_document_asks_nobody_else(serve):
    status, headers, body = serve("").http("GET", "/docs")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert b'fetch("openapi.json")' in body
    assert not re.search(rb"https?://|//[a-z]+\.", body)
