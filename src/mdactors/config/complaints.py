"""How a problem of the configuration is put: its path, what was expected, a suggestion, never a secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from mdactors.adapter import Secret
from mdactors.config.words import parts_of

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)


def complaint(error: msgspec.ValidationError, value: Any, kind: Any, path: str) -> str:
    """Why a value is none for a setting of this type."""
    found = _AT.match(str(error))
    what, where = (found["what"], found["where"] or "") if found else (str(error), "")
    if value is None:
        hint = ": put it in quotes, or leave it out" if _takes_text(kind) else ""
        return f"{path}: expected {_name(kind)}, got nothing{hint}"
    if ("matching regex" in what or "enum value" in what) and (described := _description(kind)):
        what = f"expected {described}"  # a person reads words, not patterns
    if where:
        return f"{path}{where}: {_lowered(what)}"
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return f"{path}: expected one of {', '.join(choices)}{suggestion(value, choices)}"
    if "got" not in what and isinstance(value, int | float):
        what += f", got {value}"
    return f"{path}: {_lowered(what)}"


def not_a(what: str, value: Any, path: str) -> str:
    """A value is not what is meant to be there."""
    return at(path, f"expected {what}, got {kind_name(value)}")


def kind_name(value: Any) -> str:
    """What a value is, in a word."""
    return "nothing" if value is None else type(value).__name__


def suggestion(word: str, known: Sequence[str]) -> str:
    """The known word that may have been meant, if one is like it."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), folded, n=1)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def at(path: str, what: str) -> str:
    """A problem at a path; the top has none."""
    return f"{path}: {what}" if path else what


def _takes_text(kind: Any) -> bool:
    return any(part in (str, Secret) or get_origin(part) is Literal for part in parts_of(kind))


def _name(kind: Any) -> str:
    """A type in a word or two."""
    if choices := _choices(kind):
        return f"one of {', '.join(choices)}"
    names = ["str" if part is Secret else getattr(part, "__name__", str(part)) for part in parts_of(kind)]
    return _description(kind) or " or ".join(names)


def _choices(kind: Any) -> tuple[str, ...]:
    """The texts of which a setting must be one, if it must and is there at all."""
    parts = [part for part in parts_of(kind) if part is not NoneType]
    return get_args(parts[0]) if len(parts) == 1 and get_origin(parts[0]) is Literal else ()


def _description(kind: Any) -> str:
    """What the type of a setting, or of its items, says of itself."""
    for part in get_args(kind):
        if isinstance(part, Meta) and part.description:
            return part.description
        if said := _description(part):
            return said
    return ""


def _lowered(text: str) -> str:
    for theirs, ours in (("`array`", "list"), ("`object`", "section"), ("`", "")):
        text = text.replace(theirs, ours)
    return text[:1].lower() + text[1:]
