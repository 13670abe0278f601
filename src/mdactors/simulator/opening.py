"""From options to the market they ask for."""

from __future__ import annotations

from pathlib import Path

from mdactors.errors import SimulatorError
from mdactors.market.moment import read_moment
from mdactors.runtime import MACHINE, Clock
from mdactors.simulator.exchange import Exchange
from mdactors.simulator.replay import Replay
from mdactors.simulator.session import DAY_MS, IST_MS, OPENS, Session, day_number
from mdactors.simulator.simulator import SimulatorOptions
from mdactors.simulator.venue import Venue


def open_venue(options: SimulatorOptions, clock: Clock = MACHINE) -> Venue:
    """The made-up exchange, of the clock's time or the options', or the recorded day that they name.

    Raises:
        SimulatorError: the recorded file cannot be read, or an option has an impossible value.
    """
    if options.speed <= 0 or options.rate <= 0 or options.beat < 0:
        raise SimulatorError("speed and rate must be above 0, beat not below")
    session = Session(options.always_open)
    if options.replay:
        return Replay(Path(options.replay), session=session, clock=clock)
    return Exchange(
        instruments=options.instruments,
        seed=options.seed,
        rate=options.rate / options.speed,
        start_ms=_start_ms(options, clock),
        session=session,
        clock=clock,
    )


def _start_ms(options: SimulatorOptions, clock: Clock) -> int | None:
    """When the exchange starts; None where its time is the clock's."""
    if options.start:
        try:
            return read_moment(options.start) // 1_000_000
        except ValueError as error:
            raise SimulatorError(f"start: {error}") from error
    if options.speed == clock.speed:
        return None
    return day_number(clock.time_ns() // 1_000_000) * DAY_MS - IST_MS + OPENS * 60_000
