"""A disk of the journal's own that can be filled."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

DISK_BYTES = 8 << 20
MOUNT = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs "$0" && exec "$@"'


class SmallDisk:
    """A disk for the journal, in a namespace of its own; ballast fills it.

    ``before`` is what the daemon's command line is put behind.
    """

    def __init__(self, journal: Path) -> None:
        self.before = ["unshare", "-rm", "sh", "-c", MOUNT, str(journal)]
        self._journal = journal

    def fill(self, pid: int) -> None:
        """Leave not a byte; for the daemon with this process id, which alone sees that disk."""
        with self._ballast(pid).open("ab", buffering=0) as ballast:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(b"x" * size) == size:
                        pass

    def empty(self, pid: int) -> None:
        """Give it all back."""
        self._ballast(pid).unlink()

    def _ballast(self, pid: int) -> Path:
        return Path("/proc", str(pid), "root", *self._journal.parts[1:], "ballast")


def namespaces_are_allowed(folder: Path) -> bool:
    """Whether this machine lets us mount such a disk."""
    words = ["unshare", "-rm", "sh", "-c", MOUNT, str(folder), "true"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0  # our own command
    except FileNotFoundError:
        return False
