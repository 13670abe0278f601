"""A daemon's folder as it is found on disk: stored ticks, instruments and a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdactors.config import StoreSettings
from mdactors.market.instrument import Instrument
from mdactors.market.instruments import InstrumentTable
from mdactors.market.position import Position
from mdactors.market.tick import Tick
from mdactors.store.opening import open_stores

RELIANCE = Instrument(738561, "RELIANCE", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE002A01018", series="EQ")
BSE_RELIANCE = Instrument(128083204, "RELIANCE", "BSE", "BSE_EQ", "STOCK", "BSE_EQ|INE002A01018", series="A")
INFY = Instrument(408065, "INFY", "NSE", "NSE_EQ", "STOCK", "NSE_EQ|INE009A01021", series="EQ")


class Folder:
    """A ``data_dir`` and the configuration that names it."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.data.mkdir()
        self.config = root / "config.yaml"
        self.config.write_text(f"data_dir: {self.data}\n")
        self.settings = StoreSettings()
        table = InstrumentTable.build({"x": [(each, each.token) for each in (RELIANCE, BSE_RELIANCE, INFY)]})
        table.save(self.data / "instruments.msgpack")

    def keep(self, ticks: list[Tick]) -> None:
        store, _ = open_stores(self.settings, self.data)
        before = store.position("j")
        count = (before.ticks if before else 0) + len(ticks)
        store.write(ticks, before, Position("j", 1, count, count))
        store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def run(folder: Folder) -> Callable[..., int]:
    """``run("export", …)``: a command on that configuration; its exit code."""
    from mdactors.cli import main

    return lambda *words: main([*map(str, words), "--config", str(folder.config)])
