"""CSV as programs, spreadsheets and people write it: read by the names of its columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

_PADDING = ' \t\xa0\ufeff"'


def lines_of(text: str) -> Iterator[str]:
    """The lines of a file, whichever system's ends they have; nothing else ends a line."""
    return iter(text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"))


class Columns:
    """The columns of a table, in whatever order, letters, quotes and padding its header names them.

    Between them are commas, or the semicolons or tabs of a spreadsheet.

    Args:
        header: the line.
        prose: the column of free text, in which there may be commas and quotes that nobody escaped.
    """

    def __init__(self, header: str, prose: str) -> None:
        self._mark = max(",;\t", key=header.count)
        self.names = [field.strip(_PADDING).lower() for field in self._fields(header)]
        self._prose = self.names.index(prose) if prose in self.names else -1

    def missing(self, needed: Sequence[str]) -> list[str]:
        """Those of the columns that there are not."""
        return [name for name in needed if name.lower() not in self.names]

    def row(self, line: str) -> dict[str, str]:
        """The fields of one line by their columns, in small letters.

        Line by line, so that a quote left open does not swallow the rows behind it.

        Raises:
            ValueError: there are not as many fields as columns, and it cannot be told which is which.
        """
        fields = _trimmed(self._fields(line), len(self.names))
        if len(fields) != len(self.names):
            fields = self._mended(line, len(fields))
        return dict(zip(self.names, fields, strict=True))

    def field(self, line: str, name: str) -> str:
        """One field of a line that cannot be read as a whole, where that can be told; else its beginning."""
        parts, place = line.split(self._mark), self.names.index(name)
        return (parts[place] if place < len(parts) else line[:40]).strip(_PADDING)

    def _mended(self, line: str, count: int) -> list[str]:
        """The fields, where all commas that are too many are in the free text."""
        width, first = len(self.names), self._prose
        parts = _trimmed(line.split(self._mark), width)
        if first < 0 or len(parts) < width:
            raise ValueError(f"has {count} fields, the header {width}")
        last = len(parts) - (width - first - 1)
        prose = self._mark.join(parts[first:last])
        return [part.strip(_PADDING) for part in (*parts[:first], prose, *parts[last:])]

    def _fields(self, line: str) -> list[str]:
        try:
            rows = csv.reader((line,), delimiter=self._mark, skipinitialspace=True)
            return [field.strip() for field in next(rows, [])]
        except csv.Error as error:
            raise ValueError(f"is no CSV: {error}") from None


def _trimmed(fields: list[str], width: int) -> list[str]:
    """Without the empty fields that a spreadsheet puts behind the last column."""
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    return fields
