"""The server that puts one simulator on a port: Tornado on its own thread with its own loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from tornado.httpserver import HTTPServer

from mdactors.simulator.control import control_routes
from mdactors.simulator.faults import Faults
from mdactors.simulator.handlers import application
from mdactors.simulator.parent import die_with
from mdactors.simulator.player import Player
from mdactors.simulator.replay import Replay
from mdactors.simulator.routes import CutFrame
from mdactors.simulator.sent_log import SentLog
from mdactors.simulator.simulator import Simulator
from mdactors.simulator.switchboard import Switchboard

Result = TypeVar("Result")

_CALL_TIMEOUT = 10.0
_BACKLOG_BEATS = 4
_LOG_SECONDS = 0.05

_logger = logging.getLogger(__name__)


class SimulatorServer:
    """Serves one simulator, once: ``with SimulatorServer(simulator) as server: server.port``.

    Every ``options.beat`` seconds the exchange advances and each conversation is handed what changed. What
    was recorded is played update by update instead (`Player`); with a beat of 0 by `step`.
    """

    def __init__(self, simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> None:
        self.port = port
        """The port listened on; with 0 the system chooses one at `start`."""
        self._simulator = simulator
        self._host = host
        self._log = SentLog(simulator.options.sent_log)
        self._switchboard = Switchboard(self._log, simulator.exchange.clock)
        self.faults = Faults(self._switchboard, simulator, self.call)
        """The fault switches, for any thread."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=f"simulator-{simulator.name}", daemon=True)
        self._started: Future[int] = Future()

    def start(self) -> int:
        """Listen and begin to beat; the port.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        return self._started.result()

    def stop(self) -> None:
        """Close every socket, end the loop, join the thread."""
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None and not loop.is_closed():
            loop.call_soon_threadsafe(ending.set)
        self._thread.join()

    def __enter__(self) -> SimulatorServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run_forever(
        self,
        *,
        parent: int | None = None,
        ready: Callable[[int], None] | None = None,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """Serve until SIGTERM, SIGINT, the parent's end or ``goes_on`` says no (main thread only).

        ``ready`` gets the port; ``goes_on`` is asked once a second.
        """
        # Waited for and not handled: a parent that is killed sends one for each of its threads, and a handler
        # that interrupts itself within a lock waits for itself. The server's thread inherits the mask.
        ends = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        if parent is not None:
            die_with(parent)
        port = self.start()
        if ready is not None:
            ready(port)
        while self._thread.is_alive() and goes_on():
            heard = signal.sigtimedwait(ends, 1.0)
            # Who was stopped (SIGSTOP) for longer than that hears a signal that was none.
            if heard is not None and heard.si_signo in ends:
                break
        self.stop()

    def settings(self) -> dict[str, Any]:
        """The adapter settings that connect to this server."""
        return self._simulator.settings(self.port)

    def step(self, seconds: float) -> int:
        """Move the exchange's time on and beat, from any thread; how many updates there were."""
        return self.call(lambda: self._advance(self._simulator.exchange.now_ms + round(seconds * 1000)))

    def call(self, function: Callable[[], Result], /) -> Result:
        """Run a function on the loop's thread and return what it returns; from any thread."""
        if threading.current_thread() is self._thread:
            return function()
        if self._loop is None:
            raise RuntimeError("the simulator's server has not been started")
        answer: Future[Result] = Future()

        def run() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return answer.result(_CALL_TIMEOUT)

    def sent(self) -> dict[int, dict[int, int]]:
        """The judge's log: connection -> token -> updates sent since the start."""
        return self.call(self._switchboard.collect) if self._thread.is_alive() else self._log.totals

    @property
    def connections(self) -> list[int]:
        """The open connections' numbers."""
        return self.call(lambda: sorted(self._switchboard.peers))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._started.done():
                _logger.exception("the simulator's loop failed")
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        routes = [*control_routes(self.faults, self._switchboard), *self._simulator.routes()]
        server = HTTPServer(application(routes, self._switchboard))
        # Not Tornado's bind_sockets: it leaves a socket open when the port is taken.
        listener = socket.create_server((self._host, self.port))
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        server.add_socket(listener)
        self._started.set_result(self.port)
        ended = asyncio.create_task(self._ending.wait())
        exchange = self._simulator.exchange
        if isinstance(exchange, Replay) and self._simulator.options.beat > 0:
            market = Player(exchange, self._switchboard).run()
        else:
            market = self._beat_market()
        beats = [asyncio.create_task(beat) for beat in (market, self._beat_log())]
        try:
            await asyncio.wait([ended, *beats], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ended, *beats):
                task.cancel()
            results = await asyncio.gather(ended, *beats, return_exceptions=True)
            server.stop()
            for peer in list(self._switchboard.peers.values()):
                peer.drop()
            await server.close_all_connections()
            self._switchboard.collect()
            self._log.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _beat_market(self) -> None:
        """Advance on the beat; who falls far behind forgets the beats missed, not the time."""
        beat, speed = self._simulator.options.beat, self._simulator.options.speed
        if beat <= 0:
            await asyncio.Event().wait()
        exchange = self._simulator.exchange
        now_ms = exchange.clock.time_ns() // 1_000_000 if exchange.live else exchange.now_ms
        last = due = time.monotonic()
        self._advance(now_ms)
        carried = 0.0
        while True:
            due = max(due + beat, time.monotonic() - _BACKLOG_BEATS * beat)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            carried += (now - last) * speed * 1000
            last = now
            whole = int(carried)
            carried -= whole
            self._advance(exchange.now_ms + whole)

    async def _beat_log(self) -> None:
        while True:
            await asyncio.sleep(_LOG_SECONDS)
            self._switchboard.collect()

    def _advance(self, to_ms: int) -> int:
        """Move on step by step, so that a late or long beat conflates nothing."""
        exchange, updates = self._simulator.exchange, 0
        for change in exchange.updates(to_ms):
            if exchange.recorded:
                self._switchboard.play(change, exchange.now_ms)
            else:
                assert not isinstance(change, CutFrame), "frames are recorded"
                self._switchboard.beat(change, exchange.now_ms)
            updates += 1 if isinstance(change, CutFrame) else len(change)
        return updates
