"""Carrying in a process of its own, which takes neither time nor the interpreter's lock from live ticks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from mdactors.adapter import Secret
from mdactors.config import LogSettings, StoreSettings
from mdactors.errors import PositionMoved, StoreError, TableFault
from mdactors.market.position import Position
from mdactors.store.carrier import Carried, Carrier
from mdactors.store.child import Child

ANSWER_SECONDS = 45.0
"""A part takes so long at most; the store's own time-outs are shorter."""
PATIENCE_SECONDS = 5.0
"""A child that still waits for idle time of the processor after so long may wait for ever."""
BUSY_SECONDS = 600.0
"""How long a machine that had no idle time is taken for busy."""

_logger = logging.getLogger(__name__)


class Errand(msgspec.Struct, frozen=True, tag=True):
    """The first word to the process: what to carry, and where to."""

    store: StoreSettings
    folder: str
    """The daemon's ``data_dir``."""
    journal: str
    log: LogSettings
    idle: bool = True
    """Whether it takes only the processor's idle time, once it has carried its first part."""


class Part(msgspec.Struct, frozen=True, tag=True):
    """Every other word to the process: carry this."""

    after: Position | None
    upto: Position
    limit: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The process's answer instead of `Carried`: what a `StoreError` said."""

    text: str
    kind: str
    """Which one."""

    @classmethod
    def of(cls, error: StoreError) -> Failed:
        """What this one said."""
        return cls(str(error), type(error).__name__)

    def error(self) -> StoreError:
        """It again."""
        return _ERRORS.get(self.kind, StoreError)(self.text)


_ERRORS = {each.__name__: each for each in (PositionMoved, TableFault)}
Answer: TypeAlias = Carried | Failed
_answer: Callable[[bytes], Answer] = msgspec.msgpack.Decoder(Carried | Failed).decode


def encode(word: Errand | Part | Answer) -> bytes:
    """A word as it travels, secrets in the clear: only ever through a pipe."""
    return msgspec.msgpack.encode(word, enc_hook=Secret.reveal)


class CarrierProcess(Carrier):
    """Has a child process carry, which is started when there is something to do.

    One that ends by itself or gives no answer is an error for once; the next part is for another child.
    On a machine without idle time, one that waits for the processor gives way to one that takes its share,
    for `BUSY_SECONDS`.
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._child: Child | None = None
        self._idle = True
        """How the child was started; it gives way once it has answered."""
        self._has_answered = False
        self._idle_from = 0.0
        """Monotonic seconds; before then the machine is taken for busy."""

    def carry(self, after: Position | None, upto: Position, limit: int) -> Carried:
        """Have the next whole records stored."""
        answer = self._ask(Part(after, upto, limit))
        if isinstance(answer, Carried):
            return answer
        raise answer.error()

    def _ask(self, part: Part) -> Answer:
        try:
            child = self._running()
            child.connection.send_bytes(encode(part))
            if self._is_starved(child):
                child = self._hurry()
                child.connection.send_bytes(encode(part))
            if child.connection.poll(ANSWER_SECONDS):
                self._has_answered = True
                return _answer(child.connection.recv_bytes())
        except (EOFError, OSError):
            raise StoreError(f"the process that stores ticks ended{self._end()}") from None
        self._end()
        raise StoreError(f"the process that stores ticks gave no answer in {ANSWER_SECONDS:.0f} s")

    def _running(self) -> Child:
        idle = time.monotonic() >= self._idle_from
        if idle != self._idle:
            self._end()
        return self._child or self._start(idle=idle)

    def _is_starved(self, child: Child) -> bool:
        """Whether the child, which has given way, has waited long enough for the processor."""
        gives_way = self._idle and self._has_answered
        return gives_way and not child.connection.poll(PATIENCE_SECONDS) and child.wants_processor()

    def _hurry(self) -> Child:
        """Put a child that takes its share of the processor in the place of one that gets nothing."""
        _logger.warning("the machine has no idle time: for a while ticks are stored at normal priority")
        self._idle_from = time.monotonic() + BUSY_SECONDS
        if self._child is not None:
            self._child.kill()
        self._end()
        return self._start(idle=False)

    def _start(self, *, idle: bool) -> Child:
        self._idle, self._has_answered = idle, False
        self._child = Child("mdactors.carry")
        self._child.connection.send_bytes(encode(msgspec.structs.replace(self._errand, idle=idle)))
        return self._child

    def _end(self) -> str:
        """End the child; its exit code as the end of a sentence."""
        if self._child is None:
            return ""
        child, self._child = self._child, None
        return f" with code {child.end()}"

    def close(self) -> None:
        """End the child, after the part it is at if that is soon."""
        self._end()
