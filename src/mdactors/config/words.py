"""What a word means to the type of its setting: ``off`` is a text to one and false to another."""

from __future__ import annotations

import math
import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_NOTHING = {"", "~", "null"}
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = re.compile(rf"[-+]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 40
"""Characters; Python refuses to read thousands, and no setting needs them."""


def parts_of(kind: Any) -> tuple[Any, ...]:
    """The types that a type allows, without their bounds: of ``Count | None`` int and NoneType."""
    origin = get_origin(kind)
    if origin is Annotated:
        return parts_of(get_args(kind)[0])
    if origin in (Union, UnionType):
        return tuple(part for each in get_args(kind) for part in parts_of(each))
    return (NoneType,) if kind is None else (kind,)


def meaning(text: str, kind: Any) -> Any:
    """What a text says to a setting that may be something else; the text itself where that is nothing."""
    parts = parts_of(kind)
    choices = (choice for part in parts if get_origin(part) is Literal for choice in get_args(part))
    for choice in choices:
        if str(choice).lower() == text.strip().lower():
            return choice
    said = _read(text)
    if isinstance(said, bool) or said is None:
        return said if type(said) in parts else text
    return said if int in parts or float in parts else text


def _read(text: str) -> bool | float | str | None:
    """As a person means it: numbers are decimal, also with zeros in front."""
    word = text.strip()
    folded = word.lower()
    if folded in _NOTHING:
        return None
    if folded in _TRUTHS:
        return _TRUTHS[folded]
    if len(word) > _LONGEST_NUMBER or not _NUMBER.fullmatch(word):
        return text
    if re.fullmatch(r"[-+]?[0-9_]+", word):
        return int(word)
    number = float(word)
    if math.isfinite(number):
        return int(number) if number.is_integer() else number
    return text
