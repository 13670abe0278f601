"""What the tests with faults share: real servers, one for each test."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bench import _servers as servers


@pytest.fixture
def postgres():
    # Not below pytest's own folder: each pytest that starts closes that to the user it runs as.
    with TemporaryDirectory(prefix="mdactors-") as folder, servers.postgres(Path(folder)) as server:
        yield server


@pytest.fixture
def redis(tmp_path_factory):
    with servers.redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
