"""What one session wants, and how its requests change that: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.quote import Mode, richer
from mdactors.protocol import Request
from mdactors.web.asked_names import AskedNames, Named, spoken
from mdactors.web.band import Band
from mdactors.web.channels import Channel, Find, made_of, read_channels
from mdactors.web.directory import Directory
from mdactors.web.groups import Asked, Group, Meant, read_group
from mdactors.web.paths import Path
from mdactors.web.request_names import counted, read_names
from mdactors.web.session_channels import Made, SessionChannels
from mdactors.web.terms import Terms
from mdactors.web.wishes import Wishes

Resolve: TypeAlias = Callable[[str], Instrument | None]


class Lost(NamedTuple):
    """What was asked for and is listed no more: it is wanted again when it is back."""

    token: int
    symbol: str
    wanted: Mapping[Group | None, Mode]


class Selection:
    """One session's whole interest; the truth of it."""

    def __init__(self, path: Path, terms: Terms, max_symbols: int) -> None:
        self.path = path
        self.interest = terms.first_interest(path)
        self._terms = terms
        self._max_symbols = max_symbols
        self._wishes = Wishes()
        self._names = AskedNames()
        self._groups: dict[Asked, set[Group]] = {}
        """What was meant when it was asked for: another expiry may be the nearest by now."""
        self._bands: dict[Group, Band] = {}
        self._channels = SessionChannels()
        self._lost: dict[str, Lost] = {}
        """By the names in capitals under which it was asked for."""

    @property
    def symbols(self) -> list[str]:
        """The symbols that were asked for, one by one or as members of a group."""
        return list(self._names.symbols.values())

    # --- requests

    def change(self, request: Request, directory: Directory) -> dict[str, Any]:
        """Take a request in.

        Returns:
            What `messages.SessionReported` carries of it, for the answer.

        Raises:
            BadRequest: it cannot be served; nothing is changed.
        """
        names, groups = read_names(request, self.path, directory.table, self._max_symbols)
        channels = read_channels(request, directory, self._channels.by_name)
        found, unknown = self._find(names, request, directory)
        if request.action == "SUBSCRIBE":
            meant = {asked: read_group(asked.field, request, directory) for asked in groups}
            unknown += [name for each in meant.values() for name, one in each.members.items() if one is None]
            members = {asked: self._admitted(each, request) for asked, each in meant.items()}
            made = self._made_of(channels, request, directory, len(names), members)
            found = self._subscribe(request, found, meant, members)
            self._channels.watch(channels, made)
        else:
            ended = {asked: self._held(asked, request, directory) for asked in groups}
            found = self._unsubscribe(request, found, ended, directory.table)
            self._channels.unwatch(channels)
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
        for name in found:
            self._lost.pop(spoken(name), None)
        members: dict[int, None] = {}
        for group in set[Group]().union(*ended.values()):
            tokens = [token for token in self._wishes.members(group) if _is_of(token, request.type, table)]
            self._wishes.end(tokens, group)
            if _means_options(request):
                self._bands.pop(group, None)
            members |= dict.fromkeys(tokens)
        left = self._wishes.modes()
        symbols = self._names.symbols
        gone = {symbols[token]: (token, symbols[token]) for token in members if token not in left}
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
        count, most = names + len(channels), self._max_symbols
        for asked, held in members.items():
            count = counted(count + len(held), most, request, asked.field)
        made: dict[Channel, Mapping[int, Mode]] = {}
        for channel in dict.fromkeys(channels.values()):
            if channel not in self._channels.made:
                made[channel] = made_of(channel, directory)
                count = counted(count + len(made[channel]), most, request, "channels")
        return made

    # --- what happens without a request

    def show_pins(self) -> None:
        """Get what is pinned, until the first request."""
        self._renew(pinned=True)

    def remove(self, tokens: Iterable[int], version: int) -> None:
        """Take out what cannot be streamed, as was found for a version of the interest.

        What was asked for again since then stays: that request has its own answer.
        """
        self._wishes.forget([token for token in tokens if self._names.version(token) <= version])
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

    # --- another table

    def lose(self, find: Find) -> Named:
        """Want no longer what is listed no more, until it is back; what that is, by the names of then."""
        gone: Named = {}
        names = self._names.by_token()
        for token, symbol in self._names.symbols.items():
            instrument = find(token)
            if instrument is not None and _is_still(instrument, token, symbol):
                continue
            wanted = self._wishes.take(token)
            for name in names[token]:
                self._lost[name] = Lost(token, symbol, wanted)
                gone[name] = token, symbol
        for name in list(self._lost)[: -self._max_symbols]:
            del self._lost[name]
        if gone:
            self._renew()
        return gone

    def regain(self, find: Find, resolve: Resolve) -> Named:
        """Want what has another number or another name now, and what is back; what that is.

        A name that was lost means neither another segment's instrument nor one that the path does not carry.
        """
        found: Named = {}
        names = self._names.by_token()
        for token, symbol in list(self._names.symbols.items()):
            instrument = find(token)
            if instrument is None or (instrument.token, instrument.answered) == (token, symbol):
                continue
            now = instrument.token, instrument.answered
            found |= dict.fromkeys(names[token], now)
            self._wishes.give(instrument.token, self._wishes.take(token))
            self._note({str(token): now})  # it ends by its old number as well
        for name, lost in list(self._lost.items()):
            instrument = resolve(name)
            if instrument is None or instrument.token & 0xFF != lost.token & 0xFF:
                continue
            wanted = {group: mode for group, mode in lost.wanted.items() if self._wants(group)}
            if wanted and self.path.admits(instrument, None):
                self._wishes.give(instrument.token, wanted)
                found[name] = instrument.token, instrument.answered
            else:
                del self._lost[name]
        if found:
            self._note(found)
            self._renew()
        return found

    def reread_channels(self, directory: Directory, find: Find) -> tuple[list[str], list[str]]:
        """Have the channels show what they are about as it is listed now, see `SessionChannels.reread`."""
        before = self._channels.made
        told = self._channels.reread(directory, find)
        if self._channels.made != before:
            self._renew()
        return told

    def _wants(self, group: Group | None) -> bool:
        return group is None or any(group in groups for groups in self._groups.values())

    # --- what comes of it

    def _note(self, found: Named) -> None:
        """Note that these were asked for in the version that is in the making."""
        self._names.note(found, self.interest.version + 1)
        for name in found:
            self._lost.pop(spoken(name), None)

    def _renew(self, *, version: int | None = None, **changed: Any) -> None:
        """Make the interest anew; by default it is the next version."""
        self._forget_empty_groups()
        tokens = self._wishes.modes()
        self._names.keep(tokens)
        behind: dict[int, Mode] = {}
        for made in (*self._channels.made.values(), *(band.behind for band in self._bands.values())):
            behind |= {token: richer(mode, behind.get(token, mode)) for token, mode in made.items()}
        self.interest = msgspec.structs.replace(
            self.interest,
            tokens=tokens,
            channels=self._channels.bars(),
            views=self._channels.views(),
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

    def _find(self, names: Iterable[str], request: Request, directory: Directory) -> tuple[Named, list[str]]:
        """Name -> (token, symbol) of what is meant, and the names that mean nothing here, or are over."""
        table, today = directory.table, directory.today
        found: Named = {}
        unknown = []
        # What was subscribed ends by the names of then, whatever they mean by now, if anything.
        held = self._held_names() if request.action == "UNSUBSCRIBE" else {}
        for name in names:
            token = held.get(spoken(name))
            instrument = table.resolve(name) if token is None else table.by_token.get(token)
            is_over = token is None and instrument is not None and "" < instrument.expiry < today
            if instrument is not None and not is_over and self.path.admits(instrument, request.type):
                found[name] = instrument.token, instrument.answered
            elif instrument is None and token is not None:  # listed no more
                found[name] = token, self._symbol(token, name)
            else:
                unknown.append(name)
        return found, unknown

    def _symbol(self, token: int, name: str) -> str:
        """What is listed no more was called so."""
        lost = self._lost.get(spoken(name))
        return self._names.symbols[token] if lost is None else lost.symbol

    def _held_names(self) -> dict[str, int]:
        """Every name by which something is wanted, or was until it was lost -> its token."""
        return {name: each.token for name, each in self._lost.items()} | self._names.tokens()


def _is_still(now: Instrument, token: int, symbol: str) -> bool:
    """Whether it is what was asked for: an expired contract's token goes to another."""
    return not now.is_derivative or (now.token, now.answered) == (token, symbol)


def _means_options(request: Request) -> bool:
    return request.type in (None, "OPTION")


def _is_of(token: int, kind: str | None, table: InstrumentTable) -> bool:
    """Whether an instrument is of the type that was asked for; what is listed no more is of any."""
    instrument = table.by_token.get(token) if kind is not None else None
    return instrument is None or instrument.type == kind
