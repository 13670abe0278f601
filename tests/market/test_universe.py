"""The universe: which instruments selectors select, in which order and mode."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from mdactors.market.constituents import Constituent
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.sectors import Sector, Sectors
from mdactors.market.selectors import (
    LIMITS,
    ChainSelector,
    MemberSelector,
    SectorSelector,
    Selector,
    SymbolSelector,
    TypeSelector,
)
from mdactors.market.universe import Selection, Universe

TODAY = dt.date(2026, 8, 18)
PAST, NEAR, NEXT, FAR = "2026-08-11", "2026-08-18", "2026-08-25", "2026-09-29"
NIFTY, BANK_NIFTY, SENSEX = 256265, 260105, 265


def cash(token: int, symbol: str, segment: str = "NSE_EQ", series: str = "EQ", **more: Any) -> Instrument:
    kind: Any = "INDEX" if segment.endswith("INDEX") else "STOCK"
    if kind == "INDEX":
        series = ""
    return Instrument(token, symbol, segment[:3], segment, kind, f"{segment}|{symbol}", series=series, **more)


class Market:
    """Instruments with tokens of their own."""

    def __init__(self) -> None:
        self.listed: list[Instrument] = [
            cash(SENSEX, "SENSEX", "BSE_INDEX"),
            cash(BANK_NIFTY, "NIFTY BANK", "NSE_INDEX"),
            cash(NIFTY, "NIFTY 50", "NSE_INDEX"),
            cash(99 << 8 | 9, "A NEW INDEX", "NSE_INDEX"),
        ]
        self._next = 1000

    def add(self, symbol: str, segment: str = "NSE_EQ", series: str = "EQ", **more: Any) -> None:
        self._next += 1
        code = 4 if segment == "BSE_EQ" else 1
        self.listed.append(cash(self._next << 8 | code, symbol, segment, series, **more))

    def future(self, word: str, *expiries: str) -> None:
        for expiry in expiries:
            self._contract(word, expiry, 0.0, "")

    def chain(self, word: str, expiry: str, *strikes: float) -> None:
        for strike in strikes:
            self._contract(word, expiry, strike, "CE")
            self._contract(word, expiry, strike, "PE")

    def _contract(self, word: str, expiry: str, strike: float, kind: Any) -> None:
        self._next += 1
        symbol = f"{word} {expiry[5:]} {f'{strike:g}{kind}' if kind else 'FUT'}"
        self.listed.append(
            Instrument(
                self._next << 8 | 2,
                symbol,
                "NSE",
                "NSE_FO",
                "OPTION" if kind else "FUTURE",
                f"NSE_FO|{self._next}",
                expiry=expiry,
                strike=strike,
                option_type=kind,
                underlying=word,
            )
        )

    def table(self) -> InstrumentTable:
        return InstrumentTable.build({"x": [(each, each.token) for each in self.listed]})


@pytest.fixture(scope="module")
def table() -> InstrumentTable:
    market = Market()
    for symbol in ("ZEEL", "RELIANCE", "HDFCBANK", "ABB"):
        market.add(symbol)
        market.add(symbol, "BSE_EQ", "A")
    market.add("CENTRALBK-BE", series="BE")
    market.add("SMALL-SM", series="SM")
    market.add("ABOND-N0", series="N0")
    market.add("NIFTYBEES", etf=True)
    market.add("ONLYBSE", "BSE_EQ", "B")
    market.add("ABSEBOND", "BSE_EQ", "F")
    for word in ("RELIANCE", "ABB", "NIFTY", "BANKNIFTY"):
        market.future(word, PAST, NEXT, FAR)
    for expiry in (PAST, NEAR, NEXT, FAR):
        market.chain("NIFTY", expiry, *range(24000, 25050, 50))
    market.chain("BANKNIFTY", NEXT, *range(55000, 56100, 100))
    market.chain("RELIANCE", NEXT, 1300.0, 1320.0, 1340.0)
    return market.table()


@pytest.fixture(scope="module")
def sectors() -> Sectors:
    rows = [Constituent(symbol, "Financial Services") for symbol in ("HDFCBANK", "CENTRALBK", "GONE")]
    oil = Constituent("RELIANCE", "Power")
    definition = [Sector("BANKING", "Banks", indices=("NIFTY BANK",))]
    return Sectors(definition, {"NIFTY BANK": rows, "NIFTY 50": [oil, rows[0]]})


@pytest.fixture
def select(table: InstrumentTable, sectors: Sectors) -> Any:
    def select(*selectors: Selector, prices: Any = None, today: dt.date = TODAY) -> Selection:
        return Universe(selectors).select(table, sectors, prices or {}, today)

    return select


@pytest.fixture
def symbols(table: InstrumentTable, select: Any) -> Any:
    def symbols(*selectors: Selector, **more: Any) -> list[str]:
        found = (table.by_token[token] for token in select(*selectors, **more).modes)
        return [each.symbol if each.exchange == "NSE" else f"{each.exchange}:{each.symbol}" for each in found]

    return symbols


# --- by type


def test_indices_come_as_the_table_of_indices_has_them_and_unknown_ones_last(symbols: Any) -> None:
    assert symbols(TypeSelector("INDEX")) == ["NIFTY 50", "NIFTY BANK", "BSE:SENSEX", "A NEW INDEX"]
    assert symbols(TypeSelector("INDEX", exchange="BSE")) == ["BSE:SENSEX"]


def test_stocks_come_with_the_members_of_indices_first_and_nse_before_bse(symbols: Any) -> None:
    assert symbols(TypeSelector("STOCK")) == [
        "RELIANCE", "HDFCBANK", "CENTRALBK-BE", "ABB", "NIFTYBEES", "ZEEL",
        "BSE:ABB", "BSE:HDFCBANK", "BSE:ONLYBSE", "BSE:RELIANCE", "BSE:ZEEL",
    ]  # fmt: skip


def test_funds_and_further_series_are_taken_as_it_is_said(symbols: Any) -> None:
    assert "NIFTYBEES" not in symbols(TypeSelector("STOCK", etfs="without"))
    assert symbols(TypeSelector("STOCK", exchange="NSE", etfs="only")) == ["NIFTYBEES"]
    assert symbols(TypeSelector("STOCK", exchange="NSE", etfs="without", series=("SM",))) == ["SMALL-SM"]


def test_the_series_of_the_configuration_count_where_a_selector_names_none(
    table: InstrumentTable, sectors: Sectors
) -> None:
    universe = Universe([TypeSelector("STOCK", exchange="NSE")], series=("SM",))
    found = universe.select(table, sectors, {}, TODAY).modes
    assert [table.by_token[token].symbol for token in found] == ["NIFTYBEES", "SMALL-SM"]


def test_futures_come_with_the_nearest_of_each_underlying_first_and_none_that_expired(symbols: Any) -> None:
    assert symbols(TypeSelector("FUTURE")) == [
        "NIFTY 08-25 FUT", "BANKNIFTY 08-25 FUT", "ABB 08-25 FUT", "RELIANCE 08-25 FUT",
        "NIFTY 09-29 FUT", "BANKNIFTY 09-29 FUT", "ABB 09-29 FUT", "RELIANCE 09-29 FUT",
    ]  # fmt: skip


def test_options_come_with_the_nearest_expiry_first_and_from_the_money_outwards(symbols: Any) -> None:
    found = symbols(TypeSelector("OPTION"), prices={NIFTY: 24210.0, BANK_NIFTY: 55190.0})
    assert found[:6] == [
        "NIFTY 08-18 24200CE", "NIFTY 08-18 24200PE", "NIFTY 08-18 24150CE", "NIFTY 08-18 24150PE",
        "NIFTY 08-18 24250CE", "NIFTY 08-18 24250PE",
    ]  # fmt: skip
    assert found[42] == "BANKNIFTY 08-25 55200CE"
    assert found[42 + 22] == "RELIANCE 08-25 1320CE"
    assert found[42 + 22 + 6] == "NIFTY 08-25 24200CE"
    assert len(found) == 3 * 42 + 22 + 6


def test_a_limit_is_kept_and_all_means_all(select: Any) -> None:
    for kind, of in (("INDEX", 4), ("STOCK", 11), ("FUTURE", 8), ("OPTION", 154)):
        (portion,) = select(TypeSelector(kind, limit=3)).portions
        assert (portion.selector, portion.selected, portion.of) == (kind, 3, of)
        (portion,) = select(TypeSelector(kind, limit="all")).portions
        assert (portion.selected, portion.of) == (of, of)


def test_what_is_listed_among_stocks_and_is_none_is_told_with_its_kind(select: Any) -> None:
    (portion,) = select(TypeSelector("STOCK")).portions
    assert portion.left_out == {"debt and others": 2, "small companies": 1}
    (portion,) = select(TypeSelector("STOCK", exchange="NSE", etfs="without")).portions
    assert portion.left_out == {"small companies": 1, "debt and others": 1, "funds": 1}


def test_what_no_connected_broker_lists_is_not_selected(sectors: Sectors) -> None:
    market = Market()
    for symbol in ("RELIANCE", "HDFCBANK", "NEW"):
        market.add(symbol)
    market.chain("NIFTY", NEXT, 24000.0, 24050.0)
    market.future("NIFTY", NEXT, FAR)
    missing = {"HDFCBANK", "NEW", "A NEW INDEX", f"NIFTY {NEXT[5:]} 24050CE", f"NIFTY {FAR[5:]} FUT"}
    everything = [(each, each.token) for each in market.listed]
    table = InstrumentTable.build(
        {"one": [each for each in everything if each[0].symbol not in missing], "other": everything}
    )
    named = [MemberSelector("NIFTY 50"), SymbolSelector(("NEW", "NOBODY")), ChainSelector("NIFTY")]
    selectors = [*(TypeSelector(kind, limit="all") for kind in LIMITS), *named]
    found = Universe(selectors, brokers=["one"]).select(table, sectors, {}, TODAY)
    assert not {table.by_token[token].symbol for token in found.modes} & missing
    assert [(each.selected, each.of) for each in found.portions] == [
        (3, 3), (1, 1), (1, 1), (3, 3), (1, 2), (0, 2), (5, 5),
    ]  # fmt: skip
    assert (found.unknown, found.unlisted) == (("NOBODY",), ("HDFCBANK", "NEW"))
    both = Universe(selectors, brokers=["one", "other"]).select(table, sectors, {}, TODAY)
    assert missing < {table.by_token[token].symbol for token in both.modes}
    assert both.unlisted == ()
    assert not Universe(selectors, brokers=["a third"]).select(table, sectors, {}, TODAY).modes


def test_the_limits_of_the_types_hold_where_none_is_given() -> None:
    market = Market()
    for number in range(501):
        market.add(f"S{number:03d}")
        market.future(f"S{number:03d}", NEXT)
    market.chain("NIFTY", NEXT, *range(20000, 20251))
    table = market.table()
    for kind, most in (("STOCK", 500), ("FUTURE", 200), ("OPTION", 500)):
        selection = Universe([TypeSelector(kind)]).select(table, Sectors(), {}, TODAY)  # type: ignore[arg-type]
        assert len(selection.modes) == most


# --- by name


def test_symbols_sectors_and_members_are_found(symbols: Any) -> None:
    assert symbols(SymbolSelector(("NIFTY", "BSE:RELIANCE", "RELIANCE", "NIFTY 50"))) == [
        "NIFTY 50", "BSE:RELIANCE", "RELIANCE",
    ]  # fmt: skip
    assert symbols(SectorSelector("banks")) == ["HDFCBANK", "CENTRALBK-BE"]
    assert symbols(MemberSelector("BANKNIFTY")) == ["HDFCBANK", "CENTRALBK-BE"]


def test_what_means_nothing_is_said(select: Any) -> None:
    found = select(
        SymbolSelector(("RELIANCE", "TYPO")), SectorSelector("FISHING"), SectorSelector("BANKING"),
        MemberSelector("NIFTY IT"), ChainSelector("TYPO"),
    )  # fmt: skip
    assert found.unknown == ("TYPO", "sector FISHING", "GONE", "members NIFTY IT", "chain TYPO")
    assert [(each.selector, each.selected, each.of) for each in found.portions] == [
        ("2 symbols", 1, 2), ("sector FISHING", 0, 0), ("sector BANKING", 2, 3), ("members NIFTY IT", 0, 0),
        ("chain TYPO", 0, 0),
    ]  # fmt: skip


def test_the_first_selector_gives_the_place_and_the_richest_mode_counts(
    table: InstrumentTable, sectors: Sectors
) -> None:
    universe = Universe(
        [SymbolSelector(("ABB", "ZEEL"), mode="ltp"), SymbolSelector(("ZEEL",), mode="full"),
         SymbolSelector(("ABB", "RELIANCE"))],
        mode="quote",
    )  # fmt: skip
    found = universe.select(table, sectors, {}, TODAY).modes
    assert [(table.by_token[token].symbol, mode) for token, mode in found.items()] == [
        ("ABB", "quote"), ("ZEEL", "full"), ("RELIANCE", "quote"),
    ]  # fmt: skip


def test_without_selectors_nothing_is_selected(select: Any) -> None:
    assert select() == Selection({})


# --- chains


def test_a_chain_is_its_nearest_expiries_around_the_money_and_what_tells_where_that_is(symbols: Any) -> None:
    assert symbols(ChainSelector("NIFTY 50", expiries=2, strikes=1), prices={NIFTY: 24210.0}) == [
        "NIFTY 50", "NIFTY 08-25 FUT",
        "NIFTY 08-18 24200CE", "NIFTY 08-18 24200PE", "NIFTY 08-18 24150CE", "NIFTY 08-18 24150PE",
        "NIFTY 08-18 24250CE", "NIFTY 08-18 24250PE",
        "NIFTY 08-25 24200CE", "NIFTY 08-25 24200PE", "NIFTY 08-25 24150CE", "NIFTY 08-25 24150PE",
        "NIFTY 08-25 24250CE", "NIFTY 08-25 24250PE",
    ]  # fmt: skip


def test_on_the_day_after_an_expiry_the_next_one_takes_its_place(symbols: Any) -> None:
    found = symbols(ChainSelector("NIFTY", expiries=1, strikes=0), today=dt.date(2026, 8, 19))
    assert found == ["NIFTY 50", "NIFTY 08-25 FUT", "NIFTY 08-25 24500CE", "NIFTY 08-25 24500PE"]


def test_a_name_of_a_contract_is_unknown_once_it_has_expired(select: Any, table: InstrumentTable) -> None:
    name = "NIFTY 08-18 24200CE"
    selector = SymbolSelector((name,))
    assert select(selector).unknown == ()
    later = select(selector, today=dt.date(2026, 8, 19))
    assert (later.unknown, later.misnamed, dict(later.modes)) == ((name,), (name,), {})
    assert later.complaints(table) == [
        f"{name} is configured and does not stream: no instrument is called so"
    ]
    assert later.complaints(InstrumentTable.build({})) == [], "nothing is loaded yet"


def test_a_commoditys_options_follow_the_future_that_they_are_written_on(sectors: Sectors) -> None:
    market = Market()
    market.future("CRUDE", NEAR, FAR)
    market.chain("CRUDE", NEXT, *range(5000, 5600, 50))
    table = market.table()
    own = next(each for each in market.listed if each.expiry == FAR and each.type == "FUTURE")
    near = next(each for each in market.listed if each.expiry == NEAR and each.type == "FUTURE")
    universe = Universe([ChainSelector("CRUDE", expiries=1, strikes=0)])
    modes = universe.select(table, sectors, {own.token: 5512.0, near.token: 5100.0}, TODAY).modes
    assert {own.token, near.token} <= modes.keys()
    assert {table.by_token[token].strike for token in modes} == {0.0, 5500.0}


def test_a_chain_says_how_much_of_it_is_selected(select: Any) -> None:
    found = select(ChainSelector("NIFTY", expiries=2, strikes=1))
    (portion,) = found.portions
    assert (portion.selector, portion.selected, portion.of) == ("chain NIFTY", 2 + 2 * 6, 2 + 3 * 42)


class Following:
    """A universe whose prices change."""

    def __init__(self, table: InstrumentTable, sectors: Sectors, *selectors: Selector) -> None:
        self.table, self.sectors = table, sectors
        self.universe = Universe(selectors)

    def at(self, *prices: float, token: int = NIFTY, today: dt.date = TODAY) -> list[float]:
        """The strikes of the first expiry after the last of these prices."""
        for price in prices:
            modes = self.universe.select(self.table, self.sectors, {token: price}, today).modes
        found = [each for each in map(self.table.by_token.__getitem__, modes) if each.type == "OPTION"]
        first = min(each.expiry for each in found)
        return sorted({each.strike for each in found if each.expiry == first})


def test_a_chain_follows_the_money_and_does_not_flap(table: InstrumentTable, sectors: Sectors) -> None:
    chain = Following(table, sectors, ChainSelector("NIFTY", expiries=1, strikes=1))
    assert chain.at(24210.0) == [24150, 24200, 24250]
    assert chain.at(24230.0, 24220.0, 24237.0, 24180.0) == [24150, 24200, 24250]
    assert chain.at(24238.0) == [24200, 24250, 24300]
    assert chain.at(24224.0, 24226.0, 24215.0) == [24200, 24250, 24300]
    assert chain.at(24400.0) == [24350, 24400, 24450]


def test_the_money_is_kept_when_the_table_is_replaced(table: InstrumentTable, sectors: Sectors) -> None:
    chain = Following(table, sectors, ChainSelector("NIFTY", expiries=1, strikes=0))
    assert chain.at(24200.0, 24230.0) == [24200]
    chain.table = InstrumentTable.of(table.by_token.values(), {})
    assert chain.at(24230.0) == [24200]
    chain.universe.select(chain.table, sectors, {}, TODAY)
    assert chain.at(24230.0) == [24200]


def test_who_watches_the_right_prices_knows_when_to_select_again(
    table: InstrumentTable, sectors: Sectors
) -> None:
    universe = Universe([ChainSelector("NIFTY"), TypeSelector("STOCK"), ChainSelector("RELIANCE")])
    assert universe.watched() == frozenset()
    universe.select(table, sectors, {}, TODAY)
    named = sorted(table.by_token[token].symbol for token in universe.watched())
    assert named == ["NIFTY 08-25 FUT", "NIFTY 50", "RELIANCE", "RELIANCE 08-25 FUT"]
    assert not universe.would_move({})
    assert universe.would_move({NIFTY: 24210.0})
    universe.select(table, sectors, {NIFTY: 24210.0}, TODAY)
    assert not universe.would_move({NIFTY: 24230.0})
    assert universe.would_move({NIFTY: 24240.0})


def test_the_options_of_a_type_follow_the_money_too(table: InstrumentTable, sectors: Sectors) -> None:
    options = Following(table, sectors, TypeSelector("OPTION", limit=6))
    assert options.at(24210.0) == [24150, 24200, 24250]
    assert options.at(24400.0) == [24350, 24400, 24450]
