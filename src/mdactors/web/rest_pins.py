"""REST that subscribes for nobody's session: ``/api/market/subscribe`` and ``/api/market/unsubscribe``."""

from __future__ import annotations

import msgspec

from mdactors.market.instrument import Instrument
from mdactors.market.sectors import share_of
from mdactors.messages import PinAsked, UnpinAsked
from mdactors.protocol import Listed
from mdactors.web.handler import Failure, Handler


class _Body(msgspec.Struct, rename="camel"):
    sector: str | None = None
    instrument_key: str | None = None
    symbols: Listed | None = None


_read = msgspec.json.Decoder(_Body).decode


class _Wish(msgspec.Struct):
    """What a body means."""

    found: dict[str, Instrument]
    """By the names that were asked for, and a sector's shares by their symbols."""
    unknown: list[str]
    tokens: frozenset[int]
    """Of what was asked for one by one."""
    sectors: frozenset[str]
    """Codes."""


class _PinHandler(Handler):
    """What both paths share: their body."""

    def wish(self) -> _Wish:
        """Look up what the body names: a sector, an instrument's key, symbols, or several of these."""
        body, table = self.body(_read), self.table()
        names = [*(body.symbols or ()), *([body.instrument_key] if body.instrument_key is not None else ())]
        if not names and body.sector is None:
            message = "sector, instrumentKey or symbols must say what is meant"
            raise Failure(400, "invalid_parameter", message, field="symbols")
        if len(names) > (most := self.parts.settings.max_symbols_per_request):
            message = f"{len(names)} names in one request; {most} are allowed"
            raise Failure(400, "invalid_parameter", message, field="symbols")
        meant = {name: table.resolve(name) for name in names}
        tokens = frozenset(each.token for each in meant.values() if each is not None)
        codes: frozenset[str] = frozenset()
        if body.sector is not None:
            code = self.sector(body.sector, "sector").code
            codes = frozenset({code})
            members = self.parts.gateway.sectors().members(code)
            meant |= {member.symbol: share_of(table, member) for member in members}
        return _Wish(
            found={name: each for name, each in meant.items() if each is not None},
            unknown=[name for name, each in meant.items() if each is None],
            tokens=tokens,
            sectors=codes,
        )


class MarketSubscribe(_PinHandler):
    """``POST /api/market/subscribe``."""

    async def post(self) -> None:
        """Stream instruments in full for nobody's session, until the day ends in India."""
        wish = self.wish()
        reasons = await self.ask(self.parts.gateway.subscriptions, PinAsked(wish.tokens, wish.sectors))
        found = wish.found.items()
        self.answer(
            {
                "subscribed": {name: each.answered for name, each in found if each.token not in reasons},
                "unknown": wish.unknown,
                "notStreamed": [
                    {"symbol": each.answered, "asked": name, "reason": reasons[each.token]}
                    for name, each in found
                    if each.token in reasons
                ],
            }
        )


class MarketUnsubscribe(_PinHandler):
    """``POST /api/market/unsubscribe``."""

    async def post(self) -> None:
        """End what `MarketSubscribe` began, for the same body."""
        wish = self.wish()
        await self.ask(self.parts.gateway.subscriptions, UnpinAsked(wish.tokens, wish.sectors))
        symbols = {name: each.answered for name, each in wish.found.items()}
        self.answer({"unsubscribed": symbols, "unknown": wish.unknown})
