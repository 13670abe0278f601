"""Every instrument that the brokers list, merged under one identity: an immutable snapshot.

A hundred thousand Python objects would take a hundred megabytes and a second to make, which live ticks
would feel. So all of it is one file, read as it lies there: rows and names in their order, found by
halving; an instrument becomes an object when somebody asks for it.
"""

from __future__ import annotations

import mmap
import os
import pathlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from mdactors.errors import StoreError
from mdactors.market.broker_tokens import BrokerInstruments, BrokerTokens, StoredTokens, index_tokens
from mdactors.market.by_token import ByToken
from mdactors.market.instrument import AnyInstrument, Instrument, InstrumentRow, InstrumentType
from mdactors.market.merging import Listed, merge
from mdactors.market.names import Names, StoredNames
from mdactors.market.naming import InForce, Named, name
from mdactors.market.quote import BrokerToken
from mdactors.market.sorted_bytes import Packed, numbers, pack, read_numbers
from mdactors.market.succession import Move, moves
from mdactors.market.tick import Tick
from mdactors.replacing import replacing

FILE = "instruments.msgpack"
"""Its name in ``data_dir``."""
VERSION = 5
"""Of the file that `InstrumentTable.save` writes."""
COUNTED = {"INDEX": "indices", "STOCK": "stocks", "FUTURE": "futures", "OPTION": "options"}


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """What instruments are counted by."""

    type: InstrumentType
    exchange: str


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """How many instruments of a kind the same brokers list."""

    kind: Kind
    brokers: tuple[str, ...]
    count: int


class Stored(msgspec.Struct, frozen=True):
    """The file: everything that a table reads."""

    version: int
    fields: tuple[str, ...]
    rows: Packed
    """Instruments by ascending token, each as MessagePack."""
    tokens: memoryview
    """Numbers of 64 bits."""
    names: StoredNames
    contracts: memoryview
    """The places of all contracts, by underlying, expiry, strike and type."""
    chains: dict[str, tuple[int, int]]
    """Underlying -> where its contracts begin and end in there."""
    brokers: dict[str, StoredTokens]
    kinds: tuple[Counted, ...]
    day: str
    """The date in India for which the names were given, ISO 8601; empty where nobody said it."""
    moves: tuple[Move, ...]
    """Who had another token in the table before, or earlier on that day."""


class _Head(msgspec.Struct):
    version: int
    fields: tuple[str, ...]


_head = msgspec.msgpack.Decoder(_Head).decode
_stored = msgspec.msgpack.Decoder(Stored).decode


class InstrumentTable:
    """All instruments by token and by name, and each broker's tokens for them.

    Never changed once it is made: whoever has a newer one replaces the reference, so that it can be
    read from any thread.

    Raises:
        ValueError: ``stored`` is damaged.
    """

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self.by_token = ByToken(stored.rows, stored.tokens)
        self._names = Names(stored.names, self.by_token, self.by_token.at)
        self._contracts = read_numbers(stored.contracts)
        self._tokens = {
            broker: BrokerTokens(tokens, self.by_token.place, self.by_token.tokens)
            for broker, tokens in stored.brokers.items()
        }
        self._instruments = {
            broker: BrokerInstruments(tokens, self.by_token.at) for broker, tokens in self._tokens.items()
        }

    @classmethod
    def build(
        cls, listings: Mapping[str, Listed], day: str = "", before: InstrumentTable | None = None
    ) -> InstrumentTable:
        """Merge what each broker lists as (instrument, the broker's token), see `merge` and `of`."""
        merged = merge(listings)
        return cls.of(merged.by_token.values(), merged.tokens, day, before)

    @classmethod
    def of(
        cls,
        rows: Iterable[Instrument],
        tokens: Mapping[str, Mapping[int, BrokerToken]],
        day: str = "",
        before: InstrumentTable | None = None,
    ) -> InstrumentTable:
        """Name merged rows and make the table of them.

        Args:
            rows: one for each instrument.
            tokens: from ours to each broker's.
            day: the date in India; for so long names stay as they are.
            before: the table that this one takes the place of.
        """
        named = name(rows, before.in_force(day) if before is not None else None)
        return cls.of_named(named, tokens, day, before)

    @classmethod
    def of_named(
        cls,
        named: Named[AnyInstrument],
        tokens: Mapping[str, Mapping[int, BrokerToken]],
        day: str = "",
        before: InstrumentTable | None = None,
    ) -> InstrumentTable:
        """The table of instruments that were named for a day."""
        held = [row.hot() if isinstance(row, InstrumentRow) else row for row in named.rows]
        encode = msgspec.msgpack.Encoder().encode
        places = {row.token: place for place, row in enumerate(held)}
        contracts, chains = _chains(held)
        kinds = Counter((Kind(row.type, row.exchange), _listing(row.token, tokens)) for row in held)
        stored = Stored(
            VERSION,
            Instrument.__struct_fields__,
            pack(map(encode, held)),
            numbers(places, "q"),
            named.names,
            contracts,
            chains,
            {broker: index_tokens(known, places) for broker, known in tokens.items()},
            tuple(Counted(kind, brokers, count) for (kind, brokers), count in kinds.items()),
            day,
            () if before is None else before.moves_to({row.token: row for row in held}, day),
        )
        return cls(stored)

    @property
    def day(self) -> str:
        """The date in India for which its names were given; empty where nobody said it."""
        return self._stored.day

    def in_force(self, day: str) -> InForce:
        """Who is called what, for the table of a day that comes next."""
        names = self._stored.names
        gone = {token: name for name, token in names.held.items() if token not in self.by_token}
        return InForce(self.by_token, gone, "" if day == self.day else day or "another", names.former)

    def moves_to(self, listed: Mapping[int, Instrument], day: str) -> tuple[Move, ...]:
        """Who has another token among these, the table that comes next on a day."""
        return moves(self.by_token, listed, self._stored.moves if day == self.day else ())

    def successor(self, token: int) -> Instrument | None:
        """What was listed under another token before, as it is listed now; None where nothing was."""
        return next(
            (self.by_token[each.token] for each in self._stored.moves if each.former.token == token), None
        )

    def formers(self, token: int) -> list[Instrument]:
        """The same instrument as it was listed before, or earlier today, under other tokens."""
        return [each.former for each in self._stored.moves if each.token == token]

    def named(self, instrument: AnyInstrument) -> AnyInstrument:
        """The same instrument under its name of this table; as it is where that lists it no more."""
        now = self.by_token.get(instrument.token)
        if now is None or now.terms != instrument.terms or now.answered == instrument.answered:
            return instrument
        return msgspec.structs.replace(instrument, symbol=now.symbol, own_name=now.own_name)

    def renamed(self, tick: Tick) -> Tick:
        """The same tick, of its instrument under the name of this table."""
        instrument = self.named(tick.instrument)
        return tick if instrument is tick.instrument else msgspec.structs.replace(tick, instrument=instrument)

    def resolve(self, name: str) -> Instrument | None:
        """The instrument that a person means by a name, see `Names`."""
        return self._names.resolve(name)

    def suggest(self, name: str, n: int = 5) -> list[str]:
        """Symbols that a person may have meant."""
        return self._names.suggest(name, n)

    def renamed_to(self, name: str) -> str:
        """What that is called now which was called so before; empty where nothing was."""
        return self._names.renamed(name)

    def left_behind(self) -> list[str]:
        """The names that mean nothing, though another is called so: it may not be taken for what is gone."""
        held = self._stored.names.held.items()
        return [name for name, token in held if token not in self.by_token and self._names.means(name)]

    def contracts(self, underlying: str) -> list[Instrument]:
        """The futures and options on an underlying, as contracts write it, by expiry and strike."""
        first, last = self._stored.chains.get(underlying, (0, 0))
        return [self.by_token.at(place) for place in self._contracts[first:last]]

    def underlyings(self) -> list[str]:
        """What contracts are written on, as they write it."""
        return list(self._stored.chains)

    def cash(self) -> Iterator[Instrument]:
        """Everything but the contracts: a fifth of all instruments."""
        contracts = set(self._contracts)
        return (self.by_token.at(place) for place in range(len(self)) if place not in contracts)

    def broker_tokens(self, broker: str) -> Mapping[int, BrokerToken]:
        """Our token -> the broker's, for everything that it lists."""
        return self._tokens.get(broker, {})

    def broker_instruments(self, broker: str) -> Mapping[BrokerToken, Instrument]:
        """The broker's token -> the instrument, for everything that it lists."""
        return self._instruments.get(broker, {})

    def counts(self) -> dict[str, int]:
        """How many there are of each type."""
        return counts_by_type(self.kinds())

    def kinds(self, brokers: Collection[str] | None = None) -> Counter[Kind]:
        """How many there are of each kind.

        Args:
            brokers: only what one of these lists; None: everything.
        """
        counts: Counter[Kind] = Counter()
        for each in self._stored.kinds:
            if brokers is None or not set(brokers).isdisjoint(each.brokers):
                counts[each.kind] += each.count
        return counts

    def __len__(self) -> int:
        return len(self.by_token)

    def save(self, path: pathlib.Path) -> None:
        """Write it to disk, whole or not at all; for one process at a time.

        Raises:
            StoreError: the file cannot be written.
        """
        with replacing(path) as file:
            file.write_bytes(msgspec.msgpack.encode(self._stored))

    @classmethod
    def load(cls, path: pathlib.Path) -> InstrumentTable:
        """Read what `save` wrote.

        Raises:
            StoreError: there is no such file, or it is damaged or of another version.
        """
        try:
            data = _read(path)
            head = _head(data)
            if (head.version, head.fields) != (VERSION, Instrument.__struct_fields__):
                raise StoreError(f"{path}: of another version of mdactors; it is written anew after a fetch")
            return cls(_stored(data))
        except OSError as error:
            raise StoreError(f"{path}: the instruments cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError):
            raise StoreError(f"{path}: the file of instruments is damaged; delete it") from None


def _read(path: pathlib.Path) -> mmap.mmap:
    """The file in memory of its own, which the system has back with the last view of it.

    What is allocated the usual way stays with a daemon that takes a new table each day. The file itself is
    not mapped: whoever cut it would kill the daemon.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size or 1  # nothing cannot be mapped
        data = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        file.readinto(data)
        return data


def _listing(token: int, tokens: Mapping[str, Mapping[int, BrokerToken]]) -> tuple[str, ...]:
    """The brokers that list it."""
    return tuple(broker for broker, known in tokens.items() if token in known)


def counts_by_type(kinds: Mapping[Kind, int]) -> dict[str, int]:
    """Indices, stocks, futures and options -> how many of all exchanges."""
    counts = dict.fromkeys(COUNTED.values(), 0)
    for kind, count in kinds.items():
        counts[COUNTED[kind.type]] += count
    return counts


def _chains(rows: Sequence[Instrument]) -> tuple[memoryview, dict[str, tuple[int, int]]]:
    def terms(place: int) -> tuple[str, str, float, str]:
        row = rows[place]
        return row.underlying, row.expiry, row.strike, row.option_type

    places = sorted((place for place, row in enumerate(rows) if row.is_derivative), key=terms)
    chains: dict[str, tuple[int, int]] = {}
    first = 0
    for underlying, group in groupby(places, key=lambda place: rows[place].underlying):
        last = first + sum(1 for _ in group)
        chains[underlying] = (first, last)
        first = last
    return numbers(places), chains
