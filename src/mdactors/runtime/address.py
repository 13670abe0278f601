"""The lasting name of an actor, whoever lives there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future as Promise
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import Any

import pykka
from pykka._envelope import Envelope

from mdactors.runtime.mailbox import DEFAULT_POLICY, Mailbox, MailboxPolicy
from mdactors.runtime.message import DataMessage, Message, Stop


class Answer(Promise[Any]):
    """The answer to a question; by default ``result()`` waits no longer than the question's time-out."""

    def __init__(self, timeout: float | None) -> None:
        super().__init__()
        self._timeout = timeout

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer.

        Raises:
            TimeoutError: no answer within the time-out.
        """
        return super().result(self._timeout if timeout is None else timeout)


class Reply(pykka.Future[Any]):
    """Pykka's end of an `Answer`; an answer that comes too late is dropped.

    An actor that cannot answer yet returns a future: the answer is what that becomes.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def set(self, value: Any = None) -> None:
        """Answer, or follow the future that is to be the answer."""
        if isinstance(value, Promise):
            value.add_done_callback(self._follow)
        else:
            self._settle(self._answer.set_result, value)

    def _follow(self, done: Promise[Any]) -> None:
        error = done.exception()
        if error is not None:
            self._settle(self._answer.set_exception, error)
        else:
            self._settle(self._answer.set_result, done.result())

    def set_exception(self, exc_info: Any = None) -> None:
        """Answer with an exception, by default the one that is being handled."""
        self._settle(self._answer.set_exception, (exc_info or sys.exc_info())[1])

    def _settle(self, settle: Callable[[Any], None], value: Any) -> None:
        # Cancelled by the asker, or already answered when the actor was fenced.
        with suppress(InvalidStateError):
            settle(value)


class Address:
    """The lasting name of an actor: made before any actor lives there, it owns the mailbox.

    Everybody holds addresses and never an actor or its ref; usable from any thread.
    """

    def __init__(self, name: str, policy: MailboxPolicy = DEFAULT_POLICY) -> None:
        self.name = name
        self.mailbox = Mailbox(policy)

    def __repr__(self) -> str:
        return f"Address({self.name!r})"

    def tell(self, message: Message, unless: threading.Event | None = None) -> None:
        """Put a message into the mailbox; never raises.

        Never blocks, but for data where the policy is ``wait``: then the teller waits for room, until
        ``unless`` is set (followed by `interrupt_waiters`) or the address is stopped for good.
        """
        if isinstance(message, DataMessage):
            self.mailbox.put_data(message, unless)
        elif type(message) is Stop:
            self.mailbox.stop_tenant(drain=message.drain)
        else:
            self.mailbox.put_control(Envelope(message))

    def ask(self, message: Message, timeout: float | None = None) -> Promise[Any]:
        """Put a question into the control lane and return the future of its answer.

        An exception in its handler goes to the asker and does not harm the actor. On an event loop:
        ``await asyncio.wait_for(asyncio.wrap_future(address.ask(...)), seconds)``.
        """
        answer = Answer(timeout)
        self.mailbox.put_control(Envelope(message, Reply(answer)))
        return answer

    def interrupt_waiters(self) -> None:
        """Wake the tellers that wait for room: those whose ``unless`` is set give up."""
        self.mailbox.interrupt_waiters()

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return len(self.mailbox.control) + len(self.mailbox.data)

    def stats(self) -> dict[str, Any]:
        """Depth, lanes and counters, for status; never waits for the actor."""
        mailbox = self.mailbox
        control, data = len(mailbox.control), len(mailbox.data)
        return {
            "depth": control + data,
            "lanes": {"control": control, "data": data},
            "told": mailbox.told,
            "dropped": mailbox.dropped,
            "fenced": mailbox.fenced,
            "dead_letters": mailbox.dead_letters.describe(),
        }
