"""What the operating system sees of the daemon: logging, limits, signals, readiness and the watchdog."""

from __future__ import annotations

import asyncio
import datetime as dt
import faulthandler
import logging
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import msgspec

from mdactors.config import LogSettings

logger = logging.getLogger(__name__)

# At DEBUG three of them print whole addresses and headers, tokens included; at INFO Pykka prints the
# traceback of every question that was answered with an error, which whoever asked says in a line.
_TALKATIVE = ("kiteconnect", "pykka", "urllib3", "websocket")

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def prepare_process(log: LogSettings) -> None:
    """Set up logging, crash reports and the limit of open files; once, before anything else runs."""
    set_up_logging(log)
    # The watchdog of systemd ends a hanging process by SIGABRT: then every thread's stack is printed.
    faulthandler.enable(all_threads=True)
    raise_file_limit()


# --- logging ------------------------------------------------------------------------------------------


class ConsoleFormatter(logging.Formatter):
    """One line for a person: time, level, logger, text."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(name)s: %(message)s")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode a record; an exception becomes a text with its traceback."""
        entry: dict[str, Any] = {
            "time": _machine_time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def _machine_time(seconds: float) -> str:
    """Write a time with the machine's offset: a log is read beside those of its neighbours."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone().isoformat(timespec="milliseconds")


def set_up_logging(log: LogSettings) -> None:
    """Send every record to stderr in the configured form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log.format == "json" else ConsoleFormatter())
    logging.basicConfig(level=log.level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(log.level)))


def raise_file_limit() -> int:
    """Allow as many open files, hence client sockets, as the system lets us; the limit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# --- signals ------------------------------------------------------------------------------------------


def handle_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT call ``stop`` on the running loop, SIGUSR1 logs every thread's stack.

    A second SIGTERM or SIGINT ends the process at once. Main thread only.
    """
    loop = asyncio.get_running_loop()

    def begin_stop(number: signal.Signals) -> None:
        logger.info("%s: stopping", number.name)
        for other in _STOP_SIGNALS:
            loop.remove_signal_handler(other)
            signal.signal(other, signal.SIG_DFL)
        stop()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, begin_stop, number)
    signal.signal(signal.SIGUSR1, _on_dump_signal)


def _on_dump_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's form
    # The interrupted thread may hold the log's lock, and the loop may be what hangs: so a thread.
    threading.Thread(target=log_stacks, name="stack-dump", daemon=True).start()


def log_stacks() -> None:
    """Log the stack of every thread by its name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            stack = "".join(traceback.format_stack(frame)).rstrip()
            logger.warning("stack of thread %s\n%s", names.get(ident, ident), stack)


# --- readiness and the watchdog -----------------------------------------------------------------------


class Notifier:
    """Tells the service manager how we are; without one, everything it does is nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog_seconds(environ) if self._address else None
        """How often the manager wants to hear that we live; None if it does not ask."""

    def ready(self, status: str) -> None:
        """The server listens."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the manager's watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract address.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto(state.encode(), address)
        except OSError as error:
            logger.warning("the service manager does not hear us: %s", error)


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    try:
        microseconds = int(environ["WATCHDOG_USEC"])
        meant_for = int(environ.get("WATCHDOG_PID", os.getpid()))
    except (KeyError, ValueError):
        return None
    return microseconds / 1e6 if microseconds > 0 and meant_for == os.getpid() else None


class Watchdog:
    """Feeds the manager's watchdog while we are healthy; that the loop turns is shown by its beat.

    Owns one timer of the loop on which it was started; everything runs on that loop's thread.
    """

    def __init__(self, notifier: Notifier, healthy: Callable[[], bool]) -> None:
        self._notifier = notifier
        self._healthy = healthy
        self._timer: asyncio.TimerHandle | None = None
        self._fed = True

    def start(self) -> None:
        """Beat at a third of the interval that the manager asks for."""
        if self._notifier.watchdog_seconds is not None:
            self._beat(asyncio.get_running_loop(), self._notifier.watchdog_seconds / 3)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._timer = loop.call_later(seconds, self._beat, loop, seconds)
        healthy = self._healthy()
        if healthy:
            self._notifier.alive()
        elif self._fed:
            logger.error("unhealthy: the watchdog is not fed until this changes")
        self._fed = healthy
