"""What a configuration takes from outside its file: environment variables and an env file."""

from __future__ import annotations

import io
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from mdactors.errors import ConfigError
from mdactors.text_file import NotUtf8, read_text

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_COMMENT = re.compile(r"(?:^|(?<=[\r\n]))[ \t]*;[^\r\n]*")
"""As systemd knows it; python-dotenv does not."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def interpolate(value: Any, environ: Mapping[str, str], path: str, problems: list[str]) -> Any:
    """Replace ``${NAME}`` and ``${NAME:default}`` in every text below ``value``."""
    match value:
        case dict():
            return {
                key: interpolate(item, environ, f"{path}.{key}" if path else str(key), problems)
                for key, item in value.items()
            }
        case list():
            return [interpolate(item, environ, f"{path}[{n}]", problems) for n, item in enumerate(value)]
        case str() if "${" in value:
            return _replaced(value, environ, path, problems)
    return value


def _replaced(text: str, environ: Mapping[str, str], path: str, problems: list[str]) -> str:
    def replace(found: re.Match[str]) -> str:
        name, colon, default = found[1].partition(":")
        if not _NAME.fullmatch(name):
            problems.append(f"{path}: ${{…}} holds no variable's name; write ${{NAME}} or ${{NAME:default}}")
        elif not colon and name not in environ:
            problems.append(f"{path}: the environment variable {name} is not set")
        # As in a shell, an empty variable gives way to a default.
        return environ.get(name, "") or default

    if "${" in _REFERENCE.sub("", text):
        problems.append(f"{path}: a ${{ has no closing brace")
    return _REFERENCE.sub(replace, text)


def read_env_file(path: Path, environ: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Read ``KEY=VALUE`` lines as a shell does; of a name that is given twice the last line counts.

    ``${NAME}`` and ``${NAME:-default}`` in a value, unless in single quotes, stand for what ``environ`` or a
    line above says.

    Raises:
        ConfigError: the file cannot be read, or lines of it are something else.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or 'error'}"]) from error
    except NotUtf8 as error:
        raise ConfigError([f"{path}: {error}"]) from error
    values: dict[str, str] = {}
    known = ChainMap(dict(environ), values)
    problems: list[str] = []
    for binding in parse_stream(io.StringIO(_COMMENT.sub("", text), newline="")):
        line = _Line(binding)
        if line.is_comment:
            continue
        # The line itself may hold a secret.
        problems += [f"{path}, line {line.number}: {problem}" for problem in line.problems(known)]
        values[line.name] = line.value(known)
    if problems:
        raise ConfigError(problems)
    return values


class _Line:
    """One line of an env file, as python-dotenv reads it; more than one line where quotes go on."""

    def __init__(self, binding: Binding) -> None:
        written = binding.original.string
        text = written.lstrip()
        self.number = binding.original.line + _lines(written.removesuffix(text))
        self.name = binding.key or ""
        self.is_comment = not text or text[0] == "#"
        self._value = binding.value
        self._spans = _lines(text.rstrip()) > 0
        self._is_literal = re.match(r"[^=]*=\s*'", text) is not None

    def problems(self, known: Mapping[str, str]) -> Iterator[str]:
        """What is wrong with it."""
        if self._value is None or not _NAME.fullmatch(self.name):
            yield "expected KEY=VALUE"
        elif self._spans:
            yield "its quotes end on another line"
        elif not self._is_literal:
            yield from self._dangling(self._value, known)

    def _dangling(self, value: str, known: Mapping[str, str]) -> Iterator[str]:
        for atom in parse_variables(value):
            if isinstance(atom, Variable):
                if not _NAME.fullmatch(atom.name):
                    yield "${…} holds no variable's name"
                elif atom.default is None and atom.name not in known:
                    yield "a ${NAME} in it is set neither above nor in the environment"
            elif "${" in atom.resolve(known):
                yield "a ${ is no reference: write ${NAME} or ${NAME:-default}, or use single quotes"

    def value(self, known: Mapping[str, str]) -> str:
        """Its value, references replaced."""
        value = self._value or ""
        return value if self._is_literal else "".join(each.resolve(known) for each in parse_variables(value))


def _lines(text: str) -> int:
    return len(re.findall(r"\r\n|\r|\n", text))
