"""From a file of sessions to the calendar."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import msgspec

from mdactors.config.decoding import decode
from mdactors.config.settings import CalendarSettings
from mdactors.config.yaml_text import read_yaml
from mdactors.errors import ConfigError
from mdactors.market.calendar import Calendar
from mdactors.market.phase import Phase
from mdactors.market.timetable import ALWAYS, EVENING, MORNING, WHOLE_DAY, Holiday, Hours, Span, Timetable
from mdactors.market.trading_class import CLASSES

SHIPPED = Path(__file__).with_name("sessions.yaml")
"""What is used where the settings name no file; in the repository also ``config/sessions.yaml``."""
OLD_FORMAT = (
    "is a file of sessions of an earlier mdactors, which gave hours to groups of segments; they are given to "
    "classes of instruments now: copy the file that comes along once more, and make your changes in the copy"
)

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_Spans: TypeAlias = str | list[str]


class _Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    open: _Spans
    pre_open: _Spans = ""
    closing_orders: _Spans = ""
    closing_match: _Spans = ""
    post_close: _Spans = ""
    orders: _Spans = ""


class _DatedHours(_Hours, frozen=True, rename={"valid_from": "from"}):
    valid_from: dt.date | None = None


class _Holiday(msgspec.Struct, frozen=True):
    name: str
    source: str = ""
    closed: list[str] = []
    ordinary: list[str] = []
    morning: list[str] = []
    evening: list[str] = []
    special: dict[str, _Hours] = {}


class _File(msgspec.Struct, frozen=True):
    """As it is written; `_Reader` makes a `Timetable` of it."""

    groups: dict[str, list[str]]
    weekend: list[Weekday]
    hours: dict[str, list[_DatedHours]]
    years: list[int] = []
    holidays: dict[str, _Holiday] = {}
    yearly: dict[str, _Holiday] = {}


_KEPT = {"ordinary": WHOLE_DAY, "morning": MORNING, "evening": EVENING}
_PHASES = tuple(name for name in get_args(Phase) if name != "closed")


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
    text = read_yaml(path)
    if isinstance(text, Mapping) and "segments" in text and "groups" not in text:
        raise ConfigError([f"{path}: {OLD_FORMAT}"])
    written = decode(text, _File, "", problems)
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
        return Timetable(
            groups=self._groups(),
            hours={name: self._dated(name, rows) for name, rows in self._written.hours.items()},
            weekend=frozenset(get_args(Weekday).index(day) for day in self._written.weekend),
            holidays=dict(self._holidays()),
            years=frozenset(self._written.years),
            yearly=dict(self._yearly()),
        )

    def _groups(self) -> Mapping[str, str]:
        groups: dict[str, str] = {}
        for group, classes in self._written.groups.items():
            self._check(classes, CLASSES, f"groups.{group}", "class")
            for name in classes:
                if groups.setdefault(name, group) != group:
                    self._problems.append(f"groups.{group}: {name} is in {groups[name]} already")
        self._check(self._written.hours, CLASSES, "hours", "class")
        for name in CLASSES:
            if name not in self._written.hours:
                self._problems.append(f"hours: none are given for {name}")
            if name not in groups:
                self._problems.append(f"groups: {name} is in none")
        return groups

    def _dated(self, name: str, rows: list[_DatedHours]) -> list[tuple[dt.date, Hours]]:
        path = f"hours.{name}"
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

    def _holidays(self) -> Iterator[tuple[dt.date, Holiday]]:
        for day, row in self._written.holidays.items():
            path = f"holidays.{day}"
            try:
                date = dt.date.fromisoformat(day)
            except ValueError:
                self._problems.append(f'{path}: expected a date like "2026-01-26"')
            else:
                yield date, self._holiday(row, path)

    def _yearly(self) -> Iterator[tuple[tuple[int, int], Holiday]]:
        for day, row in self._written.yearly.items():
            path = f"yearly.{day}"
            try:
                date = dt.date.fromisoformat(f"2024-{day}")
            except ValueError:
                self._problems.append(f'{path}: expected a day of every year like "01-26"')
            else:
                yield (date.month, date.day), self._holiday(row, path)

    def _holiday(self, row: _Holiday, path: str) -> Holiday:
        words = {word: getattr(row, word) for word in ("closed", *_KEPT)}
        seen: dict[str, str] = {}
        for word, groups in words.items():
            self._check(groups, self._written.groups, f"{path}.{word}", "group")
            for group in groups:
                if seen.setdefault(group, word) != word:
                    self._problems.append(f"{path}: {group} cannot be both {seen[group]} and {word}")
        special: dict[str, Hours] = {}
        known = {**{name: [name] for name in CLASSES}, **self._written.groups}
        self._check(row.special, known, f"{path}.special", "group or class")
        # Groups first: what is said of a class goes before what is said of its group.
        for name in sorted(row.special, key=lambda name: name not in self._written.groups):
            hours = self._hours(row.special[name], f"{path}.special.{name}")
            special |= dict.fromkeys(known.get(name, ()), hours)
            if name in seen:
                self._problems.append(f"{path}: {name} cannot be {seen[name]} and trade at special hours")
        kept = {group: _KEPT[word] for group, word in seen.items() if word != "closed"}
        return Holiday(row.name, frozenset(row.closed), kept, special, row.source)

    def _check(self, names: Iterable[str], known: Iterable[str], path: str, what: str) -> None:
        known = list(known)
        self._problems.extend(
            f"{path}: there is no {what} {name}; there are: {', '.join(known)}"
            for name in names
            if name not in known
        )

    def _hours(self, row: _Hours, path: str) -> Hours:
        phases: list[tuple[Phase, Span]] = []
        for name in _PHASES:
            phases += ((name, span) for span in self._spans(getattr(row, name), f"{path}.{name}"))
        phases.sort(key=lambda each: each[1].begin)
        for (first, span), (second, after) in itertools.pairwise(phases):
            if after.begin < span.end:
                self._problems.append(f"{path}: {second} {after} begins before {first} {span} ends")
        if not row.open:
            self._problems.append(f"{path}.open: is required")
        auctions = [span for name, span in phases if name in ("pre_open", "closing_orders")]
        orders = self._spans(row.orders, f"{path}.orders")
        self._problems.extend(
            f"{path}.orders: {span} must be a part of pre_open or closing_orders"
            for span in orders
            if not any(span.within(auction) for auction in auctions)
        )
        return Hours(tuple(phases), tuple(orders))

    def _spans(self, written: _Spans, path: str) -> list[Span]:
        texts = [written] if isinstance(written, str) and written else written
        spans = []
        for text in texts:
            try:
                spans.append(Span.read(text))
            except ValueError as error:
                self._problems.append(f"{path}: {error}")
        return spans
