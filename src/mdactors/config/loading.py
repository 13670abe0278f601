"""From a YAML file to `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mdactors.config.decoding import decode
from mdactors.config.environment import interpolate
from mdactors.config.settings import Settings
from mdactors.config.yaml_text import read_yaml
from mdactors.errors import ConfigError, PluginError


def load(
    path: Path,
    environ: Mapping[str, str],
    broker_settings: Callable[[str], type[msgspec.Struct]] | None = None,
) -> Settings:
    """Read the configuration.

    With ``broker_settings`` (broker -> its adapter's type of settings) the brokers' sections are
    checked too, so that their problems stand beside all others; they are returned raw either way.

    Raises:
        ConfigError: with every problem found.
    """
    missing: list[str] = []
    found: list[str] = []
    raw = interpolate(read_yaml(path), environ, "", missing)
    if not isinstance(raw, dict | None):
        raise ConfigError([f"{path}: expected sections of settings, got {type(raw).__name__}"])
    settings = decode(raw, Settings, "", found)
    brokers = raw.get("brokers") if raw else None
    if broker_settings is not None and isinstance(brokers, dict):
        for name, section in brokers.items():
            if isinstance(section, dict | None):  # else it is found already
                _check_broker(name, section, broker_settings, found)
    # Where a variable is missing, its place has no value yet to find fault with.
    places = {_place_of(problem) for problem in missing}
    problems = missing + [problem for problem in found if _place_of(problem) not in places]
    if problems or settings is None:
        raise ConfigError(list(dict.fromkeys(problems)))
    return settings


def _place_of(problem: str) -> str:
    return problem.partition(": ")[0]


def _check_broker(
    name: str, section: Any, broker_settings: Callable[[str], type[msgspec.Struct]], problems: list[str]
) -> None:
    try:
        kind = broker_settings(name)
    except PluginError as error:
        problems.append(f"brokers.{name}: {error}")
    else:
        decode(section, kind, f"brokers.{name}", problems)
