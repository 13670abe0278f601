"""The process that loads the instruments goes by the clock of whoever started it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.store.test_catalogue_process import kite_file, ordered

from mdactors.market.moment import read_moment
from mdactors.runtime import SetClock
from mdactors.store import catalogue_process

FUTURE = "512,2,MAYFUT,X,0,2029-05-29,0,0.1,500,FUT,NFO-FUT,NFO"


@pytest.mark.parametrize(
    ("now", "futures"), [("2029-05-29T23:59", 1), ("2029-05-30T00:00", 0), ("2001-01-01", 1)]
)
def test_what_has_expired_by_its_clock_leaves_a_list_that_cannot_be_read_anew(
    now: str, futures: int, tmp_path: Path
) -> None:
    order = ordered(tmp_path, kite=kite_file(tmp_path / "k", 3, FUTURE))
    order = msgspec.structs.replace(order, timeline=SetClock.starting(read_moment(now)).timeline())
    assert catalogue_process.load(order).counts["futures"] == futures
    (tmp_path / "k").write_bytes(b"")
    assert catalogue_process.load(order).counts["futures"] == futures
