"""Every message of the inside contract is handled by each actor that its group names."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src" / "mdactors"
GROUP = re.compile(r"^# --- (?P<actors>.+?) -+$")


def grouped() -> Iterator[tuple[str, str]]:
    """Each (message, receiver) that ``messages.py`` promises; "also to" in a docstring adds receivers."""
    text = (SOURCES / "messages.py").read_text()
    receivers: dict[int, list[str]] = {
        number: re.split(r",\s*", found["actors"])
        for number, line in enumerate(text.splitlines(), 1)
        if (found := GROUP.match(line))
    }
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            group = receivers[max(number for number in receivers if number < node.lineno)]
            also = re.search(r"\(also to ([^)]*)\)", ast.get_docstring(node) or "")
            more = re.split(r",\s*|\s+and\s+", also[1]) if also else []
            for actor in [*group, *more]:
                yield node.name, actor


@functools.cache
def handled() -> dict[str, set[str]]:
    """Actor -> the messages that its class has handlers for."""
    actors: dict[str, set[str]] = {}
    for path in (SOURCES / "actors").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                actors[node.name] = {
                    argument.id
                    for method in node.body
                    if isinstance(method, ast.FunctionDef)
                    for decorator in method.decorator_list
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "handles"
                    for argument in decorator.args
                    if isinstance(argument, ast.Name)
                }
    return actors


@pytest.mark.parametrize(("message", "actor"), list(grouped()))
def test_each_receiver_handles_its_message(message: str, actor: str) -> None:
    assert message in handled().get(actor, set())
