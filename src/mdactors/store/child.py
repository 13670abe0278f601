"""A process of the daemon's own that does what would hold up live ticks."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from multiprocessing.connection import Pipe
from pathlib import Path

from mdactors.errors import StoreError

END_SECONDS = 5.0
"""So long a child has to end once nobody talks to it any more."""


class Child:
    """``python -m MODULE DESCRIPTOR``, talked to through a pipe; ends with it, however this process ends."""

    def __init__(self, module: str) -> None:
        """Start it.

        Raises:
            StoreError: the system does not let us.
        """
        self.connection, theirs = Pipe()
        with theirs:
            # -P: else a file in the working directory would come before the module of its name.
            command = [sys.executable, "-P", "-m", module, str(theirs.fileno())]
            try:
                # In a group of its own: Ctrl-C is for the daemon, which ends it when it is no longer needed.
                self._process = subprocess.Popen(  # noqa: S603 # our own command
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,
                )
            except OSError as error:
                self.connection.close()
                raise StoreError(f"{module} cannot be started: {error.strerror}") from None

    def wants_processor(self) -> bool:
        """Whether it could work if it were let: it waits for the processor, and for nothing else."""
        with contextlib.suppress(OSError):
            # The name before the state may hold anything but this.
            state = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
            return state.split()[0] == "R"
        return False

    def kill(self) -> None:
        """End it at once, whatever it is at; `end` is still to be called."""
        self._process.kill()

    def end(self) -> int | None:
        """Close the pipe and wait, not for ever; may be called again.

        Returns:
            The exit code, below zero for a signal; None while the system cannot end it (a disk that hangs).
        """
        self.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return None
