"""From what YAML gave to frozen structs, with every problem found, not only the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
import yaml

from mdactors.adapter import Secret
from mdactors.config.complaints import at, complaint, kind_name, not_a, suggestion
from mdactors.config.words import meaning, parts_of
from mdactors.config.yaml_text import parse_yaml
from mdactors.errors import ConfigError
from mdactors.text_file import NotUtf8, read_text

Section = TypeVar("Section", bound=msgspec.Struct)

_LISTS = (list, tuple, set, frozenset)


def decode_section(raw: Mapping[str, Any], kind: type[Section], path: str) -> Section:
    """Turn one mapping into a struct; ``path`` leads to it from the top of the file.

    A text is read as the field's type wants it: ``off`` is false to one and a word to another, with quotes or
    without. A field of type `Secret` may be given as ``name`` or as ``name_file``, a file that holds it.

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
        problems.append(not_a("a section of settings", raw, path))
        return None
    before = len(problems)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    files = {f"{name}_file": name for name, field in fields.items() if field.type is Secret}
    for name in fields:
        files.pop(name, None)  # an adapter that declares the file itself also reads it itself
    values: dict[str, Any] = {}
    for key, value in raw.items():
        where = f"{path}.{key}" if path else str(key)
        if key in fields:
            if value is not None or not _is_left_out(fields[key].type):
                values[fields[key].name] = _value(value, fields[key].type, where, problems)
        elif key in files:
            if files[key] in raw:
                problems.append(f"{where}: give this or {files[key]}, not both")
            values[fields[files[key]].name] = _read_secret(value, where, problems)
        else:
            problems.append(f"{where}: unknown setting{suggestion(str(key), [*fields, *files])}")
    problems.extend(
        f"{path}.{name}: is required" if path else f"{name}: is required"
        for name, field in fields.items()
        if field.required and field.name not in values
    )
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        # What fits one by one may not fit together: the type's own last check.
        problems.append(at(path, str(error)))
        return None


def _is_left_out(kind: Any) -> bool:
    """Whether a setting with nothing behind its name has its default: a section, a list."""
    return all(_is_section(part) or get_origin(part) in (dict, *_LISTS) for part in parts_of(kind))


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _value(value: Any, kind: Any, path: str, problems: list[str]) -> Any:
    """One setting, read as its type wants it."""
    parts = [part for part in parts_of(kind) if part is not NoneType]
    if value is None and len(parts) < len(parts_of(kind)):
        return None
    sections = [part for part in parts if _is_section(part)]
    if sections and (isinstance(value, Mapping) or len(sections) == len(parts)):
        return _section(value, sections, path, problems)
    lists = [part for part in parts if get_origin(part) in _LISTS]
    if lists and (isinstance(value, list | tuple) or len(lists) == len(parts)):
        return _items(value, lists[0], kind, path, problems)
    if get_origin(parts[0]) is dict:
        return _named(value, get_args(parts[0])[1], path, problems)
    return _word(value, kind, path, problems)


def _section(value: Any, kinds: Sequence[type[msgspec.Struct]], path: str, problems: list[str]) -> Any:
    """A section of the one kind, or of the one whose first setting it has."""
    if len(kinds) == 1:
        return decode(value, kinds[0], path, problems)
    if not isinstance(value, Mapping):
        problems.append(not_a("a section of settings", value, path))
        return None
    marks = {kind.__struct_encode_fields__[0]: kind for kind in kinds}
    given = [mark for mark in marks if mark in value]
    if len(given) == 1:
        return decode(value, marks[given[0]], path, problems)
    got = f"got {' and '.join(given or map(str, value)) or 'nothing'}"
    near = "".join(suggestion(str(key), list(marks)) for key in value) if not given else ""
    problems.append(f"{path}: expected exactly one of {', '.join(marks)}, {got}{near}")
    return None


def _named(raw: Any, kind: Any, path: str, problems: list[str]) -> dict[str, Any]:
    """Values under names of the user's own choice; nothing at all is an empty section."""
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        problems.append(not_a("a section of settings", raw, path))
        return {}
    return {key: _value(value, kind, f"{path}.{key}", problems) for key, value in raw.items()}


def _items(raw: Any, shape: Any, kind: Any, path: str, problems: list[str]) -> Any:
    """A list in the shape that the setting's type wants; one variable may hold all of it, as YAML."""
    listed = _read_list(raw) if isinstance(raw, str) else raw
    if listed is None and NoneType in parts_of(kind):
        return None
    if listed is None:
        listed = []
    if not isinstance(listed, list | tuple):
        problems.append(not_a("a list", raw, path))
        return None
    kinds = get_args(shape)
    fixed = get_origin(shape) is tuple and kinds[-1] is not Ellipsis
    if fixed and len(kinds) != len(listed):
        problems.append(f"{path}: expected a list of {len(kinds)}, got {len(listed)}")
        return None
    before = len(problems)
    paired = zip(listed, kinds if fixed else repeat(kinds[0]), strict=False)
    items = [_value(item, each, f"{path}[{n}]", problems) for n, (item, each) in enumerate(paired)]
    if len(problems) > before:
        return None
    bounds = [each for each in getattr(kind, "__metadata__", ()) if isinstance(each, msgspec.Meta)]
    if bounds and _word(items, Annotated[(list, *bounds)], path, problems) is None:
        return None
    return get_origin(shape)(items)


def _read_list(text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError:
        return text


def _word(value: Any, kind: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, str) and not _is_text(value):
        problems.append(f"{path}: holds characters that are no text")
        return None
    meant = meaning(value, kind) if isinstance(value, str) and not _fits(value, kind) else value
    try:
        return msgspec.convert(meant, kind, dec_hook=_secret)
    except msgspec.ValidationError as error:
        problems.append(complaint(error, meant, kind, path))
        return None


def _fits(value: str, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, dec_hook=_secret)
    except msgspec.ValidationError:
        return False
    return True


def _is_text(value: str) -> bool:
    """Whether it can be sent to another program: bytes of an environment that are not UTF-8 cannot."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    if kind is Secret:
        hint = ": put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"Expected `str`, got `{kind_name(value)}`{hint}")
    raise NotImplementedError(f"settings of type {kind.__name__} cannot be read from YAML")


def _read_secret(value: Any, path: str, problems: list[str]) -> Secret:
    if not isinstance(value, str) or not value:
        problems.append(f"{path}: expected the path of a file")
        return Secret()
    try:
        return Secret(read_text(Path(value).expanduser()).strip())
    except OSError as error:
        problems.append(f"{path}: cannot read {value}: {error.strerror}")
    except NotUtf8 as error:
        problems.append(f"{path}: {value} {error}")
    return Secret()
