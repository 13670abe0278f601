"""REST while the database is away: the cache answers what it has and says that there is more."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from bench._servers import Postgres, postgres

TODAY = f"/api/ticks/today/{quote('NIFTY 50')}"
HISTORY = f"/api/ticks/historical?symbol={quote('NIFTY 50')}&startTime=2000-01-01&endTime=2099-01-01"


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


def ask(daemon, path):
    """Status, whether the answer is whole, and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("X-Complete") is None, json.loads(answer.read())
    finally:
        connection.close()


def test_today_and_history_come_out_of_the_cache_until_the_database_is_back(
    database, simulate, configuration, run_daemon, connect, wait_until
):
    server = simulate("upstox")
    raw = configuration(
        {"upstox": server.settings()},
        store={"kind": "postgres", "url": database.dsn, "batch_age": "200ms"},
        subscriptions={"symbols": ["NIFTY 50"]},
    )
    daemon = run_daemon(raw)
    client = connect(daemon.port, "/ws/indices/all")
    wait_until(lambda: len(ask(daemon, HISTORY)[2]) > 5)
    assert ask(daemon, TODAY)[:2] == (200, True)

    database.stop()
    live = client.ticks()[-1]["seq"]
    for path in (TODAY, HISTORY):
        wait_until(lambda path=path: not ask(daemon, path)[1])
        wait_until(lambda path=path: ask(daemon, path)[2][-1]["seq"] > live)
        assert ask(daemon, path)[:2] == (200, False)
    assert ask(daemon, "/api/candles/RELIANCE")[0] == 503

    database.start()
    for path in (TODAY, HISTORY):
        wait_until(lambda path=path: ask(daemon, path)[1], 30)
        seqs = [tick["seq"] for tick in ask(daemon, path)[2] if not tick.get("snapshot")]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
