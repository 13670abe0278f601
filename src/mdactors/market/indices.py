"""The indices: one table of facts that leads from every name of an index to its one identity."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

import msgspec


class Index(msgspec.Struct, frozen=True):
    """An index as Kite names and numbers it, with Upstox's key for it (empty where that has none)."""

    symbol: str
    token: int
    exchange: str
    key: str
    aliases: tuple[str, ...] = ()


@functools.cache
def all_indices() -> tuple[Index, ...]:
    """Every index of the table, read once."""
    text = files("mdactors.market").joinpath("indices.csv").read_text(encoding="utf-8")
    return tuple(
        Index(
            row["symbol"],
            int(row["token"]),
            row["exchange"],
            row["key"],
            tuple(filter(None, row["aliases"].split("|"))),
        )
        for row in csv.DictReader(io.StringIO(text))
    )


@functools.cache
def _by_key() -> dict[str, Index]:
    return {index.key: index for index in all_indices() if index.key}


@functools.cache
def _by_token() -> dict[int, Index]:
    return {index.token: index for index in all_indices()}


def by_key(key: str) -> Index | None:
    """The index with this Upstox key, e.g. ``NSE_INDEX|Nifty 50``."""
    return _by_key().get(key)


def by_token(token: int) -> Index | None:
    """The index with this token (Kite's numbers), e.g. 256265."""
    return _by_token().get(token)


@functools.cache
def aliases() -> Mapping[str, str]:
    """Other names of indices -> their symbols: in capitals, and as Upstox writes them.

    No alias is the symbol of an index or of a share.
    """
    names = {alias: index.symbol for index in all_indices() for alias in index.aliases}
    for index in all_indices():
        written = index.key.partition("|")[2]
        if written != index.symbol and written.upper() in (index.symbol, *index.aliases):
            names[written] = index.symbol
    return MappingProxyType(names)


def folded(name: str) -> str:
    """A name as its words alone, so that capitals, commas and ``&`` for ``and`` make no difference."""
    return " ".join(
        "".join(sign if sign.isalnum() else " " for sign in name.replace("&", " and ")).split()
    ).upper()


@functools.cache
def _by_name() -> dict[str, Index]:
    named = {folded(alias).replace(" ", ""): index for index in all_indices() for alias in index.aliases}
    return named | {folded(index.symbol).replace(" ", ""): index for index in all_indices()}


def by_name(name: str) -> Index | None:
    """The index that a person calls so; spaces make no difference: ``nifty500``, ``Nifty Oil & Gas``."""
    return _by_name().get(folded(name).replace(" ", ""))
