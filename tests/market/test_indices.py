"""The table of indices."""

from __future__ import annotations

import csv
import gzip

import msgspec
import pytest

from mdactors.market import indices


@pytest.mark.parametrize(
    ("key", "symbol", "token"),
    [
        ("NSE_INDEX|Nifty 50", "NIFTY 50", 256265),
        ("NSE_INDEX|Nifty Bank", "NIFTY BANK", 260105),
        ("NSE_INDEX|India VIX", "INDIA VIX", 264969),
        ("NSE_INDEX|Nifty Fin Service", "NIFTY FIN SERVICE", 257801),
        ("NSE_INDEX|NIFTY MID SELECT", "NIFTY MID SELECT", 288009),
        ("BSE_INDEX|SENSEX", "SENSEX", 265),
        ("BSE_INDEX|SENSEX50", "SNSX50", 286729),
    ],
)
def test_a_key_leads_to_kites_symbol_and_number(key, symbol, token):
    index = indices.by_key(key)
    assert (index.symbol, index.token) == (symbol, token)
    assert indices.by_token(token) is index


def test_an_unknown_key_leads_nowhere():
    assert indices.by_key("NSE_INDEX|Nifty 51") is None
    assert indices.by_key("") is None
    assert indices.by_token(1) is None


@pytest.mark.parametrize(
    ("alias", "symbol"),
    [
        ("NIFTY", "NIFTY 50"), ("NIFTY50", "NIFTY 50"), ("Nifty 50", "NIFTY 50"),
        ("BANKNIFTY", "NIFTY BANK"), ("BANK NIFTY", "NIFTY BANK"), ("NIFTYBANK", "NIFTY BANK"),
        ("Nifty Bank", "NIFTY BANK"), ("VIX", "INDIA VIX"), ("INDIAVIX", "INDIA VIX"),
        ("FINNIFTY", "NIFTY FIN SERVICE"), ("MIDCPNIFTY", "NIFTY MID SELECT"),
        ("NIFTYNXT50", "NIFTY NEXT 50"), ("BSE SENSEX", "SENSEX"), ("SENSEX50", "SNSX50"),
    ],
)  # fmt: skip
def test_an_alias_leads_to_its_symbol(alias, symbol):
    assert indices.aliases()[alias] == symbol


def test_names_numbers_and_keys_are_each_used_once_and_no_alias_is_a_symbol():
    table = indices.all_indices()
    symbols = {index.symbol for index in table}
    assert len(symbols) == len({index.token for index in table}) == len(table)
    keys = [index.key for index in table if index.key]
    assert len(set(keys)) == len(keys)
    assert not symbols & indices.aliases().keys()
    assert symbols >= set(indices.aliases().values())


@pytest.mark.realdata
def test_the_table_holds_every_index_of_kites_real_file(shared_data):
    with gzip.open(shared_data / "kite_instruments.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["segment"] == "INDICES"]
    assert {(row["tradingsymbol"], int(row["instrument_token"]), row["exchange"]) for row in rows} == {
        (index.symbol, index.token, index.exchange)
        for index in indices.all_indices()
        if index.exchange != "NSEIX"
    }


@pytest.mark.realdata
def test_every_key_is_one_of_upstoxs_and_no_alias_is_a_share(shared_data):
    data = gzip.decompress((shared_data / "upstox_complete_2026-08-18.json.gz").read_bytes())
    rows = msgspec.json.decode(data)
    keys = {row["instrument_key"] for row in rows}
    assert all(index.key in keys for index in indices.all_indices() if index.key)
    shares = {row["trading_symbol"] for row in rows if row["segment"] in ("NSE_EQ", "BSE_EQ")}
    assert not shares & indices.aliases().keys()
