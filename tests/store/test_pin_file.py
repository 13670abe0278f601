"""Pins outlive a restart in a small file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mdactors.errors import StoreError
from mdactors.market.pins import Pins
from mdactors.store.pin_file import PinFile

PINS = Pins("2026-11-20", frozenset({738561, 408065}), frozenset({"BANKING"}))


def test_what_is_saved_is_loaded_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = PinFile(tmp_path / "pins.json")
    assert file.load() == Pins()
    file.save(PINS)
    file.save(PINS.minus({408065}, set()))
    assert PinFile(tmp_path / "pins.json").load() == PINS.minus({408065}, set())
    assert [path.name for path in tmp_path.iterdir()] == ["pins.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"tokens":["x"]}', b"\xff"])
def test_a_damaged_file_is_an_error(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "pins.json").write_bytes(damage)
    with pytest.raises(StoreError, match=r"pins\.json: the file is damaged"):
        PinFile(tmp_path / "pins.json").load()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        PinFile(tmp_path / "nowhere" / "pins.json").save(PINS)


def test_what_cannot_be_brought_to_the_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    file = PinFile(tmp_path / "pins.json")
    file.save(PINS)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="cannot be written"):
        file.save(Pins("2026-11-21"))
    assert file.load() == PINS
    assert [path.name for path in tmp_path.iterdir()] == ["pins.json"]


def test_pins_of_another_day_are_none() -> None:
    assert PINS.of("2026-11-20") is PINS
    assert PINS.of("2026-11-21") == Pins("2026-11-21")
