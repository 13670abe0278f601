"""Carrying in a process of its own, which takes neither time nor the interpreter's lock from live ticks."""

from __future__ import annotations

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


class Errand(msgspec.Struct, frozen=True, tag=True):
    """The first word to the process: what to carry, and where to."""

    store: StoreSettings
    folder: str
    """The daemon's ``data_dir``."""
    journal: str
    log: LogSettings


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
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._child: Child | None = None

    def carry(self, after: Position | None, upto: Position, limit: int) -> Carried:
        """Have the next whole records stored."""
        answer = self._ask(Part(after, upto, limit))
        if isinstance(answer, Carried):
            return answer
        raise answer.error()

    def _ask(self, part: Part) -> Answer:
        try:
            connection = (self._child or self._start()).connection
            connection.send_bytes(encode(part))
            if connection.poll(ANSWER_SECONDS):
                return _answer(connection.recv_bytes())
        except (EOFError, OSError):
            raise StoreError(f"the process that stores ticks ended{self._end()}") from None
        self._end()
        raise StoreError(f"the process that stores ticks gave no answer in {ANSWER_SECONDS:.0f} s")

    def _start(self) -> Child:
        self._child = Child("mdactors.carry")
        self._child.connection.send_bytes(encode(self._errand))
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
