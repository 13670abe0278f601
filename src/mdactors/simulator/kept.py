"""What a daemon kept as a recording: its store of ticks, or the folder of its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mdactors.errors import SimulatorError, StoreError
from mdactors.market import tick as market
from mdactors.market.instrument import Instrument, InstrumentRow
from mdactors.market.quote import BrokerBar, Depth, Quote
from mdactors.plugins import quote_classes
from mdactors.simulator.events import Tick, Update
from mdactors.simulator.listing import completed
from mdactors.simulator.recording import Advance, Recording, Window
from mdactors.simulator.state import Candle, FixedBook
from mdactors.store.journal_reader import JournalReader
from mdactors.store.journal_segment import segments
from mdactors.store.ticks import StoredTick, TickStore

_PAGE = 5_000
_NS_PER_MS = 1_000_000
_FAR_NS = 2**62


class StoreRecording(Recording):
    """A store of ticks, in the order of their receipt; ``close`` gives it back."""

    def __init__(self, path: Path, store: TickStore, window: Window) -> None:
        self.path = path
        self._store = store
        self._quotes = quote_classes()
        self._from_ns = window.from_ms * _NS_PER_MS
        self._to_ns = min(window.to_ms * _NS_PER_MS, _FAR_NS)
        first = store.received(self._from_ns, self._to_ns, 1)
        newest = store.newest(self._from_ns)
        if not first:
            raise SimulatorError(f"{path}: holds no ticks{_within(window)}")
        self.instruments = {str(row.instrument_token): _row(row.tick(Quote).instrument) for row in newest}
        firsts = (store.read(row.instrument_token, self._from_ns, self._to_ns, 1) for row in newest)
        self._firsts = {str(row.instrument_token): self._event(row) for page in firsts for row in page}
        self.begins_ms = first[0].received_at
        self.ends_ms = min(max(row.received_at for row in newest), self._to_ns // _NS_PER_MS)
        self.count = None

    @property
    def firsts(self) -> Mapping[str, Update]:
        """The first of each instrument."""
        return self._firsts

    def events(self) -> Iterator[Tick]:
        """Page by page."""
        after: StoredTick | None = None
        while page := self._store.received(self._from_ns, self._to_ns, _PAGE, after):
            yield from map(self._event, page)
            after = page[-1]

    def _event(self, row: StoredTick) -> Tick:
        return _event(row.tick(self._quotes.get(row.source, Quote)))


class JournalRecording(Recording):
    """A journal's folder, in the order in which it was written. It is read once to know what is in it."""

    def __init__(self, path: Path, window: Window, advance: Advance) -> None:
        self.path = path
        self._window = window
        self._quotes = quote_classes()
        found = segments(path)
        if not found:
            raise SimulatorError(f"{path}: holds no journal")
        last = max(found[-1].number - found[0].number + 1, 1)
        instruments: dict[str, InstrumentRow] = {}
        self._firsts: dict[str, Update] = {}
        self.count = 0
        for number, tick in self._ticks():
            time_ms = tick.received_ns // _NS_PER_MS
            if not self.count:
                self.begins_ms = self.ends_ms = time_ms
            self.count += 1
            self.ends_ms = max(self.ends_ms, time_ms)
            if (name := str(tick.instrument.token)) not in instruments:
                instruments[name] = _row(tick.instrument)
                self._firsts[name] = _event(tick)
            if self.count % _PAGE == 0:
                advance((number - found[0].number) / last)
        if not self.count:
            raise SimulatorError(f"{path}: holds no ticks{_within(window)}")
        self.instruments = instruments

    @property
    def firsts(self) -> Mapping[str, Update]:
        """The first of each instrument."""
        return self._firsts

    def events(self) -> Iterator[Tick]:
        """Record by record; a clock that went back moves nothing."""
        newest = 0
        for _, tick in self._ticks():
            event = _event(tick)
            newest = max(newest, event.time_ms)
            yield event if event.time_ms == newest else msgspec.structs.replace(event, time_ms=newest)

    def _ticks(self) -> Iterator[tuple[int, market.Tick]]:
        """Each tick of the window and the number of its segment."""
        reader = JournalReader(self.path)
        try:
            ticks, after = reader.read(None, None, _PAGE)
            while ticks and after is not None:
                for tick in ticks:
                    if self._window.holds(tick.received_ns // _NS_PER_MS):
                        yield after.segment, self._readable(tick)
                ticks, after = reader.read(after, None, _PAGE)
            self.damage = list(reader.damage)
        except StoreError as error:
            raise SimulatorError(str(error)) from None
        finally:
            reader.close()

    def _readable(self, tick: market.Tick) -> market.Tick:
        """The tick with a quote that can read its book."""
        kind = self._quotes.get(tick.source)
        if kind is None:
            return tick
        quote = kind(*msgspec.structs.astuple(tick.quote))
        return msgspec.structs.replace(tick, quote=quote)


def _within(window: Window) -> str:
    return "" if window == Window() else " of that time"


def _row(instrument: Instrument) -> InstrumentRow:
    row = InstrumentRow(*msgspec.structs.astuple(instrument))
    series = row.series or ("EQ" if row.segment == "NSE_EQ" else "")
    return completed(msgspec.structs.replace(row, name=row.symbol, series=series))


def _candle(bar: BrokerBar) -> Candle:
    return Candle(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.start)


def _event(tick: market.Tick) -> Tick:
    quote = tick.quote
    depth = quote.depth() or Depth((), ())
    return Tick(
        time_ms=tick.received_ns // _NS_PER_MS,
        name=str(tick.instrument.token),
        price=quote.last_price or 0.0,
        quantity=quote.last_quantity or 0,
        traded_ms=quote.last_trade_time or 0,
        previous_close=quote.previous_close or 0.0,
        volume=quote.volume or 0,
        open_interest=quote.open_interest or 0,
        average_price=quote.average_price or 0.0,
        buy_quantity=quote.buy_quantity or 0,
        sell_quantity=quote.sell_quantity or 0,
        book=FixedBook(depth.buy, depth.sell),
        exchange_ms=quote.exchange_time or 0,
        open=quote.open or 0.0,
        high=quote.high or 0.0,
        low=quote.low or 0.0,
        open_interest_high=quote.open_interest_high or 0,
        open_interest_low=quote.open_interest_low or 0,
        greeks=quote.greeks(),
        iv=quote.iv,
        minute=None if (bar := quote.minute) is None else _candle(bar),
        epoch=tick.epoch,
        seq=tick.seq,
    )
