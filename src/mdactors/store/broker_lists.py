"""Each source's list of instruments as a load takes it: the newest, without what expired, and whole.

A list that has lost a part on its way keeps the old rows of that part for a while.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mdactors.adapter import BrokerAdapter, Download, Unlisted
from mdactors.config import SQL_SOURCE
from mdactors.errors import BrokerError, BrokerUnavailable
from mdactors.market.instrument import InstrumentRow
from mdactors.market.parts import Count, Rows, counted, living, lost, outermost, short
from mdactors.market.quote import BrokerToken
from mdactors.store.catalogue_process import Order, Progress
from mdactors.store.downloads import Downloads, Kept

ROWS_A_WORD = 5000
"""How often progress is told."""
OVERLOOKED = 0.001
"""The share of a list's rows that may be left out, because they cannot be read, without an alarm."""
SHOWN = 20
"""How many rows are named, of those that are left out."""
PARTS_SHOWN = 5
MISSING_DAYS = 7
"""So long the old rows of a part stay that is missing in newer lists; then it is believed to have ended."""


class BrokerLists:
    """Gets the rows of each source, and remembers what went wrong.

    Args:
        order: whose sources are loaded.
        adapters: those that read them.
        downloads: the lists of before.
        tell: of progress.
        today: the date in India; what expired before it is left out.
    """

    def __init__(
        self,
        order: Order,
        adapters: Mapping[str, BrokerAdapter],
        downloads: Downloads,
        tell: Callable[[Progress], None],
        today: str,
    ) -> None:
        self.failures: list[str] = []
        self.notes: list[str] = []
        self.doubts: list[str] = []
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
            rows = self._whole(source, kept.download, self._read(source, kept.download, kept.rows), kept)
        self.counts[source] = len(rows)
        return rows

    def _download(self, source: str, before: Download | None) -> Download | None:
        file = self._order.files.get(source)
        if file is not None:
            try:
                return Download(Path(file).read_bytes())
            except OSError as error:
                raise BrokerUnavailable(f"{file}: cannot be read: {error.strerror}") from None
        if self._order.files:
            return None
        if source == SQL_SOURCE:
            from mdactors.store.instruments_source import fetch

            return Download(fetch(self._order.instruments.sql))
        adapter, further = self._order.instruments.source(source)
        return self._adapters[adapter].download(further, before)

    def _fresh(self, source: str, download: Download, kept: Kept | None) -> Rows:
        rows = self._read(source, download, kept.rows if kept else 0)
        if not rows:
            raise BrokerUnavailable(f"{source} listed no instruments")
        return self._whole(source, download, rows, kept)

    # --- what is missing

    def _whole(self, source: str, download: Download, rows: Rows, kept: Kept | None) -> Rows:
        """The living rows of a list, with the old ones of the parts that it has lost; keeps the list."""
        present = living(rows, self._today)
        self._tell_expired(source, rows)
        counts = counted(rows)
        lost = self._lost(source, present, counts, kept)
        since = {part: kept.missing.get(part, self._today) if kept else self._today for part in lost}
        held = [part for part in lost if self._last_day(since[part]) >= self._today]
        ended = [part for part in lost if part not in held]
        if ended:
            self.notes.append(f"{source}: missing for {MISSING_DAYS} days, and left out now: {shown(ended)}")
        whole = kept.whole or kept.download if kept and held else None
        # What has ended stays noted, so that it is not missed anew for as long as there is a whole list.
        missing = since if whole else {}
        now = Kept(download, len(rows), counts, whole, missing)
        if now != kept:
            self._downloads.put(source, now)
        if held:
            self._tell_lost(source, held, lost, since)
        stay = {key: (row, key) for part in held for row, key in lost[part]}
        return [*present, *stay.values()]

    def _lost(
        self, source: str, present: Rows, counts: Sequence[Count], kept: Kept | None
    ) -> dict[str, Rows]:
        if kept is None or (
            kept.whole is None and kept.counts and not short(kept.counts, counts, self._today)
        ):
            return {}
        before = kept.whole or kept.download
        return lost(self._read(source, before, kept.rows, again=True), present, self._today)

    def _last_day(self, since: str) -> str:
        return (dt.date.fromisoformat(since) + dt.timedelta(days=MISSING_DAYS)).isoformat()

    def _tell_lost(
        self, source: str, held: Sequence[str], lost: Mapping[str, Rows], since: Mapping[str, str]
    ) -> None:
        parts = outermost(held)
        told = [
            f"{part} lacks {len(lost[part])} rows since {since[part]}, which stay until "
            f"{self._last_day(since[part])}"
            for part in parts[:PARTS_SHOWN]
        ]
        more = f"; and {len(parts) - PARTS_SHOWN} more parts" if len(parts) > PARTS_SHOWN else ""
        self.failures.append(f"{source} is not whole: {'; '.join(told)}{more}")

    def _tell_expired(self, source: str, rows: Rows) -> None:
        expired = [row for row, _ in rows if row.expiry and row.expiry < self._today]
        if expired:
            days = sorted({row.expiry for row in expired})
            self.notes.append(
                f"{source}: {len(expired)} contracts have expired and are left out: {shown(days)}"
            )

    # --- what is read

    def _read(self, source: str, download: Download, expected: int, *, again: bool = False) -> Rows:
        """Read a list; ``again``: only to look something up in it."""
        adapter, further = self._order.instruments.source(source)
        rows: list[tuple[InstrumentRow, BrokerToken]] = []
        unlisted: list[Unlisted] = []
        for listing in self._adapters[adapter].listings(download.data, further):
            if isinstance(listing, Unlisted):
                unlisted.append(listing)
                continue
            rows.append((listing.instrument, listing.token))
            if len(rows) % ROWS_A_WORD == 0 and not again:
                self._tell(Progress(source, len(rows), expected))
        if not again:
            self._tell(Progress(source, len(rows), len(rows)))
            self._tell_unlisted(source, len(rows), unlisted)
        return rows

    def _tell_unlisted(self, source: str, count: int, unlisted: Sequence[Unlisted]) -> None:
        unread = [each for each in unlisted if each.reason]
        others = Counter(each.exchange or "no exchange" for each in unlisted if not each.reason)
        if others:
            told = ", ".join(f"{rows} of {exchange}" for exchange, rows in others.most_common(SHOWN))
            self.notes.append(f"{source}: rows of kinds that are not streamed are left out: {told}")
        if unread:
            told = shown([f"{each.symbol or 'a row'} ({each.reason})" for each in unread])
            line = f"{source}: {len(unread)} of {count + len(unlisted)} rows cannot be read, and are left out"
            too_many = len(unread) > OVERLOOKED * (count + len(unlisted))
            (self.doubts if too_many else self.notes).append(f"{line}: {told}")


def shown(names: Sequence[str]) -> str:
    """The first of these names in one line, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
