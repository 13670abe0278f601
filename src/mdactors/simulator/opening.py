"""From options to the market they ask for."""

from __future__ import annotations

from pathlib import Path

from mdactors.errors import SimulatorError
from mdactors.market.moment import read_moment
from mdactors.runtime import MACHINE, Clock
from mdactors.simulator.exchange import Exchange
from mdactors.simulator.recorded_frames import Cut
from mdactors.simulator.recording import Advance, Window
from mdactors.simulator.replay import Replay
from mdactors.simulator.routes import CutFrame
from mdactors.simulator.session import DAY_MS, IST_MS, OPENS, Session, day_number
from mdactors.simulator.simulator import SimulatorOptions
from mdactors.simulator.sources import open_recording
from mdactors.simulator.venue import Venue

_NS_PER_MS = 1_000_000


def open_venue(
    options: SimulatorOptions,
    clock: Clock = MACHINE,
    *,
    broker: str = "",
    cut: Cut = CutFrame,
    own_time: bool = False,
    advance: Advance = lambda _share: None,
) -> Venue:
    """The made-up exchange, of the clock's time or the options', or the recording that they name.

    A recording is played by a clock that was set; else by one of its own, on today's date. Raw frames keep
    the times in them, and their date.

    Args:
        options: what to simulate.
        clock: the machine's, or one that was set.
        broker: of whom raw frames may be.
        cut: cuts that broker's frames.
        own_time: leave a recording its date also under the machine's clock.
        advance: is told how much of a recording has been read.

    Raises:
        SimulatorError: the recorded file cannot be read, or an option has an impossible value.
    """
    if options.speed <= 0 or options.rate <= 0 or options.beat < 0:
        raise SimulatorError("speed and rate must be above 0, beat not below")
    session = Session(options.always_open, options.seed)
    if options.replay:
        window = _window(options)
        recording = open_recording(
            Path(options.replay), broker=broker, cut=cut, window=window, advance=advance
        )
        if clock.timeline() is not None:
            return Replay(recording, session=session, clock=clock, cut=cut)
        today = day_number(clock.time_ns() // _NS_PER_MS)
        days = 0 if own_time or recording.raw else today - day_number(recording.begins_ms)
        return Replay(recording, session=session, speed=options.speed, shift_days=days, cut=cut)
    return Exchange(
        instruments=options.instruments,
        seed=options.seed,
        rate=options.rate / options.speed,
        start_ms=_start_ms(options, clock),
        session=session,
        clock=clock,
    )


def _window(options: SimulatorOptions) -> Window:
    try:
        from_ms = read_moment(options.replay_from) // _NS_PER_MS if options.replay_from else 0
        to_ms = read_moment(options.replay_to, last=True) // _NS_PER_MS if options.replay_to else None
    except ValueError as error:
        raise SimulatorError(f"replay: {error}") from error
    return Window(from_ms) if to_ms is None else Window(from_ms, to_ms)


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
