"""From a file of sectors to their definition, and what is known of shares before any list is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mdactors.config.settings import SectorSettings
from mdactors.errors import ConfigError
from mdactors.market import indices
from mdactors.market.constituents import Constituent, rows_of
from mdactors.market.sectors import Sector
from mdactors.text_file import NotUtf8, read_text

SHIPPED = Path(__file__).with_name("sectors.csv")
"""What is used where the settings name no file; in the repository also ``config/sectors.csv``."""
MEMBERS = Path(__file__).with_name("members.csv")
"""The shares that mdactors knows by itself."""

_COLUMNS = ("code", "name", "description", "industries", "indices", "symbols")
_CODE = re.compile("[A-Z][A-Z0-9_]*")


def load_definition(settings: SectorSettings) -> list[Sector]:
    """Read the file of sectors that the settings name, or the one that comes with mdactors.

    Raises:
        ConfigError: with every problem of the file, each by its line.
    """
    path = Path(settings.definition) if settings.definition else SHIPPED
    found: dict[str, Sector] = {}
    problems: list[str] = []
    try:
        for number, row in rows_of(read_text(path), _COLUMNS):
            sector = _sector(row)
            wrong = [*_problems(sector), *(["is given twice"] if sector.code in found else [])]
            problems += [f", line {number}: {sector.code or 'a sector'}: {problem}" for problem in wrong]
            found[sector.code] = sector
    except OSError as error:
        problems.append(f": cannot be read: {error.strerror}")
    except NotUtf8 as error:
        problems.append(f": {error}")
    except ValueError as error:
        problems.append(f": {error}")
    if problems:
        raise ConfigError([f"sectors.definition: {path}{problem}" for problem in problems])
    return list(found.values())


def _sector(row: dict[str, str]) -> Sector:
    return Sector(
        code=row["code"],
        name=row["name"],
        description=row["description"],
        industries=_parts(row["industries"]),
        indices=_parts(row["indices"]),
        symbols=tuple(symbol.upper() for symbol in _parts(row["symbols"])),
    )


def _problems(sector: Sector) -> Iterable[str]:
    if not _CODE.fullmatch(sector.code):
        yield "a code is one word of capitals, like BANKING"
    if not sector.name:
        yield "has no name"
    for name in sector.indices:
        if indices.by_name(name) is None:
            yield f"no index is called {name}"


def shipped_lists() -> dict[str, list[Constituent]]:
    """What mdactors knows by itself: all its shares under no name, and the members of each index."""
    lists: dict[str, list[Constituent]] = {"": []}
    for _, row in rows_of(read_text(MEMBERS), ("symbol", "industry", "indices")):
        share = Constituent(row["symbol"], row["industry"])
        for name in ("", *_parts(row["indices"])):
            lists.setdefault(name, []).append(share)
    return lists


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|") if part.strip())
