"""What can be set, with defaults and bounds; ``config/reference.yaml`` says what each is for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mdactors.adapter import Secret
from mdactors.market.quote import Mode

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class ServerSettings(msgspec.Struct, frozen=True):
    """Where clients connect, and how much each of them may cost."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0 lets the system choose."""
    origins: list[str] = []
    """Empty: the server's own origin, and any port of localhost and 127.0.0.1."""
    max_sessions: Count = 2000
    max_request_bytes: Annotated[int, Meta(ge=1024)] = 65_536
    max_symbols_per_request: Count = 5000
    outbox_bytes: Annotated[int, Meta(ge=4096)] = 8_388_608
    outbox_seconds: Seconds = 15.0
    heartbeat_seconds: Seconds = 5.0
    send_buffer_bytes: Annotated[int, Meta(ge=4096)] = 131_072


class AdminSettings(msgspec.Struct, frozen=True):
    """Who may use the admin part of the REST."""

    token: Secret = Secret()


class SupervisionSettings(msgspec.Struct, frozen=True):
    """How long a supervisor goes on restarting a failing child."""

    max_restarts: Annotated[int, Meta(ge=0)] = 10
    period_seconds: Seconds = 300.0
    backoff_limit_seconds: Seconds = 60.0
    healthy_after_seconds: Seconds = 60.0


class SubscriptionSettings(msgspec.Struct, frozen=True):
    """What is streamed whether a client wants it or not."""

    symbols: list[str] = []
    mode: Mode = "full"
    grace_seconds: Annotated[float, Meta(ge=0)] = 5.0
    """How long a subscription outlives its last client."""


class InstrumentSettings(msgspec.Struct, frozen=True):
    """Whose lists of instruments are loaded."""

    sources: list[str] = []
    """Names of adapters; empty: those of the configured brokers."""


class StoreSettings(msgspec.Struct, frozen=True):
    """Where ticks are kept."""

    ticks: bool = True
    path: Annotated[str, Meta(min_length=1)] = "ticks.db"
    """Below ``data_dir`` unless absolute."""
    batch_rows: Count = 1000
    batch_seconds: Seconds = 5.0
    max_waiting: Count = 100_000


class CacheSettings(msgspec.Struct, frozen=True):
    """What is kept at hand of today."""

    today_minutes: Count = 1440


class FeedSettings(msgspec.Struct, frozen=True):
    """When a broker's feed is called late or dead."""

    stale_seconds: Seconds = 10.0
    delayed_seconds: Seconds = 3.0


class CalendarSettings(msgspec.Struct, frozen=True):
    """When the segments are open."""

    always_open: bool = False


class LogSettings(msgspec.Struct, frozen=True):
    """What is logged, and how."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["console", "json"] = "console"


class Settings(msgspec.Struct, frozen=True):
    """The whole configuration.

    ``brokers`` stays as it was written: only an adapter knows its own section (`decode_section`).
    """

    data_dir: Annotated[str, Meta(min_length=1)] = "data"
    brokers: dict[str, dict[str, Any]] = {}
    server: ServerSettings = ServerSettings()
    admin: AdminSettings = AdminSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    subscriptions: SubscriptionSettings = SubscriptionSettings()
    instruments: InstrumentSettings = InstrumentSettings()
    store: StoreSettings = StoreSettings()
    cache: CacheSettings = CacheSettings()
    feed: FeedSettings = FeedSettings()
    calendar: CalendarSettings = CalendarSettings()
    log: LogSettings = LogSettings()
