"""YAML whose words stay as they are written: what they mean is for the settings' types to say."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from mdactors.errors import ConfigError
from mdactors.text_file import NotUtf8, read_text

_TEXT, _NOTHING, _MERGE = (f"tag:yaml.org,2002:{tag}" for tag in ("str", "null", "merge"))

_UNQUOTED = {
    "found character": "a text that begins with @, `, %, | or > must be in quotes",
    "expected chomping": "a text that begins with | or > must be in quotes",
    "found undefined alias": "a text that begins with * must be in quotes",
    "expected alphabetic or numeric character": "a text that begins with * or & must be in quotes",
    "second occurrence": "a text that begins with & must be in quotes",
    "could not determine a constructor": "a text that begins with ! must be in quotes",
    "found undefined tag handle": "a text that begins with ! must be in quotes",
    "found unknown escape character": "a text with a \\ in it must be in single quotes",
    "mapping values are not allowed here": "a text with a colon and a space in it must be in quotes",
}
"""What a text without quotes is taken for, by PyYAML's words; those may show a part of a secret."""


def read_yaml(path: Path) -> Any:
    """What a YAML file holds: sections, lists, texts; None where nothing, ``~`` or ``null`` is written.

    Raises:
        ConfigError: it cannot be read; the one problem begins with the file's name.
    """
    try:
        return parse_yaml(read_text(path))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except NotUtf8 as error:
        raise ConfigError([f"{path}: {error}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}{_mark(error)}: {_reason(error)}"]) from error


def parse_yaml(text: str) -> Any:
    """As `read_yaml`, of a text.

    Raises:
        yaml.YAMLError: it is no YAML, or such as no setting can be.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except RecursionError as error:
        raise yaml.MarkedYAMLError(problem="is nested too deep") from error


def _mark(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None and mark.buffer and mark.buffer[max(mark.pointer - 1, 0) :].startswith("${"):
        return "within brackets and braces put ${NAME} in quotes"
    problem = getattr(error, "problem", None) or "is not YAML"
    return next((said for begin, said in _UNQUOTED.items() if problem.startswith(begin)), problem)


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
            if key_node.tag == _NOTHING:
                key_node.tag = _TEXT
        return super().construct_mapping(node, deep)


def _written(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


for _kind in ("bool", "int", "float", "timestamp", "binary"):  # a tag of the user's own: !!int 5
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _written)
# YAML 1.1 would read off as false, 16:00 as 960, 1_000 and 0123 as numbers, 2026-11-24 as a date.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in (_NOTHING, _MERGE)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
