"""Date and time of day have one source: `mdactors.runtime.clock`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
THE_SOURCE = REPOSITORY / "src" / "mdactors" / "runtime" / "clock.py"
FOLDERS = ("src", "adapters", "bench", "tests")
SOURCES = sorted(
    path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py") if path != THE_SOURCE
)
PRODUCT = [path for path in SOURCES if path.relative_to(REPOSITORY).parts[0] in ("src", "adapters")]

FORBIDDEN = {
    "time.time", "time.time_ns", "time.clock_gettime", "time.clock_gettime_ns", "time.localtime",
    "time.mktime", "time.ctime", "time.asctime", "time.tzset", "time.tzname", "time.timezone",
    "time.altzone", "time.daylight", "datetime.datetime.now", "datetime.datetime.today",
    "datetime.datetime.utcnow", "datetime.datetime.utcfromtimestamp", "datetime.date.today",
    "datetime.date.fromtimestamp",
}  # fmt: skip
TAKES_THE_MACHINES = {"time.gmtime": 0, "time.strftime": 1, "datetime.datetime.fromtimestamp": 1}
"""What takes the machine's time or zone where it is given no more than so many arguments."""

ON_PURPOSE = {
    "src/mdactors/service.py": ["astimezone()"],  # the log's lines have the machine's time
}


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def looks_at_the_machines_clock(tree: ast.AST) -> Iterator[str]:
    """Every use of the machine's date, time of day or zone, by its whole name."""
    imported = dict(_imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and (name := _whole(node, imported)) in FORBIDDEN:
            yield name
        if isinstance(node, ast.Call):
            name, given = _whole(node.func, imported), len(node.args) + len(node.keywords)
            if given <= TAKES_THE_MACHINES.get(name, -1):
                yield name
            if name.endswith(".astimezone") and not given:
                yield "astimezone()"


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a name of this file is elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((each.asname or each.name, each.name) for each in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from ((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)


def _whole(node: ast.expr, imported: Mapping[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return imported.get(name, name)
        case ast.Attribute(value=owner, attr=name):
            return f"{_whole(owner, imported)}.{name}"
    return ""


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nobody_looks_at_the_machines_date_or_time_of_day(path: Path) -> None:
    found = list(looks_at_the_machines_clock(ast.parse(path.read_text())))
    assert found == ON_PURPOSE.get(name_of(path), [])


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nf(now=t.time_ns)",
        "from time import time_ns as now\nnow()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "import datetime as dt\ndt.date.today()",
        "from datetime import datetime\ndatetime.fromtimestamp(0)",
        "import time\ntime.strftime('%H')",
        "moment.replace(second=0).astimezone()",
        "f(moment).astimezone()",
    ],
)
def test_a_look_at_it_is_found_however_it_is_written(code: str) -> None:
    assert len(list(looks_at_the_machines_clock(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.monotonic(), time.sleep(1), time.strftime('%H', moment)",
        "import datetime as dt\ndt.datetime.fromtimestamp(0, dt.UTC), moment.astimezone(dt.UTC)",
        "clock.time_ns(), tick.time, cache.today(instrument)",
    ],
)
def test_other_uses_of_such_names_are_none(code: str) -> None:
    assert list(looks_at_the_machines_clock(ast.parse(code))) == []


def test_where_no_clock_is_given_it_is_the_machines_and_nowhere_else() -> None:
    """Everywhere else the clock is a parameter: another one is passed on to the last."""
    taken = {name_of(path) for path in PRODUCT if {"MACHINE", "SystemClock"} & _names(path)}
    assert taken == {
        "src/mdactors/app.py",
        "src/mdactors/cli/arguments.py",
        "src/mdactors/runtime/__init__.py",
        "src/mdactors/simulator/exchange.py",
        "src/mdactors/simulator/opening.py",
        "src/mdactors/simulator/venue.py",
        "src/mdactors/store/cache_memory.py",
        "src/mdactors/store/cache_redis.py",
        "src/mdactors/store/recent.py",
    }


def _names(path: Path) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)} | {
        each.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }
