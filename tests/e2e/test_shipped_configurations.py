"""Each configuration that is shipped, or that a document shows, as it stands there, until ticks are kept.

The daemon is the program with its child processes; PostgreSQL and Redis are real and ask for a password; only
the broker is simulated. Replaced are addresses, through the environment where the file asks for them.
"""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import redis as client
from bench._servers import Postgres, Redis, free_port, redis
from tests import documents
from tests.documents import REPOSITORY
from tests.e2e.conftest import Process

from mdactors import demo
from mdactors.cli import main

WITHIN = 30.0
"""Seconds from the start until ticks are kept."""
PASSWORD = "p@ss: w#rd's ${X}"
LOGIN = "shipped"
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
"""The public lists of instruments, which have one address in the world, are away."""

Wire = dict[str, str]
Run = Callable[..., Process]
Keep = Callable[..., "Kept"]


@pytest.fixture(autouse=True)
def no_variables_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer has exported goes before an env file."""
    for name in re.findall(r"^(\w+)=", documents.env_file(), re.MULTILINE):
        monkeypatch.delenv(name, raising=False)


# --- where ticks are kept -----------------------------------------------------------------------------


class Kept:
    """Counts what is kept, and when the first of each came."""

    def __init__(self, daemon: Process, **counts: Callable[[], int]) -> None:
        self._daemon = daemon
        self._counts = counts
        self.found: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def all_there(self) -> bool:
        assert self._daemon.child.poll() is None, self._daemon.err
        for name, count in self._counts.items():
            self.found[name] = count()
            if self.found[name]:
                self.seconds.setdefault(name, time.monotonic() - self._daemon.started)
        return all(self.found.values())

    def __str__(self) -> str:
        return ", ".join(
            f"{n}: {self.found.get(n, 0)} at {self.seconds.get(n, -1):.1f} s" for n in self._counts
        )


@pytest.fixture
def keeps(wait_until: Callable[..., None], request: pytest.FixtureRequest) -> Callable[..., Kept]:
    """``keeps(daemon, name=count, …)``: waits until every count is above nothing."""

    def wait(daemon: Process, **counts: Callable[[], int]) -> Kept:
        kept = Kept(daemon, **counts)
        try:
            wait_until(kept.all_there, WITHIN - (time.monotonic() - daemon.started))
        finally:
            print(f"{request.node.name}: {kept}")
        return kept

    return wait


def rows_of(file: Path, table: str = "ticks") -> Callable[[], int]:
    """Rows of a file of SQLite's."""

    def count() -> int:
        if not file.exists():
            return 0
        with closing(sqlite3.connect(file)) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,))
            if not tables.fetchone()[0]:
                return 0
            return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    return count


class Database:
    """A database of the login's own, looked at past it."""

    def __init__(self, server: Postgres, name: str) -> None:
        self.name = name
        self.place = urlsplit(server.dsn).netloc.rpartition("@")[2]
        self._dsn = server.dsn.rpartition("/")[0] + f"/{name}"
        with psycopg.connect(server.dsn, autocommit=True) as owner:
            owner.execute(f"CREATE DATABASE {name} OWNER {LOGIN}".encode())

    def rows(self, table: str) -> Callable[[], int]:
        def count() -> int:
            with psycopg.connect(self._dsn, autocommit=True) as other:
                found = other.execute("SELECT to_regclass(%s)", (f"public.{table}",)).fetchone()
                if found == (None,):
                    return 0
                (rows,) = other.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (0,)
                return int(rows)

        return count


@pytest.fixture(scope="module")
def login(postgres_server: Postgres) -> Postgres:
    """The server, where `LOGIN` has to give its password."""
    with psycopg.connect(postgres_server.dsn, autocommit=True) as owner:
        row = owner.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        rules.write_text(f"host all {LOGIN} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        owner.execute("SELECT pg_reload_conf()")
        made = psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
            psycopg.sql.Identifier(LOGIN), psycopg.sql.Literal(PASSWORD)
        )
        owner.execute(made)
    return postgres_server


@pytest.fixture
def database(login: Postgres, request: pytest.FixtureRequest) -> Database:
    return Database(login, "shipped_" + re.sub(r"\W+", "_", request.node.name).lower()[-40:].strip("_"))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Redis]:
    with redis(tmp_path, "--requirepass", PASSWORD) as server:
        yield server


def keys_of(server: Redis, pattern: str) -> Callable[[], int]:
    def count() -> int:
        with client.Redis(port=server.port, password=PASSWORD) as asking:
            return sum(1 for _ in asking.scan_iter(pattern, count=1000))

    return count


def everywhere(database: Database, cache: Redis) -> dict[str, Callable[[], int]]:
    return {
        "ticks": database.rows("ticks"),
        "instruments": database.rows("instruments"),
        "today": keys_of(cache, "ticks:*"),
        "newest": keys_of(cache, "LIVE:TICK:*"),
        "list": keys_of(cache, "instruments:nse:stocks"),
    }


# --- what is run --------------------------------------------------------------------------------------


@pytest.fixture
def wire(broker: str) -> Iterator[dict[str, str]]:
    """Where the simulated broker is and what it takes for a login, by the env file's names."""
    with demo.simulator(broker) as said:
        settings = {name: str(value) for name, value in said["settings"].items() if name != "plan"}
        yield {f"{broker}_{name}".upper(): value for name, value in settings.items()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(tmp_path: Path, data: Path, mdactors: Callable[..., Process]) -> Callable[..., Process]:
    """``run(yaml, NAME="value", …)``: what README.md says to do, with an env file that is filled in so."""

    def start(text: str, **filled: str) -> Process:
        config, env = tmp_path / "config.yaml", tmp_path / ".env"
        config.write_text(text, encoding="utf-8")
        values = {"MDACTORS_DATA": str(data), "MDACTORS_PORT": str(free_port()), **filled}
        env.write_text(documents.env_file(**values), encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert main(["check-config", str(config), "--env-file", str(env)]) == 0
        assert "warning" not in said.getvalue()
        return mdactors("run", "--config", config, "--env-file", env, **NOWHERE)

    return start


def servers(database: Database, cache: Redis) -> dict[str, str]:
    """What a reader fills in to use them."""
    return {
        "DB_URL": f"postgresql://{database.place}/{database.name}",
        "DB_USERNAME": LOGIN,
        "DB_PASSWORD": quoted(PASSWORD),
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(cache.port),
        "REDIS_PASSWORD": quoted(PASSWORD),
    }


def quoted(text: str) -> str:
    """A text in an env file's single quotes."""
    return "'" + text.replace("'", r"\'") + "'"


def put(text: str, **instead: str) -> str:
    """The text with addresses replaced; each must be there once."""
    for address, other in instead.items():
        assert text.count(address) == 1, address
        text = text.replace(address, other)
    return text


def troubles(daemon: Process) -> set[str]:
    """The alarms but those that say nothing of a configuration.

    The public lists are away, a name may mean nothing simulated, and from December on the next year's
    holidays are missing.
    """
    alarms = {alarm["id"] for alarm in daemon.get("/api/status")[1]["alarms"]}
    return alarms - {"instruments", "names", "calendar"}


@pytest.mark.parametrize("broker", ["kite"])
def test_a_brokers_configuration_keeps_ticks_in_files(run: Run, wire: Wire, data: Path, keeps: Keep) -> None:
    daemon = run(documents.shipped("kite.yaml"), **wire)
    instruments = rows_of(data / "instruments.db", "instruments")
    keeps(daemon, ticks=rows_of(data / "ticks.db"), instruments=instruments)
    assert daemon.get("/ready")[0] == 200
    assert troubles(daemon) == set()


@pytest.mark.parametrize("broker", ["kite"])
def test_the_lines_that_it_offers_keep_them_in_postgresql_and_redis(
    run: Run, wire: Wire, database: Database, cache: Redis, keeps: Keep
) -> None:
    text = documents.shipped("kite.yaml")
    assert documents.offered(text) == documents.offered(documents.shipped("upstox.yaml"))
    daemon = run(text + documents.offered(text), **wire, **servers(database, cache))
    keeps(daemon, **everywhere(database, cache))
    assert troubles(daemon) == set()


@pytest.mark.parametrize("broker", ["upstox"])
def test_the_lines_of_the_document_about_postgresql_do_so_too(
    run: Run, wire: Wire, database: Database, cache: Redis, keeps: Keep
) -> None:
    text = documents.shipped("upstox.yaml")
    (store,) = documents.blocks(REPOSITORY / "docs" / "postgres.md")
    _, mark, cached = documents.offered(text).partition("cache:")
    daemon = run(text + store + mark + cached, **wire, **servers(database, cache))
    keeps(daemon, **everywhere(database, cache))
    assert troubles(daemon) == set()


@pytest.mark.parametrize("broker", ["kite"])
def test_the_configuration_of_the_readme_keeps_ticks_where_it_says(
    run: Run, wire: Wire, database: Database, cache: Redis, keeps: Keep, tmp_path: Path
) -> None:
    (text,) = documents.blocks(documents.README)
    lines = [span for span in documents.spans(documents.README) if re.match("(store|cache): {", span)]
    assert len(lines) == 2
    token = tmp_path / "token"
    token.write_text(wire.pop("KITE_ACCESS_TOKEN"))
    addresses = [f"{name}: {wire.pop(f'KITE_{name.upper()}')}" for name in ("websocket_url", "rest_url")]
    place = f'{{port: {cache.port}, password: "${{REDIS_PASSWORD}}"}}'
    instead = {
        "/run/secrets/kite": ", ".join([str(token), *addresses]),
        "host: 0.0.0.0, port: 8080": "port: 0",
        "{kind: redis}": f"{{kind: redis, redis: {place}}}",
    }
    url = f"jdbc:postgresql://{database.place}/{database.name}?user={LOGIN}&password={quote(PASSWORD)}"
    text = put("\n".join(["data_dir: ${MDACTORS_DATA}", text, *lines]), **instead)
    daemon = run(text, **wire, DB_URL=url, REDIS_PASSWORD=quoted(PASSWORD))
    keeps(daemon, **everywhere(database, cache))
    assert troubles(daemon) == set()


def test_the_demos_configuration_keeps_ticks_beside_a_simulator_started_as_it_says(
    mdactors: Callable[..., Process], wait_until: Callable[..., None], data: Path, keeps: Keep
) -> None:
    text = documents.shipped("demo.yaml")
    simulate, started = (line.split()[1:] for line in re.findall(r"^#   (mdactors .*)$", text, re.MULTILINE))
    assert simulate[-2:] == ["--port", "9001"]
    simulator = mdactors(*simulate[:-1], 0)
    wait_until(lambda: re.search(r"listens on port (\d+)", simulator.out))
    (port,) = re.findall(r"listens on port (\d+)", simulator.out)
    (name,) = (word for word in started if word.startswith("config/"))
    words = [REPOSITORY / word if word == name else word for word in started]
    environ = {"SIMULATOR_URL": f"http://127.0.0.1:{port}", "MDACTORS_PORT": str(free_port())}
    daemon = mdactors(*words, MDACTORS_DATA=str(data), **environ)
    keeps(daemon, ticks=rows_of(data / "ticks.db"))


@pytest.mark.parametrize("broker", ["upstox"])
def test_the_units_way_keeps_ticks(
    wire: Wire, mdactors: Callable[..., Process], tmp_path: Path, data: Path, keeps: Keep
) -> None:
    unit = (REPOSITORY / "systemd" / "mdactors.service").read_text()
    (words,) = re.findall(r"^ExecStart=@MDACTORS@ (.*)$", unit, re.MULTILINE)
    assert re.findall(r"^EnvironmentFile=-(.*)$", unit, re.MULTILINE) == ["/etc/mdactors/mdactors.env"]
    (tmp_path / "config.yaml").write_text(documents.shipped("upstox.yaml"))
    filled = documents.env_file(**wire, MDACTORS_DATA=str(data), MDACTORS_PORT=str(free_port()))
    environ = dict(line.split("=", 1) for line in filled.splitlines() if line and line[0] != "#")
    daemon = mdactors(*put(words, **{"/etc/mdactors": str(tmp_path)}).split(), **environ, **NOWHERE)
    keeps(daemon, ticks=rows_of(data / "ticks.db"))
