"""What can be played: every kind of source gives every update back in its order."""

from __future__ import annotations

import gzip
import json
import random

import msgspec
import pytest

from mdactors.cli.tables import writer
from mdactors.errors import SimulatorError
from mdactors.market.instrument import Instrument, InstrumentRow
from mdactors.market.position import Position
from mdactors.market.quote import Quote
from mdactors.market.tick import Tick
from mdactors.market.tick_formats import format_ticks
from mdactors.plugins import load_simulator
from mdactors.runtime import HeldClock
from mdactors.simulator import Replay, SimulatorOptions, open_venue
from mdactors.simulator.ordering import in_order
from mdactors.simulator.recording import Window
from mdactors.simulator.sources import open_recording
from mdactors.store.frames import FrameWriter
from mdactors.store.journal import Journal
from mdactors.store.sqlite import SqliteDatabase
from mdactors.store.ticks_sqlite import SqliteTicks

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
FUTURE = Instrument(13000194, "NIFTY26NOVFUT", "NSE", "NSE_FO", "FUTURE", "NSE_FO|50782")
BSE = Instrument(
    128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", own_name="BSE:RELIANCE"
)
OPEN = 1_795_146_300_000
MS = 1_000_000


def ticks():
    """Sent in this order: late ones, such as say nothing new, two of one millisecond, an older epoch."""
    found, seqs = [], {}
    for number in range(120):
        instrument = (RELIANCE, FUTURE, BSE)[number % 3]
        epoch = 7 if number < 60 else 8
        seq = seqs[instrument, epoch] = seqs.get((instrument, epoch), 0) + 1
        late = 900 if number % 7 == 0 else 0
        quote = Quote(
            "x", "full", 1400 + number // 6, 3, OPEN + number * 40, number * 5, 1400.25, 1399.0, 1500.0,
            1398.0, 1390.5, number, 7, 8, OPEN + number * 40 - late, complete=True,
        )  # fmt: skip
        received = (OPEN + number * 40 // 100 * 100 + 37) * MS
        found.append(Tick(instrument, quote, "kite", epoch, seq, received, late=bool(late)))
    return found


def by_instrument(found):
    """As `export` reads them: one instrument after another, by the exchange's time."""
    return sorted(found, key=lambda each: (each.instrument.token, each.quote.exchange_time))


def journal(folder, found):
    opened = Journal(folder / "journal", segment_bytes=1 << 20, max_bytes=1 << 24)
    appender = opened.appender()
    for start in range(0, len(found), 7):
        appender.append(found[start : start + 7])
    appender.sync()
    opened.close()
    return folder / "journal"


def store(folder, found):
    kept = SqliteTicks(SqliteDatabase(folder / "ticks.db"))
    kept.write(found, None, Position("0" * 16, 1, 100, len(found)))
    kept.close()
    return folder / "ticks.db"


def configuration(folder, found):
    store(folder, found)
    path = folder / "mdactors.yaml"
    path.write_text(json.dumps({"data_dir": str(folder)}))
    return path


def text(kind, packed=False):
    def write(folder, found):
        data = b"".join(format_ticks([by_instrument(found)], kind, "full", ()))
        path = folder / f"ticks.{kind}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
        return path

    return write


def parquet(folder, found):
    path = folder / "ticks.parquet"
    writer(".parquet")(path, [by_instrument(found)], "full")
    return path


SOURCES = {
    "csv": text("csv"), "csv.gz": text("csv", packed=True), "ndjson": text("ndjson"), "parquet": parquet,
    "store": store, "configuration": configuration, "journal": journal,
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_update_comes_back_in_its_order(tmp_path, source):
    sent = ticks()
    recording = open_recording(source(tmp_path, sent))
    events = list(recording.events())
    assert len(events) == len(sent)
    assert recording.count in (len(sent), None)
    assert [event.time_ms for event in events] == [tick.received_ns // MS for tick in sent]
    for instrument in (RELIANCE, FUTURE, BSE):
        mine = [event for event in events if event.name == str(instrument.token)]
        said = [tick for tick in sent if tick.instrument == instrument]
        assert [(e.epoch, e.seq, e.price, e.volume, e.exchange_ms, e.traded_ms) for e in mine] == [
            (
                t.epoch,
                t.seq,
                t.quote.last_price,
                t.quote.volume,
                t.quote.exchange_time,
                t.quote.last_trade_time,
            )
            for t in said
        ]
        first = mine[3]
        assert (first.previous_close, first.open, first.high, first.low) == (1390.5, 1399.0, 1500.0, 1398.0)
        assert (first.average_price, first.quantity, first.buy_quantity, first.sell_quantity) == (
            1400.25,
            3,
            7,
            8,
        )
    assert list(recording.events()) == events, "it can be played again"
    rows = {row.token: row for row in recording.instruments.values()}
    for instrument in (RELIANCE, FUTURE, BSE):
        row = rows[instrument.token]
        assert (row.symbol, row.exchange, row.key) == (instrument.symbol, instrument.exchange, instrument.key)
    assert rows[FUTURE.token].expiry == "2026-11-24"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_part_of_it_can_be_meant(tmp_path, source):
    sent = ticks()
    window = Window(OPEN + 1000, OPEN + 3000)
    recording = open_recording(source(tmp_path, sent), window=window)
    times = [tick.received_ns // MS for tick in sent if window.holds(tick.received_ns // MS)]
    assert [event.time_ms for event in recording.events()] == times
    assert recording.begins_ms == times[0]
    assert times[-1] <= recording.ends_ms <= window.to_ms
    with pytest.raises(SimulatorError, match="of that time"):
        open_recording(recording.path, window=Window(1, 2))


def test_more_than_fits_into_memory_is_put_in_order_by_and_by():
    from mdactors.simulator.events import Event

    events = [Event(at, str(place), 1.0) for place, at in enumerate(range(0, 900, 3))]
    events += [Event(at, "again", 2.0) for at in range(0, 900, 3)]
    mixed = random.Random(1).sample(events, len(events))
    expected = sorted(mixed, key=lambda event: event.time_ms)
    assert list(in_order(iter(mixed), run=50)) == expected, "also stable"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.bin", bytes(range(256)), "not a readable recording"),
        ("a.json", b'[{"symbol": 1}]', "it is one JSON array: write NDJSON"),
        ("a.ndjson", b'{"symbol": "RELIANCE"}\n', "neither minute bars nor ticks"),
        ("a.ndjson", b'{"symbol": "RELIANCE"\n', "not a readable recording"),
        ("a.csv", b"symbol,price\nRELIANCE,1\n", "neither minute bars nor ticks"),
        ("a.parquet", b"PAR1 and no more", "not a readable recording"),
        ("a.db", b"SQLite format 3\0" + bytes(100), "cannot be"),
        ("a.yaml", b"store: {kind: cupboard}\n", "store.kind"),
        ("a.frames", b"mdframes\x01\x00", "holds no frames"),
        ("a.frames", b"mdframes\x07\x00", "format 7"),
        (
            "a.csv.gz",
            gzip.compress(b"symbol,timestamp,open,high,low,close,volume\n" * 9)[:-9],
            "not a readable",
        ),
    ],
)
def test_what_cannot_be_played_is_one_line_that_names_it(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SimulatorError, match=reason) as raised:
        open_recording(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_journal_is_named(tmp_path):
    with pytest.raises(SimulatorError, match="holds no journal"):
        open_recording(tmp_path)


def test_without_a_clock_it_is_of_today_and_contracts_live_as_long_as_they_did(tmp_path, clock, monkeypatch):
    path = text("csv")(tmp_path, ticks())
    monkeypatch.setattr(clock, "timeline", lambda: None)  # a machine on which it is that day
    monkeypatch.setattr(clock, "time_ns", lambda: (OPEN + 5 * 86_400_000 + 3_600_000) * MS)
    replay = open_venue(SimulatorOptions(replay=str(path), speed=60), clock)
    assert isinstance(replay, Replay)
    assert isinstance(replay.clock, HeldClock)
    assert replay.clock.time_ns() == (replay.recording.begins_ms + 5 * 86_400_000 - 1000) * MS
    assert replay.clock.speed == 60
    replay.advance(replay.now_ms + 60_000)
    future = replay.by_name("NSE", "NIFTY26NOVFUT")
    assert future.instrument.expiry == "2026-11-29"
    assert future.last_trade_time == OPEN + 5 * 86_400_000 + 118 * 40
    own = open_venue(SimulatorOptions(replay=str(path)), clock, own_time=True)
    assert own.clock.time_ns() == (replay.recording.begins_ms - 1000) * MS


# --- raw frames ----------------------------------------------------------------------------------------


class Listener:
    """The other end of a conversation, in the same process."""

    id = 1
    is_open = True

    def __init__(self):
        self.heard, self.counted = [], []

    def send(self, data):
        self.heard.append(data)

    def ping(self):
        self.heard.append("ping")

    def count_sent(self, token, updates, content):
        self.counted.append((token, content))


def row(instrument):
    return InstrumentRow(*msgspec.structs.astuple(instrument))


def frames(broker, venue, path, speakers=(RELIANCE, BSE)):
    """Record what a made-up market says of two shares: frames with both in them, and heartbeats."""
    peer, simulator = Listener(), load_simulator(broker)(venue, SimulatorOptions(beat=0))
    conversation = converse(simulator, peer)
    subscribe(broker, conversation, speakers)
    for _ in range(40):
        now = venue.now_ms + 500
        conversation.on_beat(venue.advance(now), now)
    with FrameWriter(path) as writing:
        writing.describe(broker, map(row, speakers))
        for number, frame in enumerate(peer.heard):
            writing.write((OPEN + number * 100) * MS, f"{broker}/connection-1", frame)
    return peer


def converse(simulator, peer):
    from importlib import import_module

    module = import_module(type(simulator).__module__)
    name = f"{simulator.name.capitalize()}Conversation"
    conversation = getattr(module, name)(peer, simulator)
    conversation.on_open()
    return conversation


def subscribe(broker, conversation, instruments):
    if broker == "kite":
        tokens = [each.token for each in instruments]
        conversation.on_message(json.dumps({"a": "subscribe", "v": tokens}))
        conversation.on_message(json.dumps({"a": "mode", "v": ["full", tokens]}))
        return
    keys = [each.key for each in instruments]
    conversation.on_message(
        json.dumps({"guid": "g", "method": "sub", "data": {"instrumentKeys": keys, "mode": "full"}}).encode()
    )


@pytest.fixture(params=["kite", "upstox"])
def played(request, tmp_path):
    """``played(instruments)``: what was recorded, and what a client that wants these gets of it."""
    broker = request.param
    venue = open_venue(SimulatorOptions(rate=60, start="2026-11-20T10:00"), HeldClock(OPEN * MS))
    recorded = frames(broker, venue, tmp_path / "day.frames.gz")
    kind = load_simulator(broker)

    def play(instruments):
        recording = open_recording(tmp_path / "day.frames.gz", broker=broker, cut=kind.cut)
        replay = Replay(recording, cut=kind.cut)
        client = Listener()
        conversation = converse(kind(replay, SimulatorOptions()), client)
        subscribe(broker, conversation, instruments)
        assert replay.wanted
        assert client.heard == [], "nothing is known yet"
        for frame in replay.updates(OPEN + 3_600_000):
            conversation.on_frame(frame)
        return recorded, client

    return play


def test_who_wants_all_of_it_gets_every_frame_byte_for_byte(played):
    recorded, client = played([RELIANCE, BSE])
    assert client.heard == recorded.heard
    assert client.counted == recorded.counted
    assert len(client.counted) > 15


def test_who_wants_a_part_gets_just_that_with_its_bytes(played):
    recorded, client = played([RELIANCE])
    mine = [(token, content) for token, content in recorded.counted if token == RELIANCE.token]
    assert client.counted == mine
    assert 0 < len(mine) < len(recorded.counted)
    assert len(client.heard) <= len(recorded.heard)
    assert not any(BSE.key.encode() in frame for frame in client.heard)


def test_who_subscribes_later_is_told_what_was_said_last(tmp_path):
    venue = open_venue(SimulatorOptions(rate=60, start="2026-11-20T10:00"), HeldClock(OPEN * MS))
    recorded = frames("kite", venue, tmp_path / "day.frames")
    kind = load_simulator("kite")
    replay = Replay(tmp_path / "day.frames", cut=kind.cut)
    list(replay.updates(OPEN + 3_600_000))
    client = Listener()
    subscribe("kite", converse(kind(replay, SimulatorOptions()), client), [BSE])
    last = [content for token, content in recorded.counted if token == BSE.token][-1]
    assert [content for _, content in client.counted] == [last, last], "to subscribe, and to the mode"


def test_frames_of_another_broker_are_refused(tmp_path):
    venue = open_venue(SimulatorOptions(rate=60, start="2026-11-20T10:00"), HeldClock(OPEN * MS))
    frames("kite", venue, tmp_path / "day.frames")
    with pytest.raises(SimulatorError, match="its frames are of kite, not of upstox"):
        open_recording(tmp_path / "day.frames", broker="upstox")


def test_frames_without_a_listing_are_of_the_instruments_that_they_name(tmp_path):
    venue = open_venue(SimulatorOptions(rate=60, start="2026-11-20T10:00"), HeldClock(OPEN * MS))
    peer = frames("kite", venue, tmp_path / "listed.frames")
    with FrameWriter(tmp_path / "bare.frames") as writing:
        for number, frame in enumerate(peer.heard):
            writing.write((OPEN + number) * MS, "", frame)
    recording = open_recording(tmp_path / "bare.frames", cut=load_simulator("kite").cut)
    assert {each.token for each in recording.instruments.values()} == {RELIANCE.token, BSE.token}


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_damaged_frame_is_for_everybody(broker):
    cut = load_simulator(broker).cut
    for frame in (b"", b"\x00", b"\x00\x02\x00\xff", b"\x12\xff\xff", b"\x12\x03\x0a\x01\xff", "text"):
        assert cut(frame).pieces == () or cut(frame).pieces == []
        assert cut(frame).data == frame
