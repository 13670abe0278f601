"""From options to the market they ask for."""

from __future__ import annotations

from pathlib import Path

from mdactors.errors import SimulatorError
from mdactors.market.moment import read_moment
from mdactors.runtime import MACHINE, Clock
from mdactors.simulator.exchange import Exchange, date_of
from mdactors.simulator.replay import Replay
from mdactors.simulator.session import DAY_MS, IST_MS, OPENS, Session, day_number
from mdactors.simulator.simulator import SimulatorOptions
from mdactors.simulator.universe import Universe
from mdactors.simulator.venue import Venue


def open_venue(options: SimulatorOptions, clock: Clock = MACHINE) -> Venue:
    """The made-up exchange, now by the clock or when the options say, or the recorded day that they name.

    Raises:
        SimulatorError: the recorded file cannot be read, or an option has an impossible value.
    """
    if options.speed <= 0 or options.rate <= 0 or options.beat < 0:
        raise SimulatorError("speed and rate must be above 0, beat not below")
    session = Session(options.always_open)
    if options.replay:
        return Replay(Path(options.replay), session=session)
    start_ms = _start_ms(options, clock.time_ns())
    return Exchange(
        Universe.of_size(options.instruments, date_of(start_ms)),
        seed=options.seed,
        rate=options.rate / options.speed,
        start_ms=start_ms,
        session=session,
    )


def _start_ms(options: SimulatorOptions, now_ns: int) -> int:
    if options.start:
        try:
            return read_moment(options.start) // 1_000_000
        except ValueError as error:
            raise SimulatorError(f"start: {error}") from error
    now_ms = now_ns // 1_000_000
    return now_ms if options.speed == 1 else day_number(now_ms) * DAY_MS - IST_MS + OPENS * 60_000
