"""``subscriptions.universe``: how selectors are read, and how a mistake in one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mdactors.cli import main
from mdactors.config import Settings, decode_section, load
from mdactors.errors import ConfigError
from mdactors.market.selectors import (
    ChainSelector,
    MemberSelector,
    SectorSelector,
    Selector,
    SymbolSelector,
    TypeSelector,
)


def read(*selectors: Any) -> list[Selector]:
    return decode_section(
        {"subscriptions": {"universe": list(selectors)}}, Settings, ""
    ).subscriptions.universe


def problems(*selectors: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(*selectors)
    prefix = "subscriptions.universe"
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


def test_each_kind_of_selector_is_read() -> None:
    assert read(
        {"type": "INDEX"},
        {"type": "STOCK", "exchange": "NSE", "limit": "all", "etfs": "without", "series": ["EQ", "SM"]},
        {"symbols": ["RELIANCE"], "mode": "ltp"},
        {"sector": "BANKING"},
        {"members": "NIFTY 50"},
        {"chain": "NIFTY", "expiries": 3, "strikes": 0},
    ) == [
        TypeSelector("INDEX"),
        TypeSelector("STOCK", exchange="NSE", limit="all", etfs="without", series=("EQ", "SM")),
        SymbolSelector(("RELIANCE",), mode="ltp"),
        SectorSelector("BANKING"),
        MemberSelector("NIFTY 50"),
        ChainSelector("NIFTY", expiries=3, strikes=0),
    ]


def test_the_limits_of_the_types_are_these_unless_one_is_given() -> None:
    kinds: Any = ("INDEX", "STOCK", "FUTURE", "OPTION")
    assert [TypeSelector(kind).most for kind in kinds] == [100, 500, 200, 500]
    assert TypeSelector("INDEX", limit=7).most == 7
    assert TypeSelector("INDEX", limit="all").most is None


def test_symbols_are_short_for_a_selector_before_all_others() -> None:
    raw = {"subscriptions": {"symbols": ["NIFTY", "TCS"], "universe": [{"sector": "IT"}]}}
    settings = decode_section(raw, Settings, "")
    assert settings.subscriptions.selectors() == [SymbolSelector(("NIFTY", "TCS")), SectorSelector("IT")]
    assert Settings().subscriptions.selectors() == []


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ({"type": "INDX"}, "[0].type: expected one of INDEX, STOCK, FUTURE, OPTION (did you mean INDEX?)"),
        ({"type": "STOCK", "limit": 0}, "[0].limit: expected int >= 1, got 0"),
        ({"type": "STOCK", "limit": "most"}, "[0].limit: expected a number of at least 1, or all"),
        (
            {"type": "STOCK", "exchange": "NS"},
            "[0].exchange: expected one of NSE, BSE, MCX (did you mean NSE?)",
        ),
        ({"type": "INDEX", "etfs": "only"}, "[0]: etfs and series are for type STOCK"),
        ({"sector": "IT", "mod": "ltp"}, "[0].mod: unknown setting (did you mean mode?)"),
        ({"sector": "IT", "limit": 5}, "[0].limit: unknown setting"),
        ({"symbols": []}, "[0].symbols: expected list of length >= 1"),
        ({"symbols": ""}, "[0].symbols: expected list of length >= 1"),
        ({"members": ""}, "[0].members: expected str of length >= 1"),
        ({"chain": "NIFTY", "expiries": 0}, "[0].expiries: expected int >= 1, got 0"),
        (
            {"tpye": "INDEX"},
            "[0]: expected exactly one of type, symbols, sector, members, chain, got tpye"
            " (did you mean type?)",
        ),
        (
            {"type": "INDEX", "sector": "IT"},
            "[0]: expected exactly one of type, symbols, sector, members, chain, got type and sector",
        ),
        ({}, "[0]: expected exactly one of type, symbols, sector, members, chain, got nothing"),
        ("NIFTY", "[0]: expected a section of settings, got str"),
    ],
)
def test_a_mistake_is_named_by_its_path(selector: Any, problem: str) -> None:
    assert problems(selector) == [problem]


def test_all_mistakes_are_named_at_once() -> None:
    assert problems({"type": "X"}, {"sector": "IT"}, {"chain": "NIFTY", "strikes": -1}) == [
        "[0].type: expected one of INDEX, STOCK, FUTURE, OPTION",
        "[2].strikes: expected int >= 0, got -1",
    ]


def test_selectors_that_are_no_list_are_named() -> None:
    with pytest.raises(ConfigError, match=r"^subscriptions\.universe: expected a list, got dict$"):
        decode_section({"subscriptions": {"universe": {"type": "INDEX"}}}, Settings, "")


def test_nothing_below_it_is_an_empty_list_and_variables_may_become_numbers(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("subscriptions:\n  universe:\n")
    assert load(path, {}).subscriptions.universe == []
    path.write_text('subscriptions: {universe: [{type: STOCK, limit: "${STOCKS:50}"}]}')
    assert load(path, {}).subscriptions.universe == [TypeSelector("STOCK", limit=50)]


def test_check_config_says_what_is_streamed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "subscriptions: {symbols: [TCS], universe: [{type: INDEX, exchange: NSE}, {chain: NIFTY}]}"
    )
    assert main(["check-config", str(path)]) == 0
    assert "streamed  1 symbol, INDEX NSE, chain NIFTY always (full)" in capsys.readouterr().out
