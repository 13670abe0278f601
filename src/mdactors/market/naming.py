"""Under which name each instrument is answered: the shortest that means just it, fixed for a trading day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Generic, NamedTuple

import msgspec

from mdactors.market.instrument import AnyInstrument, Instrument
from mdactors.market.names import (
    SHARE_SERIES,
    Names,
    StoredNames,
    has_own_key,
    index_names,
    names_of,
    spoken,
)


class InForce(NamedTuple):
    """The names that were given before."""

    listed: Mapping[int, Instrument] = {}
    """By token: what the table before has, each under its name."""
    gone: Mapping[int, str] = {}
    """Token -> the name, in capitals, of what was listed earlier and is not in that table."""
    passed_on: str = ""
    """The date for which names are given now, where these are of another; empty: they are of the same."""
    former: Mapping[str, int] = {}
    """Names in capitals that were in use before they were changed -> the token of what was called so."""


class Named(NamedTuple, Generic[AnyInstrument]):
    """Instruments under their names, and how they are found."""

    rows: Sequence[AnyInstrument]
    """By token."""
    names: StoredNames


def name(rows: Iterable[AnyInstrument], in_force: InForce | None = None) -> Named[AnyInstrument]:
    """Give each instrument the name under which it is answered.

    Who has a name today keeps it, and nobody else is called so today, even while it is not listed. What is
    new takes the shortest of its forms that means nobody else. On another day each name is given anew, but
    one: what is listed no more leaves its name to nobody of another exchange, who would be taken for it.
    """
    return _Naming(rows, in_force or InForce()).named()


class _Naming(Generic[AnyInstrument]):
    def __init__(self, rows: Iterable[AnyInstrument], in_force: InForce) -> None:
        self._before = in_force
        self._today = {} if in_force.passed_on else in_force.listed
        self._listed = sorted(rows, key=lambda row: row.token)
        self._rows = [self._under_symbol_of_today(row) for row in self._listed]
        self._by_token = {row.token: row for row in self._rows}
        self._sole = _sole(self._rows)
        self._use(index_names(self._rows))
        self._claims = self._claimed()
        self._use(msgspec.structs.replace(self._index, held=self._held()))

    def _use(self, index: StoredNames) -> None:
        self._index = index
        self._names = Names(index, self._by_token, self._rows.__getitem__)

    def named(self) -> Named[AnyInstrument]:
        rows = [self._under_name(row) for row in self._rows]
        return Named(rows, msgspec.structs.replace(self._index, former=self._former(rows)))

    # --- what is called so already

    def _under_symbol_of_today(self, row: AnyInstrument) -> AnyInstrument:
        """A row, under the symbol of the table before: a new one counts from tomorrow on."""
        before = self._today.get(row.token)
        if before is None or before.symbol == row.symbol or before.terms != row.terms:
            return row
        return msgspec.structs.replace(row, symbol=before.symbol)

    def _claimed(self) -> dict[int, str]:
        """Token -> the name, in capitals, of what has one today that it would not get by itself."""
        if self._before.passed_on:
            return self._left_behind()
        claims = dict(self._before.gone)
        for token, before in self._today.items():
            name, row = spoken(before.answered), self._by_token.get(token)
            if row is None:
                claimed = not self._is_succeeded(before)
            else:
                by_itself = not before.own_name and self._leads(name, token)
                claimed = before.terms == row.terms and not by_itself
            if claimed:
                claims[token] = name
        return claims

    def _left_behind(self) -> dict[int, str]:
        """Token -> the name of what is gone since an earlier day, where another exchange's would get it."""
        listed = self._before.listed
        gone = dict(self._before.gone)
        for token in listed.keys() - self._by_token.keys():
            each = listed[token]
            if not each.expiry or each.expiry >= self._before.passed_on:
                gone[token] = spoken(each.answered)
        return {token: name for token, name in gone.items() if self._leads_elsewhere(name, token)}

    def _leads_elsewhere(self, name: str, token: int) -> bool:
        found = None if token in self._by_token else self._names.resolve(name)
        # To NSE it may go: the bare name is NSE's wherever that lists it.
        return found is not None and found.token & 0xFF != token & 0xFF and found.exchange != "NSE"

    def _is_succeeded(self, gone: Instrument) -> bool:
        """Whether the same share is listed in another series now: then its name leads there."""
        found = self._names.resolve(gone.symbol_without_series)
        return (
            found is not None
            and found.segment == gone.segment
            and found.symbol_without_series == gone.symbol_without_series
            and {found.series, gone.series} <= set(SHARE_SERIES)
        )

    def _held(self) -> dict[str, int]:
        """The names of today that would not lead by themselves to who is called so."""
        renamed = (
            (spoken(form), row.token)
            for listed, row in zip(self._listed, self._rows, strict=True)
            if listed is not row  # it is found by its new symbol, too
            for form in listed.forms[:3]
        )
        held = {name: token for name, token in renamed if self._names.resolve(name) is None}
        return held | {
            claim: token
            for token, claim in self._claims.items()
            if token not in self._by_token or not self._leads(claim, token)
        }

    # --- what is called otherwise now

    def _former(self, rows: Sequence[AnyInstrument]) -> dict[str, int]:
        """Names under which nothing is found any more -> the token of what was called so."""
        keys = {row.key: row for row in rows if not row.is_derivative and has_own_key(row)}
        by_token = {row.token: row for row in rows}
        former = {name: token for name, token in self._before.former.items() if token in by_token}
        for token, before in self._before.listed.items():
            row = by_token.get(token) or keys.get(before.key)
            if row is None or (row.type, row.expiry) != (before.type, before.expiry):
                continue
            if (stem := before.symbol_without_series) != row.symbol_without_series:
                bare = () if before.own_name else (stem,)
                for name in (before.answered, f"{before.exchange}:{stem}", *bare):
                    former[spoken(name)] = row.token
            if row.key != before.key and has_own_key(before):
                former[spoken(before.key)] = row.token
        return {name: token for name, token in former.items() if self._names.resolve(name) is None}

    # --- what is new

    def _under_name(self, row: AnyInstrument) -> AnyInstrument:
        claim = self._claims.get(row.token)
        if claim is None and not row.own_name and self._leads(spoken(row.symbol), row.token):
            return row  # nearly all
        given = (form for form in row.forms if spoken(form) == claim)
        free = (form for form in row.forms if self._leads(spoken(form), row.token))
        form = next(chain(given, free))
        own = "" if form == row.symbol else form
        return row if own == row.own_name else msgspec.structs.replace(row, own_name=own)

    def _leads(self, name: str, token: int) -> bool:
        """Whether a name, in capitals, means the instrument with this token; figures are tokens."""
        if name.isdecimal():
            return name == str(token)
        if self._sole.get(name) == token and name not in self._index.held:
            return True  # as `Names` would find, and there are a hundred thousand
        found = self._names.resolve(name)
        return found is not None and found.token == token


def _sole(rows: Iterable[Instrument]) -> dict[str, int]:
    """Every name that only one instrument has -> its token."""
    found: dict[str, int] = {}
    for row in rows:
        for each in names_of(row):
            found[each] = -1 if each in found else row.token
    return found
