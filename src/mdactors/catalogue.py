"""The process that loads the instruments: the other end of `catalogue_process`.

Started as ``python -m mdactors.catalogue DESCRIPTOR``; ends when it is done, or when whoever started it does.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from mdactors import service
from mdactors.adapter import BrokerAdapter, Download, Secret
from mdactors.config import SQL_SOURCE, Settings, load_calendar
from mdactors.errors import BrokerError, BrokerUnavailable, MdactorsError, StoreError
from mdactors.market import ist, naming
from mdactors.market.classifying import classify
from mdactors.market.instrument import InstrumentRow
from mdactors.market.instruments import FILE as TABLE
from mdactors.market.instruments import InstrumentTable
from mdactors.market.merging import Merged
from mdactors.market.quote import BrokerToken
from mdactors.market.sectors import Sector
from mdactors.market.trading_class import FUTURES
from mdactors.plugins import make_adapters
from mdactors.runtime.clock import clock_of
from mdactors.store import instruments, instruments_sqlite
from mdactors.store.catalogue_process import Failed, Loaded, Order, Progress, Word, encode
from mdactors.store.downloads import FOLDER, Downloads, Kept
from mdactors.store.lists import load_sectors

ROWS_A_WORD = 5000
"""How often progress is told."""
LEAST_SHARE = 0.5
"""A list with fewer of the rows that there were before was cut off on its way."""

Rows = list[tuple[InstrumentRow, BrokerToken]]
Tell = Callable[[Word], None]
_order = msgspec.msgpack.Decoder(Order, dec_hook=lambda _kind, text: Secret(text)).decode


def main() -> None:
    """Load what is ordered, and tell how far it is."""
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        # The instruments can wait, live ticks cannot.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Ctrl-C is for who started this: the end of the pipe follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as connection:
        order = _order(connection.recv_bytes())
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        service.prepare_process(order.log)
        try:
            word: Word = load(order, lambda progress: connection.send_bytes(encode(progress)))
        except MdactorsError as error:
            word = Failed(str(error))
        connection.send_bytes(encode(word))


def _end_with(connection: Connection) -> None:
    """Nobody says anything more: what can be read is that the other side is gone."""
    try:
        connection.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def load(order: Order, tell: Tell) -> Loaded:
    """Download, read, merge and write all that is ordered.

    A source that fails, or lists fewer than half of what it did, keeps the rows it had. Names that the
    table before gave today stay. Waits while another process loads into the same folder.

    Raises:
        BrokerError: no source has any rows, or one whose rows were there has none any more; nothing is
            written.
        MdactorsError: the order does not fit the adapters, or the files cannot be written.
    """
    downloads = Downloads(Path(order.folder) / FOLDER)
    with downloads.locked():
        settings = Settings(brokers=order.brokers, instruments=order.instruments)
        today = ist.date(clock_of(order.timeline).time_ns()).isoformat()
        fetching = _Fetching(order, make_adapters(settings), downloads, tell, today)
        names = order.instruments.sources or list(order.brokers)
        listed = {name: fetching.rows(name) for name in names}
        merged = _merged(order, listed)
        before = _table_before(order)
        if not merged.by_token or (before and _loses_a_broker(order, listed, before)):
            raise BrokerError("; ".join(fetching.failures) or "no source of instruments is configured")
        return _write(order, merged, fetching, before, today)


def _table_before(order: Order) -> InstrumentTable | None:
    """The table that is there; None where there is none, or none that can be read."""
    try:
        return InstrumentTable.load(Path(order.folder) / TABLE)
    except StoreError:
        return None


def _loses_a_broker(order: Order, listed: Mapping[str, Rows], before: InstrumentTable) -> bool:
    """Whether a source has no rows, and the table that is there has some of its broker's."""
    empty = [order.instruments.source(source) for source, rows in listed.items() if not rows]
    return any(before.broker_tokens(adapter) for adapter, further in empty if not further)


def _write(
    order: Order, merged: Merged, fetching: _Fetching, before: InstrumentTable | None, today: str
) -> Loaded:
    """Put the files in the place of those before, and fill what other programs read."""
    folder = Path(order.folder)
    sectors = load_sectors(order.sectors, folder)
    known = [sector for code in sectors.codes() if (sector := sectors.find(code))]
    calendar = load_calendar(order.calendar)
    rows: Sequence[InstrumentRow] = list(
        classify(
            merged.rows(order.instruments.series, sectors.sector_of),
            dt.date.fromisoformat(today),
            lambda day: calendar.trades(FUTURES, day),
        )
    )
    named = naming.name(rows, before.in_force(today) if before is not None else None)
    rows, table = named.rows, InstrumentTable.of_named(named, merged.tokens, today, before)
    instruments_sqlite.write(folder / instruments.FILE, rows, known)
    table.save(folder / TABLE)
    strangers = [each for found in merged.strangers.values() for each in found]
    return Loaded(
        counts=table.counts(),
        sources=fetching.counts,
        failures=[*fetching.failures, *_copy(order, rows, known)],
        apart=[f"{each.symbol}: {each.reason}" for each in strangers],
    )


class _Fetching:
    """Gets the rows of each source, and remembers what went wrong."""

    def __init__(
        self,
        order: Order,
        adapters: Mapping[str, BrokerAdapter],
        downloads: Downloads,
        tell: Tell,
        today: str,
    ) -> None:
        self.failures: list[str] = []
        self.counts: dict[str, int] = {}
        self._order = order
        self._adapters = adapters
        self._tell = tell
        self._downloads = downloads
        self._today = today

    def rows(self, source: str) -> Rows:
        """The newest rows of a source; none where there never were any."""
        kept = self._downloads.get(source)
        rows: Rows = []
        try:
            download = self._download(source, kept.download if kept else None)
            if download is not None:
                rows = self._fresh(source, download, kept)
        except BrokerError as error:
            self.failures.append(str(error))
        if not rows and kept is not None:
            # An old list cannot say what has expired since.
            read = self._read(source, kept.download.data, kept.rows)
            rows = [(row, token) for row, token in read if not row.expiry or row.expiry >= self._today]
        self.counts[source] = len(rows)
        return rows

    def _download(self, source: str, before: Download | None) -> Download | None:
        file = self._order.files.get(source)
        if file is not None:
            try:
                return Download(Path(file).read_bytes())
            except OSError as error:
                raise BrokerUnavailable(f"{file}: cannot be read: {error.strerror}") from None
        if self._order.files and before is not None:
            return None
        if source == SQL_SOURCE:
            from mdactors.store.instruments_source import fetch

            return Download(fetch(self._order.instruments.sql))
        adapter, further = self._order.instruments.source(source)
        return self._adapters[adapter].download(further, before)

    def _fresh(self, source: str, download: Download, kept: Kept | None) -> Rows:
        expected = kept.rows if kept else 0
        rows = self._read(source, download.data, expected)
        if not rows:
            raise BrokerUnavailable(f"{source} listed no instruments")
        if len(rows) < LEAST_SHARE * expected:
            before = f"{expected} the time before, which stay"
            raise BrokerUnavailable(f"{source} listed {len(rows)} instruments, {before}")
        self._downloads.put(source, Kept(download, len(rows)))
        return rows

    def _read(self, source: str, data: bytes, expected: int) -> Rows:
        adapter, further = self._order.instruments.source(source)
        rows: Rows = []
        for listing in self._adapters[adapter].listings(data, further):
            rows.append((listing.instrument, listing.token))
            if len(rows) % ROWS_A_WORD == 0:
                self._tell(Progress(source, len(rows), expected))
        self._tell(Progress(source, len(rows), len(rows)))
        return rows


def _merged(order: Order, listed: Mapping[str, Rows]) -> Merged:
    """Further lists complete what the others list, wherever they are named."""
    merged = Merged()
    for source, rows in listed.items():
        adapter, further = order.instruments.source(source)
        if not further:
            merged.add(adapter, rows)
    for source, rows in listed.items():
        if order.instruments.source(source)[1]:
            merged.complete(row for row, _ in rows)
    return merged


def _copy(order: Order, rows: Sequence[InstrumentRow], sectors: Sequence[Sector]) -> Iterator[str]:
    """Fill the tables and lists that other programs read; why one of them is still as it was."""
    try:
        if order.store.kind == "postgres":
            from mdactors.store import instruments_postgres

            instruments_postgres.write(order.store, rows, sectors)
    except StoreError as error:
        yield str(error)
    try:
        if order.cache.kind == "redis":
            from mdactors.store import instruments_redis

            instruments_redis.write(order.cache, rows)
    except StoreError as error:
        yield str(error)


if __name__ == "__main__":
    main()
