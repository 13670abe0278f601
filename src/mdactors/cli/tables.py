"""Files of ticks: CSV and Parquet, there only once they are whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdactors.errors import MdactorsError
from mdactors.market.columns import COLUMNS, Kind
from mdactors.market.interest import View
from mdactors.market.quote import Mode
from mdactors.market.tick import Tick
from mdactors.market.tick_formats import decoded, format_ticks

if TYPE_CHECKING:
    import pyarrow

Pages = Iterable[Sequence[Tick]]
Writer = Callable[[Path, Pages, Mode], None]

GROUP_ROWS = 50_000
"""Rows of a row group: smaller ones make a file that is slow to read."""


def writer(suffix: str) -> Writer:
    """What writes files with this suffix.

    Raises:
        MdactorsError: it cannot be written here.
    """
    if suffix == ".csv":
        return _write_csv
    try:
        import pyarrow  # noqa: F401 - whether it is there
    except ImportError:
        message = "Parquet needs pyarrow, which is not installed: pip install pyarrow"
        raise MdactorsError(message) from None
    return _write_parquet


def _write_csv(path: Path, pages: Pages, mode: Mode) -> None:
    with path.open("wb") as file:
        file.writelines(format_ticks(pages, "csv", mode, ()))


def _write_parquet(path: Path, pages: Pages, mode: Mode) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(column.name, _arrow_type(column.kind)) for column in COLUMNS[mode]])
    waiting: list[pyarrow.RecordBatch] = []
    with parquet.ParquetWriter(path, schema) as file:
        for page in pages:
            waiting.append(_batch(page, mode, schema))
            if sum(batch.num_rows for batch in waiting) >= GROUP_ROWS:
                file.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
        file.write_table(pa.Table.from_batches(waiting, schema))


def _batch(page: Sequence[Tick], mode: Mode, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    import pyarrow as pa

    view = View(mode)
    rows = [decoded(tick, view) for tick in page]
    arrays = []
    for column, field in zip(COLUMNS[mode], schema, strict=True):
        values = [row.get(column.name, column.absent) for row in rows]
        # Times are texts with an offset: Arrow reads them ten times as fast as Python does.
        array = pa.array(values, pa.string()).cast(field.type) if column.kind == "time" else None
        arrays.append(pa.array(values, field.type) if array is None else array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _arrow_type(kind: Kind) -> Any:
    import pyarrow as pa

    types: dict[Kind, Any] = {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "time": pa.timestamp("ms", tz="Asia/Kolkata"),
        "flag": pa.bool_(),
    }
    return types[kind]
