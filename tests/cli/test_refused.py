"""``mdactors refused`` and ``mdactors missing``: what the database has not got."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from mdactors.market.instrument import Instrument
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.store.gaps import Gap
from mdactors.store.opening import open_stores

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")
MS = 1_000_000
OPEN = 1_795_146_300_000
"""2026-11-20T09:15:00+05:30."""


def tick(seq: int, instrument: Instrument = RELIANCE, price: float = 1.0) -> Tick:
    return Tick(instrument, Quote("R", "full", price), "x", 7, seq, (OPEN + seq * 1000) * MS)


def execute(folder: Any, statement: str) -> None:
    with closing(sqlite3.connect(folder.data / "ticks.db")) as other:
        other.execute(statement)


def refuse(folder: Any) -> None:
    """Have three ticks set aside for an index that is there, and one for its price."""
    folder.keep([tick(0, INFY)])
    execute(folder, "CREATE UNIQUE INDEX never ON ticks (tradingsymbol) WHERE tradingsymbol = 'INFY'")
    infinite = tick(9, price=float("inf"))
    folder.keep([*(tick(seq, INFY) for seq in (1, 2, 3)), infinite, *(tick(seq) for seq in range(10, 30))])


def test_reasons_are_listed_with_their_number_and_times(folder, run, capsys):
    refuse(folder)
    assert run("refused", "list") == 0
    unique, infinite = capsys.readouterr().out.splitlines()
    times = "2026-11-20T09:15:01.000+05:30 to 2026-11-20T09:15:03.000+05:30"
    assert unique == f"3 ticks, received {times}: UNIQUE constraint failed: ticks.tradingsymbol"
    assert infinite.endswith(": last_price is not a finite number")


def test_what_is_taken_now_is_stored_and_the_rest_stays(folder, run, capsys):
    refuse(folder)
    assert run("refused", "retry") == 1
    assert capsys.readouterr().out == "stored 0 ticks; 4 are still set aside\n"
    execute(folder, "DROP INDEX never")
    assert run("refused", "retry") == 1
    assert capsys.readouterr().out == "stored 3 ticks; 1 are still set aside\n"
    assert run("refused", "retry") == 1
    store, _ = open_stores(folder.settings, folder.data)
    assert [row.seq for row in store.read(INFY.token, 0, 2**62, 10)] == [0, 1, 2, 3]
    store.close()


def test_where_nothing_is_set_aside_that_is_said(folder, run, capsys):
    folder.keep([tick(1)])
    assert run("refused", "list") == 0
    assert run("refused", "retry") == 0
    assert capsys.readouterr().out.splitlines() == [
        "no tick is set aside",
        "stored 0 ticks; 0 are still set aside",
    ]


def test_what_is_missing_is_listed_until_it_is_forgotten(folder, run, capsys):
    store, _ = open_stores(folder.settings, folder.data)
    gaps = [Gap("ab12", 5923, None, OPEN), Gap("ab12", 7, OPEN, OPEN + 1000)]
    store.write([tick(2)], None, Position("ab12", 3, 100, 6000), gaps)
    store.close()
    assert run("missing", "list") == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == "5,923 ticks of journal ab12, received before 2026-11-20T09:15:00.000+05:30"
    assert second == (
        "7 ticks of journal ab12, received after 2026-11-20T09:15:00.000+05:30 "
        "and before 2026-11-20T09:15:01.000+05:30"
    )
    assert run("missing", "forget") == 0
    assert run("missing", "list") == 0
    assert capsys.readouterr().out.splitlines() == ["forgot 2 gaps", "no tick is known to be missing"]


def test_where_nothing_is_stored_yet_that_is_an_error(folder, run, capsys):
    assert run("refused", "list") == 1
    assert "nothing is stored there yet" in capsys.readouterr().err
