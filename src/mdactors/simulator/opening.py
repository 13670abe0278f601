"""From options to the market they ask for."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

from mdactors.errors import SimulatorError
from mdactors.simulator.exchange import Exchange, date_of
from mdactors.simulator.replay import Replay
from mdactors.simulator.session import IST_MS, OPENS, Session
from mdactors.simulator.simulator import SimulatorOptions
from mdactors.simulator.universe import Universe
from mdactors.simulator.venue import Venue

_INDIA = dt.timezone(dt.timedelta(milliseconds=IST_MS))


def open_venue(options: SimulatorOptions) -> Venue:
    """The made-up exchange, or the recorded day that ``options.replay`` names.

    Raises:
        SimulatorError: the recorded file cannot be read, or an option has an impossible value.
    """
    if options.speed <= 0 or options.rate <= 0 or options.beat < 0:
        raise SimulatorError("speed and rate must be above 0, beat not below")
    session = Session(options.always_open)
    if options.replay:
        return Replay(Path(options.replay), session=session)
    start_ms = _start_ms(options)
    return Exchange(
        Universe.of_size(options.instruments, date_of(start_ms)),
        seed=options.seed,
        rate=options.rate / options.speed,
        start_ms=start_ms,
        session=session,
    )


def _start_ms(options: SimulatorOptions) -> int:
    if options.start:
        try:
            start = dt.datetime.fromisoformat(options.start)
        except ValueError as error:
            raise SimulatorError(f"start: {error}") from error
        return round((start if start.tzinfo else start.replace(tzinfo=_INDIA)).timestamp() * 1000)
    if options.speed == 1:
        return time.time_ns() // 1_000_000
    today = dt.datetime.combine(dt.datetime.now(_INDIA).date(), dt.time(), _INDIA)
    return round(today.timestamp() * 1000) + OPENS * 60_000
