"""Who calls a server that is away does not wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mdactors.runtime import Backoff

_logger = logging.getLogger(__name__)


class CircuitBreaker:
    """Lets calls through until one fails; then none for 0.5 s, 1 s … 5 s, and one to try.

    ``what`` names the server in the log; ``failures`` are the exceptions that count, ``refusal`` makes
    of a reason the exception to raise. Usable from any thread.
    """

    def __init__(
        self,
        what: str,
        failures: tuple[type[Exception], ...],
        refusal: Callable[[str], Exception],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failed = 0
        """Calls that went through and failed."""
        self._what = what
        self._failures = failures
        self._refusal = refusal
        self._monotonic = monotonic
        self._backoff = Backoff(first=0.5, limit=5.0)
        self._lock = threading.Lock()
        self._reason = ""
        """Why it is open; empty while it is closed."""
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server is away."""
        return bool(self._reason)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Do something with the server in this block.

        Raises:
            Exception: the refusal: the server is away, or failed now.
        """
        self._enter()
        try:
            yield
        except self._failures as error:
            reason = self._fail(error)
            raise self._refusal(f"{self._what}: {reason}") from None
        self._succeed()

    def _enter(self) -> None:
        with self._lock:
            if not self._reason:
                return
            now = self._monotonic()
            if now < self._retry_at:
                raise self._refusal(f"{self._what}: {self._reason}")
            self._retry_at = now + self._backoff.next()  # this call tries, no other does meanwhile

    def _fail(self, error: Exception) -> str:
        reason = (str(error).partition("\n")[0] or type(error).__name__)[:200]
        with self._lock:
            self.failed += 1
            went, self._reason = not self._reason, reason
            if went:
                self._retry_at = self._monotonic() + self._backoff.next()
        if went:
            _logger.warning("%s is away: %s", self._what, reason)
        return reason

    def _succeed(self) -> None:
        with self._lock:
            came, self._reason = bool(self._reason), ""
            self._backoff.reset()
        if came:
            _logger.info("%s is back", self._what)
