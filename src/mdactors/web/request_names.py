"""What a request names, and whether it may: pure."""

from __future__ import annotations

from mdactors.market.instruments import InstrumentTable
from mdactors.protocol import ErrorCode, Request
from mdactors.web.channels import NOT_LOADED
from mdactors.web.groups import Asked, asked_groups
from mdactors.web.paths import MARKET, Path


def read_names(
    request: Request, path: Path, table: InstrumentTable, most: int
) -> tuple[list[str], list[Asked]]:
    """The names and groups that a request on a path is about; ``most`` are allowed.

    Raises:
        BadRequest: it asks for nothing, for too much, or for what the path does not have.
    """
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
        hint = "" if path.market else f"; keys, sector, underlying and channels are understood on {MARKET}"
        message = f"symbols must be a list of names{hint}"
        raise request.refusal(ErrorCode.INVALID_FIELD, message, "symbols")
    names = [*(request.symbols or ()), *(keys or ())]
    field = "symbols" if request.symbols else "keys" if keys else "channels"
    counted(len(names) + len(request.channels or ()), most, request, field)
    if (names or groups) and not len(table):
        raise request.refusal(ErrorCode.NOT_READY, NOT_LOADED)
    return list(dict.fromkeys(names)), groups


def counted(count: int, most: int, request: Request, field: str) -> int:
    """The count of all that a request names, where that is not too many.

    Raises:
        BadRequest: it is.
    """
    if count > most:
        message = f"{count} names in one request; {most} are allowed"
        raise request.refusal(ErrorCode.TOO_MANY_SYMBOLS, message, field)
    return count
