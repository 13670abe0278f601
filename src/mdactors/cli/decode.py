"""``mdactors decode``: a broker's raw frame as JSON, for debugging a feed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdactors.errors import MdactorsError

if TYPE_CHECKING:
    from mdactors.adapter import BrokerAdapter, Decoded, Quote
    from mdactors.cli.program import Commands

_NOT_SHOWN = {"book", "sensitivities", "raw"}
_SHOWN_BYTES = 64


def add_to(commands: Commands) -> None:
    """Describe the command line."""
    parser = commands.add_parser(
        "decode",
        help="print a broker's raw frame as JSON",
        description="Print the quotes of one websocket frame as JSON, one a line. What cannot be read goes to "
        "stderr, and the exit code is 1.",
    )
    parser.add_argument("--broker", required=True, help="whose frame it is")
    parser.add_argument("--hex", action="store_true", help="the input is hexadecimal text")
    parser.add_argument("file", metavar="FILE", help="the frame; - reads standard input")
    parser.set_defaults(command=_decode)


def _decode(arguments: argparse.Namespace) -> int:
    import msgspec

    frame = _frame(_read(arguments.file), is_hex=arguments.hex)
    decoded = _adapter(arguments.broker).decode(frame)
    for quote in decoded.quotes:
        print(msgspec.json.encode(_words(quote)).decode())
    _tell_the_rest(decoded)
    return 1 if decoded.bad else 0


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _frame(data: bytes, *, is_hex: bool) -> bytes | str:
    if is_hex:
        try:
            data = bytes.fromhex(data.decode("ascii"))
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

    said = {name: value for name, value in msgspec.structs.asdict(quote).items() if value is not None}
    words = {name: value for name, value in said.items() if name not in _NOT_SHOWN}
    for name, value in (("depth", quote.depth()), ("greeks", quote.greeks())):
        if value is not None:
            words[name] = value
    return words


def _tell_the_rest(decoded: Decoded) -> None:
    for segment, status in decoded.market_status.items():
        print(f"market status: {segment} {status}", file=sys.stderr)
    if decoded.notice:
        print(f"notice: {decoded.notice}", file=sys.stderr)
    for bad in decoded.bad:
        cut = "…" if len(bad.data) > _SHOWN_BYTES else ""
        print(f"bad: {bad.reason}: {bad.data[:_SHOWN_BYTES].hex()}{cut}", file=sys.stderr)
