"""The daemon beside a simulated broker, for a first look: everything real but the market."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from mdactors.config import Settings, decode_section
from mdactors.config.clock import write_clock
from mdactors.errors import SimulatorError
from mdactors.process import run
from mdactors.runtime import Clock

SHOWN = (
    "NIFTY 50",
    "NIFTY BANK",
    "SENSEX",
    "INDIA VIX",
    "RELIANCE",
    "HDFCBANK",
    "INFY",
    "TCS",
    "SBIN",
    "ITC",
)
"""What the terminal view shows."""


def demo(broker: str, port: int, clock: Clock, *, watch: bool) -> int:
    """Run the daemon on a simulator of ``broker`` until it is interrupted.

    Args:
        broker: the adapter's name.
        port: of the daemon's server; 0 takes a free one.
        clock: of daemon and simulator.
        watch: show the terminal view, and keep the log out of its way.

    Returns:
        The process's exit code.
    """
    timeline = clock.timeline()
    options = [] if timeline is None else ["--clock", write_clock(timeline)]
    with (
        tempfile.TemporaryDirectory(prefix="mdactors-demo-") as data_dir,
        simulator(broker, *options) as wire,
    ):
        settings = demo_settings(broker, port, data_dir, wire, quiet=watch)

        def begin(bound: int) -> None:
            print(f"mdactors streams a simulated {broker} market: http://127.0.0.1:{bound}/", flush=True)
            if watch:
                views.enter_context(_watch(bound))

        with contextlib.ExitStack() as views:
            return run(settings, clock, begin)


def demo_settings(
    broker: str, port: int, data_dir: str, wire: dict[str, Any], *, quiet: bool = False
) -> Settings:
    """The demo's configuration: every instrument that the simulator lists, streamed in full."""
    raw = {
        "data_dir": data_dir,
        "server": {"port": port},
        "brokers": {broker: wire["settings"]},
        "subscriptions": {"symbols": wire["symbols"]},
        "calendar": {"always_open": True},
        "log": {"level": "ERROR" if quiet else "INFO"},
    }
    return decode_section(raw, Settings, "")


@contextlib.contextmanager
def _watch(port: int) -> Iterator[None]:
    """The terminal view, as a process of its own that sees what any client sees."""
    command = [sys.executable, "-P", "-m", "mdactors", "watch", "--url", f"ws://127.0.0.1:{port}", *SHOWN]
    view = subprocess.Popen(command)  # noqa: S603 - our own command
    try:
        yield
    finally:
        view.terminate()
        view.wait()


@contextlib.contextmanager
def simulator(broker: str, *options: str) -> Iterator[dict[str, Any]]:
    """A simulator as a child process that dies with this one.

    Yields:
        What it said when it was ready: ``port``, ``settings`` (of the adapter), ``symbols``; its ``pid``.

    Raises:
        SimulatorError: it did not come up.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "mdactors",
        "simulate",
        "--broker",
        broker,
        "--port",
        "0",
        "--child",
        str(os.getpid()),
        *options,
    ]
    # In a group of its own: Ctrl-C shall end the daemon first, which then ends the simulator.
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)  # noqa: S603 - our own command
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise SimulatorError(f"the {broker} simulator did not start (exit code {child.wait()})")
        yield {**json.loads(line), "pid": child.pid}
    finally:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
