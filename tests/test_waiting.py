"""A wait returns when what it waits for is true; one that was in vain says what that was."""

from __future__ import annotations

import itertools

import pytest
from tests.waiting import wait_until


class Heard:
    def __init__(self, *words: str) -> None:
        self.words = list(words)

    def everything(self) -> bool:
        return len(self.words) > 100


def reason(condition) -> str:
    with pytest.raises(pytest.fail.Exception) as caught:
        wait_until(condition, 0.01)
    return caught.value.msg


def test_it_returns_once_it_is_true():
    turns = iter([False, False, True])
    wait_until(lambda: next(turns))
    assert next(turns, "no more") == "no more"


def test_in_vain_it_says_the_condition_and_the_values_of_its_parts():
    heard = Heard("one", "two")
    assert reason(lambda: len(heard.words) == 3 and heard.everything()) == (
        "not within 0.01 s: len(heard.words) == 3 and heard.everything() "
        "(len(heard.words) was 2, heard.everything() was False)"
    )


def test_of_two_in_one_line_it_says_the_right_one_and_knows_its_arguments():
    one, other = (lambda n=1: n > 5), (lambda n=2: not n)
    assert reason(one).endswith(": n > 5 (n was 1)")
    assert reason(other).endswith(": not n (n was 2)")


@pytest.mark.parametrize("wanted", [3])
def test_a_condition_over_several_lines_is_said_in_one(wanted):
    assert reason(
        lambda: (
            sum(range(wanted))
            == 300
        )
    ).endswith("sum(range(wanted)) == 300 (sum(range(wanted)) was 3)")  # fmt: skip


def test_a_named_condition_is_said_by_its_name_with_what_it_was():
    assert reason(Heard("one").everything).endswith(": Heard.everything() (it was False)")

    def nothing_came() -> list[str]:
        return []

    assert reason(nothing_came).endswith("nothing_came() (it was [])")


def test_a_part_that_raises_by_now_is_left_out():
    steps = itertools.chain([0], iter(int, 1))
    gone = {"a": 0}
    assert "(" in reason(lambda: next(steps) and gone["b"])


def test_what_is_long_is_cut():
    heard = Heard(*map(str, range(10_000)))
    assert len(reason(lambda: heard.words == [])) < 600


def test_where_one_waited_in_vain_the_next_waits_half_as_long_until_it_is_true_again():
    came = False

    def it_came() -> bool:
        return came

    def waited() -> str:
        with pytest.raises(pytest.fail.Exception) as caught:
            wait_until(it_came, 2.4)
        return caught.value.msg.partition(":")[0]

    assert [waited() for _ in range(3)] == ["not within 2.4 s", "not within 1.2 s", "not within 1 s"]
    came = True
    wait_until(it_came, 2.4)
    came = False
    assert waited() == "not within 2.4 s"
