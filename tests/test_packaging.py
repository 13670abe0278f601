"""What is shipped: the wheel, the unit file, the pinned packages, the files of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mdactors.config import load

REPOSITORY = Path(__file__).resolve().parent.parent
UNIT = REPOSITORY / "systemd" / "mdactors.service"


def output(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout as a release would be."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    built = output([*pip, "--wheel-dir", folder, REPOSITORY])
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_packages_and_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        path.relative_to(root).as_posix()
        for root in (REPOSITORY / "src", REPOSITORY / "adapters/upstox", REPOSITORY / "adapters/kite")
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= names
    assert {"mdactors/web/static/index.html", "mdactors/market/indices.csv"} <= names
    assert {"mdactors/py.typed", "mdactors_kite/py.typed", "mdactors_upstox/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "bench/", "config/"))]


def test_the_wheel_says_what_it_offers_under_which_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        entries = archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    assert "[mdactors.adapters]\nkite = mdactors_kite.adapter:KiteAdapter\nupstox = " in entries
    assert "[mdactors.simulators]\nkite = mdactors_kite.simulator:KiteSimulator\nupstox = " in entries
    assert "mdactors = mdactors.__main__:main" in entries
    assert "License-Expression: Apache-2.0" in metadata
    assert licence == (REPOSITORY / "LICENSE").read_text()
    assert "Apache License" in licence


def test_the_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """Unpacked in front of everything else, from a folder that is no checkout."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "mdactors", "adapters"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert [line.split()[-1] for line in run.stdout.splitlines()] == ["STATUS", "ok", "ok"]


# --- the unit ------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it is installed, with a program that exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text()
    assert text.count("@MDACTORS@") == 2
    path = tmp_path / "mdactors.service"
    path.write_text(text.replace("@MDACTORS@", "/bin/true"))
    return path


@pytest.mark.systemd
def test_systemd_finds_nothing_to_say_about_the_unit(unit: Path) -> None:
    verified = output(["systemd-analyze", "verify", unit])
    assert verified.returncode == 0
    assert verified.stderr == ""


@pytest.mark.systemd
def test_the_unit_is_hardened(unit: Path) -> None:
    judged = output(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit])
    assert judged.returncode == 0, judged.stdout


def test_the_unit_waits_for_the_flush_and_is_watched() -> None:
    lines = set(UNIT.read_text().splitlines())
    assert {"Type=notify", "EnvironmentFile=-/etc/mdactors/mdactors.env", "DynamicUser=yes"} <= lines
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert int(settings["TimeoutStopSec"]) >= 30
    assert 10 <= int(settings["WatchdogSec"]) <= 60
    assert settings["ExecStart"].startswith("@MDACTORS@ run --config ")


# --- the pinned packages -------------------------------------------------------------------------------


def pinned_in(name: str) -> dict[str, str]:
    """Package -> everything that is said of it."""
    text = re.sub(r"^\s*#.*\n", "", (REPOSITORY / name).read_text(), flags=re.MULTILINE).strip()
    return {re.split(r"[\[=]", entry)[0]: entry for entry in re.split(r"\n(?=[a-zA-Z])", text)}


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-run.txt"])
def test_every_package_is_pinned_with_hashes_and_no_address(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:)", text, re.MULTILINE)
    entries = pinned_in(name)
    assert len(entries) > 20
    for entry in entries.values():
        assert re.match(r"[a-zA-Z0-9._-]+(\[[a-z,]+\])?==\S+( ; [^\\]+)? \\\n", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}$", entry, re.MULTILINE), entry


def test_what_the_project_needs_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    needed = [*project["project"]["dependencies"], *groups["build"]]
    checks = [line for group in groups.values() for line in group if isinstance(line, str)]
    for name, wanted in (("constraints-run.txt", needed), ("constraints.txt", needed + checks)):
        names = {re.split(r"[\[<>=~ ]", line)[0].lower().replace("_", "-") for line in wanted}
        assert names <= set(pinned_in(name)), name


def test_the_demo_runs_on_the_very_packages_that_were_tested() -> None:
    tested = pinned_in("constraints.txt")
    run = pinned_in("constraints-run.txt")
    assert len(run) < len(tested)
    assert {name: entry for name, entry in run.items() if tested.get(name) != entry} == {}


# --- the files -----------------------------------------------------------------------------------------


def tracked() -> list[Path]:
    """Every file that is, or would be, committed."""
    listed = output(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"])
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in listed.stdout.split("\0") if (REPOSITORY / name).is_file()]


def test_nothing_committed_names_a_machine() -> None:
    paths = re.compile(rb"/(?:root|work|home/\w+|tmp/\w+|opt/pypi)\b[/\w]*|file://(?!/usr/share)")
    found = {
        f"{path.relative_to(REPOSITORY)}: {match[0].decode()}"
        for path in tracked()
        if path != Path(__file__)
        for match in paths.finditer(path.read_bytes())
    }
    assert not found


def test_nothing_large_or_generated_is_committed() -> None:
    for path in tracked():
        assert path.stat().st_size < 1_000_000, path
        assert path.suffix not in {".pyc", ".db", ".gz", ".whl"}, path


@pytest.mark.parametrize(
    "name",
    ["adapters", "bench", "config", "docs", "proto", "src", "systemd", "tests"],
)
def test_every_folder_of_the_layout_holds_something(name: str) -> None:
    assert any(path.is_file() for path in (REPOSITORY / name).rglob("*"))


def test_ci_calls_make_test_and_passes_its_failure_on() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert "make test" in text


def test_the_example_environment_covers_what_the_shipped_configurations_ask_for() -> None:
    asked = {
        name
        for path in (REPOSITORY / "config").glob("*.yaml")
        if path.name != "reference.yaml"
        for name in re.findall(r"\$\{([A-Z_]+)", path.read_text())
    }
    offered = set(re.findall(r"^([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert asked == offered
    assert load(REPOSITORY / "config" / "demo.yaml", {}).subscriptions.symbols
