"""The process that carries ticks from the journal to the store: the other end of `CarrierProcess`.

Started by the daemon, as ``python -m mdactors.carry DESCRIPTOR``; ends when the daemon does.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from mdactors import service
from mdactors.adapter import Secret
from mdactors.errors import StoreError
from mdactors.store.carrier import DirectCarrier
from mdactors.store.carrier_process import Answer, Errand, Failed, Part, encode
from mdactors.store.opening import open_stores

GARBAGE_THRESHOLD = 100_000
"""Rows are no garbage that the collector could find."""
_errand = msgspec.msgpack.Decoder(Errand, dec_hook=lambda _kind, text: Secret(text)).decode
_part = msgspec.msgpack.Decoder(Part).decode


def main() -> None:
    """Carry what is asked for until nobody can ask any more."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        # A service manager signals everybody: the daemon still has to store what is left.
        signal.signal(number, signal.SIG_IGN)
    # Nobody is there any more: that is how it ends.
    with Connection(int(sys.argv[1])) as connection, contextlib.suppress(EOFError, ConnectionError):
        errand = _errand(connection.recv_bytes())
        service.prepare_process(errand.log)
        _Carrying(errand).run(connection)


class _Carrying:
    """Owns the store while there is one."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._carrier: DirectCarrier | None = None

    def run(self, connection: Connection) -> None:
        """Answer every part that is asked for.

        Raises:
            EOFError, ConnectionError: the other side is gone.
        """
        while True:
            is_first = self._carrier is None
            answer = self._answer(_part(connection.recv_bytes()))
            if is_first and self._errand.idle:
                _give_way()  # not before: a busy machine would hold up the start for long
            connection.send_bytes(encode(answer))

    def _answer(self, part: Part) -> Answer:
        try:
            if self._carrier is None:
                self._carrier = self._open()
            return self._carrier.carry(part.after, part.upto, part.limit)
        except StoreError as error:
            return Failed.of(error)

    def _open(self) -> DirectCarrier:
        store, _bars = open_stores(self._errand.store, Path(self._errand.folder))
        return DirectCarrier(store, Path(self._errand.journal))


def _give_way() -> None:
    """Take only what time nobody else wants: the journal can wait, live ticks cannot."""
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
