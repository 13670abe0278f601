"""Which instrument a name means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.names import Names, index_names


def listed(token: int, symbol: str, segment: str = "NSE_EQ", **more: Any) -> Instrument:
    kinds = {"INDEX": "INDEX", "FO": "FUTURE", "EQ": "STOCK"}
    fields: dict[str, Any] = {
        "exchange": segment[:3], "segment": segment, "type": kinds[segment[4:]], "key": f"{segment}|{symbol}",
    }  # fmt: skip
    return Instrument(token=token, symbol=symbol, **fields | more)


RELIANCE = listed(738561, "RELIANCE", series="EQ", key="NSE_EQ|INE002A01018")
RELIANCE_BSE = listed(128083204, "RELIANCE", "BSE_EQ", series="A")
BOND = listed(19257 << 8 | 1, "CHOLAFIN", series="D1", key="NSE_EQ|INE121A08PJ0")
CHOLAFIN = listed(685 << 8 | 1, "CHOLAFIN", series="EQ", key="NSE_EQ|INE121A01024")
CENTRALBK = listed(3812865, "CENTRALBK-BE", series="BE")
NIFTY = listed(256265, "NIFTY 50", "NSE_INDEX", key="NSE_INDEX|Nifty 50")
SENSEX = listed(265, "SENSEX", "BSE_INDEX")
INFRA = listed(194823681, "INFRA", series="EQ")
INFRA_INDEX = listed(282377, "INFRA", "BSE_INDEX")
SIXTY = listed(403209, "BSE SENSEX SIXTY 65:35", "BSE_INDEX")
ONLY_BSE = listed(500001 << 8 | 4, "ONLYBSE", "BSE_EQ", series="B")
BOND_OF_IT = listed(777 << 8 | 1, "ONLYBSE-N0", series="N0")
BSE_BOND = listed(900001 << 8 | 4, "ONLYBSE", "BSE_EQ", series="F")
FUTURE = listed(14866434, "NIFTY26AUGFUT", "NSE_FO", key="NSE_FO|58072")
ALL = (
    BSE_BOND, RELIANCE_BSE, RELIANCE, BOND, CHOLAFIN, CENTRALBK, NIFTY, SENSEX, INFRA_INDEX, INFRA, SIXTY,
    ONLY_BSE, BOND_OF_IT, FUTURE,
)  # fmt: skip
NAMES = Names(index_names(ALL), {instrument.token: instrument for instrument in ALL}, ALL.__getitem__)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RELIANCE", RELIANCE),
        (" reliance ", RELIANCE),
        ("NSE:RELIANCE", RELIANCE),
        ("bse:Reliance", RELIANCE_BSE),
        ("738561", RELIANCE),
        ("NSE_EQ|INE002A01018", RELIANCE),
        ("NSE_EQ|RELIANCE", RELIANCE),
        ("BSE_EQ|RELIANCE", RELIANCE_BSE),
        ("BSE_EQ|500325", RELIANCE_BSE),
        ("CHOLAFIN", CHOLAFIN),
        ("NSE_EQ|CHOLAFIN", CHOLAFIN),
        ("NSE_EQ|INE121A08PJ0", BOND),
        ("CENTRALBK", CENTRALBK),
        ("CENTRALBK-BE", CENTRALBK),
        ("NSE:CENTRALBK", CENTRALBK),
        ("NIFTY", NIFTY),
        ("Nifty 50", NIFTY),
        ("NSE:NIFTY", NIFTY),
        ("NSE_INDEX|Nifty 50", NIFTY),
        ("NSE_INDEX|nifty", NIFTY),
        ("SENSEX", SENSEX),
        ("INFRA", INFRA),
        ("BSE:INFRA", INFRA_INDEX),
        ("BSE_INDEX|INFRA", INFRA_INDEX),
        ("BSE SENSEX SIXTY 65:35", SIXTY),
        ("BSE:BSE SENSEX SIXTY 65:35", SIXTY),
        ("ONLYBSE", ONLY_BSE),
        ("NIFTY26AUGFUT", FUTURE),
        ("NSE_FO|58072", FUTURE),
    ],
)
def test_a_name_means(name: str, meant: Instrument):
    assert NAMES.resolve(name) is meant


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "NOBODY", "MCX:RELIANCE", "NSE:SENSEX", "NSE:ONLYBSE", "NSE_EQ|INFRA2", "BSE_FO|58072", "1",
       "|", ":",        "NSE_FO|99", "9" * 5000, "NSE_EQ|" + "9" * 5000, "²", "NSE_EQ|²",
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_is_nobody(name: str):
    assert NAMES.resolve(name) is None


@given(st.text() | st.from_regex(r"[A-Z_]{0,8}[:|]?[A-Z0-9 ²٣-]{0,8}"))
def test_no_text_breaks_it(name: str):
    found = NAMES.resolve(name)
    assert found is None or found in ALL
    assert set(NAMES.suggest(name)) <= {instrument.symbol for instrument in ALL}


def test_suggestions_begin_with_the_likeliest():
    assert NAMES.suggest("RELAINCE")[0] == "RELIANCE"
    assert NAMES.suggest("nse:relianc")[0] == "RELIANCE"
    assert "CENTRALBK-BE" in NAMES.suggest("CENTR")
    assert "NIFTY 50" in NAMES.suggest("NIFT")
    assert len(NAMES.suggest("S", 1)) == 1
    assert NAMES.suggest("XYZZY") == []
