"""What one session wants, and how its requests change that: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from mdactors.market.instruments import InstrumentTable
from mdactors.market.interest import BarChannel
from mdactors.market.quote import Mode, richer
from mdactors.protocol import ErrorCode, Request
from mdactors.web.band import Band
from mdactors.web.channels import NOT_LOADED, Channel, made_of, read_channels
from mdactors.web.directory import Directory
from mdactors.web.groups import Asked, Group, Meant, asked_groups, read_group
from mdactors.web.paths import MARKET, Path
from mdactors.web.terms import Terms
from mdactors.web.wishes import Wishes

Named: TypeAlias = dict[str, tuple[int, str]]
"""What was asked for -> token and symbol of what is meant."""
Made: TypeAlias = dict[Channel, Mapping[int, Mode]]
"""Channel -> what it is made of."""


class Selection:
    """One session's whole interest; the truth of it."""

    def __init__(self, path: Path, terms: Terms, max_symbols: int) -> None:
        self.path = path
        self.interest = terms.first_interest(path)
        self._terms = terms
        self._max_symbols = max_symbols
        self._wishes = Wishes()
        self._symbols: dict[int, str] = {}
        """Of all that is wanted."""
        self._further: dict[str, int] = {}
        """Names in capitals, other than these symbols, by which it was asked for."""
        self._asked: dict[int, int] = {}
        """Token -> the version of the interest in which it was asked for last."""
        self._groups: dict[Asked, set[Group]] = {}
        """What was meant when it was asked for: another expiry may be the nearest by now."""
        self._bands: dict[Group, Band] = {}
        self._channels: dict[str, Channel] = {}
        """By the names that were asked for."""
        self._made: Made = {}

    @property
    def symbols(self) -> list[str]:
        """The symbols that were asked for, one by one or as members of a group."""
        return list(self._symbols.values())

    # --- requests

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
        if request.action == "SUBSCRIBE":
            meant = {asked: read_group(asked.field, request, directory) for asked in groups}
            unknown += [name for each in meant.values() for name, one in each.members.items() if one is None]
            members = {asked: self._admitted(each, request) for asked, each in meant.items()}
            made = self._made_of(channels, request, directory, len(names), members)
            found = self._subscribe(request, found, meant, members)
            self._watch(channels, made)
        else:
            ended = {asked: self._held(asked, request, directory) for asked in groups}
            found = self._unsubscribe(request, found, ended, directory.table)
            self._unwatch(channels)
        events, pinned = self._terms.asking(self.path)
        self._renew(events=events, pinned=pinned)
        return {
            "event": f"{request.action.lower()}d",
            "id": request.id,
            "symbols": {name: symbol for name, (_, symbol) in found.items()},
            "tokens": {name: token for name, (token, _) in found.items()},
            "unknown": unknown,
            **({} if request.channels is None else {"channels": list(channels)}),
        }

    def _subscribe(
        self, request: Request, found: Named, meant: Mapping[Asked, Meant], members: Mapping[Asked, Named]
    ) -> Named:
        """Want what was found by name and the members of groups; all of it."""
        self._wishes.want((token for token, _ in found.values()), request.mode)
        for asked, named in members.items():
            group, band = meant[asked].group, meant[asked].band
            if _means_options(request) and (band is not None or group in self._bands):
                self._bands.pop(group, None)
                self._wishes.end(self._wishes.members(group), group)  # asked again, it is what was asked last
                if band is not None:
                    self._bands[group] = band
            self._groups.setdefault(asked, set()).add(group)
            self._wishes.want((token for token, _ in named.values()), request.mode, group)
            found = named | found
        self._note(found)
        return found

    def _unsubscribe(
        self, request: Request, found: Named, ended: Mapping[Asked, set[Group]], table: InstrumentTable
    ) -> Named:
        """Want no longer what was found by name, nor groups' members; all of it that is wanted no more."""
        self._wishes.forget(token for token, _ in found.values())
        members: dict[int, None] = {}
        for group in set[Group]().union(*ended.values()):
            tokens = [token for token in self._wishes.members(group) if _is_of(token, request.type, table)]
            self._wishes.end(tokens, group)
            if _means_options(request):
                self._bands.pop(group, None)
            members |= dict.fromkeys(tokens)
        left = self._wishes.modes()
        gone = {self._symbols[token]: (token, self._symbols[token]) for token in members if token not in left}
        return gone | found

    def _held(self, asked: Asked, request: Request, directory: Directory) -> set[Group]:
        """The groups that are to be ended: those that were meant when they were asked for so, else now."""
        return self._groups.get(asked) or {read_group(asked.field, request, directory).group}

    def _admitted(self, meant: Meant, request: Request) -> Named:
        """A group's members, as far as they are of the type that was asked for."""
        return {
            name: (each.token, each.answered)
            for name, each in meant.members.items()
            if each is not None and self.path.admits(each, request.type)
        }

    # --- channels

    def _made_of(
        self,
        channels: Mapping[str, Channel],
        request: Request,
        directory: Directory,
        names: int,
        members: Mapping[Asked, Named],
    ) -> Made:
        """What new channels are made of; refuses a request that with all its members means too much."""
        count = names + len(channels)
        for asked, named in members.items():
            count = self._counted(count + len(named), request, asked.field)
        made: Made = {}
        for channel in dict.fromkeys(channels.values()):
            if channel not in self._made:
                made[channel] = made_of(channel, directory)
                count = self._counted(count + len(made[channel]), request, "channels")
        return made

    def _watch(self, channels: Mapping[str, Channel], made: Made) -> None:
        held = set(self._channels.values())
        self._channels |= {name: channel for name, channel in channels.items() if channel not in held}
        self._made |= made

    def _unwatch(self, channels: Mapping[str, Channel]) -> None:
        ended = set(channels.values())
        self._channels = {name: channel for name, channel in self._channels.items() if channel not in ended}
        for channel in ended:
            self._made.pop(channel, None)

    # --- what happens without a request

    def show_pins(self) -> None:
        """Get what is pinned, until the first request."""
        self._renew(pinned=True)

    def remove(self, tokens: Iterable[int], version: int) -> None:
        """Take out what cannot be streamed, as was found for a version of the interest.

        What was asked for again since then stays: that request has its own answer.
        """
        self._wishes.forget([token for token in tokens if self._asked.get(token, 0) <= version])
        self._renew(version=self.interest.version)

    @property
    def priced_by(self) -> frozenset[int]:
        """The tokens of what says where the money is that groups follow."""
        return frozenset(token for band in self._bands.values() for token in band.priced_by)

    def follow(self, prices: Mapping[int, float], table: InstrumentTable) -> bool:
        """Want the options around where the money is by these prices; whether any has moved."""
        moved = False
        for group, band in self._bands.items():
            before = band.follow(prices)
            if not before:
                continue
            now = {token: each for token in band.tokens() if (each := table.by_token.get(token)) is not None}
            self._wishes.end(before - now.keys(), group)
            fresh = [each for token, each in now.items() if token not in before]
            self._wishes.want((each.token for each in fresh), band.mode, group)
            self._note({each.answered: (each.token, each.answered) for each in fresh})
            moved = True
        if moved:
            self._renew()
        return moved

    # --- what comes of it

    def _note(self, found: Named) -> None:
        """Note that these were asked for in the version that is in the making."""
        for name, (token, symbol) in found.items():
            self._symbols[token] = symbol
            self._asked[token] = self.interest.version + 1
            self._further.pop(asked := _capitals(name), None)
            if asked != symbol.upper():
                self._further[asked] = token

    def _renew(self, *, version: int | None = None, **changed: Any) -> None:
        """Make the interest anew; by default it is the next version."""
        self._forget_empty_groups()
        tokens = self._wishes.modes()
        if gone := self._symbols.keys() - tokens.keys():
            for token in gone:
                del self._symbols[token], self._asked[token]
            self._further = {name: token for name, token in self._further.items() if token in tokens}
        behind: dict[int, Mode] = {}
        for made in (*self._made.values(), *(band.behind for band in self._bands.values())):
            behind |= {token: richer(mode, behind.get(token, mode)) for token, mode in made.items()}
        self.interest = msgspec.structs.replace(
            self.interest,
            tokens=tokens,
            channels=frozenset(each for each in self._channels.values() if isinstance(each, BarChannel)),
            views=frozenset(each for each in self._channels.values() if isinstance(each, str)),
            behind=behind,
            version=self.interest.version + 1 if version is None else version,
            **changed,
        )

    def _forget_empty_groups(self) -> None:
        """Forget the groups that have no members any more, however those were ended."""
        has_members = self._wishes.members
        left = {asked: set(filter(has_members, groups)) for asked, groups in self._groups.items()}
        self._groups = {asked: groups for asked, groups in left.items() if groups}
        self._bands = {group: band for group, band in self._bands.items() if has_members(group)}

    # --- what may be asked

    def _check(self, request: Request, table: InstrumentTable) -> tuple[list[str], list[Asked]]:
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
        field = "symbols" if request.symbols else "keys" if keys else "channels"
        self._counted(len(names) + len(request.channels or ()), request, field)
        if (names or groups) and not len(table):
            raise request.refusal(ErrorCode.NOT_READY, NOT_LOADED)
        return list(dict.fromkeys(names)), groups

    def _counted(self, count: int, request: Request, field: str) -> int:
        """The count of all that a request names, where that is not too many."""
        if count > self._max_symbols:
            message = f"{count} names in one request; {self._max_symbols} are allowed"
            raise request.refusal(ErrorCode.TOO_MANY_SYMBOLS, message, field)
        return count

    def _find(
        self, names: Iterable[str], request: Request, table: InstrumentTable
    ) -> tuple[Named, list[str]]:
        """Name -> (token, symbol) of what is meant, and the names that mean nothing here."""
        found: Named = {}
        unknown = []
        # What was subscribed ends by the names of then, whatever they mean by now, if anything.
        held = self._held_names() if request.action == "UNSUBSCRIBE" else {}
        for name in names:
            token = held.get(_capitals(name))
            instrument = table.resolve(name) if token is None else table.by_token.get(token)
            if instrument is not None and self.path.admits(instrument, request.type):
                found[name] = instrument.token, instrument.answered
            elif instrument is None and token is not None:  # listed no more
                found[name] = token, self._symbols[token]
            else:
                unknown.append(name)
        return found, unknown

    def _held_names(self) -> dict[str, int]:
        """Every name in capitals by which something is wanted -> its token."""
        symbols = {symbol.upper(): token for token, symbol in self._symbols.items()}
        return {str(token): token for token in self._symbols} | symbols | self._further


def _capitals(name: str) -> str:
    return name.strip().upper()


def _means_options(request: Request) -> bool:
    return request.type in (None, "OPTION")


def _is_of(token: int, kind: str | None, table: InstrumentTable) -> bool:
    """Whether an instrument is of the type that was asked for; what is listed no more is of any."""
    instrument = table.by_token.get(token) if kind is not None else None
    return instrument is None or instrument.type == kind
