"""Every instrument that the brokers list, merged under one identity: an immutable snapshot."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mdactors.errors import StoreError
from mdactors.market import indices
from mdactors.market.instrument import Instrument
from mdactors.market.names import Names, has_own_key
from mdactors.market.quote import BrokerToken

VERSION = 1
"""Of the file that `InstrumentTable.save` writes."""


class InstrumentTable:
    """All instruments by token and by name, and each broker's tokens for them.

    Never changed once it is made: whoever has a newer one replaces the reference, so that it can be
    read from any thread.
    """

    def __init__(
        self, by_token: Mapping[int, Instrument], tokens: Mapping[str, Mapping[int, BrokerToken]]
    ) -> None:
        self.by_token = by_token
        self._tokens = tokens
        self._instruments = {
            broker: {broker_token: by_token[token] for token, broker_token in known.items()}
            for broker, known in tokens.items()
        }
        self._names = Names(by_token)

    @classmethod
    def build(cls, listings: Mapping[str, Iterable[tuple[Instrument, BrokerToken]]]) -> InstrumentTable:
        """Merge what each broker lists as (instrument, the broker's token).

        Of two brokers that list the same token the first describes it; a key and an ISIN that only
        the other knows are taken over, and an index has the key of the table of indices. Of two rows
        of one broker with the same token the first counts.
        """
        words = _Words()
        by_token: dict[int, Instrument] = {}
        tokens: dict[str, dict[int, BrokerToken]] = {}
        for broker, rows in listings.items():
            known = tokens[broker] = {}
            for instrument, broker_token in rows:
                token = instrument.token
                if token in known:
                    continue
                known[token] = broker_token
                before = by_token.get(token)
                by_token[token] = _merged(before, instrument) if before else words.share(_keyed(instrument))
        return cls(by_token, tokens)

    def resolve(self, name: str) -> Instrument | None:
        """The instrument that a person means by a name, see `Names`."""
        return self._names.resolve(name)

    def suggest(self, name: str, n: int = 5) -> list[str]:
        """Symbols that a person may have meant."""
        return self._names.suggest(name, n)

    def broker_tokens(self, broker: str) -> Mapping[int, BrokerToken]:
        """Our token -> the broker's, for everything that it lists."""
        return self._tokens.get(broker, {})

    def broker_instruments(self, broker: str) -> Mapping[BrokerToken, Instrument]:
        """The broker's token -> the instrument, for everything that it lists."""
        return self._instruments.get(broker, {})

    def counts(self) -> dict[str, int]:
        """How many there are of each type."""
        held = Counter(instrument.type for instrument in self.by_token.values())
        return {
            "indices": held["INDEX"],
            "stocks": held["STOCK"],
            "futures": held["FUTURE"],
            "options": held["OPTION"],
        }

    def __len__(self) -> int:
        return len(self.by_token)

    def save(self, path: pathlib.Path) -> None:
        """Write it to disk, whole or not at all.

        Raises:
            StoreError: the file cannot be written.
        """
        rows = list(self.by_token.values())
        stored = _Stored(VERSION, Instrument.__struct_fields__, rows, self._tokens)
        beside = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.msgpack.encode(stored))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StoreError(f"{path}: the instruments cannot be written: {error.strerror}") from None

    @classmethod
    def load(cls, path: pathlib.Path) -> InstrumentTable:
        """Read what `save` wrote.

        Raises:
            StoreError: there is no such file, or it is damaged or of another version.
        """
        try:
            data = path.read_bytes()
            head = _head(data)
            if (head.version, head.fields) != (VERSION, Instrument.__struct_fields__):
                raise StoreError(f"{path}: of another version of mdactors; it is written anew after a fetch")
            stored = _stored(data)
            words = _Words()
            rows = (words.share(row) for row in stored.rows)
            return cls({instrument.token: instrument for instrument in rows}, stored.tokens)
        except OSError as error:
            raise StoreError(f"{path}: the instruments cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
            raise StoreError(f"{path}: the file of instruments is damaged; delete it") from None


class _Head(msgspec.Struct):
    version: int
    fields: tuple[str, ...]


class _Stored(msgspec.Struct):
    version: int
    fields: tuple[str, ...]
    rows: list[Instrument]
    tokens: Mapping[str, Mapping[int, BrokerToken]]


_head = msgspec.msgpack.Decoder(_Head).decode
_stored = msgspec.msgpack.Decoder(_Stored).decode


class _Words:
    """One copy of each text: a hundred thousand contracts say the same few words."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def share(self, instrument: Instrument) -> Instrument:
        """The same instrument, made of shared texts."""
        share = self._known.setdefault
        fields: list[Any] = [
            share(value, value) if type(value) is str else value
            for value in msgspec.structs.astuple(instrument)
        ]
        return Instrument(*fields)


def _keyed(instrument: Instrument) -> Instrument:
    """An index with its key from the table, which not every broker says."""
    known = indices.by_token(instrument.token) if instrument.type == "INDEX" else None
    if known is None or not known.key:
        return instrument
    return msgspec.structs.replace(instrument, key=known.key)


def _merged(first: Instrument, other: Instrument) -> Instrument:
    key = other.key if has_own_key(other) and not has_own_key(first) else first.key
    isin = first.isin or other.isin
    if (key, isin) == (first.key, first.isin):
        return first
    return msgspec.structs.replace(first, key=key, isin=isin)
