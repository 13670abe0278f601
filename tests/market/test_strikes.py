"""The strike at the money, and the options around it."""

from __future__ import annotations

import pytest

from mdactors.market.instrument import Instrument
from mdactors.market.strikes import Strikes, at_the_money

STRIKES = [100.0, 150.0, 200.0, 250.0, 300.0]
SPOT, FUTURE = 7, 8


def options() -> list[Instrument]:
    """Token 1000 more than the strike for the call, 2000 for the put."""
    return [
        Instrument(int(strike) + more, f"X{strike:g}{kind}", "NSE", "NSE_FO", "OPTION", "k", strike=strike)
        for strike in STRIKES
        for more, kind in ((1000, "CE"), (2000, "PE"))
    ]


def strikes_of(tokens: list[int]) -> list[int]:
    """The strikes of calls and puts in turn."""
    assert [token + 1000 for token in tokens[::2]] == tokens[1::2]
    return [token - 1000 for token in tokens[::2]]


@pytest.mark.parametrize(
    ("price", "strike"), [(174.0, 150), (175.0, 150), (176.0, 200), (1.0, 100), (999.0, 300)]
)
def test_at_first_it_is_the_nearest_of_two_the_lower(price: float, strike: float) -> None:
    assert at_the_money(STRIKES, price) == strike


@pytest.mark.parametrize(
    ("price", "strike"),
    [
        (226.0, 200),
        (237.5, 200),
        (237.6, 250),
        (163.0, 200),
        (162.5, 200),
        (162.4, 150),
        (301.0, 300),
        (90, 100),
    ],
)
def test_then_it_stays_until_the_price_is_three_quarters_of_a_step_away(price: float, strike: float) -> None:
    assert at_the_money(STRIKES, price, 200.0) == strike


def test_a_price_that_sways_between_two_strikes_moves_nothing() -> None:
    middle = at_the_money(STRIKES, 212.0)
    for price in (224.0, 226.0, 230.0, 220.0, 235.0, 226.0):
        middle = at_the_money(STRIKES, price, middle)
    assert middle == 200


def test_a_strike_that_is_not_listed_any_more_holds_nothing() -> None:
    assert at_the_money(STRIKES, 226.0, 225.0) == 250


def test_at_the_outermost_strike_it_stays() -> None:
    assert at_the_money(STRIKES, 5000.0, 300.0) == 300
    assert at_the_money([100.0], 5000.0, 100.0) == 100


def test_the_options_are_taken_from_the_money_outwards() -> None:
    strikes = Strikes(options(), [SPOT, FUTURE])
    strikes.middle = strikes.middle_at({SPOT: 151.0})
    assert strikes_of(strikes.tokens(1)) == [150, 100, 200]
    assert strikes_of(strikes.tokens(2)) == [150, 100, 200, 250]
    assert strikes_of(strikes.tokens(0)) == [150]
    assert strikes_of(strikes.tokens()) == [150, 100, 200, 250, 300]


def test_without_a_price_the_strike_in_the_middle_is_taken_and_binds_nobody() -> None:
    strikes = Strikes(options(), [SPOT])
    assert strikes_of(strikes.tokens(1)) == [200, 150, 250]
    assert strikes.middle is None
    assert strikes.middle_at({SPOT: 226.0}) == 250


def test_the_future_says_where_the_money_is_while_the_spot_has_no_price() -> None:
    strikes = Strikes(options(), [SPOT, FUTURE])
    assert strikes.middle_at({FUTURE: 260.0}) == 250
    assert strikes.middle_at({FUTURE: 260.0, SPOT: 0.0}) == 250
    assert strikes.middle_at({FUTURE: 260.0, SPOT: 110.0}) == 100


def test_a_price_that_is_lost_moves_nothing() -> None:
    strikes = Strikes(options(), [SPOT], 150.0)
    assert strikes.middle_at({}) == 150
