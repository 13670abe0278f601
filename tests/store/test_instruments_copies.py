"""The copies of the instruments that other programs read, and the table that another program writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from bench._servers import Postgres, Redis, free_port, redis
from redis import Redis as Client

from mdactors.adapter import Secret
from mdactors.config import CacheSettings, StoreSettings
from mdactors.config.settings import RedisSettings, SqlSourceSettings
from mdactors.errors import BrokerUnavailable, StoreError
from mdactors.market.instrument import InstrumentRow
from mdactors.market.sectors import Sector
from mdactors.store import instruments_postgres, instruments_redis
from mdactors.store.instruments_source import fetch
from mdactors_kite import rest as kite

RELIANCE = InstrumentRow(
    738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ",
    name="RELIANCE INDUSTRIES", isin="INE002A01018", tick_size=0.1, sector="ENERGY",
    industry="Oil Gas & Consumable Fuels", tradable=True, mtf=True,
)  # fmt: skip
NIFTY = InstrumentRow(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")
CALL = InstrumentRow(
    15845634, "NIFTY26AUG25000CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|61897", expiry="2026-08-25",
    strike=25000.0, option_type="CE", underlying="NIFTY", lot_size=65, tradable=True,
)  # fmt: skip
BOND = InstrumentRow(5 << 8 | 1, "CHOLAFIN-D1", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE121A08PJ0", series="D1")
ON_BSE = InstrumentRow(128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", tradable=True)
ROWS = [RELIANCE, NIFTY, CALL, BOND, ON_BSE]
SECTORS = [Sector("ENERGY", "Energy", "What burns")]


# --- PostgreSQL


@pytest.fixture
def settings(schema: Any) -> StoreSettings:
    return StoreSettings(kind="postgres", url=Secret(schema.dsn), schema=schema.schema)


def test_the_table_has_the_columns_that_others_know(settings: StoreSettings, query: Callable[[str], Any]):
    instruments_postgres.write(settings, ROWS, SECTORS)
    columns = (
        "instrument_key, symbol, exchange, segment, sector, industry, tradable, index_instrument, underlying"
    )
    assert query(f"SELECT {columns} FROM instruments WHERE symbol = 'RELIANCE' AND exchange = 'NSE'") == [
        (
            "NSE_EQ|INE002A01018",
            "RELIANCE",
            "NSE",
            "NSE_EQ",
            "ENERGY",
            "Oil Gas & Consumable Fuels",
            True,
            False,
            None,
        )
    ]
    assert query("SELECT symbol FROM instruments WHERE index_instrument") == [("NIFTY 50",)]
    terms = "underlying, expiry::text, strike, option_type, lot_size, instrument_token"
    assert query(f"SELECT {terms} FROM instruments WHERE type = 'OPTION'") == [
        ("NIFTY", "2026-08-25", 25000.0, "CE", 65, 15845634)
    ]
    assert query("SELECT code, name, description FROM sectors") == [("ENERGY", "Energy", "What burns")]
    assert ("idx_sector",) in query("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")


def test_they_are_replaced_as_a_whole_and_who_reads_sees_all_or_all(
    settings: StoreSettings, query: Callable[[str], Any]
):
    instruments_postgres.write(settings, ROWS, SECTORS)
    stop, counts = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            counts.add(query("SELECT count(*) FROM instruments")[0][0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(6):
            instruments_postgres.write(settings, ROWS[: 5 if number % 2 else 2], SECTORS)
    finally:
        stop.set()
        reader.join()
    assert counts <= {2, 5}
    assert query("SELECT count(*) FROM instruments") == [(5,)]


def test_two_daemons_may_fill_them_at_the_same_time(settings: StoreSettings, query: Callable[[str], Any]):
    instruments_postgres.write(settings, ROWS, SECTORS)
    many = [msgspec.structs.replace(RELIANCE, token=n << 8 | 1) for n in range(5000)]
    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(instruments_postgres.write, settings, many, SECTORS) for _ in range(3)]
    assert [each.result() for each in writing] == [None] * 3
    assert query("SELECT count(*) FROM instruments") == [(5000,)]


def test_what_fails_leaves_both_tables_as_they_were(settings: StoreSettings, query: Callable[[str], Any]):
    instruments_postgres.write(settings, ROWS, SECTORS)
    with pytest.raises(StoreError, match="instruments_pkey"):
        instruments_postgres.write(settings, [RELIANCE, RELIANCE])
    assert query("SELECT count(*) FROM instruments") == [(5,)]
    assert query("SELECT count(*) FROM sectors") == [(1,)]


def test_a_foreign_table_of_that_name_stops_the_migration_and_is_named(
    settings: StoreSettings, query: Any, schema: Any
):
    with psycopg.connect(schema.dsn, autocommit=True) as other:
        other.execute(f"CREATE SCHEMA {schema.schema}; CREATE TABLE {schema.schema}.instruments (x integer)")
    with pytest.raises(StoreError, match='"instruments" already exists and is not ours'):
        instruments_postgres.write(settings, ROWS)
    assert query("SELECT count(*) FROM instruments") == [(0,)]


# --- Redis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with redis(tmp_path) as started:
        yield started


@pytest.fixture
def look(server: Redis) -> Iterator[Client]:
    with Client(port=server.port, decode_responses=True) as looking:
        yield looking


def cache_settings(port: int, prefix: str = "") -> CacheSettings:
    return CacheSettings(kind="redis", prefix=prefix, redis=RedisSettings(port=port))


def test_the_lists_hold_nses_indices_and_shares(server: Redis, look: Client):
    instruments_redis.write(cache_settings(server.port), ROWS)
    assert [json.loads(each) for each in look.lrange("instruments:nse:stocks", 0, -1)] == [
        {"instrumentToken": 738561, "exchangeToken": 2885, "tradingSymbol": "RELIANCE", "type": "STOCK"}
    ]
    assert [json.loads(each) for each in look.lrange("instruments:nse:indices", 0, -1)] == [
        {"instrumentToken": 256265, "exchangeToken": 1001, "tradingSymbol": "NIFTY 50", "type": "INDEX"}
    ]
    assert 86_000 < look.ttl("instruments:nse:stocks") <= 86_400
    assert sorted(look.keys()) == ["instruments:nse:indices", "instruments:nse:stocks"]


def test_long_lists_are_replaced_at_one_instant(server: Redis, look: Client):
    def shares(count: int) -> list[InstrumentRow]:
        return [msgspec.structs.replace(RELIANCE, token=n << 8 | 1) for n in range(count)]

    settings = cache_settings(server.port, "mine:")
    instruments_redis.write(settings, shares(2500))
    stop, counts = threading.Event(), set()

    def read() -> None:
        with Client(port=server.port) as other:
            while not stop.is_set():
                counts.add(other.llen("mine:instruments:nse:stocks"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(10):
            instruments_redis.write(settings, shares(1500 if number % 2 else 2500))
    finally:
        stop.set()
        reader.join()
    assert counts <= {1500, 2500}
    instruments_redis.write(settings, [])
    assert look.keys() == []


def test_a_user_with_the_documented_rights_may_write_them(server: Redis, look: Client):
    text = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("ACL SETUSER mdactors"))
    look.execute_command(
        "ACL", "SETUSER", "mdactors", "on", ">s3cret", *line.partition(" >PASSWORD ")[2].split()
    )
    place = RedisSettings(port=server.port, username="mdactors", password=Secret("s3cret"))
    for rows in (ROWS, ROWS[:1]):
        instruments_redis.write(CacheSettings(kind="redis", redis=place), rows)
    assert look.llen("instruments:nse:stocks") == 1
    assert look.llen("instruments:nse:indices") == 0


def test_a_server_that_is_away_is_one_line():
    with pytest.raises(StoreError, match="Redis: the lists of instruments cannot be written"):
        instruments_redis.write(cache_settings(free_port()), ROWS)


# --- a table of another program's


@pytest.fixture
def table(postgres_server: Postgres) -> Iterator[Callable[..., SqlSourceSettings]]:
    """A table as a program before this one filled it, and a login that may only read it."""
    made = """
        CREATE TABLE kite_instrument_master (
            id serial, last_price numeric, instrument_token bigint, exchange_token integer,
            tradingsymbol varchar(60), name varchar(200), expiry date, strike numeric(12,2),
            tick_size numeric, lot_size integer, instrument_type varchar(8), segment varchar(12),
            exchange varchar(8), is_active boolean, created_at timestamptz DEFAULT now());
        INSERT INTO kite_instrument_master (instrument_token, exchange_token, tradingsymbol, name, expiry,
            strike, tick_size, lot_size, instrument_type, segment, exchange, is_active) VALUES
            (738561, 2885, 'RELIANCE', E'RELIANCE, "THE"\\nINDUSTRIES', NULL, 0, 0.10, 1,
                'EQ', 'NSE', 'NSE', true),
            (15845634, 61897, 'NIFTY26AUG25000CE', 'NIFTY', '2026-08-25', 25000.00, 0.05, 65,
                'CE', 'NFO-OPT', 'NFO', true),
            (256265, 1001, 'NIFTY 50', 'NIFTY 50', NULL, NULL, 0, 0, 'EQ', 'INDICES', 'NSE', NULL);
        CREATE ROLE only_reads LOGIN; GRANT SELECT ON kite_instrument_master TO only_reads;"""
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(made)

    def settings(**more: Any) -> SqlSourceSettings:
        said = {"url": Secret(f"jdbc:{postgres_server.dsn}"), "username": "only_reads", "adapter": "kite"}
        return SqlSourceSettings(**said | more)

    yield settings
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE kite_instrument_master; DROP ROLE only_reads")


def test_the_schema_that_an_address_names_is_the_tables(
    table: Callable[..., SqlSourceSettings], postgres_server: Postgres
):
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA theirs CREATE VIEW listed AS SELECT * FROM kite_instrument_master")
        connection.execute("GRANT USAGE ON SCHEMA theirs TO only_reads")
        connection.execute("GRANT SELECT ON theirs.listed TO only_reads")
    address = Secret(f"jdbc:{postgres_server.dsn}?currentSchema=theirs&readOnly=true")
    try:
        assert fetch(table(url=address, table="listed")).count(b"\n") == 4
    finally:
        with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
            connection.execute("DROP SCHEMA theirs CASCADE")


def test_its_rows_are_read_as_those_of_the_brokers_file(table: Callable[..., SqlSourceSettings]):
    rows = {each.instrument.symbol: each.instrument for each in kite.listings(fetch(table()))}
    assert len(rows) == 3
    assert (rows["RELIANCE"].name, rows["RELIANCE"].tick_size) == ('RELIANCE, "THE" INDUSTRIES', 0.1)
    call = rows["NIFTY26AUG25000CE"]
    assert (call.expiry, call.strike, call.lot_size, call.key) == ("2026-08-25", 25000.0, 65, "NSE_FO|61897")
    assert rows["NIFTY 50"].type == "INDEX"


def test_a_schema_or_a_query_can_be_named(table: Callable[..., SqlSourceSettings]):
    whole = fetch(table(table="public.kite_instrument_master"))
    assert len(list(kite.listings(whole))) == 3
    asked = "SELECT * FROM kite_instrument_master WHERE exchange = 'NFO' -- 100 %"
    assert len(list(kite.listings(fetch(table(query=asked))))) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table": "nothing"}, 'relation "nothing" does not exist'),
        ({"table": "x; DROP TABLE kite_instrument_master"}, "does not exist"),
        ({"query": "DELETE FROM kite_instrument_master"}, "read-only transaction"),
        ({"username": "nobody_there"}, "nobody_there"),
        ({"url": Secret("mysql://x")}, "must look like postgresql://"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    table: Callable[..., SqlSourceSettings], changes: dict[str, Any], said: str
):
    with pytest.raises(BrokerUnavailable, match=r"^instruments\.sql(\.url)?: ") as caught:
        fetch(table(**changes))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(list(kite.listings(fetch(table())))) == 3
