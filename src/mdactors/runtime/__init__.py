"""A small OTP for Pykka: addresses, mailboxes, actors and their supervisors; knows nothing of markets."""

from __future__ import annotations

from mdactors.runtime.actor import Actor, Context, UnhandledMessageError, handles
from mdactors.runtime.address import Address
from mdactors.runtime.backoff import Backoff
from mdactors.runtime.child import ChildSpec, Intensity
from mdactors.runtime.clock import (
    MACHINE,
    Clock,
    FakeClock,
    HeldClock,
    SetClock,
    SystemClock,
    Timeline,
    clock_of,
)
from mdactors.runtime.lease import Timer
from mdactors.runtime.mailbox import MailboxPolicy
from mdactors.runtime.message import AfterData, DataMessage, Describe, Kill, KilledError, Message, Stop
from mdactors.runtime.supervisor import Supervisor
from mdactors.runtime.tree import Tree, start_tree

__all__ = [
    "MACHINE",
    "Actor",
    "Address",
    "AfterData",
    "Backoff",
    "ChildSpec",
    "Clock",
    "Context",
    "DataMessage",
    "Describe",
    "FakeClock",
    "HeldClock",
    "Intensity",
    "Kill",
    "KilledError",
    "MailboxPolicy",
    "Message",
    "SetClock",
    "Stop",
    "Supervisor",
    "SystemClock",
    "Timeline",
    "Timer",
    "Tree",
    "UnhandledMessageError",
    "clock_of",
    "handles",
    "start_tree",
]
