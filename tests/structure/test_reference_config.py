"""The reference configuration holds every setting, its default and a comment."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from mdactors.config import Settings, decode_section, load
from mdactors.plugins import ADAPTERS, available, load_adapter

REFERENCE = Path(__file__).resolve().parents[2] / "config" / "reference.yaml"


def leaves(kind: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    """The path of every setting below a type, brokers apart."""
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from leaves(field.type, f"{path}{field.name}.")
        elif field.name != "brokers":
            yield path + field.name


def listed(section: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from listed(value, f"{path}{key}.")
        else:
            yield path + key


def test_every_setting_is_listed() -> None:
    raw = yaml.safe_load(REFERENCE.read_text())
    brokers = raw.pop("brokers")
    assert set(listed(raw)) == set(leaves(Settings))
    assert set(brokers) == set(available(ADAPTERS))
    for name, section in brokers.items():
        assert set(section) == set(leaves(load_adapter(name).settings))


def test_it_loads_to_the_defaults_without_any_environment() -> None:
    settings = load(REFERENCE, {}, lambda broker: load_adapter(broker).settings)
    assert msgspec.structs.replace(settings, brokers={}) == Settings()


@pytest.mark.parametrize("name", sorted(available(ADAPTERS)))
def test_a_broker_section_holds_the_defaults(name: str) -> None:
    kind = load_adapter(name).settings
    section = load(REFERENCE, {}).brokers[name]
    assert decode_section(section, kind, name) == kind()


def test_every_setting_has_a_comment_above_it() -> None:
    lines = REFERENCE.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        is_setting = ":" in line and not line.strip().startswith("#") and not line.endswith(":")
        assert not is_setting or above.strip().startswith("#"), f"no comment above: {line}"
