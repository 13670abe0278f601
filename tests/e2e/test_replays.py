"""A recorded stretch of time through a broker's wire and the whole daemon, at 60 times its speed."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import zlib
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from mdactors.market import ist
from mdactors.market.moment import read_moment
from mdactors.simulator import Replay

BROKERS = ["kite", "upstox"]
ANSWERS = {"kite": 2, "upstox": 1}
"""By so many snapshots a subscription is answered: on Kite in mode quote, and in the mode that is wanted."""
SPEED = 60.0
MINUTES = 3
OPEN_MS = read_moment("2026-11-20T09:15") // 1_000_000
KEYS = {"RELIANCE": "NSE_EQ|INE002A01018", "INFY": "NSE_EQ|INE009A01021", "NIFTY 50": "NSE_INDEX|Nifty 50"}
STEP_MS = 250
TRADED = 5
"""In the first of the trades."""
HEAD = "symbol,instrument_key,recv_time,ltt_ms,ltp,ltq,prev_close,vtt,oi,atp,tbq,tsq," + ",".join(
    f"{side}{rung}_{word}" for side in ("bid", "ask") for rung in range(1, 6) for word in "pq"
)
BOOK = "1499.9,5" + "," * 8 + ",1500.1,5" + "," * 8


def recorded():
    """Rows of a day's begin: four updates of each instrument a second, some say what the last one said."""
    volumes = dict.fromkeys(KEYS, 0)
    for number in range(MINUTES * 60_000 // STEP_MS):
        at = OPEN_MS + number * STEP_MS
        for place, symbol in enumerate(KEYS):
            if number % 5:
                volumes[symbol] += (7 * number + place) % 23
            elif not number:
                volumes[symbol] = TRADED
            price = 1500 + (number // 5 * (place + 3)) % 40 / 10
            yield symbol, at, round(price, 2), 0 if symbol == "NIFTY 50" else volumes[symbol]


def written(path: Path) -> Path:
    rows = [
        f"{symbol},{KEYS[symbol]},{ist.iso(at)},{at},{price},{TRADED},1490,{volume or ''},"
        f",1500,100,100,{BOOK}"
        for symbol, at, price, volume in recorded()
    ]
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


def stored(folder: Path):
    """Symbol -> its rows in order; symbol and minute -> its volume."""
    rows, bars = defaultdict(list), defaultdict(dict)
    with closing(sqlite3.connect(folder / "ticks.db")) as database:
        for symbol, *row in database.execute(
            "SELECT tradingsymbol, epoch, seq, last_price, volume, last_trade_time, raw_tick_data FROM ticks "
            "ORDER BY epoch, instrument_token, seq"
        ):
            rows[symbol].append(row)
        names = dict(database.execute("SELECT DISTINCT instrument_key, tradingsymbol FROM ticks"))
        for key, start, volume in database.execute("SELECT instrument_key, ts, volume FROM market_ohlc_1m"):
            bars[names[key]][start] = volume
    return rows, bars


@pytest.mark.parametrize("broker", BROKERS)
def test_every_update_is_stored_once_in_its_order_and_every_minute_has_its_volume(
    broker, simulate, configuration, run_daemon, wait_until, tmp_path
):
    replay = Replay(written(tmp_path / "day.csv"), speed=SPEED)
    log = tmp_path / "sent.jsonl"
    server = simulate(broker, venue=replay, clock=replay.clock, sent_log=str(log))
    raw = configuration(
        {broker: {**server.settings(), "connections": 1}},
        subscriptions={"symbols": list(KEYS)},
        store={"batch_age": "100ms"},
        data_dir=str(tmp_path / "kept"),
        calendar={},
    )
    daemon = run_daemon(raw, clock=replay.clock)
    wait_until(lambda: replay.over, 60)
    count = len(list(recorded()))

    def ticks():
        return daemon.get("/api/status")[1]["counters"][f"{broker}/normalizer"].get("ticks")

    count += ANSWERS[broker] * len(KEYS)
    wait_until(lambda: ticks() == count)
    minutes = {OPEN_MS + minute * 60_000 for minute in range(MINUTES)}
    # An index may have a bar before the open: it was told before.
    wait_until(
        lambda: [minutes <= found.keys() for found in stored(tmp_path / "kept")[1].values()] == [True] * 3
    )
    daemon.stop()
    sent = {token: n for counts in server.sent().values() for token, n in counts.items()}
    assert sum(sent.values()) == count
    rows, bars = stored(tmp_path / "kept")
    of = {state.instrument.symbol: token for token, state in replay.states.items()}
    sums = {}
    for line in log.read_bytes().splitlines():
        sums.update(msgspec.json.decode(line)["checksums"])
    for symbol in KEYS:
        mine = [row for row in recorded() if row[0] == symbol]
        assert [row[1] for row in rows[symbol]] == list(range(1, len(rows[symbol]) + 1))
        live = rows[symbol][ANSWERS[broker] :]
        assert [row[2] for row in live] == [price for _, _, price, _ in mine]
        if symbol != "NIFTY 50":
            assert [row[3] or 0 for row in live] == [volume for *_, volume in mine]
            wholes = [
                max(v for _, at, _, v in mine if at < OPEN_MS + (m + 1) * 60_000) for m in range(MINUTES)
            ]
            gains = [whole - before for before, whole in zip([0, *wholes], wholes, strict=False)]
            assert [bars[symbol][OPEN_MS + m * 60_000] for m in range(MINUTES)] == gains
        assert zlib.crc32(b"".join(row[5] for row in rows[symbol])) == sums[str(of[symbol])]


def test_a_daemon_gets_the_printed_clock_and_the_recording_waits_for_it(
    mdactors, configuration, tmp_path, wait_until
):
    day = written(tmp_path / "day.csv")
    simulator = mdactors(
        "simulate",
        "--broker",
        "kite",
        "--port",
        0,
        "--replay",
        day,
        "--clock",
        "recording@240",
        "--exit-at-end",
    )
    wait_until(lambda: "--clock" in simulator.out)
    (clock,) = re.findall(r"in the same time: --clock (\S+)", simulator.out)
    assert clock.startswith("2026-11-20T09:14:59+05:30@240.0@/")
    settings = {
        name: json.loads(value)
        for name, value in re.findall(r"^    (\w+): (.*)$", simulator.out, re.MULTILINE)
    }
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps(
            configuration(
                {"kite": settings}, subscriptions={"symbols": list(KEYS)}, data_dir=str(tmp_path / "kept")
            )
        )
    )
    daemon = mdactors("run", "--config", config, "--clock", clock)
    assert simulator.child.wait(60) == 0
    count = len(list(recorded()))
    stored_count = count + ANSWERS["kite"] * len(KEYS)
    assert f"the recording is over: {count:,} updates were played\n" in simulator.err
    wait_until(
        lambda: daemon.get("/api/status")[1]["counters"]["kite/normalizer"].get("ticks") == stored_count
    )
    assert daemon.end(signal.SIGTERM) == 0
    rows, _ = stored(tmp_path / "kept")
    assert {symbol: len(found) for symbol, found in rows.items()} == dict.fromkeys(
        KEYS, stored_count // len(KEYS)
    )
    times = [row[4] for found in rows.values() for row in found if row[4]]
    assert OPEN_MS - 1000 <= min(times) <= max(times) < OPEN_MS + MINUTES * 60_000
    assert not Path(clock.rpartition("@")[2]).exists()
