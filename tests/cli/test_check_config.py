"""``mdactors check-config``: what only shows once the parts are put together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mdactors.cli import main

Capture = pytest.CaptureFixture[str]


def checked(folder: Path, text: str) -> tuple[int, Path]:
    """The exit code for a configuration, and its file."""
    path = folder / "config.yaml"
    path.write_text(text)
    return main(["check-config", str(path)]), path


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        (
            "{sector: NOPE}",
            "subscriptions.universe[1].sector: no sector is called NOPE; the sectors are",
        ),
        ("{members: NIFTY 51}", "subscriptions.universe[1].members: no index is called NIFTY 51"),
    ],
)
def test_a_group_that_there_is_not_is_a_problem(
    tmp_path: Path, capsys: Capture, selector: str, problem: str
) -> None:
    code, _ = checked(tmp_path, f"subscriptions: {{universe: [{{sector: Banks}}, {selector}]}}")
    assert code == 1
    assert capsys.readouterr().out.startswith(problem)


def test_groups_that_there_are_are_none(tmp_path: Path, capsys: Capture) -> None:
    code, _ = checked(tmp_path, "subscriptions: {universe: [{sector: banking}, {members: Nifty 50}]}")
    assert code == 0
    assert "sector banking, members Nifty 50 always" in capsys.readouterr().out


@pytest.mark.parametrize("url", ["", "mysql://hush@host/market"])
def test_a_database_without_an_address_is_refused_by_check_and_run(
    tmp_path: Path, capsys: Capture, url: str
) -> None:
    text = f"data_dir: {tmp_path}\nserver: {{port: 0}}\nstore: {{kind: postgres, url: '{url}'}}\n"
    code, path = checked(tmp_path, text)
    assert code == 1
    said = capsys.readouterr().out
    assert said.startswith("store.url: must look like postgresql://")
    assert "hush" not in said
    command = [sys.executable, "-m", "mdactors", "run", "--config", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 2
    assert run.stderr.startswith("mdactors: store.url: must look like postgresql://")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            "store: {kind: postgres, url: 'jdbc:postgresql://h/db?sslfactory=org.example.Mine'}",
            "store.url: sslfactory=org.example.Mine has no counterpart in libpq",
        ),
        (
            "store: {kind: postgres, url: 'postgresql://h/db?currentSchema=ticks'}",
            "store.url: currentSchema=ticks is for store.schema to say (public)",
        ),
        (
            "instruments: {sources: [sql], sql: {adapter: kite, "
            "url: 'jdbc:postgresql://h/db?socketFactory=org.example.Mine'}}",
            "instruments.sql.url: socketFactory is not understood",
        ),
    ],
)
def test_what_an_address_says_and_cannot_be_is_refused_by_check_and_run(
    tmp_path: Path, capsys: Capture, section: str, said: str
) -> None:
    text = f"data_dir: {tmp_path}\nserver: {{port: 0}}\n{section}\n"
    code, path = checked(tmp_path, text)
    assert code == 1
    assert capsys.readouterr().out.startswith(said)
    command = [sys.executable, "-m", "mdactors", "run", "--config", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 2
    assert run.stderr.startswith(f"mdactors: {said}")


def test_an_address_of_a_database_is_enough_and_not_tried(tmp_path: Path, capsys: Capture) -> None:
    code, _ = checked(tmp_path, "store: {kind: postgres, url: 'postgresql://nobody@192.0.2.1/market'}")
    assert code == 0
    assert "postgres, schema public" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["- 1", "brokers"])
def test_a_file_of_something_else_is_named(tmp_path: Path, capsys: Capture, text: str) -> None:
    code, path = checked(tmp_path, text)
    assert code == 1
    assert capsys.readouterr().out.startswith(f"{path}: expected sections of settings")


# --- What a start would lack


@pytest.fixture
def lacks(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, str]]:
    """``lacks(yaml)``: what is warned of, by its path; the exit code is 0 all the same."""
    for name in ("PGUSER", "PGPASSWORD", "PGSERVICE", "PGSSLCERT", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def warned(text: str) -> dict[str, str]:
        code, path = checked(tmp_path, text)
        assert code == 0
        said = capsys.readouterr().out
        assert "hush" not in said
        assert said.startswith(f"{path}: OK\n")
        warnings = [line.removeprefix("warning: ") for line in said.splitlines() if line[0] == "w"]
        return dict(line.split(": ", 1) for line in warnings)

    return warned


def test_a_broker_without_key_and_token_is_warned_of(lacks: Callable[[str], dict[str, str]]) -> None:
    found = lacks("brokers: {kite: , upstox: {api_key: k}}")
    assert set(found) == {
        "brokers.kite.api_key",
        "brokers.kite.access_token",
        "brokers.upstox.access_token",
        "brokers.upstox.redirect_uri",
    }
    assert found["brokers.kite.access_token"].startswith("there is no access token; log in and set")


@pytest.mark.parametrize("broker", ["kite", "upstox"])
def test_a_token_file_that_is_not_there_or_empty_is_warned_of(
    lacks: Callable[[str], dict[str, str]], tmp_path: Path, broker: str
) -> None:
    token = tmp_path / "token"
    section = f"api_key: k{', redirect_uri: https://x' if broker == 'upstox' else ''}"
    for more in ("", ", access_token: hush"):
        text = f"brokers: {{{broker}: {{{section}, access_token_file: {token}{more}}}}}"
        token.unlink(missing_ok=True)
        assert list(lacks(text)) == [f"brokers.{broker}.access_token_file"]
        assert "No such file" in lacks(text)[f"brokers.{broker}.access_token_file"]
        token.write_text("\n")
        assert list(lacks(text)) == [f"brokers.{broker}.access_token_file"]
        token.write_text("hush\n")
        assert lacks(text) == {}
    assert lacks(f"brokers: {{{broker}: {{{section}, access_token: hush}}}}") == {}


def test_a_configuration_without_brokers_is_warned_of(lacks: Callable[[str], dict[str, str]]) -> None:
    assert lacks("") == {"brokers": "none is configured: there is nothing to stream"}


@pytest.mark.parametrize(
    ("store", "warned"),
    [
        ("url: 'postgresql://h/m'", {"store.username", "store.password"}),
        ("url: 'postgresql://h/m', username: u", {"store.password"}),
        ("url: 'postgresql://u:hush@h/m'", set()),
        ("url: 'jdbc:postgresql://h/m?user=u&password=hush'", set()),
        ("url: 'postgresql://u@h/m?sslcert=/c.pem'", set()),
        ("url: 'postgresql://u@h/m?passfile=/p'", set()),
        ("url: 'postgresql://h/m', username: u, password: hush", set()),
    ],
)
def test_a_database_without_a_name_or_password_is_warned_of(
    lacks: Callable[[str], dict[str, str]], store: str, warned: set[str]
) -> None:
    brokers = "brokers: {kite: {api_key: k, access_token: hush}}"
    assert set(lacks(f"{brokers}\nstore: {{kind: postgres, {store}}}")) == warned
    sql = f"instruments: {{sources: [kite, sql], sql: {{adapter: kite, {store}}}}}"
    assert set(lacks(f"{brokers}\n{sql}")) == {each.replace("store", "instruments.sql") for each in warned}


def test_what_libpq_finds_by_itself_is_not_lacking(
    lacks: Callable[[str], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "brokers: {kite: {api_key: k, access_token: t}}\nstore: {kind: postgres, url: 'postgresql://u@h/m'}"
    )
    assert set(lacks(text)) == {"store.password"}
    (tmp_path / ".pgpass").write_text("*:*:*:*:hush\n")
    assert lacks(text) == {}


def test_a_folder_or_certificate_that_cannot_be_used_is_warned_of(
    lacks: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    redis = "{kind: redis, redis: {tls: on, ca_file: /nowhere/ca.pem}}"
    text = f"data_dir: {tmp_path}/file/data\nbrokers: {{kite: {{api_key: k, access_token: t}}}}\n"
    assert lacks(f"{text}cache: {redis}") == {
        "data_dir": f"{tmp_path / 'file'} is no folder",
        "cache.redis.ca_file": "/nowhere/ca.pem is not there",
    }


def test_a_folder_that_others_own_is_warned_of(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    path = tmp_path / "config.yaml"
    path.write_text(f"data_dir: {locked}/data\n")
    command = [sys.executable, "-m", "mdactors", "check-config", str(path)]
    if os.geteuid() == 0:  # nothing is locked to root, but its rights can be left behind
        if not shutil.which("setpriv"):
            pytest.skip("root without setpriv cannot give its rights up")
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert said.returncode == 0
    assert f"data_dir: {locked} cannot be written to by who runs this command" in said.stdout
