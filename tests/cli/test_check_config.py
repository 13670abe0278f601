"""``mdactors check-config``: what only shows once the parts are put together."""

from __future__ import annotations

import subprocess
import sys
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


def test_an_address_of_a_database_is_enough_and_not_tried(tmp_path: Path, capsys: Capture) -> None:
    code, _ = checked(tmp_path, "store: {kind: postgres, url: 'postgresql://nobody@192.0.2.1/market'}")
    assert code == 0
    assert "postgres, schema public" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["- 1", "brokers"])
def test_a_file_of_something_else_is_named(tmp_path: Path, capsys: Capture, text: str) -> None:
    code, path = checked(tmp_path, text)
    assert code == 1
    assert capsys.readouterr().out.startswith(f"{path}: expected sections of settings")
