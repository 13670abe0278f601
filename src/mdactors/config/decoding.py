"""From what YAML gave to frozen structs, with every problem found, not only the first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from mdactors.adapter import Secret
from mdactors.config.environment import FromEnvironment
from mdactors.errors import ConfigError

Section = TypeVar("Section", bound=msgspec.Struct)

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)


def decode_section(raw: Mapping[str, Any], kind: type[Section], path: str) -> Section:
    """Turn one mapping into a struct; ``path`` leads to it from the top of the file.

    A field of type `Secret` may be given as ``name`` or as ``name_file``, a file that holds it.

    Raises:
        ConfigError: with every problem below ``path``.
    """
    problems: list[str] = []
    section = decode(raw, kind, path, problems)
    if problems or section is None:
        raise ConfigError(problems)
    return section


def decode(raw: Any, kind: type[Section], path: str, problems: list[str]) -> Section | None:
    """As `decode_section`, but add the problems to a list; None where there were some."""
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        problems.append(_at(path, f"expected a section of settings, got {_kind_name(raw)}"))
        return None
    before = len(problems)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    files = {f"{name}_file": name for name, field in fields.items() if field.type is Secret}
    for name in fields:
        files.pop(name, None)  # an adapter that declares the file itself also reads it itself
    values: dict[str, Any] = {}
    for key, value in raw.items():
        where = f"{path}.{key}" if path else str(key)
        if key in fields:
            values[key] = _value(value, fields[key].type, where, problems)
        elif key in files:
            if files[key] in raw:
                problems.append(f"{where}: give this or {files[key]}, not both")
            values[files[key]] = _read_secret(value, where, problems)
        else:
            problems.append(f"{where}: unknown setting{_suggestion(str(key), [*fields, *files])}")
    problems.extend(
        f"{path}.{name}: is required" if path else f"{name}: is required"
        for name, field in fields.items()
        if field.required and name not in values
    )
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        # What fits one by one may not fit together: the type's own last check.
        problems.append(_at(path, str(error)))
        return None


def _value(value: Any, kind: Any, path: str, problems: list[str]) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return decode(value, kind, path, problems)
    if get_origin(kind) is dict:
        return _named(value, get_args(kind)[1], path, problems)
    if get_origin(kind) is list and isinstance(get_args(kind)[0], UnionType):
        return _listed(value, get_args(get_args(kind)[0]), path, problems)
    try:
        return _convert(value, kind)
    except msgspec.ValidationError as error:
        problems.append(_problem(error, value, kind, path))
        return None


def _named(raw: Any, kind: Any, path: str, problems: list[str]) -> dict[str, Any]:
    """Values under names of the user's own choice; nothing at all is an empty section."""
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        problems.append(_at(path, f"expected a section of settings, got {_kind_name(raw)}"))
        return {}
    problems.extend(
        f"{path}.{key}: expected a name, got {_kind_name(key)}: put it in quotes"
        for key in raw
        if not isinstance(key, str)
    )
    return {
        key: _value(value, kind, f"{path}.{key}", problems)
        for key, value in raw.items()
        if isinstance(key, str)
    }


def _listed(raw: Any, kinds: Sequence[type[msgspec.Struct]], path: str, problems: list[str]) -> list[Any]:
    """Sections in a list, each of the one kind whose first setting it has; nothing at all is an empty one."""
    if raw is None:
        raw = []
    if not isinstance(raw, list):
        problems.append(f"{path}: expected a list, got {_kind_name(raw)}")
        return []
    marks = {kind.__struct_fields__[0]: kind for kind in kinds}
    found = []
    for number, item in enumerate(raw):
        where = f"{path}[{number}]"
        given = [mark for mark in marks if isinstance(item, Mapping) and mark in item]
        if not isinstance(item, Mapping):
            problems.append(f"{where}: expected a section of settings, got {_kind_name(item)}")
        elif len(given) == 1:
            found.append(decode(item, marks[given[0]], where, problems))
        else:
            got = f"got {' and '.join(given or map(str, item)) or 'nothing'}"
            near = "".join(_suggestion(str(key), list(marks)) for key in item) if not given else ""
            problems.append(f"{where}: expected exactly one of {', '.join(marks)}, {got}{near}")
    return found


def _convert(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind, dec_hook=_secret)
    except msgspec.ValidationError:
        if not isinstance(value, FromEnvironment):
            raise
        # A variable's text is no number yet: let YAML read it as if it stood in the file.
        try:
            read = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            read = str(value)
        return msgspec.convert(read, kind, dec_hook=_secret)


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    if kind is Secret:
        hint = ": put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"Expected `str`, got `{_kind_name(value)}`{hint}")
    raise NotImplementedError(f"settings of type {kind.__name__} cannot be read from YAML")


def _read_secret(value: Any, path: str, problems: list[str]) -> Secret:
    if not isinstance(value, str) or not value:
        problems.append(f"{path}: expected the path of a file")
        return Secret()
    try:
        return Secret(Path(value).read_text(encoding="utf-8").strip())
    except OSError as error:
        problems.append(f"{path}: cannot read {value}: {error.strerror}")
    except UnicodeDecodeError:
        problems.append(f"{path}: {value} is not UTF-8 text")
    return Secret()


def _problem(error: msgspec.ValidationError, value: Any, kind: Any, path: str) -> str:
    found = _AT.match(str(error))
    what, where = (found["what"], found["where"] or "") if found else (str(error), "")
    if ("matching regex" in what or "enum value" in what) and (described := _description(kind)):
        what = f"expected {described}"  # a person reads words, not patterns
    if where:
        return f"{path}{where}: {_lowered(what)}"
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return f"{path}: expected one of {', '.join(choices)}{_suggestion(value, choices)}"
    if "got" not in what and isinstance(value, int | float):
        what += f", got {value}"
    return f"{path}: {_lowered(what)}"


def _choices(kind: Any) -> tuple[str, ...]:
    """The texts of which a setting must be one, if it must and is there at all."""
    if get_origin(kind) in (Union, UnionType):
        parts = [part for part in get_args(kind) if part is not NoneType]
        kind = parts[0] if len(parts) == 1 else kind
    return get_args(kind) if get_origin(kind) is Literal else ()


def _description(kind: Any) -> str:
    """What the type of a setting, or of its items, says of itself."""
    for part in get_args(kind):
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
        if said := _description(part):
            return said
    return ""


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:].replace("`", "")


def _suggestion(word: str, known: Sequence[str]) -> str:
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), folded, n=1)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def _kind_name(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _at(path: str, what: str) -> str:
    return f"{path}: {what}" if path else what
