"""``mdactors run``, as a service manager and an operator meet it."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from itertools import pairwise

import pytest

from mdactors import demo

WATCHDOG_SECONDS = 0.6
DEADLINE = 20.0
"""Of what the instruments have to be loaded for, by a process that only gets idle time."""


@pytest.fixture
def config_file(configuration, tmp_path):
    """``config_file(brokers, **sections)``: the path of a configuration (JSON is YAML too)."""

    def write(brokers, **sections):
        raw = configuration(brokers, **sections)
        path = tmp_path / f"config-{len(list(tmp_path.glob('config-*')))}.yaml"
        path.write_text(json.dumps(raw, indent=2))
        return path

    return write


@pytest.fixture
def dead_port():
    """A port on which nobody answers as long as the test runs."""
    with socket.socket() as bound_but_deaf:
        bound_but_deaf.bind(("127.0.0.1", 0))
        yield bound_but_deaf.getsockname()[1]


@pytest.fixture
def manager(tmp_path):
    """A service manager's end of the notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(10)
        yield notify


@pytest.fixture
def kite():
    """A simulated Kite as a process: what it says when it is ready."""
    with demo.simulator("kite") as wire:
        yield wire


def test_a_service_manager_hears_ready_beats_and_stopping(mdactors, config_file, manager, kite):
    config = config_file({"kite": kite["settings"]})
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1e6))}
    daemon = mdactors("run", "--config", config, **environ)
    assert manager.recv(4096).decode().startswith("READY=1\nSTATUS=")
    assert daemon.get("/live")[0] == 200
    beats = [time.monotonic()]
    while len(beats) < 6:
        said = manager.recv(4096)
        if said == b"WATCHDOG=1":
            beats.append(time.monotonic())
        else:
            assert said.startswith(b"STATUS=")
    assert max(later - earlier for earlier, later in pairwise(beats)) < WATCHDOG_SECONDS
    assert daemon.end(signal.SIGTERM) == 0
    while (said := manager.recv(4096)) == b"WATCHDOG=1" or said.startswith(b"STATUS="):
        pass
    assert said == b"STOPPING=1"
    assert "Traceback" not in daemon.err


def test_a_second_daemon_on_the_same_port_is_one_clear_line(mdactors, config_file, kite):
    first = mdactors("run", "--config", config_file({"kite": kite["settings"]}))
    port = first.port
    second = mdactors("run", "--config", config_file({}, server={"port": port}))
    assert second.child.wait(10) == 1
    complaints = [line for line in second.err.splitlines() if line.startswith("mdactors: ")]
    assert complaints == [
        f"mdactors: server.host, server.port: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]
    assert "Traceback" not in second.err
    assert first.get("/live")[0] == 200


def test_without_instruments_it_starts_degraded_and_says_so(
    mdactors, config_file, manager, kite, dead_port, wait_until
):
    settings = {**kite["settings"], "rest_url": f"http://127.0.0.1:{dead_port}"}
    daemon = mdactors("run", "--config", config_file({"kite": settings}), NOTIFY_SOCKET=manager.getsockname())
    assert manager.recv(4096).startswith(b"READY=1\nSTATUS=degraded: ")
    assert daemon.get("/live") == (200, {"status": "UP"})
    assert daemon.get("/ready") == (503, {"status": "DOWN"})

    def alarms():
        return {alarm["id"]: alarm["text"] for alarm in daemon.get("/api/status")[1]["alarms"]}

    wait_until(lambda: "instruments" in alarms())
    assert "not all instruments are up to date" in alarms()["instruments"]
    while b"no instruments" not in (said := manager.recv(4096)):
        assert said.startswith(b"STATUS=degraded: ")
    assert daemon.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_the_table_on_disk_is_enough_for_a_start_without_network(
    broker, mdactors, config_file, tmp_path, dead_port, wait_until
):
    with demo.simulator(broker) as wire:
        settings = wire["settings"]
        first = mdactors("run", "--config", config_file({broker: settings}, data_dir=str(tmp_path / "kept")))
        wait_until(lambda: (tmp_path / "kept" / "instruments.msgpack").exists())
        assert first.end(signal.SIGTERM) == 0
    away = {
        name: value.replace(f":{wire['port']}", f":{dead_port}") if isinstance(value, str) else value
        for name, value in settings.items()
    }
    again = mdactors("run", "--config", config_file({broker: away}, data_dir=str(tmp_path / "kept")))
    wait_until(lambda: again.get("/ready")[0] == 200)

    def master():
        """What it says, which it does at once, also while it tries to load."""
        said = again.get("/api/status")[1]["counters"]["instrument_master"]
        assert "silent" not in said
        return said

    wait_until(lambda: master()["stocks"] > 50)
    wait_until(lambda: master() and again.get("/api/status")[1]["alarms"])
    assert again.get("/ready")[0] == 200
    assert again.get("/health")[0] == 503


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_wrong_token_is_a_state_that_is_shown(broker, mdactors, config_file, wait_until):
    with demo.simulator(broker) as wire:
        settings = {**wire["settings"], "access_token": "of-yesterday"}
        daemon = mdactors("run", "--config", config_file({broker: settings}))

        def states():
            connections = daemon.get("/api/status")[1]["brokers"][broker]["connections"]
            return {each["state"] for each in connections.values()}

        wait_until(lambda: "needs_login" in states())
        assert states() <= {"needs_login", "idle"}
        status, answer = daemon.get("/health")
        assert (status, answer["status"]) == (503, "DOWN")
        assert answer["details"][broker] == "disconnected"
        wait_until(lambda: daemon.get("/ready")[0] == 200)
        assert daemon.end(signal.SIGTERM) == 0
    assert "login needed" in daemon.err
    assert "of-yesterday" not in daemon.err


def test_a_running_daemon_takes_what_the_commands_write_beside_it(
    mdactors, config_file, kite, tmp_path, wait_until
):
    config = config_file({"kite": kite["settings"]})
    daemon = mdactors("run", "--config", config)
    wait_until(lambda: daemon.get("/api/instruments/RELIANCE")[0] == 200)
    assert daemon.get("/api/instruments/RELIANCE")[1]["sector"] == "ENERGY"

    banks = tmp_path / "ind_niftybanklist.csv"
    banks.write_text(
        "Company Name,Industry,Symbol,Series,ISIN Code\nReliance,Power,RELIANCE,EQ,INE002A01018\n"
    )
    assert mdactors("sectors", "import", banks, "--config", config).child.wait(DEADLINE) == 0
    wait_until(lambda: daemon.get("/api/instruments/RELIANCE")[1]["sector"] == "BANKING", DEADLINE)

    def banking():
        return [each["symbol"] for each in daemon.get("/api/sectors/BANKING")[1]["members"]]

    wait_until(lambda: "RELIANCE" in banking(), DEADLINE)

    with urllib.request.urlopen(f"{kite['settings']['rest_url']}/instruments") as answer:
        listed = answer.read()
    more = tmp_path / "instruments.csv"
    more.write_bytes(listed + b"256257,1001,BRANDNEW,A NEW ONE,0,,0,0.05,1,EQ,NSE,NSE\n")
    words = ["instruments", "sync", "--from", f"kite={more}", "--config", config]
    assert daemon.get("/api/instruments/BRANDNEW")[0] == 404
    assert mdactors(*words).child.wait(DEADLINE) == 0
    wait_until(lambda: daemon.get("/api/instruments/BRANDNEW")[0] == 200, DEADLINE)
    assert daemon.end(signal.SIGTERM) == 0


def test_a_token_file_that_is_written_later_ends_the_need_for_a_login(
    mdactors, config_file, kite, tmp_path, wait_until
):
    token = tmp_path / "token"
    token.write_text("of-yesterday\n")
    settings = {**kite["settings"], "access_token": "", "access_token_file": str(token), "connections": 1}
    daemon = mdactors("run", "--config", config_file({"kite": settings}))

    def state():
        return daemon.get("/api/status")[1]["brokers"]["kite"]["connections"]["connection-1"]["state"]

    wait_until(lambda: state() == "needs_login")
    token.write_text(kite["settings"]["access_token"])
    wait_until(lambda: state() == "live")
