from __future__ import annotations

import logging
import threading

import pykka
import pytest

from mdactors.runtime import (
    Actor,
    FakeClock,
    Kill,
    KilledError,
    Message,
    Stop,
    UnhandledMessageError,
    handles,
)


def fail(_actor):
    raise ValueError("a bug")


class Unknown(Message, frozen=True):
    pass


def test_an_exception_while_handling_what_was_told_ends_the_actor(bench, say, wait_until):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    spec.address.tell(say.Do(fail))
    wait_until(lambda: bench.notes == ["one starts", "one fails", "one starts"])


def test_an_exception_while_answering_goes_to_the_asker_and_does_not_end_the_actor(bench, say):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    with pytest.raises(ValueError, match="a bug"):
        spec.address.ask(say.Do(fail)).result(5)
    assert spec.address.ask(say.Note("alive")).result(5) == "alive"
    assert bench.notes == ["one starts", "alive"]


def test_a_message_without_a_handler_is_a_bug(bench, wait_until):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    with pytest.raises(UnhandledMessageError, match="Probe has no handler for Unknown"):
        spec.address.ask(Unknown()).result(5)
    spec.address.tell(Unknown())
    wait_until(lambda: bench.notes == ["one starts", "one fails", "one starts"])


def test_kill_raises_in_the_actors_own_thread_as_a_bug_would(bench, wait_until, caplog):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    spec.address.tell(Kill("chaos"))
    wait_until(lambda: bench.notes == ["one starts", "one fails", "one starts"])
    record = next(record for record in caplog.records if record.name == "mdactors.one")
    assert record.threadName == "actor-one"
    assert record.levelno == logging.ERROR
    assert record.exc_info[0] is KilledError


def test_a_failed_on_start_calls_on_failure_and_is_reported(bench, wait_until):
    attempts = []

    def fail_once():
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")

    spec = bench.probe("one", at_start=fail_once)
    tree = bench.start(bench.supervisor("root", spec))
    wait_until(lambda: bench.notes == ["one fails", "one starts"])
    assert tree.describe()["children"][0]["last_exit"] == "OSError: not yet"


def test_timers_fire_in_their_order_by_the_clock(bench, say, wait_until):
    spec = bench.probe("one")
    clock = FakeClock()
    bench.start(spec, clock)

    def set_timers(actor):
        for delay in (3, 1, 2):
            actor.after(delay, say.Note(delay))

    spec.address.ask(say.Do(set_timers)).result(5)
    clock.advance(2)
    wait_until(lambda: bench.notes == ["one starts", 1, 2])
    clock.advance(1)
    wait_until(lambda: bench.notes == ["one starts", 1, 2, 3])


def test_a_timer_fires_in_real_time_too(bench, say, wait_until):
    spec = bench.probe("one")
    bench.start(spec)
    spec.address.tell(say.Do(lambda actor: actor.after(0.02, say.Note("fired"))))
    wait_until(lambda: bench.notes == ["one starts", "fired"])


def test_a_cancelled_timer_never_fires(bench, say, wait_until):
    spec = bench.probe("one")
    clock = FakeClock()
    bench.start(spec, clock)
    timer = spec.address.ask(say.Do(lambda actor: actor.after(1, say.Note("cancelled")))).result(5)
    spec.address.ask(say.Do(lambda actor: actor.after(2, say.Note("kept")))).result(5)
    timer.cancel()
    timer.cancel()
    clock.advance(2)
    wait_until(lambda: "kept" in bench.notes)
    assert "cancelled" not in bench.notes


def test_timers_die_with_their_actor(bench, say, wait_until):
    spec = bench.probe("one")
    clock = FakeClock()
    bench.start(bench.supervisor("root", spec), clock)
    spec.address.ask(say.Do(lambda actor: actor.after(1, say.Note("of the dead")))).result(5)
    spec.address.tell(Kill("test"))
    wait_until(lambda: bench.notes.count("one starts") == 2)
    spec.address.ask(say.Do(lambda actor: actor.after(2, say.Note("of the living")))).result(5)
    clock.advance(2)
    wait_until(lambda: "of the living" in bench.notes)
    assert "of the dead" not in bench.notes


def test_stop_does_not_wait_behind_the_backlog(bench, say, wait_until):
    spec = bench.probe("one")
    gate = bench.gate()
    bench.start(bench.supervisor("root", spec))
    spec.address.tell(say.Do(lambda _: gate.wait(10)))
    for number in range(3):
        spec.address.tell(say.Item(number))
    spec.address.tell(Stop())
    gate.set()
    wait_until(lambda: bench.notes == ["one starts", "one stops", "one starts", 0, 1, 2])


def test_stop_with_drain_handles_what_waits_first(bench, say, wait_until):
    spec = bench.probe("one")
    gate = bench.gate()
    bench.start(bench.supervisor("root", spec))
    spec.address.tell(say.Do(lambda _: gate.wait(10)))
    for number in range(3):
        spec.address.tell(say.Item(number))
    spec.address.tell(Stop(drain=True))
    gate.set()
    wait_until(lambda: bench.notes == ["one starts", 0, 1, 2, "one stops", "one starts"])


def test_stop_told_to_nobody_does_nothing(bench, say):
    spec = bench.probe("one")
    spec.address.tell(Stop())
    bench.start(spec)
    assert spec.address.ask(say.Note("alive")).result(5) == "alive"


def test_an_actor_can_stop_itself(bench, say, wait_until):
    spec = bench.probe("one", restart="transient")
    tree = bench.start(bench.supervisor("root", spec))
    spec.address.tell(say.Do(lambda actor: actor.stop()))
    wait_until(lambda: say.child(tree, "one")["state"] == "stopped")
    assert bench.notes == ["one starts", "one stops"]


def test_pykkas_own_ref_can_stop_an_actor(bench, wait_until):
    spec = bench.probe("one", restart="temporary")
    bench.start(bench.supervisor("root", spec))
    wait_until(lambda: bench.notes == ["one starts"])
    (ref,) = [ref for ref in pykka.ActorRegistry.get_all() if ref.actor_class.__name__ == "Probe"]
    assert ref.stop(timeout=5)


def test_a_base_exception_in_one_actor_stops_no_other(bench, say, wait_until):
    one, other = bench.probe("one"), bench.probe("other")
    tree = bench.start(bench.supervisor("root", one, other))
    one.address.tell(say.Do(lambda _: exit()))
    wait_until(lambda: bench.notes.count("one starts") == 2)
    assert say.child(tree, "one")["last_exit"] == "RuntimeError: SystemExit raised in an actor"
    assert "other stops" not in bench.notes


def test_a_failing_on_failure_does_not_hide_the_first_bug(bench, say, wait_until):
    class Clumsy(Actor):
        def on_failure(self, *_exception):
            raise OSError("while cleaning up")

    spec = bench.probe("one")
    spec = type(spec)(address=spec.address, actor=Clumsy)
    tree = bench.start(bench.supervisor("root", spec))
    spec.address.tell(Kill("first"))
    wait_until(lambda: say.child(tree, "one")["last_exit"] == "KilledError: first")


def test_a_failing_on_stop_is_a_failure(bench, say, wait_until):
    class Clumsy(Actor):
        def on_stop(self):
            raise OSError("while stopping")

    spec = bench.probe("one")
    spec = type(spec)(address=spec.address, actor=Clumsy, restart="transient")
    tree = bench.start(bench.supervisor("root", spec))
    spec.address.tell(Stop())
    wait_until(lambda: say.child(tree, "one")["restarts"] == 1)
    assert say.child(tree, "one")["last_exit"] == "OSError: while stopping"
    assert say.child(tree, "one")["dead_letters"]["count"] == 0


def test_a_subclass_inherits_handlers_and_may_replace_them(bench, say):
    spec = bench.probe("one")

    class Louder(spec.actor):
        def write_down(self, message):
            return super().write_down(message).upper()

        @handles(Unknown)
        def answer(self, message):
            return "known"

    spec = type(spec)(address=spec.address, actor=Louder, arguments=spec.arguments)
    bench.start(spec)
    assert spec.address.ask(say.Note("hello")).result(5) == "HELLO"
    assert spec.address.ask(Unknown()).result(5) == "known"


def test_an_actor_runs_in_one_daemon_thread_named_after_its_address(bench, say):
    spec = bench.probe("one")
    bench.start(spec)
    thread = spec.address.ask(say.Do(lambda _: threading.current_thread())).result(5)
    assert thread.name == "actor-one"
    assert thread.daemon
