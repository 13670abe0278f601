"""The commands, as a person types them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from mdactors import __version__
from mdactors.cli import main
from mdactors.cli.program import COMMANDS
from mdactors.cli.watch import Board, print_lines

Capture = pytest.CaptureFixture[str]

RELIANCE = 738561
TICK = {
    "symbol": "RELIANCE", "exchange": "NSE", "lastTradedPrice": 2912.4, "change": 12.4,
    "changePercent": 0.4276, "volume": 1234567, "timestamp": "2026-11-20T09:15:01.123+05:30",
    "ohlc": {"open": 2900.0, "high": 2915.0, "low": 2899.5, "close": 2900.0},
}  # fmt: skip


def kite_ltp(token: int, paise: int) -> bytes:
    """A Kite frame of one ltp packet."""
    return struct.pack(">HHiI", 1, 8, token, paise)


def finished(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mdactors", *words], capture_output=True, text=True, timeout=30
    )


# --- the program ---------------------------------------------------------------------------------------


def test_the_version_is_said(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mdactors {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: mdactors {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["run"], ["simulate", "--broker", "kite", "--port", "70000"]]
)
def test_a_wrong_command_line_ends_with_two(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "demo", "simulate"])
@pytest.mark.parametrize(
    ("clock", "said"), [("noon", "'noon' is no time: write"), ("2026-10-01T09:10@fast", "'fast' is no speed")]
)
def test_a_clock_that_is_none_ends_with_two_and_says_what_is_one(
    command: str, clock: str, said: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--clock", clock])
    assert ended.value.code == 2
    assert f"argument --clock: {said}" in capsys.readouterr().err


def test_a_simulator_has_its_speed_from_the_clock_that_it_is_given(capsys: Capture) -> None:
    words = ["--broker", "kite", "--port", "0", "--clock", "2026-10-01T09:10@60", "--speed", "10"]
    assert main(["simulate", *words]) == 2
    assert capsys.readouterr().err == "mdactors: --speed: the clock has one, write --clock START@SPEED\n"


def test_help_imports_none_of_what_the_commands_need() -> None:
    heavy = "pykka tornado yaml rich websocket kiteconnect"
    code = (
        "import sys; from mdactors.cli.program import parser; parser();"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    command = [sys.executable, "-m", "mdactors", "adapters"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


# --- run, check-config, adapters -----------------------------------------------------------------------


def test_run_names_every_problem_and_ends_with_two(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("sever: {}\nbrokers: {kite: {api_keys: hush}}\n")
    assert main(["run", "--config", str(path)]) == 2
    assert capsys.readouterr().err == (
        "mdactors: sever: unknown setting (did you mean server?)\n"
        "mdactors: brokers.kite.api_keys: unknown setting (did you mean api_key?)\n"
    )


def test_run_without_its_file_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    assert main(["run", "--config", str(tmp_path / "absent.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_check_config_prints_problems_and_ends_with_one(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("log: {level: LOUD}\nbrokers: {kit: {}}\n")
    assert main(["check-config", str(path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "log.level: expected one of DEBUG, INFO, WARNING, ERROR"
    assert said[1].startswith("brokers.kit: no adapter named kit is installed (did you mean kite?)")
    assert len(said) == 2


def test_check_config_of_a_good_file_says_what_it_means(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KITE_API_KEY", raising=False)
    path, env = tmp_path / "config.yaml", tmp_path / ".env"
    path.write_text("brokers: {kite: {api_key: '${KITE_API_KEY}'}}\nsubscriptions: {symbols: [INFY]}\n")
    env.write_text("KITE_API_KEY=hush\n")
    assert main(["check-config", str(path)]) == 1
    assert "the environment variable KITE_API_KEY is not set" in capsys.readouterr().out
    assert main(["check-config", str(path), "--env-file", str(env)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: OK\n")
    assert "kite" in said
    assert "1 symbol always" in said
    assert "hush" not in said


def test_the_environment_goes_before_the_env_file(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, env = tmp_path / "config.yaml", tmp_path / ".env"
    path.write_text("server: {port: '${PORT_OF_TEST}'}\n")
    env.write_text("PORT_OF_TEST=1001\n")
    monkeypatch.setenv("PORT_OF_TEST", "2002")
    assert main(["check-config", str(path), "--env-file", str(env)]) == 0
    assert "127.0.0.1:2002" in capsys.readouterr().out


def test_adapters_lists_who_brings_them_and_their_status(capsys: Capture) -> None:
    assert main(["adapters"]) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head == ["NAME", "DISTRIBUTION", "SIMULATOR", "STATUS"]
    assert rows == [[name, "mdactors", __version__, "yes", "ok"] for name in ("kite", "upstox")]


# --- decode --------------------------------------------------------------------------------------------


def test_decode_prints_a_quote_a_line(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "frame"
    path.write_bytes(kite_ltp(RELIANCE, 291240))
    assert main(["decode", "--broker", "kite", str(path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    quote = json.loads(line)
    assert quote["token"] == RELIANCE
    assert quote["last_price"] == 2912.4
    assert quote["mode"] == "ltp"
    assert "raw" not in quote
    assert None not in quote.values()


def test_decode_reads_hexadecimal_from_a_pipe(capsys: Capture) -> None:
    frame = kite_ltp(RELIANCE, 5).hex(" ", 4) + "\n"
    run = subprocess.run(
        [sys.executable, "-m", "mdactors", "decode", "--broker", "kite", "--hex", "-"],
        input=frame, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert run.returncode == 0
    assert json.loads(run.stdout)["last_price"] == 0.05


def test_a_bad_packet_goes_to_stderr_and_the_good_one_is_printed(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "frame"
    path.write_bytes(struct.pack(">HHiIH", 2, 8, RELIANCE, 100, 5) + b"\xab" * 5)
    assert main(["decode", "--broker", "kite", str(path)]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["last_price"] == 1.0
    assert said.err.startswith("bad: ")
    assert "ababababab" in said.err


def test_a_text_frame_is_a_notice(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "frame"
    path.write_text('{"type": "error", "data": "Too many symbols"}')
    assert main(["decode", "--broker", "kite", str(path)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "Too many symbols" in said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--broker", "kit", "{}"], "no adapter named kit"),
        (["--broker", "kite", "{}.absent"], "No such file"),
        (["--broker", "kite", "--hex", "{}"], "not hexadecimal text"),
    ],
)
def test_what_decode_cannot_do_is_one_line(
    words: list[str], reason: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "frame"
    path.write_text("zz")
    assert main(["decode", *(word.format(path) for word in words)]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


# --- simulate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_simulator_as_a_child_says_what_is_ready_and_ends_on_request(broker: str) -> None:
    command = [sys.executable, "-m", "mdactors", "simulate", "--broker", broker, "--port", "0"]
    command += ["--child", str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"port", "settings", "symbols"}
        assert {"RELIANCE", "NIFTY 50", "BSE:SENSEX"} <= set(ready["symbols"])
        with urllib.request.urlopen(f"http://127.0.0.1:{ready['port']}/simulator/connections") as reply:
            assert reply.status == 200
        process.terminate()
        assert process.wait(10) == 0


def test_a_simulator_by_hand_says_how_to_connect() -> None:
    command = [sys.executable, "-m", "mdactors", "simulate", "--broker", "kite", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("the kite simulator listens on port ")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(10) == 0
    assert "websocket_url" in rest


def test_a_simulator_ends_with_its_parent(wait_until: Callable[..., None]) -> None:
    code = (
        "import os, subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-m', 'mdactors', 'simulate', '--broker', 'kite',"
        " '--port', '0', '--child', str(os.getpid())], stdout=subprocess.PIPE);"
        "child.stdout.readline(); print(child.pid, flush=True); os._exit(0)"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    wait_until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--speed", "0"], "speed and rate must be above 0"),
        (["--replay", "/absent.csv"], "not a readable recording"),
    ],
)
def test_what_cannot_be_simulated_is_one_line(words: list[str], reason: str) -> None:
    run = finished("simulate", "--broker", "kite", "--port", "0", *words)
    assert run.returncode == 1
    assert reason in run.stderr
    assert run.stderr.count("\n") == 1


# --- watch ---------------------------------------------------------------------------------------------


class Desk(WebSocketHandler):
    """The daemon's part of a conversation."""

    asked: list[dict[str, Any]]
    script: list[dict[str, Any] | int]

    def initialize(self, asked: list[dict[str, Any]], script: list[dict[str, Any] | int]) -> None:
        self.asked, self.script = asked, script

    def on_message(self, message: str | bytes) -> None:
        """Answer a request by the script up to its next pause; a number closes."""
        self.asked.append(json.loads(message))
        while self.script:
            match self.script.pop(0):
                case int(code):
                    self.close(code, "for a reason")
                case line:
                    self.write_message(json.dumps(line))
                    if line.get("code") == "not_ready":
                        return


class Stand:
    """A stand-in for the daemon on a thread of its own."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.script: list[dict[str, Any] | int] = []
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        handler = {"asked": self.asked, "script": self.script}
        server = HTTPServer(Application([("/ws/market", Desk, handler)]))
        sock, self.port = bind_unused_port()
        server.add_socket(sock)
        self._ready.set()
        await self._end.wait()
        server.stop()
        await server.close_all_connections()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.stop()


def test_watch_prints_a_line_a_tick_where_there_is_no_terminal(stand: Stand) -> None:
    answer = {"event": "subscribed", "symbols": {}, "unknown": ["RELIANSE"], "rejected": []}
    stand.script += [{"event": "welcome"}, answer, TICK, 4000]
    run = finished("watch", "RELIANCE", "RELIANSE", "--url", stand.url)
    assert stand.asked == [{"action": "SUBSCRIBE", "symbols": ["RELIANCE", "RELIANSE"], "mode": "quote"}]
    assert run.stdout == "09:15:01.123 RELIANCE 2912.40 +0.43%\n"
    assert run.stderr.splitlines() == [
        "not streamed: RELIANSE (unknown)",
        f"mdactors: the daemon at {stand.url}/ws/market?events=1 closed the connection: 4000 for a reason",
    ]
    assert run.returncode == 1


def test_watch_asks_again_while_the_daemon_is_not_ready(stand: Stand) -> None:
    stand.script += [{"event": "error", "code": "not_ready", "message": "in a moment"}, TICK, 4000]
    run = finished("watch", "RELIANCE", "--url", stand.url)
    assert len(stand.asked) == 2
    assert "RELIANCE" in run.stdout


def test_watch_without_a_daemon_is_one_line() -> None:
    with socket.socket() as bound_but_deaf:
        bound_but_deaf.bind(("127.0.0.1", 0))
        run = finished("watch", "RELIANCE", "--url", f"ws://127.0.0.1:{bound_but_deaf.getsockname()[1]}")
    assert run.returncode == 1
    assert run.stderr.startswith("mdactors: no daemon answers at ws://127.0.0.1:")
    assert run.stderr.count("\n") == 1


def test_watch_draws_a_table_on_a_terminal_and_ctrl_c_ends_it(stand: Stand) -> None:
    stand.script += [TICK]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mdactors", "watch", "RELIANCE", "--url", stand.url]
    environ = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        drawn = b""
        while b"2,912.40" not in drawn:
            drawn += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        while chunk := _read(ours):
            drawn += chunk
        assert process.wait(10) == 0
    os.close(ours)
    assert b"Traceback" not in drawn
    assert b"\x1b[?25h" in drawn  # the cursor is back


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end of the terminal is closed
        return b""


def test_a_tick_without_a_price_is_a_line_and_a_row_all_the_same(capsys: Capture) -> None:
    bare = {"symbol": "RELIANCE", "timestamp": "2026-09-29T09:15:01.123+05:30"}
    print_lines([bare, {}])
    assert capsys.readouterr().out == "09:15:01.123 RELIANCE\n?\n"
    board = Board()
    for message in (bare, {}, bare | {"ohlc": {}}):
        board.take(message)
    assert board.table(80).row_count == 2


@pytest.mark.parametrize("event", ["subscribed", "status", "gap", "alarm", "error", "welcome", "new"])
def test_an_event_without_its_fields_ends_nothing(event: str, capsys: Capture) -> None:
    print_lines([{"event": event}, {"event": event, "rejected": [{}]}])
    assert "Traceback" not in capsys.readouterr().err


def test_the_board_says_the_last_event() -> None:
    board = Board()
    for message in (
        TICK,
        {"event": "status", "source": "kite", "status": "stale"},
        {"event": "heartbeat"},
    ):
        board.take(message)
    table = board.table(80)
    assert table.row_count == 1
    assert table.caption == "kite is stale"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"event": "gap", "source": "kite", "connection": "1", "from": "09:15", "to": "09:16"},
         "kite: updates between 09:15 and 09:16 are missing"),
        ({"event": "alarm", "id": "x", "text": "disk full", "active": True}, "alarm: disk full"),
        ({"event": "alarm", "id": "x", "text": "disk full", "active": False}, "over: disk full"),
        ({"event": "error", "code": "c", "message": "no such thing"}, "error: no such thing"),
        ({"event": "status", "source": "kite", "status": "quiet"}, "kite is quiet"),
        ({"event": "status", "source": "kite", "status": "needs_login"}, "kite needs a login"),
        ({"event": "subscribed", "rejected": [{"symbol": "INFY", "asked": "INFY", "reason": "no capacity"}]},
         "not streamed: INFY (no capacity)"),
    ],
)  # fmt: skip
def test_events_are_said_in_words(message: dict[str, Any], said: str, capsys: Capture) -> None:
    print_lines([None, message])
    assert capsys.readouterr().err == said + "\n"
