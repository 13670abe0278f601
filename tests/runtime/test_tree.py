from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from tests.today import todays_clock

from mdactors.runtime import Describe, FakeClock, Intensity, Kill, start_tree
from mdactors.runtime.child import Child

SEMANTICS = Path(__file__).resolve().parents[2] / "docs" / "supervision.md"


def test_a_root_that_gives_up_says_why_after_its_children_are_stopped(bench, wait_until):
    spec, other = bench.probe("one"), bench.probe("other")
    tree = bench.start(bench.supervisor("root", spec, other, intensity=Intensity(max_restarts=0)))
    wait_until(lambda: len(bench.notes) == 2)
    spec.address.tell(Kill("test"))
    wait_until(lambda: bench.gave_up)
    assert "1 exits within 300 s, the last one of one: KilledError: test" in bench.gave_up[0]
    assert bench.notes[2:] == ["one fails", "other stops"]
    assert not tree.healthy()
    assert tree.describe()["state"] == "stopped"


def test_stopping_a_tree_is_not_giving_up(bench):
    tree = bench.start(bench.supervisor("root", bench.probe("one")))
    assert tree.stop()
    assert tree.stop()
    assert bench.gave_up == []
    assert not tree.healthy()


def test_a_tree_can_be_stopped_from_the_thread_that_gives_up(bench):
    stopped = threading.Event()
    trees = []

    def give_up(_reason):
        trees[0].stop()
        stopped.set()

    root = bench.supervisor("root", bench.probe("one"))
    trees.append(start_tree(root, todays_clock(), give_up))
    bench.trees += trees
    root.address.tell(Kill("test"))
    assert stopped.wait(5)


def test_a_failure_to_make_the_root_is_raised_to_the_caller(bench):
    def fail():
        raise OSError("cannot be made")

    with pytest.raises(OSError, match="cannot be made"):
        bench.start(bench.probe("one", at_birth=fail))


def test_describe_shows_every_actor_and_never_waits(bench, say, wait_until):
    one, two = bench.probe("one"), bench.probe("two", restart="transient")
    tree = bench.start(bench.supervisor("root", bench.supervisor("inner", one), two))
    wait_until(lambda: len(bench.notes) == 2)
    gate = bench.gate()
    root, inner = (say.child(tree, name) for name in ("root", "inner"))
    one.address.tell(say.Do(lambda _: gate.wait(10)))
    one.address.tell(say.Item("waits"))
    wait_until(lambda: say.child(tree, "one")["lanes"] == {"control": 0, "data": 1})
    started = time.monotonic()
    description = tree.describe()
    assert time.monotonic() - started < 5, "nobody waits for the gate"
    assert (root["actor"], inner["actor"]) == ("Supervisor", "Supervisor")
    assert [node["name"] for node in description["children"]] == ["inner", "two"]
    node = description["children"][0]["children"][0]
    assert node.pop("uptime") > 0
    assert node == {
        "name": "one",
        "actor": "Probe",
        "restart": "permanent",
        "state": "running",
        "restarts": 0,
        "handled": 1,
        "exits": 0,
        "last_exit": "",
        "silent": 0.0,
        "retry_in": 0.0,
        "depth": 1,
        "lanes": {"control": 0, "data": 1},
        "told": 2,
        "dropped": 0,
        "fenced": 0,
        "dead_letters": {"count": 0, "newest": []},
    }
    gate.set()


def test_every_actor_of_the_tree_can_be_asked_at_once(bench):
    one, two = bench.probe("one"), bench.probe("two")
    tree = bench.start(bench.supervisor("root", bench.supervisor("inner", one), two))
    answers = {name: answer.result(5) for name, answer in tree.ask_all(Describe()).items()}
    assert set(answers) == {"root", "inner", "one", "two"}
    assert answers["one"]["thread"] == "actor-one"
    assert answers["inner"]["strategy"] == "one_for_one"


def test_a_restart_leaves_the_uptime_of_every_other_actor_unbroken(bench, say, wait_until):
    one, other = bench.probe("one"), bench.probe("other")
    clock = FakeClock()
    tree = bench.start(bench.supervisor("root", one, other), clock)
    wait_until(lambda: len(bench.notes) == 2)
    clock.advance(7)
    one.address.tell(Kill("test"))
    wait_until(lambda: say.child(tree, "one")["restarts"] == 1)
    uptimes = {name: say.child(tree, name)["uptime"] for name in ("root", "one", "other")}
    assert uptimes == {"root": 7, "one": 0, "other": 7}


def test_a_tree_that_runs_is_healthy(bench, wait_until):
    tree = bench.start(bench.supervisor("root", bench.probe("one")))
    wait_until(tree.healthy)


def test_a_root_that_does_not_answer_makes_the_tree_unhealthy(bench, wait_until):
    gate = bench.gate()
    clock = FakeClock()
    spec = bench.probe("one", at_birth=lambda: gate.wait(10))
    tree = bench.start(bench.supervisor("root", spec, ping_limit=3.0), clock)
    tree.healthy()
    clock.advance(3.0 + 6.0 + 0.1)
    started = time.monotonic()
    assert not tree.healthy()
    assert time.monotonic() - started < 5, "nobody waits for the gate"
    gate.set()
    wait_until(tree.healthy)


def test_a_child_that_is_dead_beyond_its_backoff_makes_the_tree_unhealthy(bench, say, wait_until):
    gate = bench.gate()
    clock = FakeClock()
    births = []

    def hang_at_the_second_birth():
        births.append(1)
        if len(births) == 2:
            gate.wait(10)

    one = bench.probe("one", at_birth=hang_at_the_second_birth)
    tree = bench.start(bench.supervisor("root", one), clock)
    wait_until(lambda: bench.notes == ["one starts"])
    one.address.tell(Kill("test"))
    wait_until(lambda: len(births) == 2)
    assert tree.healthy()
    clock.advance(5.1)
    assert not tree.healthy()
    gate.set()
    wait_until(tree.healthy)


def test_a_child_that_hangs_and_is_not_replaced_makes_the_tree_unhealthy(bench, say, wait_until):
    gate = bench.gate()
    clock = FakeClock()
    spec = bench.probe("one", ping_limit=10.0)
    one = Child(spec, Intensity())
    one.start(clock, None, lambda _lease, _error: None)
    spec.address.tell(say.Do(lambda _: gate.wait(10)))
    # Nobody looks after this child: its supervisor is as good as dead.
    wait_until(lambda: spec.address.depth == 0)
    one.lease.ping(0.0)
    assert one.healthy(15.0)
    assert not one.healthy(15.1)
    gate.set()
    assert one.stop(5)


def fail(tree, spec, clock, say, wait_until):
    """Have a child end, and let its restart become due."""
    lives = say.child(tree, "one")["restarts"] + 1
    spec.address.tell(Kill(f"life {lives}"))

    def restarted():
        clock.advance(say.child(tree, "one")["retry_in"])
        return say.child(tree, "one")["restarts"] == lives

    wait_until(restarted)


def test_a_child_that_ended_three_times_in_a_row_is_in_trouble_until_it_has_lived_for_long(
    bench, say, wait_until
):
    spec = bench.probe("one", ping_limit=None)
    clock = FakeClock()
    tree = bench.start(bench.supervisor("root", spec, ping_limit=None), clock)
    for _ in range(3):
        assert "one" not in tree.troubles()
        fail(tree, spec, clock, say, wait_until)
    assert tree.troubles()["one"] == "ends again and again, the last time by KilledError: life 3"
    clock.advance(59.9)
    assert "one" in tree.troubles()
    clock.advance(0.1)
    assert "one" not in tree.troubles()
    fail(tree, spec, clock, say, wait_until)
    assert "one" in tree.troubles()


def test_a_life_as_long_as_the_period_ends_a_row_of_exits(bench, say, wait_until):
    spec = bench.probe("one", ping_limit=None)
    clock = FakeClock()
    tree = bench.start(bench.supervisor("root", spec, ping_limit=None), clock)
    for lived, exits in ((0, 1), (299, 2), (300, 1)):
        clock.advance(lived)
        fail(tree, spec, clock, say, wait_until)
        assert say.child(tree, "one")["exits"] == exits


def test_a_child_that_does_not_answer_is_in_trouble_also_where_it_may_hang(bench, say, wait_until):
    gate, busy = bench.gate(), threading.Event()
    spec, other = bench.probe("one", ping_limit=None), bench.probe("other")
    clock = FakeClock()
    tree = bench.start(bench.supervisor("root", spec, other), clock)
    wait_until(lambda: len(bench.notes) == 2)
    spec.address.tell(say.Do(lambda _: (busy.set(), gate.wait(10))))
    assert busy.wait(5)

    def a_second_later():
        clock.advance(1)
        for address in (tree._root.spec.address, other.address):
            address.ask(Describe()).result(5)
        return tree.troubles()

    seconds = 1
    while not a_second_later():
        seconds += 1
    assert tree.troubles() == {"one": "does not answer"}
    assert 10 <= seconds <= 12
    assert say.child(tree, "one")["silent"] >= 10
    assert say.child(tree, "one")["restarts"] == 0
    gate.set()
    wait_until(lambda: tree.troubles() == {})


def test_each_sentence_of_the_semantics_has_a_test_of_its_name():
    sentences = re.findall(r"^\d+\. (.+)\.$", SEMANTICS.read_text(), re.MULTILINE)
    assert len(sentences) > 40
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"^def (test_\w+)", tests, re.MULTILINE))
    names = {
        "test_" + re.sub(r"\W+", "_", sentence.lower().replace("'", "")).strip("_") for sentence in sentences
    }
    assert names - named == set()
