"""What one session wants, and how its requests change that: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel, Interest
from mdactors.protocol import BadRequest, ErrorCode, Request
from mdactors.web.channels import Channel, read_channels
from mdactors.web.paths import MARKET, Path

NOT_YET = ("sector", "underlying")


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

    @property
    def symbols(self) -> list[str]:
        """The symbols that were asked for one by one."""
        return list(self._symbols.values())

    def change(self, request: Request, table: InstrumentTable) -> dict[str, Any]:
        """Take a request in.

        Returns:
            What `messages.SessionReported` carries of it, for the answer.

        Raises:
            BadRequest: it cannot be served; nothing is changed.
        """
        names = self._check(request, table)
        channels = read_channels(request, table, self._channels)
        found, unknown = self._find(names, request, table)
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

    def _check(self, request: Request, table: InstrumentTable) -> list[str]:
        """The names that the request is about."""

        def refuse(code: ErrorCode, message: str, field: str = "") -> BadRequest:
            return BadRequest(code, message, field, request.id)

        path = self.path
        if path.everything:
            raise refuse(
                ErrorCode.WRONG_PATH,
                f"{path.name} sends everything; to choose, use {path.selective} or {MARKET}",
                "action",
            )
        if request.type is not None and request.type not in path.carries.types:
            raise refuse(ErrorCode.WRONG_PATH, f"{path.name} carries no {request.type}; use {MARKET}", "type")
        if request.channels is not None and not path.market:
            raise refuse(ErrorCode.WRONG_PATH, f"{path.name} has no channels; use {MARKET}", "channels")
        for field in NOT_YET if path.market else ():
            if getattr(request, field) is not None:
                raise refuse(ErrorCode.NOT_AVAILABLE, f"{field} is not available in this version", field)
        keys = request.keys if path.market else None
        if request.symbols is None and keys is None and request.channels is None:
            hint = f"; keys and the like are understood on {MARKET}" if not path.market else ""
            raise refuse(ErrorCode.INVALID_FIELD, f"symbols must be a list of names{hint}", "symbols")
        names = [*(request.symbols or ()), *(keys or ())]
        if (count := len(names) + len(request.channels or ())) > self._max_symbols:
            field = "symbols" if request.symbols else "keys" if keys else "channels"
            message = f"{count} names in one request; {self._max_symbols} are allowed"
            raise refuse(ErrorCode.TOO_MANY_SYMBOLS, message, field)
        if names and not len(table):
            raise refuse(ErrorCode.NOT_READY, "the instruments are not loaded yet; ask again in a moment")
        return list(dict.fromkeys(names))

    def _find(
        self, names: Iterable[str], request: Request, table: InstrumentTable
    ) -> tuple[dict[str, tuple[int, str]], list[str]]:
        """Name -> (token, symbol) of what is meant, and the names that mean nothing here."""
        found: dict[str, tuple[int, str]] = {}
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
