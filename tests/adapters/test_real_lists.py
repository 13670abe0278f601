"""Both brokers' real lists of instruments under one identity."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from mdactors.adapter import Listing
from mdactors.market.instrument import InstrumentRow, is_share
from mdactors.market.instruments import InstrumentTable
from mdactors.market.merging import Merged, merge
from mdactors.market.parts import counted, living, lost, outermost, short
from mdactors_kite import rest as kite
from mdactors_upstox import rest as upstox

pytestmark = pytest.mark.realdata
SERIES = ("EQ", "BE", "BZ")


class Lists(NamedTuple):
    kite: list[InstrumentRow]
    upstox: list[InstrumentRow]
    merged: Merged
    rows: dict[int, InstrumentRow]
    table: InstrumentTable


@pytest.fixture(scope="module")
def read() -> dict[Path, Lists]:
    return {}


@pytest.fixture
def lists(shared_data: Path, read: dict[Path, Lists]) -> Lists:
    if shared_data not in read:
        both = (
            upstox.listings((shared_data / "upstox_complete_2026-08-18.json.gz").read_bytes(), {}),
            kite.listings((shared_data / "kite_instruments.csv.gz").read_bytes()),
        )
        theirs, ours = ([each for each in found if isinstance(each, Listing)] for found in both)
        merged = merge({
            name: ((each.instrument, each.token) for each in listings)
            for name, listings in (("kite", ours), ("upstox", theirs))
        })  # fmt: skip
        rows = {row.token: row for row in merged.rows()}
        read[shared_data] = Lists(
            [each.instrument for each in ours],
            [each.instrument for each in theirs],
            merged,
            rows,
            InstrumentTable.of(rows.values(), merged.tokens),
        )
    return read[shared_data]


def test_of_kites_nse_rows_those_that_are_shares_remain(lists: Lists):
    """Segment NSE, one a lot, named, no loan: that lets 391 rows through that are no shares."""
    filtered = [
        lists.rows[row.token]
        for row in lists.kite
        if row.segment == "NSE_EQ" and row.lot_size == 1 and row.name and "LOAN" not in row.name.upper()
    ]
    kinds = Counter(
        "share" if is_share(row) else "fund" if row.etf else {"GB": "gold bond"}.get(row.series, row.series)
        for row in filtered
    )
    print(f"\nthe filter lets through {len(filtered)}: {dict(kinds)}")
    assert len(filtered) == 3129
    assert (kinds["gold bond"], kinds["IV"] + kinds["RR"]) == (45, 14)
    assert kinds["fund"] >= 332, "by ISIN, and by name where Upstox does not list it any more"
    assert all(row.tradable == (is_share(row) or row.etf) for row in filtered)


def test_what_can_be_traded(lists: Lists):
    cash = [row for row in lists.rows.values() if row.type == "STOCK"]
    counts = Counter(
        (row.exchange, "share" if is_share(row) else "etf" if row.etf else "other", row.tradable)
        for row in cash
    )
    print(f"\n{dict(counts)}")
    assert counts["NSE", "share", True] < 3000
    assert counts["BSE", "share", True] < 5500
    assert not counts["NSE", "other", True]
    assert not counts["BSE", "other", True]
    assert not counts["NSE", "share", False]
    listed_now = [lists.rows[row.token] for row in lists.upstox if row.token in lists.rows]
    odd = [row.symbol for row in listed_now if is_share(row) and row.isin[7:9] not in ("01", "20")]
    assert not odd, "the ISIN of a share says so"
    missed = [
        row.symbol
        for row in listed_now
        if row.series in SERIES and row.exchange == "NSE" and not row.tradable
    ]
    assert not missed


def test_shares_of_both_brokers_are_one_instrument(lists: Lists):
    """Upstox's shares whose token or symbol Kite knows: nearly all lead to an instrument of both."""
    listed = [row for row in lists.kite if row.segment == "NSE_EQ"]
    tokens, symbols = {row.token for row in listed}, {row.symbol_without_series for row in listed}
    wanted = [
        row
        for row in lists.upstox
        if row.segment == "NSE_EQ"
        and row.series in SERIES
        and (row.token in tokens or row.symbol_without_series in symbols)
    ]
    by_key = lists.table.broker_instruments("upstox")
    of_kite = lists.table.broker_tokens("kite")
    apart = [row for row in wanted if by_key[row.key].token not in of_kite]
    moved = [row for row in wanted if row.token not in tokens and row not in apart]
    one = len(wanted) - len(apart)
    print(f"\n{one} of {len(wanted)} ({one / len(wanted):.2%}) are one instrument, {len(moved)} of them by")
    print(f"segment and symbol; the others: {lists.merged.strangers}")
    assert len(wanted) > 2700
    assert len(apart) <= len(wanted) * 0.01
    reasons = {stranger.symbol: stranger.reason for stranger in lists.merged.strangers.get("upstox", [])}
    assert all(reasons.get(row.symbol) for row in apart)
    assert len(moved) > 100
    for row in moved:
        one = by_key[row.key]
        assert one.symbol_without_series == row.symbol_without_series
        assert of_kite[one.token] == one.token


@pytest.mark.parametrize(
    ("name", "token", "key"),
    [
        ("RELIANCE", 738561, "NSE_EQ|INE002A01018"),
        ("BSE:RELIANCE", 500325 << 8 | 4, "BSE_EQ|INE002A01018"),
        ("NIFTY 50", 256265, "NSE_INDEX|Nifty 50"),
        ("NIFTY BANK", 260105, "NSE_INDEX|Nifty Bank"),
        ("VIX", 264969, "NSE_INDEX|India VIX"),
        ("SENSEX", 265, "BSE_INDEX|SENSEX"),
        ("CHOLAFIN", 685 << 8 | 1, "NSE_EQ|INE121A01024"),
        ("MOTHERSON", 4204 << 8 | 1, "NSE_EQ|INE775A01035"),
        ("NSE_EQ|MOTHERSON", 4204 << 8 | 1, "NSE_EQ|INE775A01035"),
        ("NIFTY26AUGFUT", 14866434, "NSE_FO|58072"),
        ("INFRA", 194823681, "NSE_EQ|INF769K01QB4"),
        # Moved from EQ to BE and back between the days of the two lists.
        ("ESAFSFB", 19878 << 8 | 1, "NSE_EQ|INE818W01011"),
        ("DISHTV", 14540 << 8 | 1, "NSE_EQ|INE836F01026"),
    ],
)
def test_a_hand_picked_name_means_one_instrument_of_both_brokers(
    lists: Lists, name: str, token: int, key: str
):
    found = lists.table.resolve(name)
    assert found is not None
    assert (found.token, found.key) == (token, key)
    assert lists.table.resolve(key) == found
    assert lists.table.broker_tokens("kite")[token] == token
    assert lists.table.broker_tokens("upstox")[token] == key
    assert lists.table.broker_instruments("upstox")[key] == found


@pytest.mark.parametrize(
    ("symbol", "kites", "upstoxs"),
    [
        ("SICALLOG", ("EQ", 19434), ("BE", 19440)),
        ("TRANSPEK", ("EQ", 3531), ("BE", 7669)),
        ("DISHTV", ("BE", 14540), ("EQ", 14537)),
    ],
)
def test_a_share_that_moved_to_another_series_and_exchange_token_is_one_instrument(
    lists: Lists, symbol: str, kites: tuple[str, int], upstoxs: tuple[str, int]
):
    """Kite's list is of 30 July, Upstox's of 18 August."""

    def told(rows: list[InstrumentRow]) -> list[tuple[str, int]]:
        named = [row for row in rows if (row.segment, row.symbol_without_series) == ("NSE_EQ", symbol)]
        return [(row.series, row.token >> 8) for row in named if row.series in SERIES]

    assert (told(lists.kite), told(lists.upstox)) == ([kites], [upstoxs])
    found = lists.table.resolve(symbol)
    assert found is not None
    assert (found.series, found.token >> 8) == kites, "as the first broker describes it"
    assert lists.table.broker_tokens("kite")[found.token] == found.token
    assert lists.table.broker_tokens("upstox")[found.token] == found.key
    assert found.key == f"NSE_EQ|{lists.rows[found.token].isin}"
    assert lists.table.resolve(found.key) == found
    assert lists.table.resolve(str(upstoxs[1] << 8 | 1)) is None, "no second row of it"


def test_bonds_that_share_a_symbol_are_instruments_of_their_own(lists: Lists):
    bonds = {
        row.symbol: row
        for row in lists.rows.values()
        if row.segment == "NSE_EQ"
        and row.symbol_without_series in ("CHOLAFIN", "MOTHERSON")
        and row.series != "EQ"
    }
    assert len(bonds) >= 2
    assert not any(row.tradable for row in bonds.values())


def test_an_option_has_the_same_terms_at_both(lists: Lists):
    theirs = {row.token: row for row in lists.kite}
    option = next(
        row
        for row in lists.upstox
        if row.underlying == "NIFTY" and row.type == "OPTION" and row.token in theirs
    )
    row = lists.rows[option.token]
    assert (row.symbol, row.expiry, row.strike, row.lot_size) == (
        option.symbol, option.expiry, option.strike, option.lot_size,
    )  # fmt: skip
    assert lists.table.contracts("NIFTY")
    assert row.hot() in lists.table.contracts("NIFTY")


def test_tick_sizes_are_rupees_from_both(lists: Lists):
    """Upstox's file has paise."""
    theirs = {row.token: row for row in lists.kite}
    both = [
        (row, theirs[row.token]) for row in lists.upstox if row.token in theirs and row.segment == "NSE_EQ"
    ]
    theirs_of = {row.token: row for row in lists.upstox}
    assert (theirs[738561].tick_size, theirs_of[738561].tick_size) == (0.1, 0.1)
    same = sum(one.tick_size == other.tick_size for one, other in both)
    assert lists.rows[738561].tick_size == 0.1
    assert same > 0.97 * len(both) > 0


def test_the_recorded_lists_make_one_table(lists: Lists, tmp_path: Path):
    table = lists.table
    assert table.suggest("RELAINCE")[0] == "RELIANCE"
    assert len(table.broker_tokens("kite")) == 62_586
    assert lists.merged.adjusted == []
    assert len(table.broker_tokens("upstox")) == 124_976
    path = tmp_path / "instruments.msgpack"
    table.save(path)
    again = InstrumentTable.load(path)
    assert again.counts() == table.counts()
    assert again.by_token == table.by_token


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_segment_that_is_missing_is_seen_whichever_it_is_and_all_its_rows_are_known(
    lists: Lists, broker: str
):
    """The list of the next day, of which one segment got lost: far more than half of all rows are there."""
    before = [(row, row.key) for row in getattr(lists, broker)]
    counts = counted(before)
    segments = Counter(row.segment for row, _ in before)
    for segment, count in segments.items():
        now = [each for each in before if each[0].segment != segment]
        named = outermost(short(counts, counted(now), "2026-08-19"))
        assert named
        assert {part.split()[1] for part in named} == {segment}
        if segment in ("NSE_EQ", "BSE_FO"):
            gone = {key for rows in lost(before, now, "2026-08-18").values() for _, key in rows}
            assert len(gone) == count


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_whole_list_whose_nearest_expiries_are_over_lacks_nothing(lists: Lists, broker: str):
    before = [(row, row.key) for row in getattr(lists, broker)]
    for day in ("2026-08-19", "2026-08-26", "2026-09-30"):
        assert short(counted(before), counted(living(before, day)), day) == []


def test_every_share_of_nse_is_found_by_its_symbol(lists: Lists):
    table = lists.table
    for row in table.cash():
        if row.exchange == "NSE" and row.segment == "NSE_EQ" and row.series in SERIES:
            assert table.resolve(row.symbol) == row
        assert table.resolve(f"{row.exchange}:{row.symbol}").symbol == row.symbol
        assert table.resolve(str(row.token)) == row


def test_no_answered_name_means_another_instrument(lists: Lists):
    """Of 128,292 instruments 14,429 need more than their symbol, 2,690 shares and funds of BSE among them."""
    table = lists.table
    longer: Counter[str] = Counter()
    for token, each in table.by_token.items():
        found = table.resolve(each.answered)
        assert found is not None
        assert found.token == token, each
        longer[each.segment] += bool(each.own_name)
    print(f"\n{len(table)} instruments, with more than their symbols: {dict(+longer)}")
    assert longer["BSE_EQ"] == 2690
    assert not {"NSE_EQ", "NSE_INDEX", "NSE_FO"} & set(+longer), "a bare symbol is NSE's"


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("BSE:RELIANCE", "BSE:RELIANCE"),
        ("BSE_EQ|INE002A01018", "BSE:RELIANCE"),
        ("RELIANCE", "RELIANCE"),
        ("BSE:SENSEX", "SENSEX"),
        ("BSE SENSEX SIXTY 65:35", "BSE SENSEX SIXTY 65:35"),
        ("BSE:INFRA", "BSE:INFRA"),
        ("BSE_INDEX|INFRA", "BSE_INDEX|INFRA"),
        ("MCX:GOLD26OCTFUT", "MCX:GOLD26OCTFUT"),
        ("CRUDEOIL26SEPFUT", "CRUDEOIL26SEPFUT"),
        ("BANKNIFTY", "NIFTY BANK"),
    ],
)
def test_what_a_name_is_answered_with(lists: Lists, name: str, answered: str):
    found = lists.table.resolve(name)
    assert found is not None
    assert found.answered == answered


def test_without_nses_rows_at_noon_the_names_of_bses_stay(lists: Lists):
    cash = [row for row in lists.rows.values() if not row.is_derivative]
    morning = InstrumentTable.of(cash, {}, "2026-08-18")
    noon = InstrumentTable.of([row for row in cash if row.exchange != "NSE"], {}, "2026-08-18", morning)
    for token, each in noon.by_token.items():
        assert each == morning.by_token[token]
        found = noon.resolve(each.answered)
        assert found is not None
        assert found.token == token
    assert not any(noon.resolve(row.symbol) for row in cash if row.exchange == "NSE")
