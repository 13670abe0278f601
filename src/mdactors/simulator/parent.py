"""Dying with the parent process, so that a demonstration leaves no simulator behind."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask Linux for a SIGTERM when the process (its main thread) that started us, ``parent``, ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have ended before the request: then no signal will come.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
