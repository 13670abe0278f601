"""Runs the official client against a simulator and prints each tick as a line of JSON.

A process of its own, because Twisted's reactor starts only once in one. It ends with its input.
Arguments: the root, the api_key, the token and the tokens of each mode as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from datetime import datetime
from typing import Any

warnings.simplefilter("ignore", DeprecationWarning)

from kiteconnect import KiteTicker  # noqa: E402 - its own imports warn


def _plain(value: Any) -> float:
    assert isinstance(value, datetime)
    return value.timestamp()


def main() -> None:
    root, api_key, token, modes = sys.argv[1:]
    ticker = KiteTicker(api_key, token, root=root)

    def on_connect(_ticker: KiteTicker, _response: Any) -> None:
        for mode, tokens in json.loads(modes).items():
            ticker.subscribe(tokens)
            ticker.set_mode(mode, tokens)

    def on_ticks(_ticker: KiteTicker, ticks: list[dict[str, Any]]) -> None:
        for tick in ticks:
            print(json.dumps(tick, default=_plain), flush=True)

    ticker.on_connect = on_connect
    ticker.on_ticks = on_ticks
    ticker.connect(threaded=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
