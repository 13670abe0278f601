"""An actor: state of its own, one thread, one message at a time."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
import pykka
from pykka.messages import _ActorStop

from mdactors.runtime.address import Address
from mdactors.runtime.clock import Clock
from mdactors.runtime.lease import Lease, Timer
from mdactors.runtime.mailbox import Nothing
from mdactors.runtime.message import Describe, Kill, KilledError, Message

if TYPE_CHECKING:
    from mdactors.runtime.child import Child, ChildSpec

Method = TypeVar("Method", bound=Callable[..., Any])
_MARK = "__handled_messages__"


def handles(*messages: type[Message]) -> Callable[[Method], Method]:
    """Mark a method as the handler of these messages (of exactly these types)."""

    def mark(method: Method) -> Method:
        setattr(method, _MARK, messages)
        return method

    return mark


class UnhandledMessageError(Exception):
    """An actor got a message that it has no handler for: a bug."""


class GaveUpError(Exception):
    """A supervisor fails upward: its children failed too often, the first time at ``since`` (monotonic)."""

    def __init__(self, text: str, since: float) -> None:
        super().__init__(text)
        self.since = since


class Context(msgspec.Struct, frozen=True):
    """What a supervisor hands an actor that it starts."""

    address: Address
    lease: Lease
    on_exit: Callable[[Lease, BaseException | None], None]
    """Called in the actor's thread, as the last thing it does."""


class Actor(pykka.ThreadingActor):
    """A Pykka actor that lives at an `Address`, on a lease, under a supervisor.

    Subclasses take the context first and everything else by keyword, and mark a method for each
    message with `handles`; a message without a handler is a bug. An exception while handling what was
    told ends the actor; the answer to a question may be an exception. Every exit is reported to the
    supervisor, also a failed ``on_start``. ``__init__`` runs in the supervisor's thread; all hooks and
    handlers run in the actor's own, named ``actor-NAME``.
    """

    use_daemon_thread = True
    _handled: ClassVar[Mapping[type[Any], str]] = {Describe: "_answer_description", Kill: "_die"}

    def __init_subclass__(cls) -> None:
        handled = dict(cls._handled)
        for name, member in vars(cls).items():
            handled |= dict.fromkeys(getattr(member, _MARK, ()), name)
        cls._handled = handled

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.address = context.address
        self.clock: Clock = context.lease.clock
        self.logger = logging.getLogger(f"mdactors.{context.address.name}")
        self.thread = threading.Thread(
            target=self._actor_loop, name=f"actor-{context.address.name}", daemon=self.use_daemon_thread
        )
        self.actor_inbox = context.lease
        self.actor_stopped = context.lease.stopped
        # Made again: the first one holds the inbox and the flag that Pykka made.
        self._actor_ref = pykka.ActorRef(self)
        self._lease = context.lease
        self._lease.actor = self
        self._on_exit = context.on_exit
        self._error: BaseException | None = None
        self._handlers = {message: getattr(self, name) for message, name in self._handled.items()}

    # --- For subclasses ---

    def tell(self, address: Address, message: Message) -> None:
        """Tell through the lease: once this actor is replaced, its words are dropped and counted."""
        if self._lease.revoked:
            self.address.mailbox.fenced += 1
        else:
            address.tell(message)

    def after(self, delay: float, message: Message) -> Timer:
        """Have ``message`` handled in ``delay`` seconds, before data and after control.

        The timer lives in the mailbox, needs no thread and dies with this actor.
        """
        return self._lease.after(delay, message)

    @property
    def fenced(self) -> bool:
        """Whether this actor was replaced while it hung: what it does now must reach nobody."""
        return self._lease.revoked

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clean up after a bug, instead of ``on_stop``; also after a failed ``on_start``.

        Runs in the actor's thread; not called once the actor is replaced.
        """

    def describe(self) -> dict[str, Any]:
        """State and counters for status; runs in the actor's thread and must be quick."""
        return {}

    def stop(self) -> None:
        """Stop this actor normally, before its next message."""
        self._lease.ask_stop()

    # --- For its supervisor ---

    @classmethod
    def child_specs(cls, arguments: Mapping[str, Any]) -> Sequence[ChildSpec]:  # noqa: ARG003 - a supervisor reads them
        """The children that an actor made with ``arguments`` will have; only supervisors have any."""
        return ()

    children: tuple[Child, ...] = ()
    """A supervisor's children; nobody else has any."""

    def abandon(self, reason: str) -> None:
        """Called in the supervisor's thread when this actor is fenced: fence what depends on it."""

    # --- Messages of the runtime ---

    def _answer_description(self, _message: Describe) -> dict[str, Any]:
        return self.describe()

    def _die(self, message: Kill) -> None:
        raise KilledError(message.reason)

    # --- Pykka's loop ---

    def _start_actor_loop(self) -> None:
        self.thread.start()

    def _actor_loop(self) -> None:
        try:
            super()._actor_loop()
        finally:
            self._lease.release()
            pykka.ActorRegistry.unregister(self.actor_ref)
            self._on_exit(self._lease, self._error)

    def _actor_loop_setup(self) -> None:
        try:
            self.on_start()
            self._lease.ready = True
        except Exception:  # noqa: BLE001 - any bug ends the actor, as Pykka does, and is reported
            self._fail(*sys.exc_info())

    def _fail(
        self,
        exception_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle_failure(exception_type, error, traceback)
        if self._lease.revoked:
            return
        try:
            self.on_failure(exception_type, error, traceback)
        except Exception:  # noqa: BLE001 - logged; the first bug is the reason that counts
            self._handle_failure(*sys.exc_info())

    def _handle_receive(self, message: Any) -> Any:
        handler = self._handlers.get(type(message))
        try:
            if handler is not None:
                return handler(message)
            return self._handle_own(message)
        except Exception:
            if not self._lease.revoked:
                raise
            self.logger.info("the replaced actor failed as well", exc_info=True)
        except BaseException as error:
            # Pykka would stop every actor of the process.
            raise RuntimeError(f"{type(error).__name__} raised in an actor") from error

    def _handle_own(self, message: Any) -> None:
        if isinstance(message, _ActorStop):
            self._stop()
        elif not isinstance(message, Nothing):
            raise UnhandledMessageError(f"{type(self).__name__} has no handler for {type(message).__name__}")

    def _handle_failure(
        self,
        _exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Log the bug, keep it as the reason of the exit and the message as a dead letter."""
        self._error = self._error or exception_value
        if isinstance(exception_value, GaveUpError):
            self.logger.error("gives up: %s", exception_value)
        else:
            self._bury_bug(exception_value)
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()

    def _bury_bug(self, error: BaseException | None) -> None:
        reason = reason_of(error)
        self.logger.error("failed: %s", reason, exc_info=error)
        current = self._lease.current
        if current is not None and isinstance(current.message, Message) and not self.actor_stopped.is_set():
            self.address.mailbox.dead_letters.add(current.message, reason)


def reason_of(error: BaseException | None) -> str:
    """An exit's reason in one bounded line."""
    if error is None:
        return "stopped normally"
    first_line = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
