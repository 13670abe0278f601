from __future__ import annotations

import threading

import pykka
import pytest

from mdactors.runtime import Intensity, Kill, MailboxPolicy, Stop


def hold(bench, say, spec):
    """Keep the probe busy until the gate is opened."""
    gate = bench.gate()
    busy = threading.Event()
    spec.address.tell(say.Do(lambda _: (busy.set(), gate.wait(10))))
    assert busy.wait(5)
    return gate


def test_messages_wait_while_nobody_lives_at_an_address(bench, say, wait_until):
    spec = bench.probe("one")
    for number in range(3):
        spec.address.tell(say.Item(number))
    assert spec.address.depth == 3
    bench.start(spec)
    wait_until(lambda: bench.notes == ["one starts", 0, 1, 2])
    assert spec.address.depth == 0


def test_what_waited_when_an_actor_died_is_handled_by_its_successor_in_order(bench, say, wait_until):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    gate = hold(bench, say, spec)
    spec.address.tell(Kill("test"))
    for number in range(100):
        spec.address.tell(say.Item(number))
    question = spec.address.ask(say.Note("asked"))
    gate.set()
    assert question.result(5) == "asked"
    wait_until(lambda: bench.notes == ["one starts", "one fails", "one starts", "asked", *range(100)])


def test_control_goes_before_data(bench, say, wait_until):
    spec = bench.probe("one")
    spec.address.tell(say.Item("data"))
    spec.address.tell(say.Note("control"))
    bench.start(spec)
    wait_until(lambda: bench.notes == ["one starts", "control", "data"])


def test_control_is_never_dropped(bench, say, wait_until):
    spec = bench.probe("one", MailboxPolicy(capacity=2))
    for number in range(100):
        spec.address.tell(say.Note(number))
    bench.start(spec)
    wait_until(lambda: bench.notes == ["one starts", *range(100)])
    assert spec.address.stats()["dropped"] == 0


def test_a_full_mailbox_drops_the_oldest_data_and_counts_it(bench, say, wait_until):
    spec = bench.probe("one", MailboxPolicy(capacity=2))
    for number in range(5):
        spec.address.tell(say.Item(number))
    stats = spec.address.stats()
    assert stats["dropped"] == 3
    assert stats["lanes"] == {"control": 0, "data": 2}
    bench.start(spec)
    wait_until(lambda: bench.notes == ["one starts", 3, 4])


def test_a_full_mailbox_makes_the_teller_wait_if_its_policy_is_wait(bench, say, wait_until):
    spec = bench.probe("one", MailboxPolicy(capacity=2, when_full="wait"))
    teller = threading.Thread(target=lambda: [spec.address.tell(say.Item(n)) for n in range(50)])
    teller.start()
    wait_until(lambda: spec.address.depth == 2)
    teller.join(0.05)
    assert teller.is_alive()
    assert spec.address.depth == 2
    spec.address.tell(say.Note("control does not wait"))
    bench.start(spec)
    teller.join(5)
    assert not teller.is_alive()
    wait_until(lambda: bench.notes == ["one starts", "control does not wait", *range(50)])


def test_a_waiting_teller_gives_up_when_it_is_told_to(bench, say, wait_until):
    spec = bench.probe("one", MailboxPolicy(capacity=1, when_full="wait"))
    spec.address.tell(say.Item("first"))
    unless = threading.Event()
    one = threading.Thread(target=spec.address.tell, args=(say.Item("given up"), unless))
    other = threading.Thread(target=spec.address.tell, args=(say.Item("last"),))
    one.start()
    other.start()
    unless.set()
    spec.address.interrupt_waiters()
    one.join(5)
    assert not one.is_alive()
    assert other.is_alive()
    bench.start(spec)
    other.join(5)
    wait_until(lambda: bench.notes == ["one starts", "first", "last"])
    assert spec.address.stats()["dropped"] == 1


def test_a_waiting_teller_gives_up_when_the_address_is_stopped_for_good(bench, say, wait_until):
    spec = bench.probe("one", MailboxPolicy(capacity=1, when_full="wait"))
    tree = bench.start(spec)
    hold(bench, say, spec)
    teller = threading.Thread(target=lambda: [spec.address.tell(say.Item(n)) for n in range(3)])
    teller.start()
    wait_until(lambda: spec.address.depth == 1)
    tree.stop(timeout=0.01)
    teller.join(5)
    assert not teller.is_alive()


def test_a_mailbox_that_keeps_everything_grows(bench, say):
    spec = bench.probe("one", MailboxPolicy(capacity=2, when_full="keep"))
    for number in range(100):
        spec.address.tell(say.Item(number))
    assert spec.address.depth == 100
    assert spec.address.stats()["dropped"] == 0


def test_only_the_message_that_killed_its_actor_is_a_dead_letter(bench, say, wait_until):
    spec = bench.probe("one")
    bench.start(bench.supervisor("root", spec))
    gate = hold(bench, say, spec)
    spec.address.tell(Kill("test"))
    spec.address.tell(say.Item("waits"))
    gate.set()
    wait_until(lambda: "waits" in bench.notes)
    assert spec.address.stats()["dead_letters"] == {
        "count": 1,
        "newest": [{"message": "Kill", "reason": "KilledError: test"}],
    }


def test_what_is_told_to_an_address_that_was_stopped_for_good_is_a_dead_letter(bench, say):
    spec = bench.probe("one", restart="temporary")
    tree = bench.start(bench.supervisor("root", spec))
    assert tree.stop()
    spec.address.tell(say.Item("too late"))
    spec.address.tell(say.Note("too late"))
    assert spec.address.stats()["dead_letters"]["count"] == 2
    assert spec.address.depth == 0


def test_what_waits_when_an_address_is_stopped_for_good_is_a_dead_letter(bench, say):
    spec = bench.probe("one")
    tree = bench.start(spec)
    gate = hold(bench, say, spec)
    spec.address.tell(say.Item("waits"))
    question = spec.address.ask(say.Note("waits"))
    spec.address.tell(Stop())
    gate.set()
    tree.stop()
    letters = spec.address.stats()["dead_letters"]
    assert [letter["message"] for letter in letters["newest"]] == ["Note", "Item"]
    with pytest.raises(pykka.ActorDeadError):
        question.result(5)


def test_all_dead_letters_are_counted_and_the_newest_are_kept(bench, say):
    spec = bench.probe("one")
    bench.start(spec).stop()
    for number in range(25):
        spec.address.tell(say.Item(number))
    letters = spec.address.mailbox.dead_letters
    assert letters.count == 25
    assert [letter.message.text for letter in letters.newest] == list(range(15, 25))


def test_no_message_is_lost_or_doubled_between_many_tellers_and_restarts(bench, say, wait_until):
    spec = bench.probe("one", MailboxPolicy(capacity=10, when_full="wait"))
    intensity = Intensity(max_restarts=100, first=0.0, jitter=0.0)
    bench.start(bench.supervisor("root", spec, intensity=intensity))

    def tell(teller):
        for number in range(200):
            spec.address.tell(say.Item((teller, number)))
            if number % 50 == 0:
                spec.address.tell(Kill("test"))

    tellers = [threading.Thread(target=tell, args=(name,)) for name in "abc"]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join(10)

    def items():
        return [note for note in bench.notes if isinstance(note, tuple)]

    wait_until(lambda: len(items()) >= 600)
    assert bench.notes.count("one fails") == 12
    for name in "abc":
        assert [number for teller, number in items() if teller == name] == list(range(200))
