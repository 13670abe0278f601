"""Pages of ticks as the bytes of an answer: a JSON array, a JSON object a line, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from mdactors.market.columns import COLUMNS, choose, flat
from mdactors.market.interest import View
from mdactors.market.quote import Mode
from mdactors.market.tick import Tick
from mdactors.market.view import encode

CONTENT_TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
}
"""What an answer can be, and how its bytes are called."""

Pages = Iterable[Sequence[Tick]]

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode


def format_ticks(pages: Pages, name: str, mode: Mode, fields: Sequence[str]) -> Iterator[bytes]:
    """The parts of an answer; at least one.

    Args:
        pages: the ticks.
        name: one of `CONTENT_TYPES`.
        mode: how much is written of each tick.
        fields: only these, in this order; none means all.
    """
    if name == "csv":
        return _csv(pages, mode, fields)
    write = _writer(mode, fields)
    return (
        json_array([write(tick) for tick in page] for page in pages)
        if name == "json"
        else _lines(pages, write)
    )


def json_array(pages: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    """Elements that are JSON already, as parts of one array."""
    before = b"["
    for page in pages:
        if page:
            yield before + b",".join(page)
            before = b","
    yield b"[]" if before == b"[" else b"]"


def decoded(tick: Tick, view: View) -> dict[str, Any]:
    """The tick's JSON, read again and made `flat`."""
    return flat(_decode(encode(tick, view)))


def _writer(mode: Mode, fields: Sequence[str]) -> Callable[[Tick], bytes]:
    """How one tick becomes JSON."""
    view = View(mode)
    if not fields:
        return lambda tick: encode(tick, view)

    def write(tick: Tick) -> bytes:
        whole = decoded(tick, view)
        return _encode({field: whole[field] for field in fields if field in whole})

    return write


def _lines(pages: Pages, write: Callable[[Tick], bytes]) -> Iterator[bytes]:
    for page in pages:
        yield b"".join(write(tick) + b"\n" for tick in page)
    yield b""


def _csv(pages: Pages, mode: Mode, fields: Sequence[str]) -> Iterator[bytes]:
    columns = choose(mode, fields) if fields else COLUMNS[mode]
    names = [column.name for column in columns]
    flags = [column.name for column in columns if column.kind == "flag"]
    view = View(mode)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for page in pages:
        for tick in page:
            said = decoded(tick, view)
            for name in flags:
                said[name] = "true" if name in said else "false"
            writer.writerow([said.get(name) for name in names])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()
