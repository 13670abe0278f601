"""What actors say to each other, and the runtime's own few messages."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True):
    """A control message: handled before any data and never dropped.

    Every message is frozen: teller and receiver share the object.
    """


class DataMessage(Message, frozen=True):
    """A data message: when its mailbox is full, the address's `MailboxPolicy` says what happens."""


class AfterData(DataMessage, frozen=True):
    """Told to oneself, to be handled behind the data that has come: nothing is lost with it."""


class Kill(Message, frozen=True):
    """The receiver raises `KilledError` in its own thread, as a bug would: OTP's exit signal."""

    reason: str = "no reason given"


class Describe(Message, frozen=True):
    """Asked, not told: answered with the receiver's ``describe()``, in its own thread."""


class Stop(Message, frozen=True):
    """The actor living there stops; with ``drain`` it first handles what waits in its mailbox.

    Stop is addressed to the actor that lives at the moment, never queued: it does not wait behind a
    backlog, and a successor never sees it.
    """

    drain: bool = False


class KilledError(Exception):
    """What a `Kill` raises in the actor that handles it."""
