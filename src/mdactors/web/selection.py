"""What one session wants, and how its requests change that: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel, Interest
from mdactors.protocol import BadRequest, ErrorCode, Request
from mdactors.web.channels import NOT_LOADED, Channel, read_channels
from mdactors.web.directory import Directory
from mdactors.web.groups import Group, asked_groups, read_group
from mdactors.web.paths import MARKET, Path

Named: TypeAlias = dict[str, tuple[int, str]]
"""What was asked for -> token and symbol of what is meant."""


class Selection:
    """One session's whole interest; the truth of it."""

    def __init__(self, path: Path, interest: Interest, max_symbols: int) -> None:
        self.path = path
        self.interest = interest
        self._max_symbols = max_symbols
        self._symbols: dict[int, str] = {}
        self._asked: dict[int, int] = {}
        """Token -> the version of the interest in which it was asked for last."""
        self._channels: dict[str, Channel] = {}
        """By the names that were asked for."""
        self._groups: dict[Group, frozenset[int]] = {}
        """The tokens that each stood for when it was asked for: its members may be others by now."""

    @property
    def symbols(self) -> list[str]:
        """The symbols that were asked for, one by one or as members of a group."""
        return list(self._symbols.values())

    def change(self, request: Request, directory: Directory) -> dict[str, Any]:
        """Take a request in.

        Returns:
            What `messages.SessionReported` carries of it, for the answer.

        Raises:
            BadRequest: it cannot be served; nothing is changed.
        """
        names, groups = self._check(request, directory.table)
        channels = read_channels(request, directory, self._channels)
        found, unknown = self._find(names, request, directory.table)
        members = {group: self._members(group, request, directory, unknown) for group in groups}
        self._count(names, channels, members, request)
        for group, named in members.items():
            found = named | found
            self._change_group(request, group, named)
        version = self.interest.version + 1
        tokens = dict(self.interest.tokens)
        for token, symbol in found.values():
            if request.action == "SUBSCRIBE":
                tokens[token] = request.mode
                self._symbols[token] = symbol
                self._asked[token] = version
            else:
                tokens.pop(token, None)
                self._forget(token)
        self._change_channels(request, channels)
        bars = frozenset(each for each in self._channels.values() if isinstance(each, BarChannel))
        views = frozenset(each for each in self._channels.values() if isinstance(each, str))
        self.interest = msgspec.structs.replace(
            self.interest, tokens=tokens, channels=bars, views=views, version=version, pinned=False
        )
        asked = {} if request.channels is None else {"channels": list(channels)}
        return {
            "event": f"{request.action.lower()}d",
            "id": request.id,
            "symbols": {name: symbol for name, (_, symbol) in found.items()},
            "tokens": {name: token for name, (token, _) in found.items()},
            "unknown": unknown,
            **asked,
        }

    def _change_group(self, request: Request, group: Group, named: Named) -> None:
        held = self._groups.pop(group, frozenset())
        if request.action == "SUBSCRIBE":
            self._groups[group] = held | {token for token, _ in named.values()}

    def _change_channels(self, request: Request, channels: Mapping[str, Channel]) -> None:
        if request.action == "SUBSCRIBE":
            held = set(self._channels.values())
            self._channels |= {name: channel for name, channel in channels.items() if channel not in held}
        else:
            ended = set(channels.values())
            self._channels = {
                name: channel for name, channel in self._channels.items() if channel not in ended
            }

    def remove(self, tokens: Iterable[int], version: int) -> None:
        """Take out what cannot be streamed, as was found for a version of the interest.

        What was asked for again since then stays: that request has its own answer.
        """
        for token in tokens:
            if self._asked.get(token, 0) <= version:
                self._forget(token)
        kept = {token: mode for token, mode in self.interest.tokens.items() if token in self._symbols}
        self.interest = msgspec.structs.replace(self.interest, tokens=kept)

    def _forget(self, token: int) -> None:
        self._symbols.pop(token, None)
        self._asked.pop(token, None)

    def _check(self, request: Request, table: InstrumentTable) -> tuple[list[str], list[Group]]:
        """The names and groups that the request is about."""
        path = self.path
        if path.everything:
            message = f"{path.name} sends everything; to choose, use {path.selective} or {MARKET}"
            raise request.refusal(ErrorCode.WRONG_PATH, message, "action")
        if request.type is not None and request.type not in path.carries.types:
            message = f"{path.name} carries no {request.type}; use {MARKET}"
            raise request.refusal(ErrorCode.WRONG_PATH, message, "type")
        if request.channels is not None and not path.market:
            message = f"{path.name} has no channels; use {MARKET}"
            raise request.refusal(ErrorCode.WRONG_PATH, message, "channels")
        groups = list(asked_groups(request)) if path.market else []
        keys = request.keys if path.market else None
        if request.symbols is None and keys is None and request.channels is None and not groups:
            hint = (
                "" if path.market else f"; keys, sector, underlying and channels are understood on {MARKET}"
            )
            message = f"symbols must be a list of names{hint}"
            raise request.refusal(ErrorCode.INVALID_FIELD, message, "symbols")
        names = [*(request.symbols or ()), *(keys or ())]
        if (count := len(names) + len(request.channels or ())) > self._max_symbols:
            raise self._too_many(
                count, request, "symbols" if request.symbols else "keys" if keys else "channels"
            )
        if (names or groups) and not len(table):
            raise request.refusal(ErrorCode.NOT_READY, NOT_LOADED)
        return list(dict.fromkeys(names)), groups

    def _count(
        self,
        names: Collection[str],
        channels: Collection[str],
        members: Mapping[Group, Named],
        request: Request,
    ) -> None:
        """Refuse a request that with the members of its groups means more than is allowed."""
        count = len(names) + len(channels)
        for group, named in members.items():
            count += len(named)
            if request.action == "SUBSCRIBE" and count > self._max_symbols:
                raise self._too_many(count, request, group.field)

    def _too_many(self, count: int, request: Request, field: str) -> BadRequest:
        message = f"{count} names in one request; {self._max_symbols} are allowed"
        return request.refusal(ErrorCode.TOO_MANY_SYMBOLS, message, field)

    def _members(self, group: Group, request: Request, directory: Directory, unknown: list[str]) -> Named:
        """What belongs to a group, as far as it is of the type that was asked for.

        To end a group means what it stood for when it was asked for. Members that no broker lists are added
        to ``unknown``.
        """
        if request.action == "UNSUBSCRIBE" and group in self._groups:
            held = (token for token in self._groups[group] if token in self._symbols)
            return {self._symbols[token]: (token, self._symbols[token]) for token in held}
        found = read_group(group, request, directory)
        unknown += [name for name, each in found.items() if each is None]
        return {
            name: (each.token, each.symbol)
            for name, each in found.items()
            if each is not None and self.path.admits(each, request.type)
        }

    def _find(
        self, names: Iterable[str], request: Request, table: InstrumentTable
    ) -> tuple[Named, list[str]]:
        """Name -> (token, symbol) of what is meant, and the names that mean nothing here."""
        found: Named = {}
        unknown = []
        # What has expired since it was subscribed is in no table any more.
        held = {symbol.upper(): token for token, symbol in self._symbols.items()}
        for name in names:
            instrument = table.resolve(name)
            if instrument is not None and self.path.admits(instrument, request.type):
                found[name] = instrument.token, instrument.symbol
            elif request.action == "UNSUBSCRIBE" and (token := held.get(name.strip().upper())) is not None:
                found[name] = token, self._symbols[token]
            else:
                unknown.append(name)
        return found, unknown
