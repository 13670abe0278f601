"""Every setting, and how it is read from a YAML file and the environment."""

from mdactors.config.decoding import decode_section
from mdactors.config.environment import read_env_file
from mdactors.config.loading import load
from mdactors.config.sectors import load_definition
from mdactors.config.sessions import load_calendar
from mdactors.config.settings import (
    SQL_SOURCE,
    AdminSettings,
    CacheSettings,
    CalendarSettings,
    FeedSettings,
    InstrumentSettings,
    LogSettings,
    SectorSettings,
    ServerSettings,
    Settings,
    StoreSettings,
    SubscriptionSettings,
    SupervisionSettings,
)

__all__ = [
    "SQL_SOURCE",
    "AdminSettings",
    "CacheSettings",
    "CalendarSettings",
    "FeedSettings",
    "InstrumentSettings",
    "LogSettings",
    "SectorSettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "SubscriptionSettings",
    "SupervisionSettings",
    "decode_section",
    "load",
    "load_calendar",
    "load_definition",
    "read_env_file",
]
