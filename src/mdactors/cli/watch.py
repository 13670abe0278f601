"""``mdactors watch``: live ticks of a running daemon in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mdactors.errors import MdactorsError

if TYPE_CHECKING:
    from rich.table import Table


_REFRESH_SECONDS = 0.25
_SILENT_SECONDS = 15.0
"""Three of the daemon's heartbeats."""

_UNKNOWN = "?"
_WIDE = 120
"""So many columns of the terminal are enough for the whole table."""
_LEFT_OUT = ("open", "high", "low")
"""What a narrower one is not shown: a price that is cut off is worse than none."""

Message = dict[str, Any]


HELP = "Show live ticks of a running daemon: a table on a terminal, else one line a tick."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help='for instance RELIANCE "NIFTY 50"')
    parser.add_argument(
        "--url", default="ws://127.0.0.1:8081", help="of the daemon's server (default %(default)s)"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    # Whoever started us as a part of a demonstration ends us by SIGTERM: then leave the terminal tidy, too.
    # SIGINT as well: a shell starts what runs in its background with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with contextlib.closing(listen(_address(arguments.url), arguments.symbols)) as messages:
        try:
            if sys.stdout.isatty():
                show_table(messages)
            else:
                print_lines(messages)
        except KeyboardInterrupt:
            return 0
    return 0


def _address(url: str) -> str:
    """The websocket's address, also of what a person copies from the browser or types without a scheme."""
    url = f"ws{url.removeprefix('http')}" if url.startswith("http") else url
    url = url if "://" in url else f"ws://{url}"
    return url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/ws/market?events=1"


def listen(url: str, symbols: Sequence[str]) -> Generator[Message | None, None, None]:
    """What the daemon says about these symbols; None where it said nothing for a moment.

    Raises:
        MdactorsError: the daemon cannot be reached, refuses, or has gone.
    """
    import websocket

    try:
        socket = websocket.create_connection(url, timeout=_SILENT_SECONDS, suppress_origin=True)
    except (OSError, ValueError, websocket.WebSocketException) as error:
        raise MdactorsError(f"no daemon answers at {url}: {error}") from error
    request = json.dumps({"action": "SUBSCRIBE", "symbols": list(symbols), "mode": "quote"})
    heard = time.monotonic()
    ask = True
    try:
        socket.settimeout(_REFRESH_SECONDS)
        while time.monotonic() - heard < _SILENT_SECONDS:
            if ask:
                socket.send(request)
                ask = False
            try:
                opcode, data = socket.recv_data()
            except websocket.WebSocketTimeoutException:
                yield None
                continue
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise MdactorsError(f"the daemon at {url} closed the connection{_close_reason(data)}")
            heard = time.monotonic()
            message = json.loads(data)
            if message.get("code") == "not_ready":
                time.sleep(_REFRESH_SECONDS)
                ask = True
            yield message
        raise MdactorsError(f"the daemon at {url} says nothing any more")
    except (OSError, ValueError, websocket.WebSocketException) as error:
        raise MdactorsError(f"the daemon at {url} is gone: {error}") from error
    finally:
        socket.close(timeout=0)


def _close_reason(data: bytes) -> str:
    """The code and words of a close frame."""
    return f": {int.from_bytes(data[:2])} {data[2:].decode(errors='replace')}".rstrip() if data else ""


def print_lines(messages: Iterable[Message | None]) -> None:
    """One line a tick, for pipes and files; what else is said goes to stderr."""
    for message in messages:
        if message is None:
            continue
        if (event := message.get("event")) is None:
            print(_line(message), flush=True)
        elif text := _event_text(event, message):
            print(text, file=sys.stderr)


def _line(tick: Message) -> str:
    words = (
        _clock(tick),
        str(tick.get("symbol", _UNKNOWN)),
        _number(tick, "lastTradedPrice", ".2f"),
        _number(tick, "changePercent", "+.2f", "%"),
    )
    return " ".join(word for word in words if word)


def _number(said: Message, field: str, form: str, unit: str = "") -> str:
    """A number in this form; empty where a tick does not have it, as one before the first trade."""
    number = said.get(field)
    return "" if number is None else f"{number:{form}}{unit}"


def show_table(messages: Iterable[Message | None]) -> None:
    """A table of the newest ticks, redrawn a few times a second."""
    from rich.live import Live

    board = Board()
    drawn = 0.0
    with Live(auto_refresh=False) as live:
        for message in messages:
            if message is not None:
                board.take(message)
            if time.monotonic() - drawn >= _REFRESH_SECONDS:
                live.update(board.table(live.console.width), refresh=True)
                drawn = time.monotonic()


class Board:
    """The newest tick of each symbol, in the order in which they first came, and the last event."""

    def __init__(self) -> None:
        self._ticks: dict[str, Message] = {}
        self._event = "waiting for the first tick"

    def take(self, message: Message) -> None:
        """Note a tick or an event."""
        if (event := message.get("event")) is None:
            self._ticks[str(message.get("symbol"))] = message
        elif text := _event_text(event, message):
            self._event = text

    def table(self, width: int) -> Table:
        """Draw it for a terminal of so many columns."""
        from rich import box
        from rich.table import Table

        left_out = () if width >= _WIDE else _LEFT_OUT
        headings = [heading for heading in _cells({}) if heading not in left_out]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.caption, table.caption_justify = self._event, "left"
        table.add_column("symbol", no_wrap=True)
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for tick in self._ticks.values():
            change = tick.get("change", 0.0)
            colour = "green" if change > 0 else "red" if change < 0 else ""
            cells = _cells(tick)
            symbol = str(tick.get("symbol", _UNKNOWN))
            table.add_row(symbol, *(cells[heading] for heading in headings), style=colour)
        return table


def _cells(tick: Message) -> dict[str, str]:
    """What stands under each heading beside the symbol's."""
    ohlc = tick.get("ohlc", {})
    return {
        "last": _number(tick, "lastTradedPrice", ",.2f"),
        "change": _number(tick, "change", "+,.2f"),
        "%": _number(tick, "changePercent", "+.2f"),
        "open": _number(ohlc, "open", ",.2f"),
        "high": _number(ohlc, "high", ",.2f"),
        "low": _number(ohlc, "low", ",.2f"),
        "volume": _number(tick, "volume", ","),
        "time": _clock(tick),
    }


def _clock(tick: Message) -> str:
    """The time of day of an ISO timestamp, to the millisecond."""
    return str(tick.get("timestamp", ""))[11:23]


def _event_text(event: str, message: Message) -> str:
    """An event as a line for a person; empty where there is nothing to say."""
    said = defaultdict(lambda: _UNKNOWN, message)
    match event:
        case "subscribed":
            refused = [
                f"{one.get('symbol', _UNKNOWN)} ({one.get('reason', _UNKNOWN)})"
                for one in message.get("rejected", ())
            ]
            unknown = [f"{name} (unknown)" for name in message.get("unknown", ())]
            return f"not streamed: {', '.join(unknown + refused)}" if unknown or refused else ""
        case "status":
            word = "needs a login" if said["status"] == "needs_login" else f"is {said['status']}"
            return f"{said['source']} {word}"
        case "gap":
            return f"{said['source']}: updates between {said['from']} and {said['to']} are missing"
        case "alarm":
            return f"{'alarm' if message.get('active') else 'over'}: {said['text']}"
        case "error":
            return f"error: {said['message']}"
    return ""
