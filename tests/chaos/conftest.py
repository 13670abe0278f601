"""What the tests with faults share: real servers, one for each test."""

from __future__ import annotations

import pytest
from bench import _servers as servers


@pytest.fixture
def postgres(tmp_path_factory):
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def redis(tmp_path_factory):
    with servers.redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
