"""Merging and comparing quotes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdactors.market.quote import Quote

OWN = {"token", "mode", "raw", "complete", "snapshot"}
SAID = sorted(set(Quote.__struct_fields__) - OWN)
UNCOMPARED = {"exchange_time", "minute"}
PRICES = {"last_price", "average_price", "open", "high", "low", "previous_close"}
UNMERGED = {"minute", "auction"}


def quote(**said: Any) -> Quote:
    return Quote("R", "full", **said)


some = st.dictionaries(st.sampled_from(SAID), st.integers())


@given(some, some)
def test_merging_takes_each_unsaid_field_from_the_base(said: dict[str, Any], known: dict[str, Any]):
    base = Quote("R", "quote", raw=b"base", **known)
    merged = Quote("R", "full", raw=b"new", snapshot=True, **said).merged(base)
    assert {name: getattr(merged, name) for name in SAID} == {
        name: said.get(name, None if name in UNMERGED else known.get(name)) for name in SAID
    } | {name: None for name in PRICES if said.get(name) == 0}
    assert (merged.mode, merged.raw, merged.complete, merged.snapshot) == ("full", b"new", True, True)
    assert base == Quote("R", "quote", raw=b"base", **known)


@pytest.mark.parametrize("name", sorted(PRICES))
def test_a_price_that_is_said_to_be_zero_is_not_known_whatever_was_known_before(name: str):
    merged = quote(**{name: 0.0}).merged(quote(**{name: 12.5}))
    assert getattr(merged, name) is None
    assert getattr(quote().merged(merged), name) is None, "and stays so until one is said"


def test_the_kind_of_quote_stays():
    class Own(Quote):
        pass

    assert type(Own("R", "full").merged(Own("R", "full"))) is Own


@pytest.mark.parametrize("name", SAID)
def test_every_field_but_the_time_of_the_update_is_content(name: str):
    assert quote(**{name: 1}).same_content(quote(**{name: 2})) is (name in UNCOMPARED)


def test_raw_bytes_are_not_content():
    assert quote(last_price=1.0, raw=b"a").same_content(quote(last_price=1.0, raw=b"b", snapshot=True))
