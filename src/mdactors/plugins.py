"""Entry points to adapters and simulators; imports only what it is asked for.

Any installed distribution can bring a broker: a class derived from `mdactors.adapter.BrokerAdapter`
in the group ``mdactors.adapters``, and its simulator in the group ``mdactors.simulators``.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from mdactors.adapter import BrokerAdapter, Secret
from mdactors.config import Settings, decode_section
from mdactors.errors import ConfigError, PluginError
from mdactors.market.quote import Quote

ADAPTERS = "mdactors.adapters"
SIMULATORS = "mdactors.simulators"


def available(group: str) -> dict[str, EntryPoint]:
    """What is installed in a group, by name; nothing is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def load_adapter(name: str) -> type[BrokerAdapter]:
    """Import the adapter of this name.

    Raises:
        PluginError: it is not installed, fails to load or does not keep the contract.
    """
    loaded = _load(ADAPTERS, "adapter", name)
    if not (inspect.isclass(loaded) and issubclass(loaded, BrokerAdapter)):
        raise PluginError(f"adapter {name}: {_text(loaded)} does not derive from BrokerAdapter")
    _require(loaded, f"adapter {name}", ("name", "settings", "modes"))
    return loaded


def quote_classes() -> Mapping[str, type[Quote]]:
    """Source -> the class of its quotes, for every adapter that is installed and loads."""
    found = {}
    for name in available(ADAPTERS):
        try:
            found[name] = load_adapter(name).quote
        except PluginError:
            continue  # its ticks have no books then
    return found


def load_simulator(name: str) -> Any:
    """Import the simulator of this name: a class derived from `mdactors.simulator.Simulator`.

    The type is for those to check who may import it; here a class with the right words is enough.

    Raises:
        PluginError: it is not installed, fails to load or does not keep the contract.
    """
    loaded = _load(SIMULATORS, "simulator", name)
    if not inspect.isclass(loaded):
        raise PluginError(f"simulator {name}: {_text(loaded)} is not a class")
    _require(loaded, f"simulator {name}", ("name", "routes", "settings"))
    return loaded


def _require(loaded: type[Any], label: str, words: Sequence[str]) -> None:
    unsaid = [word for word in words if not hasattr(loaded, word)]
    if lacking := unsaid + sorted(getattr(loaded, "__abstractmethods__", ())):
        raise PluginError(f"{label}: {_text(loaded)} lacks {', '.join(lacking)}")


def _load(group: str, word: str, name: str) -> Any:
    entries = list(entry_points(group=group, name=name))
    if not entries:
        raise PluginError(f"no {word} named {name} is installed{_installed(group, name)}")
    if len(entries) > 1:
        owners = " and ".join(distribution(entry) for entry in entries)
        raise PluginError(f"{word} {name} is offered twice, by {owners}: uninstall one")
    try:
        return entries[0].load()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        raise PluginError(f"{word} {name} does not load: {type(error).__name__}: {reason}") from error


def _installed(group: str, name: str) -> str:
    names = list(available(group))
    close = difflib.get_close_matches(name, names, n=1)
    question = f" (did you mean {close[0]}?)" if close else ""
    return f"{question}; installed: {', '.join(names) or 'none'}"


def distribution(entry: EntryPoint) -> str:
    """The distribution that brings an entry point, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


def _text(loaded: Any) -> str:
    return getattr(loaded, "__qualname__", None) or repr(loaded)


def make_adapters(settings: Settings) -> dict[str, BrokerAdapter]:
    """One adapter for each configured broker and each further source of instruments.

    Raises:
        ConfigError: sections that do not fit their adapters, all problems at once.
    """
    adapters: dict[str, BrokerAdapter] = {}
    problems: list[str] = []
    for name in dict.fromkeys([*settings.brokers, *settings.instruments.adapters()]):
        try:
            adapter = load_adapter(name)
            raw = settings.brokers.get(name, {})
            adapters[name] = adapter(decode_section(raw, adapter.settings, f"brokers.{name}"))
        except PluginError as error:
            problems.append(f"brokers.{name}: {error}")
        except ConfigError as error:
            problems.extend(error.problems)
    for source in settings.instruments.sources:
        name, further = settings.instruments.source(source)
        if further and name in adapters and further not in adapters[name].lists:
            known = ", ".join(adapters[name].lists) or "none"
            problems.append(f"instruments.sources: {source}: {name} has no such list; there are: {known}")
    if problems:
        raise ConfigError(problems)
    return adapters


def sources_of(settings: Settings) -> list[str]:
    """The sources of instruments: those that are named, else the brokers and what completes their lists.

    Raises:
        ConfigError: sections that do not fit their adapters.
    """
    if settings.instruments.sources:
        return settings.instruments.sources
    adapters, installed = make_adapters(settings), available(ADAPTERS)
    further = (source for name in settings.brokers for source in adapters[name].completed_by())
    known = [source for source in further if source.partition("/")[0] in installed]
    return list(dict.fromkeys([*settings.brokers, *known]))


def plain_sections(adapters: Mapping[str, BrokerAdapter]) -> dict[str, dict[str, Any]]:
    """The adapters' settings as plain values, secrets in the clear: for a process that makes them again."""
    return {
        name: msgspec.to_builtins(adapter.section(), enc_hook=Secret.reveal)
        for name, adapter in adapters.items()
    }
