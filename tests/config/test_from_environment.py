"""What comes from the environment is, once it is a setting, what it would be had it been written there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from mdactors.adapter import Secret
from mdactors.config import Settings, load
from mdactors.config.words import parts_of
from mdactors.plugins import ADAPTERS, available, load_adapter, make_adapters, plain_sections
from mdactors.store import carrier_process, catalogue_process

Raw = dict[str, Any]

SECTIONS: dict[str, type[msgspec.Struct]] = {
    name: load_adapter(name).settings for name in available(ADAPTERS)
}

FITTING = {"max_request_bytes": "400000"}
"""What must fit another setting."""


def sample(kind: Any, default: Any) -> Any:
    """A value of this type, as YAML without numbers and switches would hold it: all leaves are texts."""
    (part, *_) = [part for part in parts_of(kind) if part is not NoneType]
    if is_section(part):
        return section(part)
    if get_origin(part) in (list, tuple):
        item, *_ = get_args(part)
        sections = [
            each for each in parts_of(item) if isinstance(each, type) and issubclass(each, msgspec.Struct)
        ]
        return [section(each) for each in sections] or [sample(item, "")]
    if get_origin(part) is Literal:
        return get_args(part)[0]
    if part is bool:
        return "off" if default else "on"
    if part in (int, float):
        return str(default or bounds(kind).ge or 1)
    return default if isinstance(default, str) and default else example(kind)


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def bounds(kind: Any) -> msgspec.Meta:
    metas = [meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    return metas[0] if metas else msgspec.Meta()


def example(kind: Any) -> str:
    """A text that fits: the one that the type's description shows."""
    _, like, shown = (bounds(kind).description or "").partition("like ")
    return shown.split(",")[0].split(" ")[0] if like else "AB"


def section(kind: type[msgspec.Struct]) -> Raw:
    fields = msgspec.structs.fields(kind)
    return {each.encode_name: FITTING.get(each.name) or sample(each.type, each.default) for each in fields}


def variables(value: Any, environ: dict[str, str]) -> Any:
    """The same with a variable of its own in place of each text."""
    match value:
        case dict():
            return {key: variables(item, environ) for key, item in value.items()}
        case list():
            return [variables(item, environ) for item in value]
    name = f"V{len(environ)}"
    environ[name] = value
    return f"${{{name}}}"


def texts(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every text below a value, those of secrets too, by its path."""
    match value:
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from texts(getattr(value, name), f"{path}.{name}")
        case dict():
            for key, item in value.items():
                yield from texts(key, f"{path}.{key}, its name")
                yield from texts(item, f"{path}.{key}")
        case list() | tuple():
            for number, item in enumerate(value):
                yield from texts(item, f"{path}[{number}]")
        case Secret():
            yield path, value.reveal()
        case str():
            yield path, value


@pytest.fixture(scope="module")
def raw() -> Raw:
    """Every setting there is, of every adapter too."""
    everything = section(Settings)
    everything["brokers"] = {name: section(kind) for name, kind in SECTIONS.items()}
    everything["instruments"]["sources"] = list(SECTIONS)
    everything["subscriptions"]["universe"][0]["type"] = "STOCK"  # only that has all of them
    everything["store"]["kind"] = "postgres"
    everything["store"]["url"] = "postgresql://127.0.0.1/market"
    return everything


def loaded(folder: Path, raw: Raw, environ: Mapping[str, str]) -> Settings:
    path = folder / "config.yaml"
    path.write_text(json.dumps(raw))
    return load(path, environ, SECTIONS.__getitem__)


@pytest.fixture
def settings(tmp_path: Path, raw: Raw) -> Settings:
    """Each setting from a variable."""
    environ: dict[str, str] = {}
    asked = variables(raw, environ)
    assert len(environ) > 100
    return loaded(tmp_path, asked, environ)


def test_every_setting_may_come_from_the_environment(settings: Settings, raw: Raw, tmp_path: Path) -> None:
    assert settings == loaded(tmp_path, raw, {})
    defaults = dict(texts(Settings(), "settings"))
    assert len(dict(texts(settings, "settings"))) > len(defaults)


def test_every_text_from_the_environment_is_a_plain_one(settings: Settings) -> None:
    adapters = make_adapters(settings)
    sections = {f"brokers.{name}": adapter.section() for name, adapter in adapters.items()}
    found = [each for name, part in {"settings": settings, **sections}.items() for each in texts(part, name)]
    assert not [path for path, text in found if type(text) is not str]
    by_path = dict(found)
    assert {"settings.store.password", "settings.cache.redis.host", "brokers.kite.api_key"} <= set(by_path)
    assert by_path["settings.subscriptions.universe[1].symbols[0]"] == "AB"


def test_what_goes_to_a_child_process_arrives_there(settings: Settings) -> None:
    errand = carrier_process.Errand(settings.store, settings.data_dir, "journal", settings.log)
    decoder = msgspec.msgpack.Decoder(carrier_process.Errand, dec_hook=lambda _kind, text: Secret(text))
    assert decoder.decode(carrier_process.encode(errand)) == errand
    sections = plain_sections(make_adapters(settings))
    order = catalogue_process.Order.of(settings, sections)
    orders = msgspec.msgpack.Decoder(catalogue_process.Order, dec_hook=lambda _kind, text: Secret(text))
    arrived = orders.decode(catalogue_process.encode(order))
    assert arrived == order
    again = make_adapters(Settings(brokers=arrived.brokers, instruments=arrived.instruments))
    made = make_adapters(settings)
    assert {name: each.section() for name, each in again.items()} == {
        name: each.section() for name, each in made.items()
    }


def test_a_part_of_a_text_may_come_from_the_environment(tmp_path: Path) -> None:
    store = {"url": "postgresql://${HOST}/m", "password": "${P:dflt}"}
    settings = loaded(
        tmp_path, {"store": store, "brokers": {"kite": {"api_key": "a${K}"}}}, {"HOST": "h", "K": "b"}
    )
    assert {type(text) for _, text in texts(settings, "")} == {str}
    assert settings.store.url.reveal() == "postgresql://h/m"
    assert settings.store.password.reveal() == "dflt"
    assert settings.brokers["kite"]["api_key"] == "ab"
