"""What can be set, with defaults and bounds; ``config/reference.yaml`` says what each is for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mdactors.adapter import Secret
from mdactors.market.candle import Preferred
from mdactors.market.instrument import NSE_SHARES
from mdactors.market.quote import Mode
from mdactors.market.selectors import Name, Selector, SymbolSelector

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[A-Za-z][A-Za-z0-9+.-]*://([^/?#@:\s\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?)$",
        description="* or an origin like https://app.example.com:8443, without a path",
    ),
]
Age = Annotated[
    str,
    Meta(pattern="^[1-9][0-9]*(ms|s|m|h)$", description="a length of time like 500ms, 5s, 15m or 1h"),
]
_CLOCK = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
TimeOfDay = Annotated[
    str,
    Meta(pattern="^(([01][0-9]|2[0-3]):[0-5][0-9])?$", description="a time of day like 16:00, or nothing"),
]
SchemaName = Annotated[
    str,
    Meta(pattern="^[a-z_][a-z0-9_]{0,62}$", description="a name of small letters, digits and underscores"),
]
KeyPrefix = Annotated[
    str, Meta(pattern="^[^ *?]*$", description="a prefix without spaces, asterisks and question marks")
]

NAME_BYTES = 64
"""What a name takes of a request: the longest have 36 letters, and quotes, comma and spaces beside."""
REST_BYTES = 1024
"""What all else in a request takes."""
LEAST_REQUEST_BYTES = 65_536
"""A request may have so many where few names are allowed: it is told that it names too many."""
SQL_SOURCE = "sql"
"""The source of instruments that is a table."""


class ServerSettings(msgspec.Struct, frozen=True):
    """Where clients connect, and how much each of them may cost."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0 lets the system choose."""
    origins: list[Origin] = []
    """Empty: the server's own origin, and any port of localhost and 127.0.0.1."""
    max_sessions: Count = 2000
    max_request_bytes: Annotated[int, Meta(ge=1024)] | None = None
    """None: what so many names take."""
    max_symbols_per_request: Count = 5000
    outbox_bytes: Annotated[int, Meta(ge=4096)] = 8_388_608
    outbox_seconds: Seconds = 15.0
    heartbeat_seconds: Seconds = 5.0
    send_buffer_bytes: Annotated[int, Meta(ge=4096)] = 131_072

    def __post_init__(self) -> None:
        names, fitting = self.max_symbols_per_request, self._bytes_of_names()
        if self.request_bytes < fitting:
            message = f"max_request_bytes must be at least {fitting} for max_symbols_per_request of {names}"
            raise ValueError(f"{message}, or be left out")

    @property
    def request_bytes(self) -> int:
        """How many bytes a request may have."""
        if self.max_request_bytes is None:
            return max(LEAST_REQUEST_BYTES, self._bytes_of_names())
        return self.max_request_bytes

    def _bytes_of_names(self) -> int:
        return REST_BYTES + NAME_BYTES * self.max_symbols_per_request


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

    symbols: list[Name] = []
    """Short for a selector ``{symbols: ...}`` before all others."""
    universe: list[Selector] = []
    mode: Mode = "full"
    """Of selectors that name none."""
    grace_seconds: Annotated[float, Meta(ge=0)] = 5.0
    """How long a subscription outlives its last client."""

    def selectors(self) -> list[Selector]:
        """Everything that is streamed always, the first first."""
        short: list[Selector] = [SymbolSelector(tuple(self.symbols))] if self.symbols else []
        return short + self.universe


class SectorSettings(msgspec.Struct, frozen=True):
    """Which sectors there are, and where the lists of shares are kept."""

    definition: str = ""
    """A file like ``config/sectors.csv``; empty: the one that comes with mdactors."""
    lists: Annotated[str, Meta(min_length=1)] = "lists"
    """A folder below ``data_dir`` unless absolute."""


class SqlSourceSettings(msgspec.Struct, frozen=True):
    """A table that another program fills with a broker's list of instruments."""

    url: Secret = Secret()
    """``postgresql://…``, also as ``jdbc:postgresql://…``; a login that may only read is enough."""
    username: str = ""
    password: Secret = Secret()
    table: Annotated[str, Meta(min_length=1)] = "kite_instrument_master"
    """Also with its schema, as ``schema.table``."""
    query: str = ""
    """What to read instead of a whole table."""
    adapter: str = ""
    """Whose list it is: its columns are those of that broker's file."""


class InstrumentSettings(msgspec.Struct, frozen=True):
    """Whose lists of instruments are loaded, and when."""

    sources: list[str] = []
    """Names of adapters, ``ADAPTER/LIST`` for a further list, ``sql``; empty: the configured brokers, and
    what completes their lists."""
    refresh_at: tuple[Annotated[str, Meta(pattern=_CLOCK, description="a time of day like 06:30")], ...] = (
        "06:30",
        "08:30",
    )
    """India's time, every day."""
    series: tuple[Annotated[str, Meta(pattern="^[A-Z0-9]{2}$", description="two capitals")], ...] = NSE_SHARES
    """NSE's series whose shares are tradable."""
    sql: SqlSourceSettings = SqlSourceSettings()

    def __post_init__(self) -> None:
        if SQL_SOURCE in self.sources and not (self.sql.url and self.sql.adapter):
            raise ValueError("the source sql needs sql.url and sql.adapter")

    def adapters(self) -> list[str]:
        """The adapters that the sources need."""
        return [self.source(name)[0] for name in self.sources]

    def source(self, name: str) -> tuple[str, str]:
        """The adapter that reads a source, and which of its further lists it is; empty: its own."""
        adapter, _, further = name.partition("/")
        return (self.sql.adapter, "") if name == SQL_SOURCE else (adapter, further)


class JournalSettings(msgspec.Struct, frozen=True):
    """The log on disk in front of the store."""

    path: Annotated[str, Meta(min_length=1)] = "journal"
    """A folder below ``data_dir`` unless absolute."""
    sync_seconds: Seconds = 0.2
    segment_bytes: Annotated[int, Meta(ge=4096)] = 67_108_864
    max_bytes: Annotated[int, Meta(ge=65_536)] = 17_179_869_184


class StoreSettings(msgspec.Struct, frozen=True):
    """Where ticks and bars are kept."""

    kind: Literal["sqlite", "postgres"] = "sqlite"
    ticks: bool = True
    raw: bool = True
    """Whether the broker's bytes are kept beside what was read from them."""
    bars: list[Literal["1s", "1m"]] | None = None
    """None: both with PostgreSQL, minutes alone with SQLite."""
    path: Annotated[str, Meta(min_length=1)] = "ticks.db"
    """SQLite's file; below ``data_dir`` unless absolute."""
    url: Secret = Secret()
    """``postgresql://…``, also as ``jdbc:postgresql://…``."""
    username: str = ""
    password: Secret = Secret()
    schema: SchemaName = "public"
    batch_rows: Count = 1000
    batch_age: Age = "5s"
    """``15m`` writes every quarter of an hour."""
    flush_at: TimeOfDay = "16:00"
    """India's time on trading days; empty: never."""
    lag_limit: Count = 100_000
    retention_days: Annotated[int, Meta(ge=0)] = 0
    """Of ticks, refused ticks and bars of a second; 0 keeps them for ever."""
    carrier: Literal["process", "thread"] = "process"
    """Where the way from journal to store runs: a process of its own takes no time from live ticks."""


class RedisSettings(msgspec.Struct, frozen=True):
    """A Redis-compatible server of version 7 or newer."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 6379
    username: str = ""
    password: Secret = Secret()
    tls: bool = False
    ca_file: str = ""
    db: Annotated[int, Meta(ge=0)] = 0
    timeout_seconds: Seconds = 0.5


class CacheSettings(msgspec.Struct, frozen=True):
    """What is kept at hand of today."""

    kind: Literal["memory", "redis"] = "memory"
    today: Literal["json", "packed", "off"] | None = None
    """None: json with Redis, packed in memory."""
    today_minutes: Count = 1440
    warm_minutes: Annotated[int, Meta(ge=0)] = 15
    """How much of it is read again from store and journal after a start."""
    prefix: KeyPrefix = ""
    redis: RedisSettings = RedisSettings()


class FeedSettings(msgspec.Struct, frozen=True):
    """When a broker's feed is called late or dead."""

    stale_seconds: Seconds = 10.0
    delayed_seconds: Seconds = 3.0


class CalendarSettings(msgspec.Struct, frozen=True):
    """When the segments are open."""

    always_open: bool = False
    sessions: str = ""
    """A file like ``config/sessions.yaml``; empty: the one that comes with mdactors."""


class CandleSettings(msgspec.Struct, frozen=True):
    """How bars are made of ticks."""

    grace_seconds: Annotated[float, Meta(ge=0, le=4)] = 1.5
    """How long a bar waits for late ticks before it is published."""
    prefer: Preferred = "broker"
    """Whose bars of a minute count where the broker tells its own; ``ticks``: those are passed over."""


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
    sectors: SectorSettings = SectorSettings()
    instruments: InstrumentSettings = InstrumentSettings()
    journal: JournalSettings = JournalSettings()
    store: StoreSettings = StoreSettings()
    cache: CacheSettings = CacheSettings()
    feed: FeedSettings = FeedSettings()
    calendar: CalendarSettings = CalendarSettings()
    candles: CandleSettings = CandleSettings()
    log: LogSettings = LogSettings()
