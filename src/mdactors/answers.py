"""What sessions are told of their subscriptions: answered to requests, and unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from mdactors.market.quote import Mode

Named: TypeAlias = Mapping[str, tuple[int, str]]
"""What was asked for -> token and symbol of what is meant."""
UNLISTED = "unlisted"
"""Why what was subscribed ended unasked: no broker lists it any more."""


def request_answer(
    request: Mapping[str, Any], refused: Mapping[int, str], downgraded: Mapping[int, Mode]
) -> dict[str, Any]:
    """The answer to a request as it was reported (see `messages.SessionReported`).

    Args:
        request: ``event``, ``id``, ``symbols`` (asked -> symbol), ``tokens`` (asked -> instrument
            token), ``unknown``, and ``channels`` where any were asked for.
        refused: instrument token -> why it cannot be streamed.
        downgraded: instrument token -> the mode in which it streams, where its broker lacks the wanted one.
    """
    symbols: dict[str, str] = request["symbols"]
    tokens: dict[str, int] = request["tokens"]
    if request["event"] == "unsubscribed":
        refused = downgraded = {}
    answer: dict[str, Any] = {"event": request["event"]}
    if request.get("id") is not None:
        answer["id"] = request["id"]
    if "reason" in request:
        channels = {"channels": request["channels"]} if "channels" in request else {}
        return answer | {"symbols": symbols, **channels, "reason": request["reason"]}
    taken = {name: symbol for name, symbol in symbols.items() if tokens[name] not in refused}
    if request["event"] == "subscription":
        answer |= {"added": taken, "removed": request["removed"]}
    else:
        answer["symbols"] = taken
    if request["event"] != "unsubscribed":
        answer["instrumentTokens"] = {name: tokens[name] for name in taken}
    if request["event"] != "subscription":
        answer["unknown"] = list(request["unknown"])
    answer["rejected"] = [
        {"symbol": symbol, "asked": name, "reason": refused[tokens[name]]}
        for name, symbol in symbols.items()
        if tokens[name] in refused
    ]
    if modes := {name: downgraded[tokens[name]] for name in taken if tokens[name] in downgraded}:
        answer["modes"] = modes
    if "channels" in request:
        answer["channels"] = request["channels"]
    return answer


def unlisted(gone: Named, channels: Sequence[str] = ()) -> dict[str, Any]:
    """What `messages.SessionReported` carries of what ended because no list has it any more."""
    told: dict[str, Any] = {"event": "unsubscribed", "reason": UNLISTED} | _named(gone)
    return told | ({"channels": channels} if channels else {})


def relisted(back: Named, channels: Sequence[str] = ()) -> dict[str, Any]:
    """The same of what goes on under another number or name, or is back."""
    told: dict[str, Any] = {"event": "subscribed", "unknown": ()} | _named(back)
    return told | ({"channels": channels} if channels else {})


def resubscribed(gone: Named, back: Named, ended: Sequence[str], begun: Sequence[str]) -> dict[str, Any]:
    """Both at once, for a session with events; ``ended`` and ``begun`` are channels."""
    removed = {name: symbol for name, (_, symbol) in gone.items()}
    told: dict[str, Any] = {"event": "subscription", "removed": removed} | _named(back)
    channels = {"added": list(begun), "removed": list(ended)}
    return told | ({"channels": channels} if begun or ended else {})


def _named(found: Named) -> dict[str, Any]:
    return {
        "symbols": {name: symbol for name, (_, symbol) in found.items()},
        "tokens": {name: token for name, (token, _) in found.items()},
    }
