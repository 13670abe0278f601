from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mdactors.runtime import Backoff


def test_each_wait_is_twice_the_one_before_up_to_the_limit():
    backoff = Backoff(jitter=0.0)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_reset_begins_again():
    backoff = Backoff(first=0.5, factor=3.0, jitter=0.0)
    assert [backoff.next(), backoff.next()] == [0.5, 1.5]
    backoff.reset()
    assert backoff.next() == 0.5


@given(seed=st.integers(), jitter=st.floats(0, 1))
def test_jitter_only_shortens_a_wait_and_by_no_more_than_its_share(seed, jitter):
    exact = Backoff(jitter=0.0)
    backoff = Backoff(jitter=jitter, random=Random(seed))
    for _ in range(10):
        full = exact.next()
        assert full * (1 - jitter) <= backoff.next() <= full


def test_two_backoffs_do_not_wait_in_step():
    one, other = Backoff(random=Random(1)), Backoff(random=Random(2))
    assert [one.next() for _ in range(3)] != [other.next() for _ in range(3)]
