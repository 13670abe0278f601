"""Text as a person's editor saved it: UTF-8, with a byte order mark or without."""

from __future__ import annotations

from pathlib import Path


class NotUtf8(UnicodeError):
    """A file holds something else; the error's text says what, as the end of a sentence."""


def read_text(path: Path) -> str:
    """Read a whole file; a byte order mark before the text is no part of it.

    Raises:
        OSError: it cannot be read.
        NotUtf8: it is no text, or in another encoding.
    """
    return decode_text(path.read_bytes())


def decode_text(data: bytes) -> str:
    """As `read_text`, of what has been read.

    Raises:
        NotUtf8: it is no text, or in another encoding.
    """
    if b"\0" in data:  # every other byte of plain English in UTF-16
        raise NotUtf8("is UTF-16 or no text at all: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        what = "UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "not UTF-8"
        raise NotUtf8(f"is {what} text: save it as UTF-8") from None
