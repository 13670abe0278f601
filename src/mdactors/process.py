"""The daemon as a process: settings in, exit code out."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable

from mdactors import service
from mdactors.app import Daemon
from mdactors.config import Settings
from mdactors.config.clock import write_clock
from mdactors.plugins import make_adapters
from mdactors.runtime import Clock

logger = logging.getLogger(__name__)

GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""Ticks are no containers that could be garbage, so that the collector has little to find."""
SUMMARY_SECONDS = 5.0
"""How often the service manager's status line is looked after."""
SWITCH_SECONDS = 0.0005
"""How long a thread may hold the interpreter while another waits; Python's 5 ms would be felt."""


def run(settings: Settings, clock: Clock, on_listening: Callable[[int], None] = lambda _port: None) -> int:
    """Run the daemon until a signal, or until its supervision tree gives up.

    Args:
        settings: the whole configuration.
        clock: whose date and time of day it lives in.
        on_listening: called with the port once clients can connect.

    Returns:
        The process's exit code.

    Raises:
        ConfigError: a broker's section does not fit its adapter.
    """
    service.prepare_process(settings.log)
    tune_interpreter()
    adapters = make_adapters(settings)
    if (timeline := clock.timeline()) is not None:
        logger.warning("the clock was set; another process gets it by --clock %s", write_clock(timeline))
    return asyncio.run(_serve(Daemon(settings, adapters, clock), on_listening))


def tune_interpreter() -> None:
    """Trade throughput for latency: switch threads sooner, look for garbage less often."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def _serve(daemon: Daemon, on_listening: Callable[[int], None]) -> int:
    notifier = service.Notifier()
    watchdog = service.Watchdog(notifier, daemon.healthy)
    service.handle_signals(daemon.request_stop)
    try:
        await daemon.start()
        notifier.ready("degraded: just started")
        watchdog.start()
        on_listening(daemon.port)
        await _until_stopped(daemon, notifier)
    finally:
        notifier.stopping()
        watchdog.stop()
        await daemon.stop()
    return daemon.exit_code


async def _until_stopped(daemon: Daemon, notifier: service.Notifier) -> None:
    """Wait for the end, and keep the service manager's status line true meanwhile."""
    said = ""
    while not daemon.is_stopping:
        summary = await daemon.summary()
        if summary != said:
            said = summary
            notifier.status(said)
        await daemon.wait(SUMMARY_SECONDS)
