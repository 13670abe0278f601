"""What all handlers share: JSON answers, one style of errors, origins and CORS."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import datetime as dt
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, TypeVar, cast

import msgspec
from pykka import ActorDeadError
from tornado.web import HTTPError, RequestHandler

from mdactors.config import AdminSettings, ServerSettings
from mdactors.errors import StoreError
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.moment import read_moment
from mdactors.market.sectors import Sector
from mdactors.runtime import Address, Message
from mdactors.web.gateway import Gateway, ask
from mdactors.web.limited_log import LimitedLog
from mdactors.web.origins import Origins
from mdactors.web.sessions import Sessions

Result = TypeVar("Result")

_SHOWN_CHARACTERS = 100
_FIELD = re.compile(r"`\$\.(\w+)")
_WHOLE = re.compile("[1-9][0-9]{0,14}")

COMPLETE = "X-Complete"
"""The header that says ``false`` where a part of an answer is out of reach."""

ANSWER_SECONDS = 5.0
"""How long an actor may take to answer before the client hears that it does not."""


class Parts(msgspec.Struct, frozen=True):
    """What the handlers work with."""

    settings: ServerSettings
    admin: AdminSettings
    gateway: Gateway
    origins: Origins
    sessions: Sessions
    pool: ThreadPoolExecutor
    """For what blocks a moment."""
    readers: ThreadPoolExecutor
    """For what waits for a store of ticks, which may hang."""
    warnings: LimitedLog


class Failure(HTTPError):
    """A request that is answered with an error; ``beside`` stands beside the error in the answer."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(status)
        self.error = {"code": code, "message": message, **more}
        self.beside: Mapping[str, Any] = {}


class Handler(RequestHandler):
    """A handler that answers JSON, also when it fails, to the origins that are allowed."""

    parameters: ClassVar[Sequence[str] | None] = ()
    """Those that the path has behind its question mark, all others are refused; None: whatever comes."""

    @property
    def parts(self) -> Parts:
        """What the application was made with."""
        return cast(Parts, self.settings["parts"])

    @property
    def now_ns(self) -> int:
        """What the clock shows, in nanoseconds since 1970."""
        return self.parts.gateway.clock.time_ns()

    def set_default_headers(self) -> None:
        """Let pages of allowed origins read the answer, errors included."""
        self.set_header("Server", "mdactors")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Vary", "Origin")
        origin = self.request.headers.get("Origin")
        if origin is not None and self._is_allowed(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", COMPLETE)

    def prepare(self) -> None:
        """Refuse what comes from a page of another origin, and parameters that nobody would look at."""
        origin = self.request.headers.get("Origin")
        if origin is not None and not self._is_allowed(origin):
            shown, path = origin[:_SHOWN_CHARACTERS], self.request.path[:_SHOWN_CHARACTERS]
            warning = "%s refused for origin %r: see server.origins"
            self.parts.warnings.warn(f"origin {shown}", warning, path, shown)
            raise Failure(403, "origin_refused", f"origin {origin} is not among server.origins")
        if self.parameters is not None and self.request.method != "OPTIONS":
            self._refuse_unknown(self.parameters)

    def _refuse_unknown(self, known: Sequence[str]) -> None:
        unknown = next((name for name in self.request.query_arguments if name not in known), None)
        if unknown is None:
            return
        name = unknown[:_SHOWN_CHARACTERS]
        suggestions = difflib.get_close_matches(name, known)
        hint = f"did you mean {suggestions[0]}?" if suggestions else f"it has {', '.join(known) or 'none'}"
        message = f"{self.request.path[:_SHOWN_CHARACTERS]} has no parameter {name!r}; {hint}"
        raise Failure(400, "unknown_parameter", message, field=name, suggestions=suggestions)

    def _is_allowed(self, origin: str | None) -> bool:
        return self.parts.origins.allows(origin, self.request.host)

    @classmethod
    def methods(cls) -> list[str]:
        """The methods of HTTP that are answered."""
        every = [(name, name.lower()) for name in cls.SUPPORTED_METHODS]
        return [name for name, own in every if getattr(cls, own) is not getattr(RequestHandler, own)]

    def options(self, *_arguments: str, **_named: str) -> None:
        """Answer a browser that asks before it sends."""
        self.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type")
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)

    def mark_incomplete(self) -> None:
        """Say that a part of what is answered is out of reach."""
        self.set_header(COMPLETE, "false")

    def answer(self, value: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.answer_bytes(msgspec.json.encode(value), status)

    def answer_bytes(self, body: bytes, status: int = 200) -> None:
        """Answer with finished JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every error in one style."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, Failure):
            self.answer({**error.beside, "error": error.error}, status_code)
            return
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.methods()))
        status = HTTPStatus(status_code)
        self.answer({"error": {"code": status.name.lower(), "message": status.phrase}}, status_code)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log bugs; what a client did wrong is its own business."""
        if not isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """A parameter, or a part of the path, as text."""
        try:
            return value.decode()
        except UnicodeDecodeError:
            field = {} if name is None else {"field": name}
            message = f"{name or 'the path'} is not UTF-8"
            raise Failure(400, "invalid_parameter", message, **field) from None

    def compute_etag(self) -> None:
        """Nobody may keep an answer, and to hash a long one would hold up the loop."""

    async def ask(self, address: Address, question: Message, seconds: float | None = None) -> Any:
        """Ask an actor; who does not answer, or dies over it, is a 503."""
        seconds = ANSWER_SECONDS if seconds is None else seconds
        try:
            return await ask(address, question, seconds)
        except (TimeoutError, ActorDeadError):
            message = f"{address.name} does not answer; try again"
            raise Failure(503, "no_answer", message) from None

    def whole_number(self, name: str) -> int | None:
        """A parameter that is a whole number of at most 15 digits from 1 on; None where it is not given."""
        text = self.get_query_argument(name, None)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text):
            raise Failure(
                400,
                "invalid_parameter",
                f"{name} must be a whole number from 1 on, of at most 15 digits",
                field=name,
            )
        return int(text)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """A parameter that is one of these words, or the default."""
        value = self.get_query_argument(name, default)
        if value != default and value not in choices:
            message = f"{name} must be one of {', '.join(choices)}"
            raise Failure(400, "invalid_parameter", message, field=name)
        return value

    def flag(self, name: str) -> bool | None:
        """A parameter that is true or false; None where it is not given, or empty."""
        value = self.choice(name, ("true", "false"), "")
        return value == "true" if value else None

    def date(self, name: str) -> str:
        """A parameter that is an ISO date; empty where it is not given."""
        text = self.get_query_argument(name, "", strip=False)
        with contextlib.suppress(ValueError):
            # Python reads weeks and dates without hyphens, too.
            if not text or dt.date.fromisoformat(text).isoformat() == text:
                return text
        message = f"{name} must be a date, such as 2026-11-24"
        raise Failure(400, "invalid_parameter", message, field=name)

    def moment(self, name: str, *, last: bool = False) -> int | None:
        """A parameter that is a time, in nanoseconds since 1970; None where it is not given."""
        text = self.get_query_argument(name, None)
        if text is None:
            return None
        try:
            return read_moment(text, last=last)
        except ValueError as error:
            raise Failure(400, "invalid_parameter", f"{name}: {error}", field=name) from None

    def body(self, read: Callable[[bytes], Result]) -> Result:
        """The request's JSON, as ``read`` makes it of bytes; a field that is wrong is named."""
        try:
            return read(self.request.body.removeprefix(codecs.BOM_UTF8))
        except msgspec.ValidationError as error:
            found = _FIELD.search(str(error))
            field = {"field": found[1]} if found else {}
            raise Failure(400, "invalid_parameter", f"the body: {error}", **field) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise Failure(400, "invalid_parameter", "the body must be one JSON object") from None

    def table(self) -> InstrumentTable:
        """The instruments; while there are none, a 503."""
        table = self.parts.gateway.table()
        if not len(table):
            raise Failure(503, "not_ready", "the daemon has no instruments yet; ask again in a moment")
        return table

    async def instrument(self, name: str, field: str) -> Instrument:
        """The instrument that is meant; none is a 404 with suggestions."""
        table = self.table()
        found = table.resolve(name)
        if found is None:
            # Comparing with every symbol takes long enough to be felt on the loop.
            suggestions = await self.in_pool(table.suggest, name)
            renamed = table.renamed_to(name)
            message = f"no instrument is called {name!r}" + (f"; it is {renamed} now" if renamed else "")
            raise Failure(404, "unknown_symbol", message, field=field, suggestions=suggestions)
        return found

    def sector(self, name: str, field: str) -> Sector:
        """The sector that is meant, by its code, its name or an industry; none is a 404 with the codes."""
        sectors = self.parts.gateway.sectors()
        found = sectors.find(name)
        if found is None:
            message = f"no sector is called {name!r}; {sectors.known()}"
            raise Failure(404, "unknown_sector", message, field=field, suggestions=list(sectors.codes()))
        return found

    async def in_pool(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call what blocks in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self.parts.pool, function, *arguments)

    async def in_store(
        self, function: Callable[..., Result], *arguments: Any, seconds: float | None = None
    ) -> Result:
        """Call what reads a store of ticks, in a thread for such.

        Raises:
            StoreError: it cannot be read, or not within so many seconds.
        """
        call = asyncio.get_running_loop().run_in_executor(self.parts.readers, function, *arguments)
        try:
            return await asyncio.wait_for(call, seconds)
        except TimeoutError:
            raise StoreError("the store does not answer") from None


class UnknownPath(Handler):
    """Everything that there is not."""

    parameters = None

    def prepare(self) -> None:
        """Say so."""
        super().prepare()
        raise Failure(404, "not_found", f"there is nothing at {self.request.path}")
