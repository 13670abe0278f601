"""The file of instruments: looked up, searched, and replaced while it is read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mdactors.errors import StoreError
from mdactors.market.instrument import InstrumentRow
from mdactors.market.sectors import Sector
from mdactors.store.instruments import Filter, InstrumentStore
from mdactors.store.instruments_sqlite import write


def cash(token: int, symbol: str, name: str = "", segment: str = "NSE_EQ", **more: Any) -> InstrumentRow:
    kind = "INDEX" if segment.endswith("INDEX") else "STOCK"
    fields = {"series": "EQ" if segment == "NSE_EQ" else "", "key": f"{segment}|{symbol}"} | more
    return InstrumentRow(token, symbol, segment[:3], segment, kind, name=name, **fields)


def contract(token: int, underlying: str, expiry: str, strike: float = 0.0, side: Any = "") -> InstrumentRow:
    year, month = expiry[2:4], {"08": "AUG", "09": "SEP"}[expiry[5:7]]
    return InstrumentRow(
        token, f"{underlying}{year}{month}{f'{strike:g}{side}' if side else 'FUT'}", "NSE", "NSE_FO",
        "OPTION" if side else "FUTURE", f"NSE_FO|{token >> 8}", expiry=expiry, strike=strike,
        option_type=side, underlying=underlying, lot_size=65, tradable=True,
    )  # fmt: skip


RELIANCE = cash(
    738561, "RELIANCE", "Reliance Industries", key="NSE_EQ|INE002A01018", isin="INE002A01018",
    tick_size=0.1, sector="ENERGY", industry="Oil Gas & Consumable Fuels", tradable=True, mtf=True, mis=True,
)  # fmt: skip
ROWS = [
    contract(7 << 8 | 2, "NIFTY", "2026-09-29", 25000.0, "CE"),
    contract(6 << 8 | 2, "NIFTY", "2026-08-25", 25000.0, "PE"),
    contract(5 << 8 | 2, "NIFTY", "2026-08-25", 25000.0, "CE"),
    contract(4 << 8 | 2, "NIFTY", "2026-08-25"),
    contract(3 << 8 | 2, "RELIANCE", "2026-08-25"),
    contract(8 << 8 | 2, "BANKNIFTY", "2026-08-25"),
    cash(900 << 8 | 1, "RELIANCE-N1", "Reliance bond", series="N1"),
    cash(
        128083204, "RELIANCE", "Reliance Industries", "BSE_EQ", sector="ENERGY", tradable=True,
        own_name="BSE:RELIANCE",
    ),
    cash(1 << 8 | 1, "RELETF", "Fund of refiners", etf=True, tradable=True),
    cash(2 << 8 | 1, "RELAXO", "Relaxo Footwears", sector="CONSUMER", tradable=True),
    cash(10 << 8 | 1, "INDREL", "Union of Reliance friends", tradable=True),
    cash(11 << 8 | 1, "M&M", "Mahindra & Mahindra", tradable=True),
    cash(12 << 8 | 1, "BAJAJ-AUTO", "Bajaj Auto", tradable=True),
    cash(13 << 8 | 1, "CENTRALBK-BE", "Central Bank of India", series="BE", sector="BANKING", tradable=True),
    RELIANCE,
    cash(256265, "NIFTY 50", "Nifty 50", "NSE_INDEX"),
    cash(260105, "NIFTY BANK", "Nifty Bank", "NSE_INDEX"),
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "instruments #1.db"


@pytest.fixture
def store(path: Path) -> Iterator[InstrumentStore]:
    write(path, ROWS, [Sector("ENERGY", "Energy", "What burns"), Sector("BANKING", "Banks")])
    with closing(InstrumentStore(path)) as opened:
        yield opened


@pytest.fixture
def symbols(store: InstrumentStore) -> Callable[..., list[str]]:
    """``symbols("nifty", limit=2, type="INDEX")``: what a search finds, as it is answered."""

    def search(text: str = "", limit: int = 50, **narrowed: str) -> list[str]:
        return [row.answered for row in store.search(text, Filter(**narrowed), limit)]

    return search


def test_a_row_comes_back_as_it_was(store: InstrumentStore):
    assert store.get(738561) == RELIANCE
    assert store.get(7 << 8 | 2) == ROWS[0]
    assert store.get(5) is None
    assert store.count() == len(ROWS)
    assert store.sectors() == [("ENERGY", "Energy", "What burns"), ("BANKING", "Banks", "")]


def test_the_exact_symbol_goes_before_what_begins_so_before_words_before_beginnings_of_words(symbols: Any):
    found = ["RELIANCE", "BSE:RELIANCE", "RELIANCE-N1", "RELIANCE26AUGFUT", "INDREL"]
    assert symbols("reliance") == found
    assert symbols("rel")[:3] == ["RELAXO", "RELIANCE", "BSE:RELIANCE"]
    assert symbols("rel").index("RELETF") < symbols("rel").index("RELIANCE-N1")
    assert symbols("central bank") == ["CENTRALBK-BE"]
    assert symbols("foot") == ["RELAXO"]


def test_one_sign_finds_what_begins_with_it_before_what_has_a_word_that_does(symbols: Any):
    assert symbols("b")[:2] == ["BAJAJ-AUTO", "BANKNIFTY26AUGFUT"]
    assert "NIFTY BANK" in symbols("b")[2:]
    assert symbols("b", type="INDEX") == ["NIFTY BANK"]
    assert symbols("2", type="FUTURE")[0] == "BANKNIFTY26AUGFUT"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("NIFTY", "NIFTY 50"),
        ("nifty50", "NIFTY 50"),
        (" Nifty 50 ", "NIFTY 50"),
        ("banknifty", "NIFTY BANK"),
        ("M&M", "M&M"),
        ("bajaj-auto", "BAJAJ-AUTO"),
        ("CENTRALBK", "CENTRALBK-BE"),
        ("BSE:RELIANCE", "BSE:RELIANCE"),
        ("nse:reliance", "RELIANCE"),
        ("NSE:NIFTY 50", "NIFTY 50"),
        ("nifty 25000 ce", "NIFTY26AUG25000CE"),
        ("25000 pe", "NIFTY26AUG25000PE"),
        ("nifty sep 25000", "NIFTY26SEP25000CE"),
        ("reliance fut", "RELIANCE26AUGFUT"),
        ("NIFTY26AUGFUT", "NIFTY26AUGFUT"),
    ],
)
def test_what_a_person_means_comes_first(symbols: Any, text: str, first: str):
    assert symbols(text)[0] == first


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({"type": "index"}, ["NIFTY 50", "NIFTY BANK"]),
        ({"sector": "Energy"}, ["RELIANCE", "BSE:RELIANCE"]),
        ({"sector": "ENERGY", "exchange": "bse"}, ["BSE:RELIANCE"]),
        ({"underlying": "NIFTY", "type": "FUTURE"}, ["NIFTY26AUGFUT"]),
        ({"underlying": "Nifty 50", "expiry": "2026-09-29"}, ["NIFTY26SEP25000CE"]),
        ({"underlying": "NIFTY BANK"}, ["BANKNIFTY26AUGFUT"]),
        ({"underlying": "M&M"}, []),
        ({"exchange": "NSE' OR 1"}, []),
    ],
)
def test_a_search_can_be_narrowed(symbols: Any, narrowed: dict[str, str], found: list[str]):
    assert symbols(**narrowed) == found


def test_a_search_may_have_words_and_be_narrowed(symbols: Any):
    assert symbols("reliance", type="FUTURE") == ["RELIANCE26AUGFUT"]
    assert symbols("reliance", exchange="BSE") == ["BSE:RELIANCE"]
    assert symbols("25000", expiry="2026-08-25") == ["NIFTY26AUG25000CE", "NIFTY26AUG25000PE"]


def test_no_words_mean_everything_by_importance_and_signs_alone_nothing(symbols: Any):
    assert len(symbols()) == len(ROWS)
    assert symbols(limit=3) == ["NIFTY 50", "NIFTY BANK", "BAJAJ-AUTO"]
    assert symbols("reliance", limit=1) == ["RELIANCE"]
    assert symbols("&*") == []
    assert symbols("nobody") == []


@pytest.mark.parametrize(
    "text", ['"', 'a" OR b', "^", "symbol:x", "NEAR(a b)", "\0", "\ud800", "é ı ß", "x" * 5000, "a " * 500]
)
def test_no_text_breaks_a_search(symbols: Any, text: str):
    assert symbols(text, exchange=text) == []


def test_without_a_file_it_is_empty_until_there_is_one(path: Path):
    with closing(InstrumentStore(path)) as store:
        assert (store.count(), store.get(738561), store.search("x"), store.sectors()) == (0, None, [], [])
        write(path, ROWS)
        assert store.count() == len(ROWS)


def test_who_reads_sees_a_new_file_at_once_and_the_old_one_till_then(store: InstrumentStore, path: Path):
    stop = threading.Event()
    counts: set[int] = set()

    def read() -> None:
        while not stop.is_set():
            counts.add(len(store.search("reliance", limit=100)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(10):
            write(path, ROWS if number % 2 else [RELIANCE])
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert counts <= {1, 5}
    assert store.count() == len(ROWS)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_of_another_version_is_as_none_and_one_that_is_damaged_an_error(path: Path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with closing(InstrumentStore(path)) as store:
        assert store.count() == 0
        path.unlink()
        path.write_bytes(b"no database" * 100)
        with pytest.raises(StoreError, match="cannot be read"):
            store.count()


def test_what_cannot_be_written_leaves_what_is_there(store: InstrumentStore, path: Path):
    twice = [RELIANCE, RELIANCE]
    with pytest.raises(StoreError, match="cannot be written"):
        write(path, twice)
    assert store.count() == len(ROWS)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(StoreError, match="cannot be written"):
        write(path.parent / "nowhere" / "x.db", ROWS)
