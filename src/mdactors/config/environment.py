"""What a configuration takes from outside its file: environment variables and an env file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdactors.errors import ConfigError

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class FromEnvironment(str):
    """A text in which variables were replaced; unlike a written one it may still become a number."""

    __slots__ = ()


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


def _replaced(text: str, environ: Mapping[str, str], path: str, problems: list[str]) -> FromEnvironment:
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
    return FromEnvironment(_REFERENCE.sub(replace, text))


def read_env_file(path: Path) -> dict[str, str]:
    """Read ``KEY=VALUE`` lines; blank lines, comments and quotes around a value are understood.

    Raises:
        ConfigError: the file cannot be read, or lines of it are something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {_reason(error)}"]) from error
    values: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        if found := _LINE.fullmatch(text):
            values[found[1]] = _unquoted(found[2])
        else:
            # The line itself may hold a secret.
            problems.append(f"{path}, line {number}: expected KEY=VALUE")
    if problems:
        raise ConfigError(problems)
    return values


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "error" if isinstance(error, OSError) else "it is not UTF-8"
