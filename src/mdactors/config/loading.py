"""From a YAML file to `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mdactors.config.decoding import decode
from mdactors.config.environment import interpolate
from mdactors.config.settings import Settings
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
            if not isinstance(name, str) or not isinstance(section, dict | None):
                continue  # found already
            _check_broker(name, section, broker_settings, found)
    # Where a variable is missing, its place has no value yet to find fault with.
    places = {_place_of(problem) for problem in missing}
    problems = missing + [problem for problem in found if _place_of(problem) not in places]
    if problems or settings is None:
        raise ConfigError(problems)
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


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ConfigError: it cannot be read; the one problem begins with the file's name.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a SafeLoader
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}{_mark(error)}: {_reason(error)}"]) from error
    except ValueError as error:  # a date or number that there is not
        raise ConfigError([f"{path}: {error}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{path}: is nested too deep"]) from error


def _mark(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or "is not YAML"


class _Loader(yaml.SafeLoader):
    """YAML that refuses what no setting can be: named by no word, said twice, or a part of itself."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
            node = self.anchors.get(event.anchor)
            if node is not None and node.end_mark is None:
                problem = f"{event.anchor} is a part of itself"
                raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "expected the name of a setting, got a list or section", key_node.start_mark
                )
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key_node.value} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)
