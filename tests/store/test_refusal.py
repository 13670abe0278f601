"""Who is to blame for what a table refuses: the rule by itself, over a table in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from mdactors.errors import TableFault
from mdactors.store.refusal import TRIED, Table, insert_sparing, insert_taken

ITEMS = list(range(10_000))


class Refused(Exception):
    """What the table says of an item."""


class Memory:
    """A table of numbers that refuses some, and counts how often it was asked."""

    def __init__(
        self,
        refuses: Callable[[int], bool],
        *,
        sound: Callable[[int], bool] = lambda _item: True,
        blamed: int | None = None,
    ) -> None:
        self.rows: list[int] = []
        self.attempts = 0
        self._refuses = refuses
        self._blamed = blamed
        self.table = Table("memory", self._insert, self._savepoint, (Refused,), sound, self._is_at_fault)

    def _insert(self, items: Sequence[int]) -> None:
        self.attempts += 1
        for item in items:
            if self._refuses(item):
                raise Refused(f"never {item}\nand more")
            self.rows.append(item)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        before = list(self.rows)
        try:
            yield
        except BaseException:
            self.rows = before
            raise

    def _is_at_fault(self, error: Exception) -> bool:
        return str(error).startswith(f"never {self._blamed}\n")


def test_what_is_taken_is_asked_once() -> None:
    memory = Memory(lambda _item: False)
    assert insert_sparing(ITEMS, memory.table) == []
    assert (memory.rows, memory.attempts) == (ITEMS, 1)


def test_what_is_refused_as_a_whole_costs_few_attempts_and_leaves_nothing() -> None:
    memory = Memory(lambda _item: True)
    with pytest.raises(
        TableFault, match=r"^memory: a table refuses good rows and has to be mended: never \d+$"
    ):
        insert_sparing(ITEMS, memory.table)
    assert memory.attempts <= 1 + TRIED
    assert memory.rows == []


def test_few_that_are_refused_are_found_among_many_in_their_order() -> None:
    refused = [0, 17, 4999, 9999]
    memory = Memory(refused.__contains__)
    assert insert_sparing(ITEMS, memory.table) == [(item, f"never {item}") for item in refused]
    assert sorted(memory.rows) == [item for item in ITEMS if item not in refused]
    assert memory.attempts < 200


@pytest.mark.parametrize("size", [1, 2, 3, 7, TRIED])
def test_of_a_small_part_more_than_half_is_the_tables_fault(size: int) -> None:
    for refused in range(size + 1):
        memory = Memory(lambda item, refused=refused: item < refused)  # type: ignore[misc]
        if 2 * refused > size:
            with pytest.raises(TableFault):
                insert_sparing(ITEMS[:size], memory.table)
            assert memory.rows == []
        else:
            assert len(insert_sparing(ITEMS[:size], memory.table)) == refused
            assert memory.rows == ITEMS[refused:size]


def test_items_that_no_table_takes_say_nothing_of_this_one() -> None:
    memory = Memory(lambda item: item % 10 != 0, sound=lambda item: item % 10 == 0)
    assert len(insert_sparing(ITEMS[:100], memory.table)) == 90
    assert memory.rows == ITEMS[:100:10]
    everything = Memory(lambda _item: True, sound=lambda _item: False)
    assert len(insert_sparing(ITEMS[:100], everything.table)) == 100


def test_one_that_only_a_table_can_be_blamed_for_is_enough() -> None:
    memory = Memory([5, 77].__contains__, blamed=77)
    with pytest.raises(TableFault, match="never 77"):
        insert_sparing(ITEMS, memory.table)


def test_another_error_is_raised_as_it_is() -> None:
    def insert(_items: Sequence[int]) -> None:
        raise OSError("the disk is gone")

    table = Table("memory", insert, Memory(lambda _: False)._savepoint, (Refused,), lambda _: True)
    with pytest.raises(OSError, match="the disk is gone"):
        insert_sparing(ITEMS, table)


def test_what_is_tried_again_is_taken_whoever_is_at_fault() -> None:
    memory = Memory(lambda item: item % 3 != 0)
    assert insert_taken(ITEMS[:90], memory.table) == [item for item in ITEMS[:90] if item % 3]
    assert memory.rows == ITEMS[:90:3]
    assert insert_taken([], memory.table) == []
