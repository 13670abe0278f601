from __future__ import annotations

import logging
import threading

import pytest

from mdactors.runtime import Describe, FakeClock, Intensity, Kill, Stop

ABC = "abc"


def family(bench, strategy, **options):
    """A supervisor of three probes, on a fake clock."""
    specs = [bench.probe(name, **options) for name in ABC]
    tree = bench.start(bench.supervisor("root", *specs, strategy=strategy), FakeClock())
    return specs, tree


def settle(bench, wait_until, count):
    """Wait until so many notes are written, then take them."""
    wait_until(lambda: len(bench.notes) >= count)
    taken = bench.notes.copy()
    bench.notes.clear()
    return taken


def in_order(notes, *names):
    """Only what these actors wrote."""
    return [note for note in notes if note.split()[0] in names]


def test_children_start_left_to_right_and_stop_right_to_left(bench):
    _, tree = family(bench, "one_for_one")
    assert tree.stop()
    assert bench.notes[3:] == ["c stops", "b stops", "a stops"]
    assert sorted(bench.notes[:3]) == ["a starts", "b starts", "c starts"]


def test_children_are_made_left_to_right(bench, wait_until):
    made = []
    specs = [bench.probe(name, at_birth=lambda name=name: made.append(name)) for name in ABC]
    bench.start(bench.supervisor("root", *specs))
    wait_until(lambda: made == ["a", "b", "c"])


@pytest.mark.parametrize("exit_message", [Kill("test"), Stop()])
def test_a_permanent_child_is_always_restarted(bench, wait_until, exit_message):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    wait_until(lambda: bench.notes == ["one starts"])
    spec.address.tell(exit_message)
    wait_until(lambda: bench.notes.count("one starts") == 2)


def test_a_transient_child_is_restarted_only_after_a_failure(bench, say, wait_until):
    spec = bench.probe("one", restart="transient")
    tree = bench.start(bench.supervisor("root", spec))
    spec.address.tell(Kill("test"))
    wait_until(lambda: bench.notes.count("one starts") == 2)
    spec.address.tell(Stop())
    wait_until(lambda: say.child(tree, "one")["state"] == "stopped")
    assert bench.notes == ["one starts", "one fails", "one starts", "one stops"]
    assert tree.healthy()


def test_a_temporary_child_is_never_restarted(bench, say, wait_until):
    spec = bench.probe("one", restart="temporary")
    tree = bench.start(bench.supervisor("root", spec))
    spec.address.tell(Kill("test"))
    wait_until(lambda: say.child(tree, "one")["state"] == "stopped")
    assert bench.notes == ["one starts", "one fails"]
    assert tree.healthy()


def test_one_for_one_restarts_only_the_child_that_failed(bench, say, wait_until):
    (_, b, _), tree = family(bench, "one_for_one")
    settle(bench, wait_until, 3)
    b.address.tell(Kill("test"))
    assert settle(bench, wait_until, 2) == ["b fails", "b starts"]
    wait_until(lambda: [node["restarts"] for node in tree.describe()["children"]] == [0, 1, 0])


def test_one_for_all_restarts_all_children(bench, wait_until):
    (_, b, _), tree = family(bench, "one_for_all")
    settle(bench, wait_until, 3)
    b.address.tell(Kill("test"))
    notes = settle(bench, wait_until, 6)
    assert notes[:3] == ["b fails", "c stops", "a stops"]
    assert sorted(notes[3:]) == ["a starts", "b starts", "c starts"]
    wait_until(lambda: [node["restarts"] for node in tree.describe()["children"]] == [1, 1, 1])


def test_rest_for_one_restarts_the_child_that_failed_and_those_after_it(bench, wait_until):
    (_, b, _), tree = family(bench, "rest_for_one")
    settle(bench, wait_until, 3)
    b.address.tell(Kill("test"))
    notes = settle(bench, wait_until, 4)
    assert notes[:2] == ["b fails", "c stops"]
    assert sorted(notes[2:]) == ["b starts", "c starts"]
    wait_until(lambda: [node["restarts"] for node in tree.describe()["children"]] == [0, 1, 1])


def test_a_child_that_is_stopped_for_good_stays_so(bench, say, wait_until):
    specs = [bench.probe("a", restart="temporary"), bench.probe("b")]
    tree = bench.start(bench.supervisor("root", *specs, strategy="one_for_all"))
    specs[0].address.tell(Stop())
    wait_until(lambda: say.child(tree, "a")["state"] == "stopped")
    specs[1].address.tell(Kill("test"))
    wait_until(lambda: bench.notes.count("b starts") == 2)
    assert bench.notes.count("a starts") == 1


def test_the_first_restart_is_at_once_and_the_next_wait_longer_and_longer(bench, say, wait_until):
    spec = bench.probe("one", ping_limit=None)
    clock = FakeClock()
    tree = bench.start(bench.supervisor("root", spec), clock)
    spec.address.tell(Kill("test"))
    wait_until(lambda: say.child(tree, "one")["restarts"] == 1)
    waits = []
    for restarts in range(3, 10):
        spec.address.tell(Kill("test"))
        wait_until(lambda: say.child(tree, "one")["state"] == "backoff")
        waits.append(say.child(tree, "one")["retry_in"])
        assert tree.healthy()
        clock.advance(waits[-1])
        wait_until(lambda count=restarts: say.child(tree, "one")["restarts"] == count - 1)
    assert waits == [1, 2, 4, 8, 16, 32, 60]


def test_a_child_that_was_healthy_for_long_is_restarted_at_once_again(bench, say, wait_until):
    spec = bench.probe("one", ping_limit=None)
    clock = FakeClock()
    bench.start(bench.supervisor("root", spec), clock)
    for restarts in range(2, 6):
        spec.address.tell(Kill("test"))
        wait_until(lambda count=restarts: bench.notes.count("one starts") == count)
        clock.advance(60)


def test_too_many_exits_within_the_period_make_the_supervisor_fail_upward(bench, say, wait_until):
    spec, sibling = bench.probe("one"), bench.probe("sibling")
    inner = bench.supervisor("inner", spec, sibling, intensity=Intensity(max_restarts=2, first=0.0))
    other = bench.probe("other")
    tree = bench.start(bench.supervisor("root", inner, other))
    for restarts in range(3):
        spec.address.tell(Kill("test"))
        wait_until(lambda count=restarts: bench.notes.count("one starts") == count + 2)
    wait_until(lambda: say.child(tree, "inner")["restarts"] == 1)
    assert say.child(tree, "inner")["last_exit"].startswith(
        "GaveUpError: 3 exits within 300 s, the last one of one"
    )
    assert say.child(tree, "inner")["dead_letters"]["count"] == 0
    wait_until(lambda: bench.notes.count("sibling starts") == 2)
    assert in_order(bench.notes, "sibling") == ["sibling starts", "sibling stops", "sibling starts"]
    assert in_order(bench.notes, "other") == ["other starts"]


def test_too_many_exits_in_a_row_make_it_fail_upward_however_slowly_they_come(bench, say, wait_until):
    spec = bench.probe("one", ping_limit=None)
    intensity = Intensity(max_restarts=2, period=30, healthy_after=20, first=0.0, limit=0.0)
    inner = bench.supervisor("inner", spec, intensity=intensity, ping_limit=None)
    clock = FakeClock()
    tree = bench.start(bench.supervisor("root", inner, intensity=intensity, ping_limit=None), clock)
    for births in range(2, 11):
        clock.advance(29)
        spec.address.tell(Kill("test"))
        if births < 10:
            wait_until(lambda count=births: bench.notes.count("one starts") == count)
        if births == 4:
            assert "GaveUpError: 3 exits of one in a row" in say.child(tree, "inner")["last_exit"]
    wait_until(lambda: bench.gave_up)
    assert bench.gave_up[0].startswith("GaveUpError: 3 exits of inner in a row, the last one: GaveUpError: 3")


def test_exits_outside_the_period_are_forgotten(bench, wait_until):
    spec = bench.probe("one", ping_limit=None)
    clock = FakeClock()
    bench.start(bench.supervisor("root", spec, intensity=Intensity(max_restarts=1, period=30)), clock)
    for restarts in range(2, 6):
        spec.address.tell(Kill("test"))
        wait_until(lambda count=restarts: bench.notes.count("one starts") == count)
        clock.advance(61)
    assert bench.gave_up == []


@pytest.mark.parametrize("moment", ["at_birth", "at_start"])
def test_a_failed_restart_is_tried_again_while_the_supervisor_still_answers(bench, say, wait_until, moment):
    clock = FakeClock()
    attempts = []

    def fail_thrice():
        attempts.append(1)
        if len(attempts) < 4:
            raise OSError("not yet")

    spec = bench.probe("one", **{moment: fail_thrice})
    root = bench.supervisor("root", spec)
    tree = bench.start(root, clock)
    for number, wait in ((2, 1), (3, 2)):
        wait_until(lambda: (len(attempts), say.child(tree, "one")["retry_in"]) == (number, wait))  # noqa: B023 - used at once
        assert root.address.ask(Describe()).result(5)["children"][0]["last_exit"] == "OSError: not yet"
        clock.advance(wait)
    wait_until(lambda: "one starts" in bench.notes)


def test_a_child_that_does_not_stop_in_its_time_is_fenced(bench, say, wait_until, caplog):
    gate = bench.gate()
    busy = threading.Event()
    spec = bench.probe("one", shutdown=0.05)
    tree = bench.start(bench.supervisor("root", spec))
    spec.address.tell(say.Do(lambda _: (busy.set(), gate.wait(10))))
    assert busy.wait(5)
    assert tree.stop()
    record = next(record for record in caplog.records if "did not stop" in record.getMessage())
    assert "did not stop within 0.05 s; it is fenced" in record.getMessage()
    assert "gate.wait(10)" in record.getMessage()


def test_a_child_that_drains_handles_what_waits_within_its_shutdown_time(bench, say):
    spec = bench.probe("sink", drain=True)
    tree = bench.start(bench.supervisor("root", spec))
    for number in range(1000):
        spec.address.tell(say.Item(number))
    assert tree.stop()
    assert bench.notes == ["sink starts", *range(1000), "sink stops"]


def hang(bench, say, spec):
    """Have the probe hang until the gate opens; then it says something late."""
    gate = bench.gate()
    busy = threading.Event()

    def wait(actor):
        busy.set()
        gate.wait(10)
        actor.tell(spec.address, say.Note("late words"))
        actor.notes.append("the replaced one woke up")

    spec.address.tell(say.Do(wait))
    assert busy.wait(5)
    return gate


def test_a_hung_child_is_replaced_its_stack_logged_and_its_late_words_are_ignored(
    bench, say, wait_until, caplog
):
    spec, other = bench.probe("one"), bench.probe("other")
    clock = FakeClock()
    root = bench.supervisor("root", spec, other)
    tree = bench.start(root, clock)
    wait_until(lambda: len(bench.notes) == 2)
    gate = hang(bench, say, spec)
    spec.address.tell(say.Item("waits"))

    def replaced_a_second_later():
        clock.advance(1)
        for address in (root.address, other.address):
            address.ask(Describe()).result(5)
        return "waits" in bench.notes

    wait_until(replaced_a_second_later)
    assert bench.notes[2:] == ["one starts", "waits"]
    record = next(record for record in caplog.records if "it is fenced" in record.getMessage())
    assert "did not answer a ping for 10 s" in record.getMessage()
    assert "gate.wait(10)" in record.getMessage()
    gate.set()
    wait_until(lambda: "the replaced one woke up" in bench.notes)
    wait_until(lambda: say.child(tree, "one")["fenced"] == 1)
    assert spec.address.ask(say.Note("marker")).result(5) == "marker"
    assert "late words" not in bench.notes
    assert "one stops" not in bench.notes
    assert "one fails" not in bench.notes
    assert say.child(tree, "one")["dead_letters"]["newest"][0]["message"] == "Do"
    assert say.child(tree, "other")["restarts"] == 0


def test_a_question_to_a_child_that_hangs_fails_when_it_is_replaced(bench, say, wait_until):
    spec = bench.probe("one", ping_limit=0.1)
    bench.start(bench.supervisor("root", spec))
    gate = bench.gate()
    question = spec.address.ask(say.Do(lambda _: gate.wait(10)))
    assert "did not answer a ping" in str(question.exception(5))


def test_a_child_that_hangs_in_on_start_is_replaced(bench, wait_until):
    gate = bench.gate()
    lives = []

    def hang_once():
        lives.append(1)
        if len(lives) == 1:
            gate.wait(10)

    spec = bench.probe("one", at_start=hang_once, ping_limit=0.1)
    bench.start(bench.supervisor("root", spec))
    wait_until(lambda: len(lives) == 2)
    wait_until(lambda: bench.notes == ["one starts"])


def test_an_idle_child_answers_its_pings(bench, say, wait_until):
    spec = bench.probe("one", ping_limit=0.05)
    tree = bench.start(bench.supervisor("root", spec))
    wait_until(lambda: say.child(tree, "one")["uptime"] > 0.5)
    assert say.child(tree, "one")["restarts"] == 0


def test_a_child_without_a_ping_limit_may_hang(bench, say, wait_until):
    spec, other = bench.probe("one", ping_limit=None), bench.probe("other", ping_limit=0.05)
    tree = bench.start(bench.supervisor("root", spec, other))
    gate = hang(bench, say, spec)
    wait_until(lambda: say.child(tree, "one")["uptime"] > 0.3)
    assert say.child(tree, "one")["restarts"] == 0
    assert tree.healthy()
    gate.set()
    wait_until(lambda: "late words" in bench.notes)


def test_a_killed_supervisor_stops_its_children_and_its_successor_starts_them_anew(bench, wait_until):
    a, b = bench.probe("a"), bench.probe("b")
    inner = bench.supervisor("inner", a, b)
    bench.start(bench.supervisor("root", inner))
    wait_until(lambda: len(bench.notes) == 2)
    inner.address.tell(Kill("test"))
    wait_until(lambda: len(bench.notes) == 6)
    assert bench.notes[2:4] == ["b stops", "a stops"]
    assert sorted(bench.notes[4:]) == ["a starts", "b starts"]


def test_a_hung_supervisor_is_replaced_and_its_children_are_fenced(bench, say, wait_until):
    gate = bench.gate()
    blocked = threading.Event()
    births = []

    def hang_at_the_second_birth():
        births.append(1)
        if len(births) == 2:
            blocked.set()
            gate.wait(10)

    steady = bench.probe("steady", shutdown=0.05)
    fickle = bench.probe("fickle", at_birth=hang_at_the_second_birth, shutdown=0.05)
    inner = bench.supervisor("inner", steady, fickle, ping_limit=0.1)
    tree = bench.start(bench.supervisor("root", inner))
    wait_until(lambda: len(bench.notes) == 2)
    old = steady.address.ask(say.Do(lambda actor: actor)).result(5)
    fickle.address.tell(Kill("test"))
    assert blocked.wait(5)
    wait_until(lambda: say.child(tree, "inner")["restarts"] == 1)
    wait_until(lambda: bench.notes.count("fickle starts") == 2)
    assert old.actor_stopped.is_set()
    gate.set()
    new = steady.address.ask(say.Do(lambda actor: actor)).result(5)
    assert new is not old
    assert fickle.address.ask(say.Note("alive")).result(5) == "alive"
    assert len(births) == 3


def test_every_restart_is_logged_with_its_reason(bench, wait_until, caplog):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    spec.address.tell(Kill("first"))
    wait_until(lambda: bench.notes.count("one starts") == 2)
    spec.address.tell(Kill("second"))
    wait_until(lambda: "in 1.0 s" in caplog.text)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "restarting one at once: KilledError: first",
        "restarting one in 1.0 s: KilledError: second",
    ]
