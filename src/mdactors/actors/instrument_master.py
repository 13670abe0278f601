"""The actor that knows every instrument."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from mdactors.actors.alarms import Alarms
from mdactors.adapter import BrokerAdapter, BrokerToken
from mdactors.errors import BrokerError, StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.messages import InstrumentsLoaded, RefreshInstruments
from mdactors.runtime import Actor, Address, Backoff, Context, Message, handles


class Catalogue:
    """The newest instrument table, for readers in any thread: a table is never changed, only replaced."""

    def __init__(self) -> None:
        self.table = InstrumentTable.build({})


class FetchDue(Message, frozen=True):
    """Time to fetch the instruments (again)."""


class InstrumentMaster(Actor):
    """Owns the instrument table; the only writer of the `Catalogue`.

    At its start it takes the table kept on disk, then fetches every source's instruments; a source
    that cannot be reached is tried again and the table before stays. Receives `RefreshInstruments`
    (asked). Tells `InstrumentsLoaded` to everybody in ``readers``. Fetching blocks its own thread
    for seconds, which its child spec's ping limit allows.
    """

    def __init__(
        self,
        context: Context,
        *,
        sources: Sequence[BrokerAdapter],
        catalogue: Catalogue,
        path: pathlib.Path,
        readers: Sequence[Address],
        hub: Address,
    ) -> None:
        super().__init__(context)
        self._sources = sources
        self._catalogue = catalogue
        self._path = path
        self._readers = readers
        self._backoff = Backoff(first=5.0)
        self._alarms = Alarms(self.clock, self.logger, lambda alarm: self.tell(hub, alarm))
        self._fetched_ns = 0

    def on_start(self) -> None:
        """Publish what is on disk, then fetch; runs in the actor's thread."""
        if len(self._catalogue.table) == 0 and self._path.exists():
            self._load()
        self.tell(self.address, FetchDue())

    def _load(self) -> None:
        try:
            table = InstrumentTable.load(self._path)
        except StoreError as error:
            self.logger.warning("the instruments kept on disk are of no use: %s", error)
        else:
            self.logger.info("%d instruments from %s", len(table), self._path)
            self._publish(table)

    @handles(FetchDue)
    def fetch_due(self, _message: FetchDue) -> None:
        """Fetch; on failure keep the table, raise the alarm and come back."""
        try:
            self._fetch()
        except BrokerError as error:
            self._alarms.raise_alarm("instruments", f"instruments cannot be fetched: {error}")
            self.after(self._backoff.next(), FetchDue())

    @handles(RefreshInstruments)
    def refresh(self, _message: RefreshInstruments) -> Mapping[str, int]:
        """Fetch now.

        Returns:
            How many instruments of each type there are.

        Raises:
            BrokerError: a source could not be read; the table before stays.
        """
        self._fetch()
        return self._catalogue.table.counts()

    def _fetch(self) -> None:
        """Fetch every source; one that fails keeps the instruments it had, and is named at the end."""
        started = self.clock.monotonic()
        rows: dict[str, list[tuple[Instrument, BrokerToken]]] = {}
        failures: list[str] = []
        for source in self._sources:
            try:
                rows[source.name] = _rows(source)
            except BrokerError as error:
                failures.append(str(error))
                known = self._catalogue.table.broker_instruments(source.name)
                rows[source.name] = [(instrument, token) for token, instrument in known.items()]
        if len(failures) < len(self._sources):
            table = InstrumentTable.build(rows)
            took = self.clock.monotonic() - started
            self.logger.info("%d instruments fetched in %.1f s", len(table), took)
            self._publish(table)
            self._keep(table)
        if failures:
            raise BrokerError("; ".join(failures))
        self._backoff.reset()
        self._alarms.clear_all()
        self._fetched_ns = self.clock.time_ns()

    def _keep(self, table: InstrumentTable) -> None:
        try:
            table.save(self._path)
        except StoreError as error:
            self.logger.warning("the instruments are not kept for a start without network: %s", error)

    def _publish(self, table: InstrumentTable) -> None:
        self._catalogue.table = table
        for reader in self._readers:
            self.tell(reader, InstrumentsLoaded(table))

    def describe(self) -> dict[str, Any]:
        """Counts and alarms for ``/api/status``."""
        return {
            **self._catalogue.table.counts(),
            "fetched": self._fetched_ns // 1_000_000,
            "alarms": self._alarms.active(),
        }


def _rows(source: BrokerAdapter) -> list[tuple[Instrument, BrokerToken]]:
    rows = [(listing.instrument, listing.token) for listing in source.instruments()]
    if not rows:
        raise BrokerError(f"{source.name} listed no instruments")
    return rows
