"""The shape of the code: sizes, docstrings, imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_FILE = 350
LONGEST_FUNCTION = 60
GENERATED = "_pb2.py"
NO_NOUNS = {"utils", "util", "common", "helpers", "base", "misc"}

SOURCES = sorted(
    path
    for folder in ("src", "adapters", "bench")
    for path in (REPOSITORY / folder).rglob("*.py")
    if not path.name.endswith(GENERATED)
)
PROGRAM = [path for path in SOURCES if not path.is_relative_to(REPOSITORY / "bench")]
Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def definitions(path: Path) -> Iterator[Named]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Named):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_long_and_each_says_its_purpose(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    assert ast.get_docstring(ast.parse(text)), "no module docstring"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_function_is_long(path: Path) -> None:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_no_file_is_called_after_nothing() -> None:
    assert not [
        path for path in SOURCES if path.stem in {"utils", "util", "common", "helpers", "base", "misc"}
    ]


def test_every_ignored_warning_has_its_reason() -> None:
    bare = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for mark in ("# noqa", "# type: ignore")
        if mark in line and not any(sign in line.split(mark)[1] for sign in (" - ", "# "))
    ]
    assert not bare


def test_the_core_names_no_broker_in_its_code() -> None:
    """Texts that are values, not documentation; the demonstration's default broker is the one exception."""
    found = {
        name_of(path)
        for path in (REPOSITORY / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in {"kite", "upstox", "zerodha"}
    }
    assert found <= {"src/mdactors/cli/demo.py"}


@pytest.mark.parametrize("path", PROGRAM, ids=name_of)
def test_decoders_are_made_at_import_since_two_threads_that_make_the_first_of_a_struct_crash(
    path: Path,
) -> None:
    made = [
        ast.unparse(call)
        for function in definitions(path)
        if not isinstance(function, ast.ClassDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).startswith(("msgspec.msgpack.", "msgspec.json."))
        if ast.unparse(call.func).endswith(".Decoder") or any(word.arg == "type" for word in call.keywords)
    ]
    assert made == []


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
