"""``python -m bench._saboteur PART FLAG …``: mdactors with a bug in one part while the file FLAG is there.

The part then raises at everything that it is told, or hangs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mdactors.actors.batch_persister import BatchPersister
from mdactors.actors.cache_writer import CacheWriter
from mdactors.actors.candle_builder import CandleBuilder
from mdactors.actors.session_hub import SessionHub
from mdactors.cli import main
from mdactors.store.carrier_process import CarrierProcess
from mdactors.store.journal_appender import Appender

PARTS: dict[str, tuple[type[Any], str]] = {
    "persister": (BatchPersister, "_write_part"),
    "journal": (Appender, "append"),
    "cache": (CacheWriter, "_write"),
    "candles": (CandleBuilder, "beat"),
    "hub": (SessionHub, "route"),
    "carrier": (CarrierProcess, "carry"),
}
"""A part -> the method in which its bug is."""
HANGS = {"carrier"}
LOOK_SECONDS = 0.05


def put_a_bug_into(part: str, flag: Path) -> None:
    """Have the part fail while the flag is there."""
    owner, name = PARTS[part]
    sound: Callable[..., Any] = getattr(owner, name)

    def sabotaged(self: Any, *arguments: Any) -> Any:
        while part in HANGS and flag.exists():
            time.sleep(LOOK_SECONDS)
        if flag.exists():
            raise ArithmeticError(f"a bug in the {part}")
        return sound(self, *arguments)

    # What handles a message is told by a mark on the function.
    sabotaged.__dict__.update(sound.__dict__)
    setattr(owner, name, sabotaged)


if __name__ == "__main__":
    put_a_bug_into(sys.argv[1], Path(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
