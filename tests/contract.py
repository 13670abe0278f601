"""The OpenAPI and the AsyncAPI document, closed: what is not documented is not allowed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator, Registry

from mdactors.web.rest_docs import read_document

_SAYS_WHAT = ("$ref", "properties", "anyOf")
_AT = "json-schema:///"


class Contract:
    """Both documents, and whether an answer or a message is as they say."""

    def __init__(self) -> None:
        self.openapi, self.asyncapi = (json.loads(read_document(name)) for name in ("openapi", "asyncapi"))
        documents = {"openapi.json": self.openapi, "asyncapi.json": self.asyncapi}
        self._registry = Registry([
            (f"{_AT}{name}", _closed_document(each)) for name, each in documents.items()
        ])  # fmt: skip
        self._validators: dict[str, Draft202012Validator] = {}
        self.operations = {
            said["operationId"]: (path, method, said)
            for path, item in self.openapi["paths"].items()
            for method, said in item.items()
        }
        self.channels = {each["address"]: name for name, each in self.asyncapi["channels"].items()}

    def documented(self) -> set[tuple[str, int]]:
        """Every operation with every status that it answers."""
        return {
            (name, int(status))
            for name, (_, _, said) in self.operations.items()
            for status in said["responses"]
        }

    def errors(self, document: str, pointer: str, value: Any) -> list[str]:
        """What is wrong with a value, by the schema at this place."""
        errors = self._validator(f"{_AT}{document}.json#{pointer}").iter_errors(value)
        return [f"{error.instance_path}: {error.message[:300]}" for error in errors]

    def _validator(self, reference: str) -> Draft202012Validator:
        if reference not in self._validators:
            schema = {"$ref": reference, "unevaluatedProperties": False}
            made = Draft202012Validator(schema, registry=self._registry, validate_formats=True)
            self._validators[reference] = made
        return self._validators[reference]

    def check_answer(self, operation: str, status: int, content_type: str, body: bytes) -> None:
        """An answer of REST has the documented status, content type and schema."""
        path, method, said = self.operations[operation]
        assert str(status) in said["responses"], f"{operation} answers {status}: {body[:300]!r}"
        at = ["paths", path, method, "responses", str(status)]
        answer = said["responses"][str(status)]
        if "$ref" in answer:
            at = answer["$ref"].split("/")[1:]
            answer = self.openapi["components"]["responses"][at[-1]]
        kind = content_type.partition(";")[0]
        assert kind in answer["content"], f"{operation} answers {content_type}"
        if kind == "application/json" and method != "head":
            pointer = "".join("/" + step.replace("/", "~1") for step in [*at, "content", kind, "schema"])
            assert (
                self.errors("openapi", pointer.replace("{", "%7B").replace("}", "%7D"), json.loads(body))
                == []
            )

    def name_of(self, address: str, message: Any) -> str:
        """Which of the messages that the server sends on this path it is; it is exactly one."""
        errors = {
            name: self.errors("asyncapi", f"/components/messages/{name}/payload", message)
            for name in self.sent_on(address)
        }
        (name,) = [name for name, found in errors.items() if not found] or [""]
        event = message.get("event", "").title().replace("_", "")
        assert name, f"{message} is no message of {address}: {errors.get(event) or errors['Tick']}"
        return name

    def sent_on(self, address: str) -> set[str]:
        """The messages that the server sends on this path."""
        channel = self.channels[address]
        mine = [
            each
            for each in self.asyncapi["operations"].values()
            if each["channel"]["$ref"].endswith(f"/{channel}")
        ]
        sent = [
            ref
            for each in mine
            for ref in (each["messages"] if each["action"] == "send" else each["reply"]["messages"])
        ]
        messages = self.asyncapi["channels"][channel]["messages"]
        return {messages[ref["$ref"].split("/")[-1]]["$ref"].split("/")[-1] for ref in sent}


@cache
def contract() -> Contract:
    """Both documents, read once."""
    return Contract()


def _closed_document(document: Any) -> Any:
    made = _closed(document, whole=False)
    # What is named stays open: it is closed where it is used, which may be as a part of something larger.
    schemas = document["components"]["schemas"]
    made["components"]["schemas"] = {name: _closed(each, whole=False) for name, each in schemas.items()}
    return made


def _closed(node: Any, *, whole: bool = True) -> Any:
    if isinstance(node, list):
        return [_closed(each, whole=whole) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _closed(each, whole=key != "allOf") for key, each in node.items()}
    if whole and "additionalProperties" not in node and any(key in node for key in _SAYS_WHAT):
        made["unevaluatedProperties"] = False
    return made
