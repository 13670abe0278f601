"""Carrying in a process of its own, which takes neither time nor the interpreter's lock from live ticks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import TypeAlias

import msgspec

from mdactors.adapter import Secret
from mdactors.config import LogSettings, StoreSettings
from mdactors.errors import PositionMoved, StoreError
from mdactors.market.position import Position
from mdactors.store.carrier import Carried, Carrier

ANSWER_SECONDS = 90.0
"""A part takes so long at most; the store's own time-outs are shorter."""
END_SECONDS = 5.0
_COMMAND = (sys.executable, "-m", "mdactors.carry")


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
    moved: bool
    """It was a `PositionMoved`."""


Answer: TypeAlias = Carried | Failed
_answer: Callable[[bytes], Answer] = msgspec.msgpack.Decoder(Carried | Failed).decode


def encode(word: Errand | Part | Answer) -> bytes:
    """A word as it travels, secrets in the clear: only ever through a pipe."""
    return msgspec.msgpack.encode(word, enc_hook=Secret.reveal)


class CarrierProcess(Carrier):
    """Has a child process carry, which is started when there is something to do.

    The child ends with the pipe to it, however this process ends. One that ends by itself or gives no
    answer is an error for once; the next part is for another child.
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def carry(self, after: Position | None, upto: Position, limit: int) -> Carried:
        """Have the next whole records stored."""
        answer = self._ask(Part(after, upto, limit))
        if isinstance(answer, Carried):
            return answer
        raise PositionMoved(answer.text) if answer.moved else StoreError(answer.text)

    def _ask(self, part: Part) -> Answer:
        try:
            connection = self._connection or self._start()
            connection.send_bytes(encode(part))
            if connection.poll(ANSWER_SECONDS):
                return _answer(connection.recv_bytes())
        except (EOFError, OSError):
            raise StoreError(f"the process that stores ticks ended{self._end()}") from None
        self._end()
        raise StoreError(f"the process that stores ticks gave no answer in {ANSWER_SECONDS:.0f} s")

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        with theirs:
            # In a group of its own: Ctrl-C shall not end it before what is left is stored.
            command = [*_COMMAND, str(theirs.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 # our own command
                command, pass_fds=[theirs.fileno()], process_group=0
            )
        self._connection = ours
        ours.send_bytes(encode(self._errand))
        return ours

    def _end(self) -> str:
        """End the child; its exit code as the end of a sentence."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is None:
            return ""
        process, self._process = self._process, None
        try:
            return f" with code {process.wait(END_SECONDS)}"
        except subprocess.TimeoutExpired:
            process.kill()
            return f" with code {process.wait()}"

    def close(self) -> None:
        """End the child, after the part it is at."""
        self._end()
