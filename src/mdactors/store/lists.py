"""The lists of shares that were imported: one file each in a folder, as the exchange wrote it."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from mdactors.config import SectorSettings, load_definition
from mdactors.config.sectors import shipped_lists
from mdactors.errors import StoreError
from mdactors.market import indices
from mdactors.market.constituents import Constituent, read_constituents
from mdactors.market.sectors import Sectors
from mdactors.replacing import replacing
from mdactors.text_file import read_text

logger = logging.getLogger(__name__)


class Lists:
    """A folder of lists; a file is called after the index whose members it holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> dict[str, list[Constituent]]:
        """All lists by their names; one that cannot be read is left out, with a WARNING line."""
        lists = {}
        for path in sorted(self._folder.glob("*.csv")):
            try:
                lists[index_of_file(path) or path.stem] = read_list(path)
            except StoreError as error:
                logger.warning("a list of shares is left out: %s", error)
        return lists

    def keep(self, name: str, data: bytes) -> Path:
        """Keep a list in place of the one of this name; it is there as a whole or as before.

        Raises:
            StoreError: it cannot be written.
        """
        path = self._folder / f"{name}.csv"
        with replacing(path) as file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return path


def read_list(path: Path) -> list[Constituent]:
    """Read one list as NSE publishes it.

    Raises:
        StoreError: it cannot be read, or is no such list; says which line is wrong.
    """
    try:
        return read_constituents(read_text(path))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from None


def index_of_file(path: Path) -> str:
    """The index that a file is called after: ``ind_niftybanklist``, ``NIFTY BANK``; empty where none is."""
    words = path.stem.lower().removeprefix("ind_").removesuffix("list")
    index = indices.by_name(words)
    return index.symbol if index else ""


def lists_folder(settings: SectorSettings, data_dir: Path) -> Path:
    """Where imported lists are kept."""
    return data_dir / settings.lists


def stamp(settings: SectorSettings, data_dir: Path) -> object:
    """Another value once what `load_sectors` reads has changed."""
    files = [*lists_folder(settings, data_dir).glob("*.csv")]
    if settings.definition:
        files.append(Path(settings.definition))
    seen = set()
    for file in files:
        with contextlib.suppress(OSError):  # it has just gone
            status = file.stat()
            seen.add((file, status.st_ino, status.st_mtime_ns, status.st_size))
    return seen


def load_sectors(settings: SectorSettings, data_dir: Path) -> Sectors:
    """The sectors by the definition in use, the shares that come with mdactors and the imported lists.

    Raises:
        ConfigError: with every problem of the definition.
    """
    imported = Lists(lists_folder(settings, data_dir)).read()
    # What was imported comes last, and so has the last word.
    shipped = {name: shares for name, shares in shipped_lists().items() if name not in imported}
    return Sectors(load_definition(settings), shipped | imported)
