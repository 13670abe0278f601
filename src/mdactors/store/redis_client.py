"""A client of a Redis-compatible server that fails fast instead of trying again by itself."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mdactors.config.settings import RedisSettings

FAILURES = (redis.RedisError, OSError)
"""What a call to the server may raise."""


def connect(settings: RedisSettings) -> redis.Redis:
    """A client that connects when it is first used; every wait ends after ``timeout_seconds``.

    Its replies are bytes. Safe to use from any thread.
    """
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        db=settings.db,
        username=settings.username or None,
        password=settings.password.reveal() or None,
        ssl=settings.tls,
        ssl_ca_certs=settings.ca_file or None,
        socket_timeout=settings.timeout_seconds,
        socket_connect_timeout=settings.timeout_seconds,
        # By default it tries ten times, which takes seconds.
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        # The older protocol connects without asking anything: one wait less where the server hangs.
        protocol=2,
        driver_info=None,
    )
