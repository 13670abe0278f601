"""Lists of which a part is missing, and lists that cannot be read as a whole: what stays, what is said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mdactors.catalogue import load
from mdactors.config import InstrumentSettings, Settings
from mdactors.market.instruments import InstrumentTable
from mdactors.market.moment import read_moment
from mdactors.plugins import make_adapters, plain_sections
from mdactors.runtime.clock import SetClock
from mdactors.store.broker_lists import MISSING_DAYS
from mdactors.store.catalogue_process import Loaded, Order
from mdactors.store.instruments import InstrumentStore

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)


def share(number: int, symbol: str, exchange: str = "NSE") -> str:
    token = number << 8 | (1 if exchange == "NSE" else 4)
    return f"{token},{number},{symbol},{symbol} LTD,0,,0,0.05,1,EQ,{exchange},{exchange}"


def option(number: int, strike: float, expiry: str, lot: int = 75) -> str:
    symbol = f"NIFTY{expiry}{strike:g}CE"
    return f"{number << 8 | 2},{number},{symbol},NIFTY,0,{expiry},{strike:g},0.05,{lot},CE,NFO-OPT,NFO"


SHARES = [share(2885, "RELIANCE"), share(1594, "INFY"), share(2031, "M&M")]
NEAR = [option(45_000 + n, 24_000 + 50 * n, "2026-12-01") for n in range(30)]
FAR = [option(46_000 + n, 24_000 + 50 * n, "2026-12-08") for n in range(30)]


class Folder:
    """Where lists are loaded, on days of one's choice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, day: str, lines: Iterable[str] = (), upstox: list[Any] | None = None) -> Loaded:
        files = {}
        if lines:
            files["kite"] = self.folder / "kite.csv"
            files["kite"].write_text("\n".join([HEADER, *lines]))
        if upstox is not None:
            files["upstox"] = self.folder / "upstox.json"
            files["upstox"].write_text(json.dumps(upstox))
        names = [name for name in ("kite", "upstox") if name in files or self._was(name)]
        settings = Settings(data_dir=str(self.folder), instruments=InstrumentSettings(sources=names))
        sections = plain_sections(make_adapters(settings))
        timeline = SetClock.starting(read_moment(f"{day}T08:30")).timeline()
        given = {name: str(file) for name, file in files.items()}
        return load(Order.of(settings, sections, given, timeline), lambda _word: None)

    def _was(self, source: str) -> bool:
        return (self.folder / "instruments" / f"{source}.list").exists()

    def meant(self, name: str) -> str:
        found = InstrumentTable.load(self.folder / "instruments.msgpack").resolve(name)
        return "" if found is None else found.answered


@pytest.fixture
def lists(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("left", "name", "part"),
    [
        ([*NEAR, *FAR], "RELIANCE", "all NSE_EQ STOCK of NSE lacks 3 rows"),
        ([*SHARES, *NEAR], "NIFTY2026-12-0824000CE", "NSE_FO NIFTY 2026-12-08 lacks 30 rows"),
        ([*SHARES, *NEAR, *FAR[:14]], "NIFTY2026-12-0825450CE", "NSE_FO NIFTY 2026-12-08 lacks 16 rows"),
        ([*SHARES], "NIFTY2026-12-0824000CE", "all NSE_FO OPTION of NSE lacks 60 rows"),
    ],
)
def test_a_part_that_is_missing_keeps_its_old_rows_and_is_named(
    lists: Folder, left: list[str], name: str, part: str
):
    whole = lists.load("2026-11-23", [*SHARES, *NEAR, *FAR])
    assert whole.failures == []
    for day in ("2026-11-23", "2026-11-24"):
        again = lists.load(day, left)
        (failure,) = again.failures
        assert failure.startswith(f"kite is not whole: {part} since 2026-11-23, which stay until 2026-11-30")
        assert again.counts == whole.counts
        assert lists.meant(name) == name
    back = lists.load("2026-11-25", [*SHARES, *NEAR, *FAR])
    assert (back.failures, back.notes, back.counts) == ([], [], whole.counts)


def test_a_part_that_is_missing_for_days_is_believed_to_have_ended(lists: Folder):
    lists.load("2026-11-20", [*SHARES, *NEAR, *FAR])
    counts = []
    for day in range(21, 30):
        loaded = lists.load(f"2026-11-{day}", [*SHARES, *NEAR])
        counts.append((loaded.counts["options"], bool(loaded.failures)))
        if day == 21 + MISSING_DAYS + 1:
            assert "missing for 7 days, and left out now: NSE_FO NIFTY 2026-12-08" in loaded.notes[0]
    assert counts == [(60, True)] * (MISSING_DAYS + 1) + [(30, False)]
    assert lists.load("2026-11-30", [*SHARES, *NEAR]).notes == []


def test_the_old_rows_of_a_missing_part_expire_as_all_do(lists: Folder):
    lists.load("2026-11-30", [*SHARES, *NEAR, *FAR])
    assert lists.load("2026-12-01", [*SHARES, *FAR]).counts["options"] == 60
    gone = lists.load("2026-12-02", [*SHARES, *FAR])
    assert (gone.failures, gone.counts["options"]) == ([], 30)


def test_changes_of_every_day_are_taken_in(lists: Folder):
    lists.load("2026-11-23", [*SHARES, *NEAR, *FAR])
    moved = [line.replace("2026-12-08", "2026-12-07") for line in FAR]
    loaded = lists.load("2026-11-24", [*SHARES[1:], share(99, "FRESH"), *NEAR[2:], *moved])
    assert loaded.failures == []
    assert (loaded.counts["stocks"], loaded.counts["options"]) == (3, 58)
    assert lists.meant("RELIANCE") == ""


def test_a_missing_part_stays_while_only_the_other_list_is_loaded(lists: Folder):
    lists.load("2026-11-23", [*SHARES, *NEAR])
    lists.load("2026-11-23", NEAR)
    again = lists.load("2026-11-23", upstox=[{"segment": "NSE_COM", **SPOT}, upstox_option(24_000.0)])
    assert again.counts["stocks"] == 3
    assert "kite is not whole" in again.failures[0]


SPOT = {
    "exchange": "NSE", "instrument_type": "COM", "instrument_key": "NSE_COM|1", "exchange_token": "1",
    "trading_symbol": "SILVER",
}  # fmt: skip


def upstox_option(strike: float, **more: Any) -> dict[str, Any]:
    return {
        "segment": "NSE_FO", "exchange": "NSE", "instrument_key": "NSE_FO|45000", "exchange_token": "45000",
        "trading_symbol": f"NIFTY {strike:g} CE 01 DEC 26", "instrument_type": "CE", "name": "NIFTY",
        "underlying_symbol": "NIFTY", "expiry": 1796149799000, "strike_price": strike, "lot_size": 75,
        "tick_size": 5.0, "weekly": True, **more,
    }  # fmt: skip


@pytest.mark.parametrize(("kites", "upstoxs"), [(122.5, 245.0), (245.0, 122.5)])
@pytest.mark.parametrize("first", ["kite", "upstox"])
def test_an_option_that_was_adjusted_is_one_that_both_can_stream(
    lists: Folder, kites: float, upstoxs: float, first: str
):
    theirs, ours = [upstox_option(upstoxs)], [option(45_000, kites, "2026-12-01")]
    if first == "upstox":
        lists.load("2026-11-23", upstox=theirs)
    loaded = lists.load("2026-11-23", ours, theirs)
    (note,) = loaded.notes
    assert "1 contracts were adjusted" in note
    assert "(was 245)" in note
    assert loaded.counts["options"] == 1
    table = InstrumentTable.load(lists.folder / "instruments.msgpack")
    token = 45_000 << 8 | 2
    assert table.by_token[token].strike == 122.5
    assert "122.5CE" in table.by_token[token].symbol
    assert table.broker_tokens("kite") == {token: token}
    assert table.broker_tokens("upstox") == {token: "NSE_FO|45000"}


def test_what_cannot_be_read_is_named_and_too_much_of_it_is_a_doubt(lists: Folder):
    bad = ["x,1,LOST,LOST,0,,0,0.05,1,EQ,NSE,NSE", "1,1,SHORT,0"]
    loaded = lists.load("2026-11-23", [*SHARES, *bad])
    assert loaded.failures == []
    (doubt,) = loaded.doubts
    assert doubt.startswith("kite: 2 of 5 rows cannot be read, and are left out: LOST (")
    assert ", SHORT (" in doubt
    many = [share(n, f"S{n}") for n in range(10_000, 13_000)]
    few = lists.load("2026-11-23", [*many, *bad])
    assert few.doubts == []
    assert any("2 of 3002 rows cannot be read" in note for note in few.notes)
    more = lists.load("2026-11-23", [*many, *[bad[0]] * 30])
    assert more.doubts[0].endswith(" and 10 more"), "as many as can be shown"


def test_what_there_is_no_word_for_is_counted_by_exchange(lists: Folder):
    loaded = lists.load(
        "2026-11-23",
        [*SHARES, "9,1,NIFTYFUT,NIFTY,0,2026-12-29,0,1,1,FUT,NSEIX-FUT,NSEIX"],
        [{"segment": "NSE_COM", **SPOT}, upstox_option(9.0)],
    )
    assert loaded.notes == [
        "kite: rows of kinds that are not streamed are left out: 1 of NSEIX",
        "upstox: rows of kinds that are not streamed are left out: 1 of NSE",
    ]


def test_an_index_abroad_is_one_instrument_of_both_brokers(lists: Folder):
    ours = "291849,1140,GIFT NIFTY,GIFT NIFTY,0,,0,0,0,EQ,INDICES,NSEIX"
    theirs = {
        "segment": "GLOBAL_INDEX", "exchange": "GLOBAL", "instrument_type": "", "exchange_token": "",
        "instrument_key": "GLOBAL_INDEX|SGX NIFTY", "trading_symbol": "GIFT NIFTY", "name": "GIFT NIFTY",
    }  # fmt: skip
    loaded = lists.load("2026-11-23", [*SHARES, ours], [theirs])
    assert (loaded.counts["indices"], loaded.notes, loaded.apart) == (1, [], [])
    table = InstrumentTable.load(lists.folder / "instruments.msgpack")
    found = table.resolve("gift nifty")
    assert found is not None
    assert found.trading_class == "world"
    assert table.resolve("NSEIX:GIFT NIFTY") == table.resolve("GLOBAL_INDEX|SGX NIFTY") == found
    assert table.broker_tokens("kite")[found.token] == 291849
    assert table.broker_tokens("upstox") == {found.token: "GLOBAL_INDEX|SGX NIFTY"}


def test_a_name_that_means_nothing_because_its_share_is_gone_is_said(lists: Folder):
    twin = share(500325, "RELIANCE", "BSE")
    lists.load("2026-11-23", [*SHARES, twin])
    for day in ("2026-11-23", "2026-11-24"):
        gone = lists.load(day, [*SHARES[1:], twin])
        assert gone.notes == ["unknown until what was called so is listed again: RELIANCE"]
    assert lists.load("2026-11-25", [*SHARES, twin]).notes == []
    assert lists.load("2026-11-25", [*SHARES[:2], twin]).notes == [], "M&M is nobody else"


def test_two_rows_with_one_token_are_said(lists: Folder):
    loaded = lists.load("2026-11-23", [*SHARES, share(2885, "OTHER")])
    assert loaded.apart == ["OTHER: its token 738561 is that of RELIANCE"]


def test_a_sector_is_the_same_shares_in_the_store_and_in_the_table(lists: Folder):
    bond = share(7777, "HDFCBANK-N1")
    loaded = lists.load(
        "2026-11-23",
        [share(1333, "HDFCBANK"), bond, share(500180, "HDFCBANK", "BSE"), share(3045, "SBIN-BE"), *SHARES],
    )
    assert loaded.failures == []
    store = InstrumentStore(lists.folder / "instruments.db")
    try:
        in_banking = {row.token for row in store.search(limit=99) if row.sector == "BANKING"}
    finally:
        store.close()
    assert in_banking == {1333 << 8 | 1, 3045 << 8 | 1}
