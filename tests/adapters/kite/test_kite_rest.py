"""Kite's list of instruments, read into ours, and what goes wrong on the way."""

from __future__ import annotations

import gzip
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import pytest
import requests
import responses

from mdactors.adapter import Listing, Secret, Unlisted
from mdactors.errors import BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors.market.instrument import InstrumentRow
from mdactors_kite.adapter import KiteAdapter, KiteSettings

TOKEN = "s3cret-token"
URL = "https://api.kite.trade/instruments"
DATA = Path(__file__).parents[4] / "shared" / "data"
HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
ROWS = """408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE
256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
265,1,SENSEX,"SENSEX",0,,0,0,0,EQ,INDICES,BSE
273417,1068,MCXGOLDEX,,0,,0,0,0,EQ,INDICES,MCX
17606914,68777,RELIANCE26SEPFUT,RELIANCE,0,2026-09-29,0,0.1,500,FUT,NFO-FUT,NFO
16035586,62639,RELIANCE26SEP1300CE,RELIANCE,0,2026-09-29,1300,0.05,500,CE,NFO-OPT,NFO
211616005,826625,BANKEX26AUGFUT,"BANKEX",0,2026-08-27,0,0.05,30,FUT,BFO-FUT,BFO
289795,1132,USDINR26NOV84.25PE,"USDINR",0,2026-11-26,84.25,0.0025,1,PE,CDS-OPT,CDS
512262,2001,USDINR26NOVFUT,USDINR,0.0,2026-11-26,0.0,0.0025,1,FUT,BCD-FUT,BCD
53490439,208947,CRUDEOIL26DECFUT,,0,2026-12-18,,1,100,FUT,MCX-FUT,MCX
31132428,121611,ALUMINI26SEPFUT,ALUMINI,0.0,2026-09-30,0.0,0.05,1,FUT,NCO-FUT,NCO
128012548,500045,BAJAJ-AUTO,BAJAJ AUTO,0.0,,0.0,0.05,1,EQ,BSE,BSE
"""


def instrument_rows(*rows):
    return "\n".join((HEADER, *rows)) + "\n"


def listed(**settings):
    return list(KiteAdapter(KiteSettings(**{"api_key": "apikey", **settings})).instruments())


@pytest.fixture
def kite():
    with responses.RequestsMock() as mock:
        yield mock


def read(kite, *rows):
    kite.get(URL, instrument_rows(*rows), content_type="text/csv")
    listings = listed()
    assert all(listing.token == listing.instrument.token for listing in listings)
    return [listing.instrument for listing in listings]


def test_every_kind_of_row_becomes_an_instrument_of_ours(kite):
    found = {i.token: i for i in read(kite, *ROWS.splitlines())}
    assert len(found) == 12
    assert found[408065] == InstrumentRow(
        408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INFY", series="EQ", name="INFOSYS"
    )
    assert found[256265] == InstrumentRow(
        256265, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", "NSE_INDEX|NIFTY 50", name="NIFTY 50"
    )
    assert found[265].key == "BSE_INDEX|SENSEX"
    assert (found[273417].exchange, found[273417].segment, found[273417].name) == ("MCX", "MCX_INDEX", "")
    assert found[17606914] == InstrumentRow(
        17606914, "RELIANCE26SEPFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|68777", name="RELIANCE",
        lot_size=500, tick_size=0.1, expiry="2026-09-29", underlying="RELIANCE",
    )  # fmt: skip
    assert found[16035586] == InstrumentRow(
        16035586, "RELIANCE26SEP1300CE", "NSE", "NSE_FO", "OPTION", "NSE_FO|62639", name="RELIANCE",
        lot_size=500, tick_size=0.05, expiry="2026-09-29", strike=1300.0, option_type="CE",
        underlying="RELIANCE",
    )  # fmt: skip
    assert (found[211616005].exchange, found[211616005].segment) == ("BSE", "BSE_FO")
    assert (found[289795].segment, found[289795].strike, found[289795].option_type) == ("NCD_FO", 84.25, "PE")
    assert (found[512262].exchange, found[512262].segment) == ("BSE", "BCD_FO")
    assert (found[53490439].segment, found[53490439].strike) == ("MCX_FO", 0.0)
    assert (found[31132428].exchange, found[31132428].segment) == ("NSE", "NSE_COM")
    assert (found[128012548].symbol, found[128012548].series) == ("BAJAJ-AUTO", "")


def test_a_number_of_the_bse_tells_a_bond_from_a_share(kite):
    numbers = (500325, 590066, 890144, 973123, 800123, 190123)
    found = read(kite, *(f"{n << 8 | 4},{n},S{n},S,0,,0,0.05,1,EQ,BSE,BSE" for n in numbers))
    assert [instrument.series for instrument in found] == ["", "", "", "F", "F", "F"]


@pytest.mark.parametrize(
    ("wire", "saved"),
    [
        (
            '293055237,1144747,BANKEX26JUL65000PE,"BANKEX",0,2026-07-30,65000,0.05,30,PE,BFO-OPT,BFO',
            "293055237,1144747,BANKEX26JUL65000PE,BANKEX,0.0,2026-07-30,65000.0,0.05,30,PE,BFO-OPT,BFO",
        ),
        (
            '408065,1594,INFY,"INFOSYS",0,,0,0.05,1,EQ,NSE,NSE',
            "408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1.0,EQ,NSE,NSE",
        ),
    ],
)
def test_both_dialects_of_the_dump_say_the_same(kite, wire, saved):
    one, other = read(kite, wire, saved)
    assert one == other


@pytest.mark.parametrize(
    ("symbol", "series"),
    [
        ("RELIANCE", "EQ"),
        ("CENTRALBK-BE", "BE"),
        ("820KSFP36A-N0", "N0"),
        ("BAJAJ-AUTO", "EQ"),
        ("MCCHRLS-B", "EQ"),
        ("BOSCH-HCIL", "EQ"),
        ("M&M", "EQ"),
    ],
)
def test_the_series_is_the_two_letters_behind_the_dash(kite, symbol, series):
    (instrument,) = read(kite, f"257,1,{symbol},X,0,,0,0.05,1,EQ,NSE,NSE")
    assert (instrument.symbol, instrument.series) == (symbol, series)


def test_a_fund_that_says_so_in_its_name_is_an_etf(kite):
    names = ["CPSE ETF", "SBI ETF IT ETF", "BETFAIR", ""]
    found = read(
        kite, *(f"{n * 256 + 1},{n},S{n},{name},0,,0,0.01,1,EQ,NSE,NSE" for n, name in enumerate(names))
    )
    assert [instrument.etf for instrument in found] == [True, True, False, False]


def test_a_row_that_cannot_be_read_costs_only_itself_and_is_named():
    good = "408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE"
    bad = {
        "SHORT": "408321,1595,SHORT,SHORT,0,,0,0.05,1,EQ,NSE",
        "TOKEN": "x,1,TOKEN,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE",
        "PART": "408321.5,1,PART,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE",
        "DAY": "17606914,68777,DAY,F,0,someday,0,0.1,500,FUT,NFO-FUT,NFO",
        "INF": "408321,1595,INF,INF,0,,0,0.05,inf,EQ,NSE,NSE",
        "NAN": "408321,1595,NAN,NAN,0,,0,some,1,EQ,NSE,NSE",
        "MOVED": "408321,1595,MOVED,MOVED,0,,0,0.05,1,EQ,NSE,NSE,12",
        "MARK": "408321,1595,MARK,MARK,0,,0,0.05,1,EQ,NSE,?",
    }
    found, unlisted = rows_of(instrument_rows(*bad.values(), "", good))
    assert [row.symbol for row in found] == ["INFY"]
    assert [each.symbol for each in unlisted] == list(bad)
    assert all(each.reason for each in unlisted)


def rows_of(text: str | bytes) -> tuple[list[InstrumentRow], list[Unlisted]]:
    """What a list has, and what of it becomes no instrument."""
    data = text if isinstance(text, bytes) else text.encode()
    each = list(KiteAdapter(KiteSettings()).listings(data))
    found = [one.instrument for one in each if isinstance(one, Listing)]
    return found, [one for one in each if isinstance(one, Unlisted)]


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ('"OMEGA, PSI & CO"', "OMEGA, PSI & CO"),
        ("OMEGA, PSI LTD", "OMEGA, PSI LTD"),
        ("A, B, C, D", "A, B, C, D"),
        ('"LEFT OPEN', "LEFT OPEN"),
        ('"LEFT, OPEN', "LEFT, OPEN"),
        ('"THE ""BEST"" CO"', 'THE "BEST" CO'),
        ('"THE "BEST", INC"', 'THE "BEST", INC'),
        ('HALF 12" PIPES', 'HALF 12" PIPES'),
        ("D\u2028E", "D\u2028E"),
        ("", ""),
    ],
)
def test_whatever_signs_are_in_a_name_the_row_is_found_and_so_is_the_next(name, read_as):
    rows = (f"{n << 8 | 1},{n},S{n},{name},0,,0,0.05,7,EQ,NSE,NSE" for n in (900, 901))
    found, unlisted = rows_of(instrument_rows(*rows))
    assert unlisted == []
    assert [(row.symbol, row.name, row.lot_size, row.exchange) for row in found] == [
        ("S900", read_as, 7, "NSE"), ("S901", read_as, 7, "NSE"),
    ]  # fmt: skip


def spreadsheet(text: str) -> str:
    """With empty columns behind the last, as a spreadsheet writes them."""
    return "".join(line + ",,\n" for line in text.splitlines())


def turned(text: str) -> str:
    """With the columns from last to first, and one more."""
    lines = [line.split(",")[::-1] for line in text.replace('"', "").splitlines()]
    return "\n".join(",".join([line[0], "more", *line[1:]]) for line in lines)


def quoted(text: str) -> str:
    head, _, rows = text.partition("\n")
    return ",".join(f'"{name}"' for name in head.split(",")) + "\n" + rows


def padded(text: str) -> str:
    return "\n".join(", ".join(line.split(",")) for line in text.splitlines())


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: "\ufeff" + text,
        lambda text: "\ufeff\ufeff" + quoted(text),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        quoted,
        padded,
        turned,
        spreadsheet,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.upper().replace("COLUMN", "column"),
        lambda text: text.replace("408065,1594", "408065.0,1594.0").replace(",0,", ",0.0,"),
        lambda text: text.replace(",0,", ",,").replace(",0,", ",null,"),
        lambda text: text.replace("-29,", "-29 00:00:00,"),
        lambda text: text + text.partition("\n")[0],
    ],
)
def test_a_list_is_read_whoever_saved_it(changed):
    text = instrument_rows(*ROWS.splitlines())
    found, unlisted = rows_of(changed(text))
    plain, _ = rows_of(text)
    assert unlisted == []
    assert [(row.token, row.symbol, row.type, row.expiry, row.strike) for row in found] == [
        (row.token, row.symbol, row.type, row.expiry, row.strike) for row in plain
    ]
    assert found == plain or changed("0,") != "0,"


def test_what_we_have_no_word_for_is_told_by_its_exchange():
    rows = [
        "53505799,209007,GOLD,GOLD,0,,0,0,1,EQ,MCX,MCX",
        "99999999,1,NIFTY26DEC,NIFTY,0,2026-12-29,0,0.5,1,FUT,NSEIX-FUT,NSEIX",
    ]
    found, unlisted = rows_of(instrument_rows(*rows))
    assert found == []
    assert unlisted == [Unlisted("GOLD", "MCX"), Unlisted("NIFTY26DEC", "NSEIX")]


def test_the_worlds_indices_are_indices():
    rows = [
        "291849,1140,GIFT NIFTY,GIFT NIFTY,0,,0,0,0,EQ,INDICES,NSEIX",
        "291593801,1139038,US30,DOW JONES,0,,0,0,0,EQ,INDICES,GLOBAL",
        "777,3,NIKKEI,NIKKEI 225,0,,0,0,0,EQ,INDICES,SOMEWHERE",
    ]
    found, unlisted = rows_of(instrument_rows(*rows))
    assert [(row.symbol, row.exchange, row.segment, row.type, row.token) for row in found] == [
        ("GIFT NIFTY", "NSEIX", "GLOBAL_INDEX", "INDEX", 291849),
        ("US30", "GLOBAL", "GLOBAL_INDEX", "INDEX", 291593801),
        ("NIKKEI", "SOMEWHERE", "GLOBAL_INDEX", "INDEX", 777),
    ]
    assert unlisted == []


def test_a_column_of_isins_that_somebody_added_says_whose_keys_they_are():
    head = HEADER.replace("name,", "isin,name,")
    rows = [
        "408065,1594,INFY,INE009A01021,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE",
        "1025,4,NONE,,N,0,,0,1,1,EQ,NSE,NSE",
    ]
    found, _ = rows_of("\n".join((head, *rows)))
    assert [(row.isin, row.key) for row in found] == [
        ("INE009A01021", "NSE_EQ|INE009A01021"),
        ("", "NSE_EQ|NONE"),
    ]


def test_kite_itself_is_asked_for_nothing_that_it_does_not_know(kite):
    read(kite, *ROWS.splitlines())
    assert "X-More-Columns" not in kite.calls[0].request.headers


def test_a_gzipped_dump_is_read(kite):
    kite.get(
        URL,
        gzip.compress(instrument_rows(*ROWS.splitlines()).encode()),
        content_type="text/csv",
        headers={"Content-Encoding": "gzip"},
    )
    assert len(listed()) == 12


def test_the_token_is_sent_where_there_is_one_and_not_needed(kite):
    body = instrument_rows()
    kite.get(URL, body, content_type="text/csv")
    assert listed() == []
    assert "Authorization" not in kite.calls[0].request.headers
    assert listed(access_token=Secret(TOKEN)) == []
    assert kite.calls[1].request.headers["Authorization"] == f"token apikey:{TOKEN}"
    assert kite.calls[1].request.headers["X-Kite-Version"] == "3"


def envelope(error_type, message):
    return {"status": "error", "error_type": error_type, "message": message, "data": None}


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (403, envelope("TokenException", f"Incorrect `api_key` or\n `access_token` {TOKEN}."), LoginRequired),
        (401, envelope("TokenException", "Session expired."), LoginRequired),
        (400, envelope("InputException", "Invalid `api_key` or `access_token`."), LoginRequired),
        (403, envelope("PermissionException", "no"), BrokerRefused),
        (403, {"message": "Forbidden"}, BrokerRefused),
        (403, {"data": [], "status": "success"}, BrokerRefused),
        (400, envelope("InputException", "no"), BrokerRefused),
        (429, envelope("NetworkException", "Too many requests"), BrokerRefused),
        (500, envelope("GeneralException", "no"), BrokerUnavailable),
        (503, envelope("NetworkException", "no"), BrokerUnavailable),
        (500, envelope("SomethingNew", "no"), BrokerUnavailable),
        (500, envelope(None, "no"), BrokerUnavailable),
        (200, {"status": "success", "data": []}, BrokerUnavailable),
        (200, ["odd"], BrokerUnavailable),
    ],
)
def test_an_error_of_kites_is_one_clean_line_of_ours(kite, status, answer, error):
    kite.get(URL, json=answer, status=status)
    with pytest.raises(error) as caught:
        listed(access_token=Secret(TOKEN))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert str(caught.value).startswith("kite: ")


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>\n<b>502</b></html>" + "x" * 5000, "status": 502, "content_type": "text/html"},
        {"body": "{broken", "status": 200, "content_type": "application/json"},
        {"body": requests.ConnectionError(f"https://api.kite.trade/?access_token={TOKEN}")},
        {"body": requests.Timeout("read")},
        {"body": "", "status": 200, "content_type": "text/csv"},
        {"body": "token,symbol\n1,2\n", "status": 200, "content_type": "text/csv"},
    ],
)
def test_an_answer_that_is_no_dump_means_that_kite_is_not_available(kite, answer):
    kite.get(URL, **answer)
    with pytest.raises(BrokerUnavailable) as caught:
        listed(access_token=Secret(TOKEN))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", f"<html><body>Request {TOKEN} blocked</body></html>"),
        ("application/json", "{broken"),
        ("application/json", ""),
        ("text/csv", "Request blocked"),
        ("", "Request blocked"),
    ],
)
def test_a_gateways_page_instead_of_the_dump_is_waited_out(kite, status, kind, body):
    kite.get(URL, body=body, status=status, content_type=kind)
    with pytest.raises(BrokerRefused, match=f"refused \\({status}\\)") as caught:
        listed(access_token=Secret(TOKEN))
    assert caught.value.login_in_doubt
    assert TOKEN not in str(caught.value)
    assert "<" not in str(caught.value)


def test_fetching_leaves_the_process_with_the_warnings_that_it_had(kite):
    kite.get(URL, instrument_rows(), content_type="text/csv")
    before = list(warnings.filters)
    listed()
    assert warnings.filters == before


def test_the_official_client_is_imported_only_when_it_is_needed():
    code = "import sys, mdactors_kite.adapter; print({'kiteconnect', 'twisted'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.realdata
def test_the_recorded_dumps_are_read_whole(kite, caplog):
    if not DATA.is_dir():
        pytest.skip(f"no recorded data at {DATA}")
    text = gzip.decompress((DATA / "kite_instruments.csv.gz").read_bytes()).decode()
    kite.get(URL, text, content_type="text/csv")
    found = [listing.instrument for listing in listed()]
    assert len(found) == text.count("\n") - 1 == 62_586
    assert caplog.records == []
    assert sum(instrument.type == "INDEX" for instrument in found) == 203
    assert len({instrument.key for instrument in found}) == len(found)
    kite.upsert("GET", URL, (DATA / "kite_instruments_raw_sample.csv").read_text(), content_type="text/csv")
    assert len(listed()) == 20


# --- Candles of a day

CANDLES = "https://api.kite.trade/instruments/historical/408065/day"


def previous_close(day=date(2026, 11, 23)):
    settings = KiteSettings(api_key="apikey", access_token=Secret("a-token-to-hide"))
    return KiteAdapter(settings).previous_close(408065, day)


@pytest.mark.parametrize(("days", "close"), [
    (["2026-11-19", "2026-11-20"], 20.0),
    (["2026-11-20", "2026-11-23"], 20.0), (["2026-11-23"], None), ([], None),
])  # fmt: skip
def test_the_previous_close_is_that_of_the_last_candle_before_the_date(kite, days, close):
    candles = [[f"{day}T00:00:00+0530", 9.0, 9.5, 8.5, float(day[-2:]), 100] for day in days]
    kite.get(CANDLES, json={"status": "success", "data": {"candles": candles}})
    assert previous_close() == close
    asked = kite.calls[0].request
    assert asked.params["to"] == "2026-11-22 23:59:59"
    assert asked.headers["Authorization"] == "token apikey:a-token-to-hide"


@pytest.mark.parametrize(("status", "body", "kind"), [
    (403, '{"status":"error","error_type":"TokenException","message":"a-token-to-hide"}', LoginRequired),
    (429, '{"status":"error","error_type":"NetworkException"}', BrokerRefused),
    (502, "<html>", BrokerUnavailable),
    (200, "<html>", BrokerUnavailable), (200, '{"data":{"candles":[["2026-11-20"]]}}', BrokerUnavailable),
])  # fmt: skip
def test_candles_that_cannot_be_had_are_the_error_that_the_answer_stands_for(kite, status, body, kind):
    kite.get(CANDLES, body, status=status)
    with pytest.raises(kind) as raised:
        previous_close()
    assert "a-token-to-hide" not in str(raised.value)


def test_a_network_that_is_away_has_no_candles(kite):
    kite.get(CANDLES, body=requests.ConnectionError("no route"))
    with pytest.raises(BrokerUnavailable):
        previous_close()
