"""Upstox's rows under our identity, which is Kite's."""

from __future__ import annotations

import csv
import gzip
from collections import Counter

import msgspec
import pytest

from mdactors.adapter import Listing
from mdactors.market import indices
from mdactors.market.instrument import InstrumentRow
from mdactors_upstox import identity
from mdactors_upstox.rest import listings

ROW = {
    "segment": "NSE_EQ", "exchange": "NSE", "name": "", "instrument_type": "EQ", "trading_symbol": "S",
    "instrument_key": "K", "exchange_token": "1",
}  # fmt: skip


def instrument(**fields) -> InstrumentRow:
    listing = identity.listing(msgspec.convert({**ROW, **fields}, identity.Row))
    assert listing is not None
    assert listing.token == listing.instrument.key
    return listing.instrument


def test_an_index_goes_by_the_table():
    row = {
        "segment": "NSE_INDEX",
        "instrument_type": "INDEX",
        "exchange_token": "26009",
        "name": "Nifty Bank",
    }
    bank = instrument(**row, instrument_key="NSE_INDEX|Nifty Bank", trading_symbol="BANKNIFTY")
    assert (bank.symbol, bank.token, bank.type, bank.segment) == ("NIFTY BANK", 260105, "INDEX", "NSE_INDEX")


def test_an_index_that_kite_does_not_list_gets_a_stable_number_of_its_own():
    row = {"segment": "BSE_INDEX", "exchange": "BSE", "instrument_type": "INDEX", "trading_symbol": "INDDEF"}
    fresh = instrument(**row, instrument_key="BSE_INDEX|INDDEF", exchange_token="96")
    assert (fresh.symbol, fresh.token) == ("INDDEF", 96 << 8 | 9)
    taken = instrument(**row, instrument_key="BSE_INDEX|INDDEF", exchange_token="1")
    assert taken.token == (1 << 30 | 265), "265 is the SENSEX"


def index_of(exchange: str, key: str, number: str) -> InstrumentRow:
    row = {"segment": f"{exchange}_INDEX", "exchange": exchange, "instrument_type": "INDEX"}
    return instrument(
        **row, instrument_key=f"{exchange}_INDEX|{key}", trading_symbol=key, exchange_token=number
    )


@pytest.mark.parametrize("number", ["1", "77", "190", "1001", "25999", "26000", "26500"])
def test_two_new_indices_with_one_number_have_a_token_each(number):
    new = [index_of("NSE", "NEW OF NSE", number), index_of("BSE", "NEWBSE", number)]
    others = [
        index_of(exchange, f"OTHER{n}", n) for exchange in ("NSE", "BSE") for n in ("2", "1002", "26777")
    ]
    tokens = [row.token for row in (*new, *others)]
    assert len(set(tokens)) == len(tokens)
    assert index_of("NSE", "NEW OF NSE", number) == new[0], "and always the same one"
    assert not {*tokens} & {index.token for index in indices.all_indices()}


def test_the_worlds_indices_go_by_their_keys_for_they_have_no_numbers():
    row = {"segment": "GLOBAL_INDEX", "exchange": "GLOBAL", "instrument_type": "", "exchange_token": ""}
    gift = instrument(**row, instrument_key="GLOBAL_INDEX|SGX NIFTY", trading_symbol="GIFT NIFTY")
    assert (gift.symbol, gift.token, gift.exchange) == ("GIFT NIFTY", 291849, "NSEIX")
    dow = instrument(**row, instrument_key="GLOBAL_INDEX|^DJI", trading_symbol="^DJI", name="DOW JONES")
    rate = {**row, "segment": "GLOBAL_INDICATOR", "instrument_key": "GLOBAL_INDICATOR|USDINR"}
    rupee = instrument(**rate, trading_symbol="USDINR")
    assert {each.type for each in (gift, dow, rupee)} == {"INDEX"}
    assert len({gift.token, dow.token, rupee.token}) == 3
    assert max(dow.token, rupee.token) < 2**53, "a browser's numbers are exact up to there"


def test_a_share_has_its_series_behind_the_symbol_on_the_nse_only():
    reliance = instrument(
        trading_symbol="RELIANCE", exchange_token="2885", isin="INE002A01018", tick_size=10.0
    )
    assert (reliance.symbol, reliance.token, reliance.tick_size) == ("RELIANCE", 738561, 0.1)
    assert (reliance.series, reliance.isin, reliance.mtf) == ("EQ", "INE002A01018", False)
    assert instrument(trading_symbol="CENTRALBK", instrument_type="BE").symbol == "CENTRALBK-BE"
    on_bse = instrument(trading_symbol="ABB", instrument_type="A", segment="BSE_EQ", exchange_token="500002")
    assert (on_bse.symbol, on_bse.token) == ("ABB", 500002 << 8 | 4)
    assert instrument(mtf_enabled=True).mtf


def test_a_further_list_says_something_of_all_its_rows():
    row = msgspec.convert(ROW, identity.Row)
    flagged = [identity.listing(row, flags).instrument for flags in identity.FLAGS.values()]
    assert [(each.mtf, each.mis) for each in flagged] == [(True, False), (False, True), (False, True)]


@pytest.mark.parametrize(
    ("fields", "symbol"),
    [
        ({"instrument_type": "FUT", "expiry": 1793125799000}, "BANKNIFTY26OCTFUT"),
        (
            {"instrument_type": "CE", "expiry": 1793125799000, "strike_price": 51200.0},
            "BANKNIFTY26OCT51200CE",
        ),
        ({"instrument_type": "PE", "expiry": 1793125799000, "strike_price": 82.75}, "BANKNIFTY26OCT82.75PE"),
        (
            {"instrument_type": "CE", "expiry": 1789064999000, "strike_price": 83500.0, "weekly": True},
            "BANKNIFTY2691083500CE",
        ),
        (
            {"instrument_type": "CE", "expiry": 1793125799000, "strike_price": 1e6, "weekly": True},
            "BANKNIFTY26O271000000CE",
        ),
    ],
)
def test_a_derivative_is_named_as_kite_names_it(fields, symbol):
    row = {"segment": "NSE_FO", "exchange_token": "48699", "underlying_symbol": "BANKNIFTY", "lot_size": 30}
    named = instrument(**row, **fields)
    assert (named.symbol, named.token, named.lot_size) == (symbol, 48699 << 8 | 2, 30)
    assert named.expiry in ("2026-10-27", "2026-09-10")
    assert named.type == ("FUTURE" if fields["instrument_type"] == "FUT" else "OPTION")
    assert named.underlying == "BANKNIFTY"


def test_what_we_have_no_word_for_is_left_out():
    for segment, kind in (("NSE_COM", "COM"), ("NEW_SEGMENT", "EQ")):
        row = msgspec.convert({**ROW, "segment": segment, "instrument_type": kind}, identity.Row)
        assert identity.listing(row) is None


@pytest.fixture
def ours(shared_data):
    data = gzip.decompress((shared_data / "upstox_complete_2026-08-18.json.gz").read_bytes())
    return [listing.instrument for listing in listings(data, {}) if isinstance(listing, Listing)]


@pytest.fixture
def theirs(shared_data):
    with gzip.open(shared_data / "kite_instruments.csv.gz", "rt") as file:
        return {int(row["instrument_token"]): row for row in csv.DictReader(file)}


@pytest.mark.realdata
def test_symbols_agree_with_kites_real_file(ours, theirs):
    agreed, met = Counter(), Counter()
    for instrument in ours:
        if (row := theirs.get(instrument.token)) is not None:
            met[instrument.segment] += 1
            agreed[instrument.segment] += instrument.symbol == row["tradingsymbol"]
    shares = {segment: agreed[segment] / met[segment] for segment in met}
    print(f"\nagreement of symbols, of those that both list: {shares} of {dict(met)}")
    assert shares["NSE_EQ"] >= 0.99
    assert shares["NSE_FO"] == shares["BSE_FO"] == shares["NSE_INDEX"] == shares["BSE_INDEX"] == 1.0
    assert shares["BSE_EQ"] >= 0.97, "Kite's file of the BSE is eleven months older: shares were renamed"
    assert (met["NSE_EQ"], met["NSE_FO"], met["BSE_FO"]) >= (9000, 35000, 4000)


@pytest.mark.realdata
def test_terms_agree_with_kites_real_file(ours, theirs):
    met = odd = 0
    for instrument in ours:
        row = theirs.get(instrument.token)
        if row is None or instrument.type not in ("FUTURE", "OPTION"):
            continue
        met += 1
        odd += (instrument.expiry, instrument.strike, float(instrument.lot_size), instrument.tick_size) != (
            row["expiry"], float(row["strike"]), float(row["lot_size"]), float(row["tick_size"]),
        )  # fmt: skip
    assert met > 39_000
    assert odd <= met * 0.001


@pytest.mark.realdata
def test_every_token_is_used_once_and_every_row_that_has_a_word_is_read(ours):
    assert len(ours) == 125_004 - 28, "28 spot commodities are left out"
    assert len({instrument.token for instrument in ours}) == len(ours)
