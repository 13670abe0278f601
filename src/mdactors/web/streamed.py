"""Long answers: made step by step in a thread, written no faster than the client reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from tornado.iostream import StreamClosedError

from mdactors.errors import StoreError
from mdactors.web.handler import Failure, Handler

logger = logging.getLogger(__name__)

TAKES_NOTHING_SECONDS = 60.0
"""How long a client may leave a part of its answer in our buffer before the connection is closed."""


class StreamedHandler(Handler):
    """A handler whose answer comes out of a store and may be too long for memory."""

    async def stream(self, parts: Iterator[bytes], content_type: str, *, of_store: bool = True) -> None:
        """Write an answer as its parts are made; there is at least one.

        Each part is made in a thread, once the client has taken the one before; ``of_store`` in one of those
        that wait for stores. A store that cannot be read is a 503; after the first part nobody can be told
        any more: the connection is cut, so that nobody takes the answer for whole.
        """
        call = self.in_store if of_store else self.in_pool
        try:
            part = await call(next, parts, b"")
        except StoreError as error:
            raise Failure(503, "unavailable", str(error)) from error
        self.set_header("Content-Type", content_type)
        try:
            while part:
                self.write(part)
                await asyncio.wait_for(self.flush(), TAKES_NOTHING_SECONDS)
                part = await call(next, parts, b"")
        except StoreError as error:
            logger.warning("%s is cut off: %s", self.request.path, error)
            self._cut()
        except TimeoutError:
            logger.warning("%s is cut off: its client takes nothing any more", self.request.path)
            self._cut()
        except StreamClosedError:
            logger.debug("%s: its client has gone", self.request.path)
        except Exception:
            self._cut()  # else Tornado would end the answer as if it were whole
            raise

    def _cut(self) -> None:
        """Close the connection without the end of the answer."""
        self.detach().close()
