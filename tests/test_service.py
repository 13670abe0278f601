"""What the operating system sees: notifications, the watchdog, signals, logging, limits."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pykka
import pytest

from mdactors.actors.instrument_master import Catalogue
from mdactors.blueprint import Blueprint
from mdactors.config import LogSettings, Settings, decode_section
from mdactors.market.calendar import Calendar
from mdactors.market.sectors import Sectors
from mdactors.plugins import make_adapters
from mdactors.runtime import Clock
from mdactors.service import Notifier, Watchdog, log_stacks, raise_file_limit, set_up_logging
from mdactors.store.archive import Archive

DAEMON = '''
"""A stand-in for the daemon: it listens to signals and to its service manager."""

import asyncio
import sys
import threading
import time

from mdactors import service
from mdactors.config import LogSettings


async def main() -> None:
    stopped = asyncio.Event()
    service.handle_signals(stopped.set)
    notifier = service.Notifier()
    watchdog = service.Watchdog(notifier, lambda: True)
    watchdog.start()
    threading.Thread(target=stopped_sleep, name="a-named-thread", daemon=True).start()
    notifier.ready("serving")
    if "hang" in sys.argv:
        time.sleep(60)
    await stopped.wait()
    notifier.stopping()
    if "slow" in sys.argv:
        print("stopping slowly", flush=True)
        await asyncio.sleep(60)
    watchdog.stop()


def stopped_sleep() -> None:
    time.sleep(60)


service.prepare_process(LogSettings())
asyncio.run(main())
'''


class Manager:
    """A service manager's end of the notify socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(10)

    def hear(self) -> list[str]:
        """The next notification's lines."""
        return self.socket.recv(4096).decode().split("\n")

    def hear_all(self) -> list[str]:
        """Everything that has come, without waiting."""
        said = []
        self.socket.setblocking(False)
        try:
            while True:
                said += self.hear()
        except BlockingIOError:
            return said
        finally:
            self.socket.settimeout(10)

    def environ(self, **more: str) -> dict[str, str]:
        return {**os.environ, "NOTIFY_SOCKET": self.address, **more}


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify") if request.param == "path" else f"@mdactors-test-{os.getpid()}"
    manager = Manager(path)
    yield manager
    manager.socket.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to end, whatever happens."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(
    started: list[subprocess.Popen[str]], tmp_path: Path, manager: Manager, *words: str, **environ: str
) -> subprocess.Popen[str]:
    script = tmp_path / "daemon.py"
    script.write_text(DAEMON)
    process = subprocess.Popen(
        [sys.executable, script, *words],
        env=manager.environ(**environ),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    started.append(process)
    return process


def test_a_service_manager_hears_ready_status_and_stopping(manager: Manager) -> None:
    notifier = Notifier(manager.environ())
    notifier.ready("2 brokers live")
    notifier.status("kite needs a login")
    notifier.stopping()
    assert manager.hear() == ["READY=1", "STATUS=2 brokers live"]
    assert manager.hear() == ["STATUS=kite needs a login"]
    assert manager.hear() == ["STOPPING=1"]


def test_without_a_service_manager_nothing_is_said() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000000"})
    notifier.ready("alone")
    assert notifier.watchdog_seconds is None


def test_a_service_manager_that_is_gone_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping()
    assert "does not hear us" in caplog.text


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval_is_the_managers(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", **environ}).watchdog_seconds == seconds


def test_the_watchdog_is_fed_three_times_an_interval_while_healthy(manager: Manager) -> None:
    interval, beats = 0.6, 4

    async def live() -> float:
        looks = iter(range(beats))
        over = asyncio.Event()

        def healthy() -> bool:
            if next(looks) == beats - 1:
                over.set()
            return True

        watchdog = Watchdog(Notifier(manager.environ(WATCHDOG_USEC=f"{interval * 1e6:.0f}")), healthy)
        began = time.monotonic()
        watchdog.start()
        await over.wait()
        watchdog.stop()
        return time.monotonic() - began

    took = asyncio.run(live())
    assert manager.hear_all() == ["WATCHDOG=1"] * beats
    assert interval * 0.99 < took < 2 * interval, "the first beat is at once"


def test_the_watchdog_is_not_fed_while_unhealthy_and_again_afterwards(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    async def live() -> None:
        health = iter([True, False, False, True, True])
        done = asyncio.Event()

        def healthy() -> bool:
            try:
                return next(health)
            except StopIteration:
                done.set()
                return False

        watchdog = Watchdog(Notifier(manager.environ(WATCHDOG_USEC="30000")), healthy)
        watchdog.start()
        await asyncio.wait_for(done.wait(), 5)
        watchdog.stop()

    asyncio.run(live())
    assert manager.hear_all() == ["WATCHDOG=1"] * 3
    assert caplog.text.count("the watchdog is not fed") == 2


def test_a_watchdog_that_nobody_asks_for_does_not_beat(manager: Manager) -> None:
    async def live() -> None:
        Watchdog(Notifier(manager.environ()), lambda: True).start()
        await asyncio.sleep(0.05)

    asyncio.run(live())
    assert manager.hear_all() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_daemon_in_order(
    number: signal.Signals, manager: Manager, tmp_path: Path, daemon: list[subprocess.Popen[str]]
) -> None:
    process = start(daemon, tmp_path, manager)
    assert manager.hear() == ["READY=1", "STATUS=serving"]
    process.send_signal(number)
    assert manager.hear() == ["STOPPING=1"]
    _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert f"{number.name}: stopping" in log


def test_a_second_stop_signal_ends_it_at_once(
    manager: Manager, tmp_path: Path, daemon: list[subprocess.Popen[str]]
) -> None:
    process = start(daemon, tmp_path, manager, "slow")
    manager.hear()
    process.terminate()
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping slowly\n"
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


def test_a_user_signal_logs_every_threads_stack_even_when_the_loop_hangs(
    manager: Manager, tmp_path: Path, daemon: list[subprocess.Popen[str]]
) -> None:
    process = start(daemon, tmp_path, manager, "hang")
    manager.hear()
    process.send_signal(signal.SIGUSR1)
    assert process.stderr is not None
    log = ""
    while not ("stack of thread a-named-thread" in log and "stack of thread MainThread" in log):
        line = process.stderr.readline()
        assert line, log
        log += line
    assert process.poll() is None


def test_a_loop_that_hangs_does_not_feed_the_watchdog_and_its_abort_prints_the_stacks(
    manager: Manager, tmp_path: Path, daemon: list[subprocess.Popen[str]]
) -> None:
    process = start(daemon, tmp_path, manager, "hang", WATCHDOG_USEC="300000")
    first = manager.hear()
    assert first in (["WATCHDOG=1"], ["READY=1", "STATUS=serving"])
    time.sleep(0.4)
    assert manager.hear_all().count("WATCHDOG=1") <= 1
    process.send_signal(signal.SIGABRT)
    _, log = process.communicate(timeout=10)
    assert "Fatal Python error: Aborted" in log
    assert "time.sleep(60)" in log or "in main" in log


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What went to standard error, while the loggers are ours to set up."""
    loggers = [logging.getLogger(name) for name in (None, "kiteconnect", "pykka", "urllib3", "websocket")]
    levels = [logger.level for logger in loggers]
    handlers = loggers[0].handlers[:]
    loggers[0].handlers = []
    yield lambda: capsys.readouterr().err
    loggers[0].handlers = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_the_console_log_is_one_line_a_record(log: Callable[[], str]) -> None:
    set_up_logging(LogSettings())
    logging.getLogger("mdactors.test").info("Persisted %d ticks", 7)
    logging.getLogger("mdactors.test").debug("hidden")
    (line,) = log().splitlines()
    assert line.endswith("INFO     mdactors.test: Persisted 7 ticks")
    assert line[:4].isdigit()


def test_the_json_log_is_one_object_a_line_exceptions_included(log: Callable[[], str]) -> None:
    set_up_logging(LogSettings(level="DEBUG", format="json"))
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("mdactors.test").exception('it "failed"')
    (line,) = log().splitlines()
    entry = json.loads(line)
    assert entry["level"] == "ERROR"
    assert entry["logger"] == "mdactors.test"
    assert entry["message"] == 'it "failed"'
    assert entry["exception"].endswith("invalid literal for int() with base 10: 'two\\nlines'")
    assert entry["time"][10] == "T"


def test_debugging_does_not_make_others_print_addresses_with_tokens(log: Callable[[], str]) -> None:
    set_up_logging(LogSettings(level="DEBUG"))
    for name in ("urllib3.connectionpool", "kiteconnect.connect", "websocket"):
        logging.getLogger(name).debug("https://example.com/?access_token=hush")
    assert log() == ""


def test_a_question_that_is_answered_with_an_error_is_no_traceback(log: Callable[[], str]) -> None:
    set_up_logging(LogSettings(level="INFO"))
    actor = type("Refuser", (pykka.ThreadingActor,), {"on_receive": lambda _self, text: int(text)}).start()
    with pytest.raises(ValueError, match="invalid literal"):
        actor.ask("no number", timeout=10)
    actor.stop()
    assert log() == ""


def test_stacks_are_logged_by_the_names_of_threads(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="waits-for-release")
    thread.start()
    try:
        log_stacks()
    finally:
        release.set()
        thread.join()
    assert "stack of thread waits-for-release" in caplog.text
    assert "release.wait" in caplog.text or "in wait" in caplog.text


def test_the_limit_of_open_files_becomes_the_hard_one() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        assert raise_file_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_unit_gives_the_actors_the_time_that_their_tree_may_take_to_stop(
    clock: Clock, tmp_path: Path
) -> None:
    settings = decode_section(
        {"data_dir": str(tmp_path), "brokers": {"kite": {"api_key": "k"}}}, Settings, ""
    )
    adapters = make_adapters(settings)
    archive = Archive(settings, {}, clock)
    archive.open()
    blueprint = Blueprint(settings, adapters, Catalogue(Sectors()), Calendar(), archive, clock)
    longest = blueprint.root(lambda _deliveries: None, lambda: None).stop_limit
    archive.close()
    unit = (Path(__file__).resolve().parent.parent / "systemd" / "mdactors.service").read_text()
    (given,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(given) >= longest + 10
