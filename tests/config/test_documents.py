"""What the documents and the shipped files show as configuration is understood as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests import documents
from tests.documents import DOCUMENTS, REPOSITORY

from mdactors.config import Settings, decode_section, load, read_env_file
from mdactors.config.yaml_text import parse_yaml
from mdactors.plugins import load_adapter

BELOW = {"redis.md": "cache", "postgres.md": "store"}
"""Documents that are about one section, and name its settings alone."""
SELECTOR = re.compile(r"\{(?:type|symbols|sector|members|chain): .*\}")


def understood(folder: Path, text: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    environ = read_env_file(REPOSITORY / ".env.example")
    return load(path, environ, lambda broker: load_adapter(broker).settings)


def nested(line: str, document: str) -> str:
    """``store.raw: false`` as sections; empty where it is no setting at all."""
    name, mark, value = line.partition(": ")
    path = name.split(".")
    section = BELOW.get(document)
    if section and name in getattr(Settings(), section).__struct_fields__:
        path = [section, name]
    if not mark or "…" in value or path[0] not in Settings.__struct_fields__:
        return ""
    return "{" + ": {".join(path) + f": {value}" + "}" * len(path)


WRITTEN = [
    (document.name, line)
    for document in DOCUMENTS
    for span in documents.spans(document)
    if (line := nested(span, document.name))
]
SELECTORS = sorted(
    {
        *(span for document in DOCUMENTS for span in documents.spans(document) if SELECTOR.fullmatch(span)),
        *re.findall(rf"^  #   - ({SELECTOR.pattern})", documents.shipped("reference.yaml"), re.MULTILINE),
    }
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_block_of_yaml_is_a_configuration(document: Path, tmp_path: Path) -> None:
    for block in documents.blocks(document):
        assert understood(tmp_path, block) != Settings()


@pytest.mark.parametrize(("document", "line"), WRITTEN)
def test_a_setting_that_is_written_out_is_one(document: str, line: str, tmp_path: Path) -> None:
    assert understood(tmp_path, line)


def test_settings_are_written_out() -> None:
    assert ("operating.md", "{store: {carrier: thread}}") in WRITTEN
    assert ("redis.md", "{cache: {today: packed}}") in WRITTEN
    assert len(WRITTEN) >= 8
    assert len(SELECTORS) >= 10


@pytest.mark.parametrize("selector", SELECTORS)
def test_a_selector_that_is_shown_is_one(selector: str) -> None:
    raw: dict[str, Any] = {"subscriptions": {"universe": [parse_yaml(selector)]}}
    (read,) = decode_section(raw, Settings, "").subscriptions.universe
    assert str(read)


@pytest.mark.parametrize("name", ["upstox.yaml", "kite.yaml"])
def test_lines_that_a_configuration_offers_are_understood(name: str, tmp_path: Path) -> None:
    text = documents.shipped(name)
    settings = understood(tmp_path, text + documents.offered(text))
    assert (settings.store.kind, settings.cache.kind) == ("postgres", "redis")
    assert settings.cache.redis.port == 6379


def test_the_example_of_an_env_file_means_to_systemd_what_it_means_to_us() -> None:
    text = documents.env_file()
    assert read_env_file(REPOSITORY / ".env.example") == dict(
        line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#")
    )
    assert not re.search(r"^export|^[A-Z_]+=.*[\"'#$ ]", text, re.MULTILINE)
