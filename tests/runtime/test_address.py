from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pykka
import pytest

from mdactors.runtime import Describe


def test_a_question_is_answered_by_a_future_that_an_event_loop_can_await(bench):
    spec = bench.probe("one")
    bench.start(spec)

    async def ask():
        return await asyncio.wait_for(asyncio.wrap_future(spec.address.ask(Describe())), 5)

    assert asyncio.run(ask()) == {"notes": 1, "thread": "actor-one"}


def test_a_question_that_is_not_answered_in_time_raises_in_the_asker(bench):
    spec = bench.probe("nobody home")
    with pytest.raises(TimeoutError):
        spec.address.ask(Describe(), timeout=0.01).result()


def test_a_question_waits_for_the_successor(bench, say):
    spec = bench.probe("one")
    answer = spec.address.ask(say.Note("early"))
    bench.start(spec)
    assert answer.result(5) == "early"


def test_a_question_to_an_address_that_was_stopped_for_good_fails_at_once(bench):
    spec = bench.probe("one")
    bench.start(spec).stop()
    with pytest.raises(pykka.ActorDeadError, match="stopped for good"):
        spec.address.ask(Describe()).result(0)


def test_a_question_that_its_asker_cancelled_harms_nobody(bench, say):
    spec = bench.probe("one")
    bench.start(spec)
    gate = bench.gate()
    busy = threading.Event()
    question = spec.address.ask(say.Do(lambda _: (busy.set(), gate.wait(10))))
    assert busy.wait(5)
    assert question.cancel()
    gate.set()
    assert spec.address.ask(say.Note("still here")).result(5) == "still here"


def test_a_question_whose_handler_returns_a_future_is_answered_by_what_that_becomes(bench, say):
    spec = bench.probe("one")
    bench.start(spec)
    later, never = Future(), Future()
    kept = spec.address.ask(say.Do(lambda _: later))
    failed = spec.address.ask(say.Do(lambda _: never))
    assert spec.address.ask(say.Note("not held up")).result(5) == "not held up"
    assert not kept.done()
    later.set_result("at last")
    never.set_exception(ValueError("no"))
    assert kept.result(5) == "at last"
    with pytest.raises(ValueError, match="no"):
        failed.result(5)


def test_its_name_is_what_a_person_sees(bench):
    address = bench.probe("one").address
    assert repr(address) == "Address('one')"
