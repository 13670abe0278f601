"""What does not fit a pattern is told in words."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from mdactors.config import decode_section
from mdactors.errors import ConfigError

Colour = Annotated[str, Meta(pattern="^#[0-9a-f]{6}$", description="a colour like #00ff7f")]


class Painted(msgspec.Struct, frozen=True):
    """Settings with patterns, described and not."""

    one: Colour = "#000000"
    many: list[Colour] = []
    maybe: Colour | None = None
    bare: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"


def test_a_value_that_does_not_fit_its_pattern_is_answered_with_the_patterns_description() -> None:
    raw = {"one": "red", "many": ["#ffffff", "green"], "maybe": "blue", "bare": "1"}
    with pytest.raises(ConfigError) as caught:
        decode_section(raw, Painted, "paint")
    assert caught.value.problems == [
        "paint.one: expected a colour like #00ff7f",
        "paint.many[1]: expected a colour like #00ff7f",
        "paint.maybe: expected a colour like #00ff7f",
        "paint.bare: expected str matching regex '^[a-z]+$'",
    ]


def test_another_type_than_text_is_named_as_ever() -> None:
    with pytest.raises(ConfigError, match=r"paint\.one: expected str, got list"):
        decode_section({"one": [5]}, Painted, "paint")
