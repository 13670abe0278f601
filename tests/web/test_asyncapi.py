"""The document of the websockets: it hangs together, and says all that the source says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract import contract

from mdactors import answers, protocol
from mdactors.market.movers import BY
from mdactors.protocol import EXPECTED, CloseCode, ErrorCode, Request
from mdactors.web.channels import INTERVALS
from mdactors.web.paths import PATHS

DOCUMENT = contract().asyncapi
SCHEMAS = DOCUMENT["components"]["schemas"]
MESSAGES = DOCUMENT["components"]["messages"]


def references(node: Any) -> Iterator[str]:
    """Every reference of a document."""
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def followed(reference: str) -> Any:
    """What a reference leads to."""
    document, _, pointer = reference.partition("#/")
    node: Any = {"": DOCUMENT, "openapi.json": contract().openapi}[document]
    for step in pointer.split("/"):
        node = node[step]
    return node


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 100
    assert all(followed(reference) is not None for reference in found)


def test_nothing_is_described_that_no_channel_uses() -> None:
    of_channels = {ref.split("/")[-1] for ref in references(DOCUMENT["channels"]) if "/messages/" in ref}
    assert of_channels == set(MESSAGES)
    of_messages = {
        ref.split("/")[-1] for ref in references(MESSAGES) if ref.startswith("#/components/schemas")
    }
    assert of_messages == set(SCHEMAS)


def test_every_message_of_a_channel_is_asked_sent_or_answered() -> None:
    used = {ref for ref in references(DOCUMENT["operations"]) if "/messages/" in ref}
    there = {
        f"#/channels/{name}/messages/{message}"
        for name, channel in DOCUMENT["channels"].items()
        for message in channel["messages"]
    }
    assert used == there


@pytest.mark.parametrize("name", MESSAGES)
def test_the_examples_of_a_message_are_as_its_schema_says(name: str) -> None:
    examples = MESSAGES[name]["examples"]
    assert examples
    for example in examples:
        assert contract().errors("asyncapi", f"/components/messages/{name}/payload", example["payload"]) == []


def test_what_is_not_documented_is_found() -> None:
    pointer = "/components/messages/Candle/payload"
    example = MESSAGES["Candle"]["examples"][0]["payload"]
    assert contract().errors("asyncapi", pointer, example | {"trades": 7})
    assert contract().errors("asyncapi", pointer, example | {"time": "2026-11-20T10:30:00Z"})
    assert contract().errors(
        "asyncapi", pointer, {key: value for key, value in example.items() if key != "open"}
    )


def test_the_channels_are_the_paths_of_the_server() -> None:
    assert [channel["address"] for channel in DOCUMENT["channels"].values()] == [path.name for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_path_is_asked_and_sends_what_its_kind_does(path: Any) -> None:
    sent = contract().sent_on(path.name)
    assert {"Tick", "FlatTick", "Error", "Welcome"} <= sent
    assert ("Subscribed" in sent) is not path.everything
    assert ("Candle" in sent) is path.market


def test_a_request_is_what_the_server_understands() -> None:
    request = SCHEMAS["Request"]["properties"]
    assert set(request) == set(Request.__struct_fields__)
    assert set(EXPECTED) <= set(request)


def test_the_codes_are_those_of_the_server() -> None:
    assert SCHEMAS["Error"]["properties"]["code"]["enum"] == [code.value for code in ErrorCode]
    assert DOCUMENT["x-close-codes"] == [
        {"code": int(code), "meaning": code.meaning, "reconnect": code.reconnect} for code in CloseCode
    ]


def test_every_event_of_the_server_is_a_message() -> None:
    sources = [Path(str(each.__file__)).read_text(encoding="utf-8") for each in (protocol, answers)]
    said = set(re.findall(r'"event": ?"(\w+)"', "".join(sources)))
    consts = {
        each["properties"]["event"]["const"]
        for each in SCHEMAS.values()
        if "event" in each.get("properties", {})
    }
    assert said == consts


def test_movers_and_bars_are_those_that_there_are() -> None:
    assert SCHEMAS["Movers"]["properties"]["by"]["enum"] == list(BY)
    assert SCHEMAS["Candle"]["properties"]["interval"]["enum"] == list(INTERVALS)
