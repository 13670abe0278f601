"""Recorded days played again: handmade files, and the real ones where a developer has them."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from pathlib import Path

import pytest

from mdactors.errors import SimulatorError
from mdactors.market.moment import read_moment
from mdactors.runtime import Clock, SetClock
from mdactors.simulator import CutFrame, Exchange, PriceState, Replay, SimulatorOptions, open_venue

DATA = Path(__file__).parents[3] / "shared" / "data"

BARS = """symbol,timestamp,open,high,low,close,volume
RELIANCE,2026-06-08T15:29:00+05:30,1277.0,1281.5,1275.4,1279.0,102
NIFTY 50,2026-06-08T15:29:00+05:30,23080.7,23138.25,23078.05,23060.75,8024687
RELIANCE,2026-06-09T09:15:00+05:30,1290.0,1291.0,1288.0,1288.5,400
"""
TICKS = """symbol,instrument_key,recv_time,ltt_ms,ltp,ltq,prev_close,vtt,oi,atp,tbq,tsq,\
bid1_p,bid1_q,bid2_p,bid2_q,bid3_p,bid3_q,bid4_p,bid4_q,bid5_p,bid5_q,\
ask1_p,ask1_q,ask2_p,ask2_q,ask3_p,ask3_q,ask4_p,ask4_q,ask5_p,ask5_q
BANKNIFTY 60000 CE 30 DEC 25,NSE_FO|60166,2025-12-15T09:32:48.991+05:30,1765771373617,269.2,35,\
339.3,510160,1565935,\
286.89,56105,127330,268.2,70,268.05,210,,,,,,,268.45,315,,,,,,,,
BANKNIFTY 60000 CE 30 DEC 25,NSE_FO|60166,2025-12-15T09:32:49.359+05:30,1765771373966,268.9,35,\
339.3,510055,1565935,\
286.86,,126770,,,,,,,,,,,268.6,315,,,,,,,,
"""
LAST_PRICES = """recv_time,instrument_token,tradingsymbol,ltp
2025-10-08T09:01:27.082050+05:30,256265,NIFTY 50,25123.35
2025-10-08T10:08:40.5+05:30,10924290,NIFTY25O1425000CE,235.8
"""


def written(folder: Path, text: str, name: str = "day.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def named(replay: Replay, symbol: str) -> PriceState:
    state = replay.by_name("NSE", symbol)
    assert state is not None
    return state


def test_a_bar_is_played_as_its_four_prices(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path, BARS))
    reliance = named(replay, "RELIANCE")
    assert reliance.token == 738561
    prices, volumes = [], []
    for _ in range(4):
        assert {s.instrument.symbol for s in replay.advance(replay.now_ms + 15_000)} == {
            "RELIANCE",
            "NIFTY 50",
        }
        prices.append(reliance.last_price)
        volumes.append(reliance.volume)
    assert prices == [1277.0, 1275.4, 1281.5, 1279.0]
    assert volumes == [25, 50, 75, 102]
    assert named(replay, "NIFTY 50").last_price == 23060.75
    assert named(replay, "NIFTY 50").volume == 0
    minute = reliance.minute
    assert minute is not None
    assert (minute.open, minute.high, minute.low, minute.close) == (1277.0, 1281.5, 1275.4, 1279.0)
    assert minute.volume == 102
    assert reliance.bids(1)[0].price <= 1279.0 <= reliance.asks(1)[0].price


def test_the_next_day_starts_from_the_last_close(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path, BARS))
    replay.advance(replay.now_ms + 2 * 86_400_000)
    assert replay.ended
    reliance = named(replay, "RELIANCE")
    assert reliance.previous_close == 1279.0
    assert (reliance.open, reliance.high, reliance.low) == (1290.0, 1291.0, 1288.0)
    assert reliance.volume == 400
    assert replay.advance(replay.now_ms + 60_000) == []


def test_ticks_keep_every_word_also_a_volume_that_fell(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path, TICKS))
    (option,) = replay.advance(replay.now_ms + 1)
    assert option.instrument.symbol == "BANKNIFTY25DEC60000CE"
    assert option.instrument.key == "NSE_FO|60166"
    assert option.instrument.expiry == "2025-12-30"
    assert (option.last_price, option.last_quantity, option.previous_close) == (269.2, 35, 339.3)
    assert (option.volume, option.open_interest, option.average_price) == (510160, 1565935, 286.89)
    assert (option.buy_quantity, option.sell_quantity) == (56105, 127330)
    assert option.last_trade_time == 1765771373617
    assert [(rung.price, rung.quantity) for rung in option.bids()] == [(268.2, 70), (268.05, 210)]
    assert option.instrument.option_type == "CE"
    replay.advance(replay.now_ms + 1000)
    assert option.last_price == 268.9
    assert option.volume == 510055
    assert option.bids() == []
    assert option.buy_quantity == 0


def test_last_prices_are_played_under_their_tokens(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path, LAST_PRICES))
    assert sorted(replay.states) == [256265, 10924290]
    replay.advance(replay.now_ms + 86_000_000)
    option = replay.state(10924290)
    assert option is not None
    assert option.last_price == 235.8
    assert option.instrument.strike == 25000
    assert option.instrument.segment == "NSE_FO"


def test_a_packed_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "day.csv.gz"
    path.write_bytes(gzip.compress(BARS.encode()))
    assert len(Replay(path).instruments) == 2


@pytest.mark.parametrize(
    "text",
    ["", "one,two\n1,2\n", BARS.splitlines()[0] + "\n", BARS.replace("1277.0", "many")],
    ids=["empty", "unknown", "no rows", "no number"],
)
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SimulatorError, match=r"day\.csv"):
        Replay(path)


def test_a_missing_recording_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="absent"):
        Replay(tmp_path / "absent.csv")


def test_options_choose_the_market(tmp_path: Path, clock: Clock) -> None:
    assert isinstance(open_venue(SimulatorOptions(replay=str(written(tmp_path, BARS))), clock), Replay)
    options = SimulatorOptions(instruments=300, start="2026-11-20T09:30", rate=100, speed=10)
    venue = open_venue(options, clock)
    assert isinstance(venue, Exchange)
    assert len(venue.instruments) == 300
    assert venue.now_ms == round(dt.datetime.fromisoformat("2026-11-20T09:30+05:30").timestamp() * 1000)
    assert len(venue.advance(venue.now_ms + 1000)) == 10
    for options in (SimulatorOptions(start="tomorrow"), SimulatorOptions(speed=0), SimulatorOptions(rate=-1)):
        with pytest.raises(SimulatorError):
            open_venue(options, clock)


def test_under_a_clock_that_was_set_what_was_recorded_by_its_time_is_played(tmp_path: Path) -> None:
    path = written(tmp_path, BARS)
    early = Replay(path, clock=SetClock.starting(read_moment("2026-06-08T15:00")))
    assert early.advance(ms("2026-06-08T15:28:59")) == []
    assert {each.instrument.symbol for each in early.advance(ms("2026-06-08T15:29:00"))} == {
        "RELIANCE",
        "NIFTY 50",
    }
    late = Replay(path, clock=SetClock.starting(read_moment("2026-06-09T09:15:50")))
    late.advance(ms("2026-06-09T09:15:50"))
    assert late.ended
    assert named(late, "RELIANCE").last_price == 1288.5


def test_without_a_clock_a_recordings_time_stands_just_before_its_first_update(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path, BARS))
    assert replay.clock.time_ns() == (ms("2026-06-08T15:29:00") - 1000) * 1_000_000
    assert replay.now_ms == ms("2026-06-08T15:29:00") - 1


def ms(moment: str) -> int:
    return read_moment(moment) // 1_000_000


def recorded(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no recorded data beside the checkout: {path.name}")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def played(path: Path, step_ms: int = 60_000) -> Replay:
    replay = Replay(path)
    while not replay.ended:
        replay.advance(replay.now_ms + step_ms)
    return replay


@pytest.mark.realdata
def test_a_real_day_of_bars_ends_with_its_closes_and_volumes() -> None:
    path = recorded("nse_minute_2024-02-27_nifty50.csv.gz")
    replay = played(path)
    volumes: dict[str, int] = {}
    closes: dict[str, float] = {}
    highs: dict[str, float] = {}
    for row in rows(path):
        symbol = row["symbol"]
        volumes[symbol] = volumes.get(symbol, 0) + int(row["volume"])
        highs[symbol] = max(highs.get(symbol, 0.0), float(row["high"]))
        closes[symbol] = float(row["close"])
    assert len(closes) == 50
    for symbol, close in closes.items():
        state = named(replay, symbol)
        assert (state.last_price, state.volume, state.high) == (close, volumes[symbol], highs[symbol])


@pytest.mark.realdata
def test_the_real_ticks_are_all_played() -> None:
    path = recorded("nse_ticks_2025-12-15.csv.gz")
    replay = played(path)
    recorded_rows = rows(path)
    assert sum(state.version for state in replay.states.values()) == len(recorded_rows)
    share = named(replay, "MAXHEALTH")
    last = [row for row in recorded_rows if row["symbol"] == "MAXHEALTH"][-1]
    assert share.last_price == float(last["ltp"])
    assert share.volume == int(last["vtt"])


@pytest.mark.realdata
def test_the_real_last_prices_are_all_played() -> None:
    path = recorded("kite_ltp_ticks_2025-10-08.csv.gz")
    replay = played(path)
    assert named(replay, "NIFTY 50").version == 42_483
    assert named(replay, "NIFTY 50").token == 256265


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name", ["nse_minute_2026-06-08_11_index.csv.gz", "nse_minute_2016-09-30_fno166.csv.gz"]
)
def test_the_other_real_bars_can_be_played(name: str) -> None:
    path = recorded(name)
    replay = Replay(path)
    assert len(replay.instruments) == len({row["symbol"] for row in rows(path)})
    count = 0
    while not replay.ended:
        count += len(replay.advance(replay.now_ms + 15_000))
    assert count == sum(state.version for state in replay.states.values())


@pytest.mark.realdata
def test_each_of_the_real_ticks_is_a_change_of_its_own_with_its_recorded_words() -> None:
    path = recorded("nse_ticks_2025-12-15.csv.gz")
    replay = Replay(path)
    said: dict[str, list[tuple[float, int]]] = {}
    for change in replay.updates(ms("2025-12-16")):
        assert not isinstance(change, CutFrame)
        (state,) = change
        said.setdefault(state.instrument.key, []).append((state.last_price, state.volume))
    wanted: dict[str, list[tuple[float, int]]] = {}
    for row in rows(path):
        wanted.setdefault(row["instrument_key"], []).append((float(row["ltp"]), int(row["vtt"] or 0)))
    assert said == wanted
