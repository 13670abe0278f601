"""From a file of sessions to the calendar."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, get_args

import msgspec

from mdactors.config.decoding import decode
from mdactors.config.settings import CalendarSettings
from mdactors.config.yaml_text import read_yaml
from mdactors.errors import ConfigError
from mdactors.market.calendar import ALWAYS, CASH, Calendar, Holiday, Hours, Span, Timetable

SHIPPED = Path(__file__).with_name("sessions.yaml")
"""What is used where the settings name no file; in the repository also ``config/sessions.yaml``."""

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class _Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    open: str
    pre_open: str = ""
    closing: str = ""
    orders: str = ""
    auction: str = ""


class _DatedHours(_Hours, frozen=True, rename={"valid_from": "from"}):
    valid_from: dt.date | None = None


class _Holiday(msgspec.Struct, frozen=True):
    name: str
    closed: list[str] = []
    special: dict[str, _Hours] = {}


class _File(msgspec.Struct, frozen=True):
    """As it is written; `_Reader` makes a `Timetable` of it."""

    segments: dict[str, list[str]]
    weekend: list[Weekday]
    hours: dict[str, list[_DatedHours]]
    holidays: dict[str, _Holiday] = {}


def load_calendar(settings: CalendarSettings) -> Calendar:
    """Read the file of sessions that the settings name, or the one that comes with mdactors.

    Raises:
        ConfigError: with every problem of the file, each by its path.
    """
    path = Path(settings.sessions) if settings.sessions else SHIPPED
    try:
        timetable = _read(path)
    except ConfigError as error:
        raise ConfigError([f"calendar.sessions: {problem}" for problem in error.problems]) from error
    return Calendar(timetable, always_open=settings.always_open)


def _read(path: Path) -> Timetable:
    problems: list[str] = []
    written = decode(read_yaml(path), _File, "", problems)
    if written is not None:
        timetable = _Reader(written, problems).timetable()
        if not problems:
            return timetable
    raise ConfigError([f"{path}: {problem}" for problem in problems])


class _Reader:
    """Turns what a file says into a timetable, and notes what does not fit together."""

    def __init__(self, written: _File, problems: list[str]) -> None:
        self._written = written
        self._problems = problems

    def timetable(self) -> Timetable:
        """The timetable; worth nothing where problems were found."""
        self._check_groups([CASH], "hours")
        return Timetable(
            segments=self._segments(),
            hours={group: self._dated(group, rows) for group, rows in self._written.hours.items()},
            weekend=frozenset(get_args(Weekday).index(day) for day in self._written.weekend),
            holidays=self._holidays(),
        )

    def _segments(self) -> Mapping[str, str]:
        groups: dict[str, str] = {}
        for group, segments in self._written.segments.items():
            self._check_groups([group], f"segments.{group}")
            for segment in segments:
                if groups.setdefault(segment, group) != group:
                    self._problems.append(f"segments.{group}: {segment} is in {groups[segment]} already")
        return groups

    def _dated(self, group: str, rows: list[_DatedHours]) -> list[tuple[dt.date, Hours]]:
        path = f"hours.{group}"
        dated = [
            (row.valid_from or ALWAYS, self._hours(row, f"{path}[{number}]"))
            for number, row in enumerate(rows)
        ]
        if not dated:
            self._problems.append(f"{path}: holds no hours")
        for number, (before, after) in enumerate(itertools.pairwise(dated), 1):
            if after[0] <= before[0]:
                self._problems.append(f"{path}[{number}].from: must be later than that of the hours before")
        return dated

    def _holidays(self) -> Mapping[dt.date, Holiday]:
        holidays: dict[dt.date, Holiday] = {}
        for day, row in self._written.holidays.items():
            path = f"holidays.{day}"
            self._check_groups(row.closed, f"{path}.closed")
            self._check_groups(row.special, f"{path}.special")
            self._problems.extend(
                f"{path}: {group} cannot be closed and trade at special hours"
                for group in row.closed
                if group in row.special
            )
            special = {
                group: self._hours(hours, f"{path}.special.{group}") for group, hours in row.special.items()
            }
            try:
                date = dt.date.fromisoformat(day)
            except ValueError:
                self._problems.append(f'{path}: expected a date like "2026-01-26"')
            else:
                holidays[date] = Holiday(row.name, frozenset(row.closed), special)
        return holidays

    def _check_groups(self, groups: Iterable[str], path: str) -> None:
        known = ", ".join(self._written.hours)
        self._problems.extend(
            f"{path}: no hours are given for {group}; they are for: {known or 'none'}"
            for group in groups
            if group not in self._written.hours
        )

    def _hours(self, row: _Hours, path: str) -> Hours:
        opens = self._span(row.open, f"{path}.open")
        before = self._optional(row.pre_open, f"{path}.pre_open")
        after = self._optional(row.closing, f"{path}.closing")
        orders = self._optional(row.orders, f"{path}.orders")
        auction = self._optional(row.auction, f"{path}.auction")
        if opens is None:
            return Hours(Span(0, 0))
        if before is not None and before.end > opens.begin:
            self._problems.append(f"{path}.pre_open: must end before open begins")
        if after is not None and after.begin < opens.end:
            self._problems.append(f"{path}.closing: must begin after open ends")
        if orders is not None and not _within(orders, before):
            self._problems.append(f"{path}.orders: must be a part of pre_open")
        if auction is not None and not _within(auction, opens):
            self._problems.append(f"{path}.auction: must be a part of open")
        return Hours(opens, before, after, orders, auction)

    def _optional(self, text: str, path: str) -> Span | None:
        return self._span(text, path) if text else None

    def _span(self, text: str, path: str) -> Span | None:
        try:
            return Span.read(text)
        except ValueError as error:
            self._problems.append(f"{path}: {error}")
            return None


def _within(part: Span, whole: Span | None) -> bool:
    return whole is not None and whole.begin <= part.begin and part.end <= whole.end
