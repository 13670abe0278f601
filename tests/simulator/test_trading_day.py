"""Phases of the day, how busy it is, contracts and their symbols, option prices."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from mdactors.simulator.derivatives import Contract, contract_symbol, month_end, parse
from mdactors.simulator.greeks import RATE, price_option
from mdactors.simulator.session import IST_MS, SEGMENTS, Session, intensity, traded_share

INDIA = dt.timezone(dt.timedelta(milliseconds=IST_MS))


def at(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp() * 1000)


@pytest.mark.parametrize(
    ("time", "segment", "status"),
    [
        ("2026-11-20 08:00", "NSE_EQ", "CLOSING_END"),
        ("2026-11-20 09:00", "NSE_EQ", "PRE_OPEN_START"),
        ("2026-11-20 09:10", "NSE_EQ", "PRE_OPEN_END"),
        ("2026-11-20 09:15", "NSE_EQ", "NORMAL_OPEN"),
        ("2026-11-20 15:30", "NSE_EQ", "NORMAL_CLOSE"),
        ("2026-11-20 15:30", "NSE_FO", "NORMAL_OPEN"),
        ("2026-11-20 15:40", "NSE_FO", "NORMAL_CLOSE"),
        ("2026-07-31 15:45", "NSE_EQ", "CLOSING_START"),
        ("2026-11-20 15:45", "NSE_EQ", "NORMAL_CLOSE"),
        ("2026-11-20 15:50", "NSE_EQ", "CLOSING_START"),
        ("2026-11-20 20:00", "NSE_EQ", "CLOSING_END"),
        ("2026-11-20 20:00", "MCX_FO", "NORMAL_OPEN"),
        ("2026-11-21 11:00", "NSE_EQ", "CLOSING_END"),
    ],
)
def test_each_segment_keeps_its_hours(time: str, segment: str, status: str) -> None:
    assert Session(always_open=False).status(segment, at(time)) == status


def test_an_always_open_session_never_closes() -> None:
    statuses = Session().statuses(at("2026-11-22 03:00"))
    assert set(statuses) == set(SEGMENTS)
    assert set(statuses.values()) == {"NORMAL_OPEN"}


def test_the_traded_share_is_the_integral_of_the_intensity() -> None:
    opening, minutes = at("2026-11-20 09:15"), 375
    total = 0.0
    for minute in range(minutes):
        total += intensity(opening + minute * 60_000 + 30_000) / minutes
        assert traded_share(opening + (minute + 1) * 60_000) == pytest.approx(total, abs=1e-4)
    assert total == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("symbol", "contract"),
    [
        ("NIFTY26NOV24400CE", Contract("NIFTY", dt.date(2026, 11, 24), 24400, "CE")),
        ("RELIANCE26SEPFUT", Contract("RELIANCE", dt.date(2026, 9, 29), 0, "")),
        ("NIFTY25O1425000CE", Contract("NIFTY", dt.date(2025, 10, 14), 25000, "CE")),
        ("M&M26NOV3600PE", Contract("M&M", dt.date(2026, 11, 24), 3600, "PE")),
        ("BANKNIFTY 60000 CE 30 DEC 25", Contract("BANKNIFTY", dt.date(2025, 12, 30), 60000, "CE")),
    ],
)
def test_a_contracts_symbol_is_read(symbol: str, contract: Contract) -> None:
    assert parse(symbol) == contract


@pytest.mark.parametrize("symbol", ["RELIANCE", "NIFTY 50", "BAJAJ-AUTO", "820KSFP36A-N0"])
def test_a_shares_symbol_is_no_contract(symbol: str) -> None:
    assert parse(symbol) is None


def test_a_monthly_contracts_symbol_is_written_as_it_is_read() -> None:
    for symbol in ("NIFTY26NOV24400CE", "RELIANCE26SEPFUT"):
        contract = parse(symbol)
        assert contract is not None
        assert contract_symbol(contract) == symbol


def test_contracts_expire_on_the_last_tuesday() -> None:
    assert month_end(2026, 8) == dt.date(2026, 8, 25)
    assert month_end(2026, 9) == dt.date(2026, 9, 29)


def test_a_call_and_a_put_differ_by_the_forward() -> None:
    spot, strike, years, iv = 24_400.0, 24_000.0, 0.1, 0.14
    call, call_greeks = price_option(spot, strike, years, iv, call=True)
    put, put_greeks = price_option(spot, strike, years, iv, call=False)
    assert call - put == pytest.approx(spot - strike * math.exp(-RATE * years))
    assert (call_greeks.delta or 0) - (put_greeks.delta or 0) == pytest.approx(1.0, abs=1e-3)


def test_the_greeks_are_the_slopes_of_the_price() -> None:
    spot, strike, years, iv = 1500.0, 1520.0, 0.08, 0.24
    value, greeks = price_option(spot, strike, years, iv, call=False)
    up, _ = price_option(spot + 0.01, strike, years, iv, call=False)
    down, _ = price_option(spot - 0.01, strike, years, iv, call=False)
    later, _ = price_option(spot, strike, years - 1 / 365 / 100, iv, call=False)
    wilder, _ = price_option(spot, strike, years, iv + 0.0001, call=False)
    assert greeks.delta == pytest.approx((up - down) / 0.02, abs=1e-3)
    assert greeks.theta == pytest.approx((later - value) * 100, abs=1e-2)
    assert greeks.vega == pytest.approx((wilder - value) * 100, abs=1e-3)
