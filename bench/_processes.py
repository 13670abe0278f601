"""The helper processes of a measurement, and how they talk: one JSON object a line."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


class Helper:
    """A child process that is told and tells JSON lines."""

    def __init__(self, module: str, *, quiet: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
        )

    def tell(self, message: Any) -> None:
        """Send one object."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Wait for one object.

        Raises:
            RuntimeError: the process ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a helper process ended with code {self._process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """End it and wait."""
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def helper(module: str, *, quiet: bool = False) -> Iterator[Helper]:
    """A helper process that ends with the block; a quiet one's log is not shown."""
    process = Helper(module, quiet=quiet)
    try:
        yield process
    finally:
        process.end()
