"""``mdactors decode``: a broker's raw frame as JSON, for debugging a feed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdactors.errors import MdactorsError
from mdactors.text_file import decode_text

if TYPE_CHECKING:
    from mdactors.adapter import BrokerAdapter, Decoded, Quote

_NOT_SHOWN = {"book", "sensitivities", "raw"}
_SHOWN_BYTES = 64


HELP = "Print the quotes of one raw websocket frame as JSON, one a line; exit 1 if a part cannot be read."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--broker", required=True, help="whose frame it is")
    parser.add_argument("--hex", action="store_true", help="the input is hexadecimal text")
    parser.add_argument("file", metavar="FILE", help="the frame; - reads standard input")


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    import msgspec

    frame = _frame(_read(arguments.file), is_hex=arguments.hex)
    decoded = _adapter(arguments.broker).decode(frame)
    for quote in decoded.quotes:
        print(msgspec.json.encode(_words(quote)).decode())
    _tell_the_rest(decoded)
    return 1 if decoded.bad else 0


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise MdactorsError(f"cannot read {file}: {error.strerror}") from error


def _frame(data: bytes, *, is_hex: bool) -> bytes | str:
    if is_hex:
        try:
            data = bytes.fromhex(decode_text(data).strip().removeprefix("0x"))
        except ValueError as error:
            raise MdactorsError(f"not hexadecimal text: {error}") from error
    # Brokers' text frames are JSON objects; no broker's binary frame begins like one.
    return data.decode(errors="replace") if data.startswith(b"{") else data


def _adapter(broker: str) -> BrokerAdapter:
    import msgspec

    from mdactors.plugins import load_adapter

    kind = load_adapter(broker)
    # Decoding is pure: it asks nothing of the settings, so that those required may stay blank.
    blank = {field.name: "" for field in msgspec.structs.fields(kind.settings) if field.required}
    return kind(kind.settings(**blank))


def _words(quote: Quote) -> dict[str, Any]:
    import msgspec

    words = msgspec.structs.asdict(quote) | {"depth": quote.depth(), "greeks": quote.greeks()}
    return {name: value for name, value in words.items() if value is not None and name not in _NOT_SHOWN}


def _tell_the_rest(decoded: Decoded) -> None:
    for segment, status in decoded.market_status.items():
        print(f"market status: {segment} {status}", file=sys.stderr)
    if decoded.notice:
        print(f"notice: {decoded.notice}", file=sys.stderr)
    for refused in decoded.refused:
        print(f"no price: {refused}", file=sys.stderr)
    for bad in decoded.bad:
        cut = "…" if len(bad.data) > _SHOWN_BYTES else ""
        print(f"bad: {bad.reason}: {bad.data[:_SHOWN_BYTES].hex()}{cut}", file=sys.stderr)
