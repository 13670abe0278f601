"""The universe of the shipped configurations, on the recorded instrument files of both brokers."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mdactors.adapter import Listing
from mdactors.config import SectorSettings, Settings, decode_section, load_definition
from mdactors.config.sectors import shipped_lists
from mdactors.config.yaml_text import read_yaml
from mdactors.market.constituents import read_constituents
from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import Slot, allocate
from mdactors.market.merging import merge
from mdactors.market.sectors import Sectors
from mdactors.market.selectors import ChainSelector, MemberSelector, TypeSelector
from mdactors.market.underlyings import Underlyings
from mdactors.market.universe import Universe
from mdactors.plugins import load_adapter

pytestmark = pytest.mark.realdata

TODAY = dt.date(2026, 8, 18)
FILES = {"kite": "kite_instruments.csv.gz", "upstox": "upstox_complete_2026-08-18.json.gz"}
CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def data() -> Path:
    folder = CONFIG.parents[1] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded market data at {folder}")
    return folder


@pytest.fixture(scope="module")
def tables(data: Path) -> dict[str, InstrumentTable]:
    """The table of each broker alone, and of both."""
    listed = {}
    for broker, file in FILES.items():
        adapter: Any = load_adapter(broker)
        settings = decode_section({"api_key": "k"} if broker == "kite" else {}, adapter.settings, "")
        rows = adapter(settings).listings((data / file).read_bytes())
        listed[broker] = [(each.instrument, each.token) for each in rows if isinstance(each, Listing)]
    sources = {"kite": ["kite"], "upstox": ["upstox"], "both": ["kite", "upstox"]}
    merged = {name: merge({broker: listed[broker] for broker in of}) for name, of in sources.items()}
    return {name: InstrumentTable.of(each.rows(), each.tokens) for name, each in merged.items()}


@pytest.fixture(scope="module")
def sectors(data: Path) -> Sectors:
    """With the exchange's list of NIFTY 500 imported."""
    imported = read_constituents((data / "ind_nifty500list.csv").read_text())
    return Sectors(load_definition(SectorSettings()), shipped_lists() | {"NIFTY 500": imported})


def universe_of(name: str, *brokers: str) -> Universe:
    raw = {"subscriptions": read_yaml(CONFIG / name)["subscriptions"]}
    return Universe(decode_section(raw, Settings, "").subscriptions.selectors(), brokers=brokers or None)


def test_kites_universe_is_all_shares_and_indices_of_nse(tables: Any, sectors: Sectors, data: Path) -> None:
    table = tables["kite"]
    found = universe_of("kite.yaml").select(table, sectors, {}, TODAY)
    assert [(each.selector, each.selected, each.of) for each in found.portions] == [
        ("1 symbol", 1, 1), ("INDEX NSE", 136, 136), ("STOCK NSE", 3066, 3066),
    ]  # fmt: skip
    assert found.unknown == ()
    assert len(found.modes) == 1 + 3202, "SENSEX, and NSE's"
    # With the filter that people use it would be 3,265: that lets 63 others through, gold bonds, trusts'
    # units and debt in lots of one.
    with gzip.open(data / FILES["kite"], "rt") as file:
        usual = {
            int(row["instrument_token"])
            for row in csv.DictReader(file)
            if (row["segment"], row["instrument_type"], row["expiry"], float(row["lot_size"]))
            == ("NSE", "EQ", "", 1)
            and row["name"]
            and "LOAN" not in row["name"]
        }
    stocks = {token for token in found.modes if table.by_token[token].segment == "NSE_EQ"}
    assert (len(usual), stocks - usual) == (3129, set())
    assert (136 + len(usual), 136 + len(stocks)) == (3265, 3202)
    assert Counter(table.by_token[token].series for token in usual - stocks) == {
        "GB": 45, "IV": 8, "RR": 6, "E1": 2, "GS": 1, "P1": 1,
    }  # fmt: skip


def test_with_upstoxs_list_loaded_too_kites_universe_is_still_what_kite_lists(
    tables: Any, sectors: Sectors
) -> None:
    """Of NSE's 3,376 shares, funds and indices 174 are on Upstox's list alone, which is three weeks newer."""
    everything = universe_of("kite.yaml").select(tables["both"], sectors, {}, TODAY)
    assert [each.selected for each in everything.portions] == [1, 140, 3236]
    found = universe_of("kite.yaml", "kite").select(tables["both"], sectors, {}, TODAY)
    alone = universe_of("kite.yaml").select(tables["kite"], sectors, {}, TODAY)
    assert set(found.modes) == set(alone.modes)
    assert [(each.selected, each.of) for each in found.portions] == [(1, 1), (136, 136), (3066, 3066)]
    assert (found.unknown, found.unlisted) == ((), ())
    left_out = found.portions[2].left_out
    print(f"\nbeside the 3,066 stocks Kite lists on NSE: {left_out}")
    assert (left_out["gold bonds"], sum(left_out.values())) == (45, 9849 - 3066)


def test_kites_universe_is_placed_whole_over_two_connections(tables: Any, sectors: Sectors) -> None:
    adapter: Any = load_adapter("kite")
    kite = adapter(decode_section({"api_key": "k"}, adapter.settings, ""))
    table = tables["both"]
    serves = table.broker_tokens("kite").__contains__
    slots = [Slot(f"connection-{n}", kite.limits.fits, serves, kite.modes) for n in (1, 2, 3)]
    wanted = universe_of("kite.yaml", "kite").select(table, sectors, {}, TODAY).modes
    placed, refused = allocate(wanted, slots, {})
    assert refused == {}
    assert Counter(placed.values()) == {"connection-1": 3000, "connection-2": 203}


def test_upstoxs_universe_has_its_limits_and_begins_with_what_matters(tables: Any, sectors: Sectors) -> None:
    table = tables["upstox"]
    found = universe_of("upstox.yaml").select(table, sectors, {}, TODAY)
    assert [(each.selector, each.selected) for each in found.portions] == [
        ("2 symbols", 2), ("INDEX", 100), ("STOCK", 500), ("FUTURE", 200), ("OPTION", 500),
    ]  # fmt: skip
    assert [each.of for each in found.portions[1:]] == [229, 8055, 1136, 100304]
    chosen = [table.by_token[token] for token in found.modes]
    listed = {(member.isin, member.symbol) for member in sectors.index_members("NIFTY 500") or ()}
    stocks = {(each.key.removeprefix("NSE_EQ|"), each.symbol) for each in chosen if each.type == "STOCK"}
    assert stocks == listed
    assert {each.underlying for each in chosen if each.type == "OPTION"} == {"NIFTY", "BANKNIFTY"}


@pytest.mark.parametrize("broker", ["kite", "upstox", "both"])
def test_every_member_of_nifty_500_is_found_and_is_a_share(
    tables: Any, sectors: Sectors, broker: str
) -> None:
    table = tables[broker]
    found = Universe([MemberSelector("NIFTY 500")]).select(table, sectors, {}, TODAY)
    assert (found.portions[0].selected, found.unknown) == (500, ())
    shares = [table.by_token[token] for token in found.modes]
    assert Counter(share.series for share in shares) == {"EQ": 500}
    assert {685 << 8 | 1, 4204 << 8 | 1} <= set(found.modes)


def test_shares_alone_or_funds_alone_can_be_said(tables: Any, sectors: Sectors) -> None:
    counts = {}
    for etfs in ("with", "without", "only"):
        raw = {"type": "STOCK", "exchange": "NSE", "limit": "all", "etfs": etfs}
        settings = decode_section({"subscriptions": {"universe": [raw]}}, Settings, "")
        selector = settings.subscriptions.universe[0]
        counts[etfs] = Universe([selector]).select(tables["upstox"], sectors, {}, TODAY).portions[0].selected
    assert counts == {"with": 2907, "without": 2565, "only": 342}


@pytest.mark.parametrize(("broker", "without_spot"), [("kite", {"FOCIT"}), ("upstox", set())])
def test_every_word_that_contracts_on_shares_and_indices_use_leads_to_its_spot(
    tables: Any, broker: str, without_spot: set[str]
) -> None:
    underlyings = Underlyings(tables[broker])
    segments = {"NSE_FO", "BSE_FO"}
    outlines = [each for each in underlyings.outlines if each.futures and each.futures[0].segment in segments]
    assert len(outlines) == 218
    missing = set()
    for outline in outlines:
        underlying = underlyings.find(outline.name)
        assert underlying is not None
        if underlying.spot is None:
            missing.add(outline.name)
        else:
            again = underlyings.find(f"{underlying.exchange}:{underlying.spot.symbol}")
            assert again is not None
            assert again.name == outline.name
    assert missing == without_spot


@pytest.mark.parametrize("broker", ["kite", "upstox"])
@pytest.mark.parametrize(
    ("name", "spot"),
    [("NIFTY", "NIFTY 50"), ("NIFTY 50", "NIFTY 50"), ("BANKNIFTY", "NIFTY BANK"), ("SENSEX", "SENSEX"),
     ("MIDCPNIFTY", "NIFTY MID SELECT"), ("RELIANCE", "RELIANCE")],
)  # fmt: skip
def test_a_chain_holds_its_strikes_around_the_money(
    tables: Any, sectors: Sectors, broker: str, name: str, spot: str
) -> None:
    table = tables[broker]
    universe = Universe([ChainSelector(name, expiries=2, strikes=10)])
    found = universe.select(table, sectors, {}, TODAY)
    first = table.by_token[next(iter(found.modes))]
    assert first.symbol == spot
    assert found.portions[0].selected == len(found.modes) == 2 + 2 * 21 * 2
    assert first.token in universe.watched()


def test_all_options_of_a_type_can_be_counted_without_holding_them(tables: Any, sectors: Sectors) -> None:
    found = Universe([TypeSelector("OPTION", exchange="MCX", limit=1)]).select(
        tables["upstox"], sectors, {}, TODAY
    )
    assert found.portions[0].of > 10_000
