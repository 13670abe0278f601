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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from mdactors import service
from mdactors.adapter import Secret
from mdactors.config import Settings, load_calendar
from mdactors.errors import BrokerError, MdactorsError, StoreError
from mdactors.market import ist, naming
from mdactors.market.classifying import classify
from mdactors.market.instrument import InstrumentRow
from mdactors.market.instruments import FILE as TABLE
from mdactors.market.instruments import InstrumentTable
from mdactors.market.merging import Merged
from mdactors.market.parts import Rows
from mdactors.market.sectors import Sector
from mdactors.market.trading_class import FUTURES
from mdactors.plugins import make_adapters, sources_of
from mdactors.runtime.clock import clock_of
from mdactors.store import instruments, instruments_sqlite
from mdactors.store.broker_lists import BrokerLists, shown
from mdactors.store.catalogue_process import Failed, Loaded, Order, Word, encode
from mdactors.store.downloads import FOLDER, Downloads
from mdactors.store.lists import load_sectors

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

    A source that fails keeps the rows it had, and so does a part of a list that is gone or has fewer than
    half of its rows. Names that the table before gave today stay. Waits while another process loads into
    the same folder.

    Raises:
        BrokerError: no source has any rows, or one whose rows were there has none any more; nothing is
            written.
        MdactorsError: the order does not fit the adapters, or the files cannot be written.
    """
    downloads = Downloads(Path(order.folder) / FOLDER)
    with downloads.locked():
        settings = Settings(brokers=order.brokers, instruments=order.instruments)
        sources = sources_of(settings)
        named = msgspec.structs.replace(order.instruments, sources=sources)
        settings = msgspec.structs.replace(settings, instruments=named)
        today = ist.date(clock_of(order.timeline).time_ns()).isoformat()
        lists = BrokerLists(order, make_adapters(settings), downloads, tell, today)
        listed = {source: lists.rows(source) for source in sources}
        merged = _merged(order, listed)
        before = _table_before(order)
        if not merged.by_token or (before and _loses_a_broker(order, listed, before)):
            raise BrokerError("; ".join(lists.failures) or "no source of instruments is configured")
        return _write(order, merged, lists, before, today)


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
    order: Order, merged: Merged, lists: BrokerLists, before: InstrumentTable | None, today: str
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
    table = InstrumentTable.of_named(named, merged.tokens, today, before)
    rows = list(_in_sectors(named.rows, sectors.by_token(table)))
    instruments_sqlite.write(folder / instruments.FILE, rows, known)
    table.save(folder / TABLE)
    strangers = [each for found in merged.strangers.values() for each in found]
    return Loaded(
        counts=table.counts(),
        sources=lists.counts,
        failures=[*lists.failures, *_copy(order, rows, known)],
        apart=[f"{each.symbol}: {each.reason}" for each in strangers],
        notes=[*lists.notes, *_adjusted(merged), *_left_behind(table)],
        doubts=lists.doubts,
    )


def _adjusted(merged: Merged) -> Iterator[str]:
    if merged.adjusted:
        count, which = len(merged.adjusted), shown(merged.adjusted)
        yield f"{count} contracts were adjusted, as one list does not know yet: {which}"


def _left_behind(table: InstrumentTable) -> Iterator[str]:
    if names := table.left_behind():
        yield f"unknown until what was called so is listed again: {shown(names)}"


def _in_sectors(rows: Iterable[InstrumentRow], codes: Mapping[int, str]) -> Iterator[InstrumentRow]:
    """The rows with their sectors: just the shares that stream where a sector is asked for."""
    for row in rows:
        code = codes.get(row.token, "")
        yield row if row.sector == code else msgspec.structs.replace(row, sector=code)


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
