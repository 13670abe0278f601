"""Lists that come during a day: who is called what stays, in every file and table that is written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from mdactors.catalogue import load
from mdactors.config import InstrumentSettings, Settings
from mdactors.market.instruments import InstrumentTable
from mdactors.market.moment import read_moment
from mdactors.runtime.clock import SetClock
from mdactors.store.catalogue_process import Order
from mdactors.store.instruments import InstrumentStore

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
NSE, BSE = 738561, 128083204
ROWS = {
    NSE: "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.1,1,EQ,NSE,NSE",
    BSE: "128083204,500325,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.05,1,EQ,BSE,BSE",
}
INFY = "408065,1594,INFY,INFOSYS,0,,0,0.1,1,EQ,NSE,NSE"


class Days:
    """A folder into which lists are loaded, at times of one's choice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._settings = Settings(data_dir=str(folder), instruments=InstrumentSettings(sources=["kite"]))

    def load(self, at: str, *tokens: int) -> None:
        """Load a list that has these beside INFY."""
        list_ = self.folder / "kite.csv"
        list_.write_text("\n".join([HEADER, INFY, *(ROWS[token] for token in tokens)]))
        timeline = SetClock.starting(read_moment(at)).timeline()
        order = Order.of(self._settings, {}, {"kite": str(list_)}, timeline)
        assert load(order, lambda _word: None).failures == []

    def names(self) -> dict[int, str]:
        """Token -> name, alike in the table and in what is searched."""
        table = InstrumentTable.load(self.folder / "instruments.msgpack")
        called = {token: each.answered for token, each in table.by_token.items()}
        with closing(InstrumentStore(self.folder / "instruments.db")) as store:
            assert {row.token: row.answered for row in store.search(limit=9)} == called
        return {token: name for token, name in called.items() if name != "INFY"}

    def meant(self, name: str) -> int | None:
        found = InstrumentTable.load(self.folder / "instruments.msgpack").resolve(name)
        return None if found is None else found.token


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path)


def test_a_list_without_nses_row_gives_its_name_to_nobody_that_day_or_later(days: Days):
    days.load("2026-11-23T08:30", NSE, BSE)
    assert days.names() == {NSE: "RELIANCE", BSE: "BSE:RELIANCE"}
    for at in ("2026-11-23T12:00", "2026-11-23T23:59:30"):
        days.load(at, BSE)
        assert (days.names(), days.meant("RELIANCE")) == ({BSE: "BSE:RELIANCE"}, None)
    for at in ("2026-11-24T00:00:30", "2026-11-24T08:30", "2026-12-24T08:30"):
        days.load(at, BSE)
        assert (days.names(), days.meant("RELIANCE")) == ({BSE: "BSE:RELIANCE"}, None)
    days.load("2026-12-25T08:30", NSE, BSE)
    assert days.names() == {NSE: "RELIANCE", BSE: "BSE:RELIANCE"}


def test_a_list_with_nses_row_takes_no_name_away_that_day(days: Days):
    days.load("2026-11-23T08:30", BSE)
    days.load("2026-11-23T12:00", NSE, BSE)
    assert days.names() == {NSE: "NSE:RELIANCE", BSE: "RELIANCE"}
    assert (days.meant("RELIANCE"), days.meant("NSE:RELIANCE")) == (BSE, NSE)
    days.load("2026-11-24T08:30", NSE, BSE)
    assert days.names() == {NSE: "RELIANCE", BSE: "BSE:RELIANCE"}


def test_a_table_of_another_version_has_no_names_to_keep(days: Days):
    days.load("2026-11-23T08:30", BSE)
    (days.folder / "instruments.msgpack").write_bytes(b"of old")
    days.load("2026-11-23T12:00", NSE, BSE)
    assert days.names() == {NSE: "RELIANCE", BSE: "BSE:RELIANCE"}
