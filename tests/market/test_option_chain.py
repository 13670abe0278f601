"""The option chain, made of the newest ticks."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.instrument import Instrument
from mdactors.market.option_chain import max_pain, option_chain
from mdactors.market.quote import Depth, Greeks, Level, Quote
from mdactors.market.tick import Tick
from mdactors.market.underlyings import Underlying

NINE_NS = 1_790_652_600_000_000_000
"""09:00 on a Tuesday in India, a quarter of an hour before the session."""
MINUTE_NS = 60_000_000_000
NOON_NS = NINE_NS + 180 * MINUTE_NS
EXPIRY = "2026-10-27"
NIFTY = Instrument(256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|Nifty 50")


class Booked(Quote, gc=False):
    def depth(self) -> Depth:
        return Depth(tuple(Level(99.5 - n, 65 + n) for n in range(7)), (Level(100.5, 75),))

    def greeks(self) -> Greeks:
        return Greeks(delta=0.5, theta=-8.0)


def option(strike: float, side: Any) -> Instrument:
    token = int(strike) * 2 + (side == "PE") << 8 | 2
    symbol = f"NIFTY26OCT{strike:g}{side}"
    return Instrument(
        token, symbol, "NSE", "NSE_FO", "OPTION", f"NSE_FO|{token >> 8}", expiry=EXPIRY, strike=strike,
        option_type=side, underlying="NIFTY",
    )  # fmt: skip


def tick(instrument: Instrument, kind: type[Quote] = Quote, at_ns: int = NOON_NS, **said: Any) -> Tick:
    return Tick(instrument, kind(instrument.token, "full", **said), "test", 1, 1, at_ns)


OPTIONS = [option(strike, side) for strike in (24300.0, 24400.0, 24500.0) for side in ("CE", "PE")]
UNDERLYING = Underlying("NIFTY", "NSE", NIFTY, [], {EXPIRY: OPTIONS, "2026-11-24": []})


def shown(
    *ticks: Tick,
    underlying: Underlying = UNDERLYING,
    books: bool = False,
) -> dict[str, Any]:
    newest = {each.instrument.token: each for each in ticks}
    chain = option_chain(underlying, EXPIRY, newest, books=books)
    made = msgspec.json.decode(msgspec.json.encode(chain))
    assert "null" not in str(made)
    return dict(made)


def test_a_chain_has_a_row_for_each_strike_and_both_sides_whether_they_ticked_or_not() -> None:
    made = shown()
    assert (made["underlying"], made["expiry"], made["expiries"]) == ("NIFTY", EXPIRY, [EXPIRY, "2026-11-24"])
    assert [row["strike"] for row in made["rows"]] == [24300.0, 24400.0, 24500.0]
    assert made["rows"][0]["pe"] == {
        "symbol": "NIFTY26OCT24300PE", "instrumentToken": OPTIONS[1].token, "instrumentKey": OPTIONS[1].key,
    }  # fmt: skip
    assert (made["ce"], made["pcr"]) == ({"volume": 0, "openInterest": 0}, {})
    assert not {"spot", "atTheMoney", "maxPain"} & made.keys()


def test_an_option_shows_what_its_tick_says() -> None:
    said = tick(
        OPTIONS[2], Booked, last_price=100.0, previous_close=80.0, volume=650, open_interest=1300, iv=0.125
    )
    said = msgspec.structs.replace(said, open_interest_change=300)
    call = shown(said)["rows"][1]["ce"]
    assert call == {
        "symbol": "NIFTY26OCT24400CE", "instrumentToken": OPTIONS[2].token, "instrumentKey": OPTIONS[2].key,
        "lastTradedPrice": 100.0, "change": 20.0, "changePercent": 25.0, "volume": 650, "openInterest": 1300,
        "openInterestChange": 300, "bid": 99.5, "bidQuantity": 65, "ask": 100.5, "askQuantity": 75,
        "iv": 0.125, "greeks": {"delta": 0.5, "theta": -8.0},
    }  # fmt: skip


def test_a_chain_with_books_has_five_levels_of_each_side() -> None:
    call = shown(tick(OPTIONS[2], Booked), tick(OPTIONS[3]), books=True)["rows"][1]
    assert call["ce"]["depth"] == {
        "buy": [{"price": 99.5 - n, "quantity": 65 + n} for n in range(5)],
        "sell": [{"price": 100.5, "quantity": 75}],
    }
    assert "depth" not in call["pe"]


def test_the_totals_the_ratios_and_the_strike_at_the_money() -> None:
    calls, puts = OPTIONS[::2], OPTIONS[1::2]
    ticks = [tick(each, open_interest=100, volume=10) for each in calls]
    ticks += [tick(each, open_interest=150, volume=5) for each in puts[:2]]
    made = shown(*ticks, tick(NIFTY, last_price=24449.0))
    assert made["ce"] == {"volume": 30, "openInterest": 300}
    assert made["pe"] == {"volume": 10, "openInterest": 300}
    assert made["pcr"] == {"openInterest": 1.0, "volume": 0.3333}
    assert (made["spot"], made["atTheMoney"]) == (24449.0, 24400.0)
    assert shown(tick(NIFTY, last_price=24450.0))["atTheMoney"] == 24400.0
    assert shown(tick(NIFTY, last_price=24451.0))["atTheMoney"] == 24500.0


def test_without_anything_that_has_a_price_there_is_no_strike_at_the_money() -> None:
    made = shown(
        tick(NIFTY, last_price=24449.0), underlying=Underlying("CRUDE", "MCX", None, [], {EXPIRY: OPTIONS})
    )
    assert not {"spot", "pricedBy", "price", "atTheMoney"} & made.keys()
    for nothing in ({}, {"last_price": 0.0}):
        assert not {"spot", "pricedBy", "price", "atTheMoney"} & shown(tick(NIFTY, **nothing)).keys()


def future(expiry: str) -> Instrument:
    number = int(expiry[5:7]) << 8 | 7
    return Instrument(
        number, f"CRUDE{expiry}FUT", "MCX", "MCX_FO", "FUTURE", f"MCX_FO|{number}", expiry=expiry
    )  # fmt: skip


BEFORE, OWN, LATER = map(future, ("2026-10-19", "2026-11-18", "2026-12-18"))
"""Futures, of which the first expires before the options do."""


def test_a_commoditys_money_goes_by_the_future_that_its_options_are_written_on() -> None:
    crude = Underlying("CRUDE", "MCX", None, [BEFORE, OWN, LATER], {EXPIRY: OPTIONS})
    prices = [
        tick(BEFORE, last_price=24310.0),
        tick(OWN, last_price=24451.0),
        tick(LATER, last_price=24560.0),
    ]
    made = shown(*prices, underlying=crude)
    assert (made["pricedBy"], made["price"], made["atTheMoney"]) == (OWN.symbol, 24451.0, 24500.0)
    assert "spot" not in made
    made = shown(prices[0], tick(OWN, last_price=0.0), prices[2], underlying=crude)
    assert (made["pricedBy"], made["price"], made["atTheMoney"]) == (BEFORE.symbol, 24310.0, 24300.0)
    assert "atTheMoney" not in shown(prices[2], underlying=crude), "that is another month's"


def test_an_index_without_a_price_is_priced_by_its_future_and_says_so() -> None:
    nifty = Underlying("NIFTY", "NSE", NIFTY, [OWN], {EXPIRY: OPTIONS})
    made = shown(tick(OWN, last_price=24490.0), underlying=nifty)
    assert (made["pricedBy"], made["atTheMoney"], "spot" in made) == (OWN.symbol, 24500.0, False)
    made = shown(tick(OWN, last_price=24490.0), tick(NIFTY, last_price=24410.0), underlying=nifty)
    assert (made["pricedBy"], made["atTheMoney"], made["spot"]) == ("NIFTY 50", 24400.0, 24410.0)


INTERESTS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 10**7), st.integers(0, 10**7)),
    max_size=30, unique_by=lambda each: each[0],
).map(sorted)  # fmt: skip


@given(INTERESTS)
def test_max_pain_is_where_the_holders_would_be_paid_least(interests: list[tuple[int, int, int]]) -> None:
    def paid(at: int) -> int:
        return sum(call * max(0, at - strike) + put * max(0, strike - at) for strike, call, put in interests)

    least = min(interests, key=lambda each: paid(each[0]), default=(None,))[0]
    known = any(call or put for _, call, put in interests)
    assert max_pain([(float(strike), call, put) for strike, call, put in interests]) == (
        least if known else None
    )


def test_max_pain_of_a_small_chain() -> None:
    assert max_pain([(90.0, 10, 0), (100.0, 30, 20), (110.0, 0, 30)]) == 100.0
