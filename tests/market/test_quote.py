"""Merging and comparing quotes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.quote import Quote

OWN = {"token", "mode", "raw", "complete", "snapshot"}
SAID = sorted(set(Quote.__struct_fields__) - OWN)
UNCOMPARED = {"exchange_time"}
UNMERGED = {"minute"}


def quote(**said: Any) -> Quote:
    return Quote("R", "full", **said)


some = st.dictionaries(st.sampled_from(SAID), st.integers())


@given(some, some)
def test_merging_takes_each_unsaid_field_from_the_base(said: dict[str, Any], known: dict[str, Any]):
    base = Quote("R", "quote", raw=b"base", **known)
    merged = Quote("R", "full", raw=b"new", snapshot=True, **said).merged(base)
    assert {name: getattr(merged, name) for name in SAID} == {
        name: said.get(name, None if name in UNMERGED else known.get(name)) for name in SAID
    }
    assert (merged.mode, merged.raw, merged.complete, merged.snapshot) == ("full", b"new", True, True)
    assert base == Quote("R", "quote", raw=b"base", **known)


def test_the_kind_of_quote_stays():
    class Own(Quote):
        pass

    assert type(Own("R", "full").merged(Own("R", "full"))) is Own


@pytest.mark.parametrize("name", SAID)
def test_every_field_but_the_time_of_the_update_is_content(name: str):
    assert quote(**{name: 1}).same_content(quote(**{name: 2})) is (name in UNCOMPARED)


def test_raw_bytes_are_not_content():
    assert quote(last_price=1.0, raw=b"a").same_content(quote(last_price=1.0, raw=b"b", snapshot=True))
