"""``mdactors simulate``: a broker's stand-in on a port of this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mdactors.cli.arguments import MACHINES, add_clock, port, read_clock
from mdactors.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress

    from mdactors.runtime import Clock
    from mdactors.simulator import Replay, SimulatorOptions, Venue


HELP = "Speak a broker's true wire over a made-up market or a recorded day."
_OWN = "recording"
"""A clock that starts with the recording."""


class _Time(NamedTuple):
    """What ``--clock`` says."""

    clock: Clock
    own: bool
    """Whether it starts with the recording."""
    runs: bool
    """Whether it runs already, by a second of the machine's clock."""


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--broker", required=True, help="whose wire")
    parser.add_argument("--port", type=port, required=True, help="0 lets the system choose")
    for name, kind, default, meaning in (
        ("--seed", int, 1, "the same seed gives the same market"),
        ("--rate", float, 400.0, "updates a second, all together"),
        ("--beat", float, 0.25, "seconds between emissions"),
        ("--packets-per-frame", int, 0, "0: as many as changed"),
        ("--instruments", int, 0, "at least so many, with made-up shares"),
    ):
        parser.add_argument(
            name, type=kind, default=default, metavar="N", help=f"{meaning} (default %(default)s)"
        )
    parser.add_argument(
        "--speed",
        type=float,
        metavar="N",
        help="exchange time per real time; of a made-up market from 09:15 on (default 1, now)",
    )
    parser.add_argument(
        "--hours",
        action="store_true",
        help="keep the exchanges' hours, auctions included (default: trade round the clock)",
    )
    add_clock(
        parser,
        _time,
        f"; {_OWN}[@SPEED] starts with the recording, on its own date, when somebody has subscribed",
    )
    _describe_replay(parser.add_argument_group("a recording instead of a made-up market"))
    parser.add_argument("--sent-log", default="", metavar="FILE", help="count what was sent, as JSON lines")
    parser.add_argument(
        "--child", type=int, metavar="PID", help="end with this parent; say what is ready as JSON"
    )


def _describe_replay(group: Any) -> None:
    group.add_argument(
        "--replay",
        default="",
        metavar="FILE",
        help="raw frames; ticks as export writes them (CSV, NDJSON, Parquet); bars or ticks as CSV; all of "
        "them also .gz; a SQLite store; a journal's folder; a daemon's configuration (.yaml), for the store "
        "that it names. It begins once somebody has subscribed, without --clock on today's date",
    )
    group.add_argument("--from", default="", dest="replay_from", metavar="TIME", help="only from then on")
    group.add_argument(
        "--to", default="", dest="replay_to", metavar="TIME", help="inclusive; a date means all of it"
    )
    group.add_argument("--exit-at-end", action="store_true", help="end, with 0, once it has been played")


def _time(text: str) -> _Time:
    start, *further = text.split("@", 2)
    if start != _OWN:
        return _Time(read_clock(text), own=False, runs=len(further) == 2)
    if len(further) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no clock: write {_OWN} or {_OWN}@SPEED")
    return _Time(read_clock("@".join(["2000-01-01", *further])), own=True, runs=False)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.plugins import load_simulator
    from mdactors.simulator import Replay, SimulatorServer

    logging.basicConfig(level=logging.WARNING)
    time: _Time = arguments.clock
    _check(arguments, time)
    options = _options(arguments, time)
    simulator = load_simulator(arguments.broker)
    with contextlib.ExitStack() as ending:
        venue = _open(arguments, time, options, simulator)
        if isinstance(venue, Replay):
            ending.enter_context(_shared_clock(venue))
        server = SimulatorServer(simulator(venue, options), port=arguments.port)

        def announce(bound: int) -> None:
            if arguments.child:
                ready = {"port": bound, "settings": server.settings(), "symbols": _symbols(venue)}
                if words := _clock_words(venue):
                    ready["clock"] = words
                print(json.dumps(ready), flush=True)
            else:
                print(_greeting(arguments.broker, bound, server.settings(), venue), flush=True)

        watch = _Watch(venue, exit_at_end=arguments.exit_at_end, quiet=bool(arguments.child))
        ending.callback(watch.close)
        server.run_forever(parent=arguments.child, ready=announce, goes_on=watch.goes_on)
    return 0


def _check(arguments: argparse.Namespace, time: _Time) -> None:
    problems = []
    if arguments.speed is not None and (time.own or time.clock.timeline() is not None):
        problems.append("--speed: the clock has one, write --clock START@SPEED")
    if not arguments.replay:
        needs = {
            f"--clock {_OWN}": time.own,
            "--from": arguments.replay_from,
            "--to": arguments.replay_to,
            "--exit-at-end": arguments.exit_at_end,
        }
        problems += [f"{name}: only with --replay" for name, given in needs.items() if given]
    elif arguments.beat <= 0:
        problems.append("--beat: a recording needs one above 0")
    if problems:
        raise ConfigError(problems)


def _options(arguments: argparse.Namespace, time: _Time) -> SimulatorOptions:
    from mdactors.simulator import SimulatorOptions

    return SimulatorOptions(
        seed=arguments.seed,
        speed=time.clock.speed if arguments.speed is None else arguments.speed,
        rate=arguments.rate,
        beat=arguments.beat,
        packets_per_frame=arguments.packets_per_frame,
        instruments=arguments.instruments,
        always_open=not arguments.hours,
        replay=arguments.replay,
        replay_from=arguments.replay_from,
        replay_to=arguments.replay_to,
        sent_log=arguments.sent_log,
    )


def _open(arguments: argparse.Namespace, time: _Time, options: SimulatorOptions, simulator: Any) -> Venue:
    from mdactors.runtime import HeldClock
    from mdactors.simulator import open_venue

    clock = read_clock(MACHINES) if time.own else time.clock
    timeline = clock.timeline()
    if options.replay and timeline is not None and not time.runs:
        clock = HeldClock(timeline.start_ns, timeline.speed)
    with _reading(options.replay) as bar:
        task = bar.add_task(f"reading {options.replay}", total=1.0)
        return open_venue(
            options,
            clock,
            broker=arguments.broker,
            cut=simulator.cut,
            own_time=time.own,
            advance=lambda share: bar.update(task, completed=share),
        )


@contextlib.contextmanager
def _reading(path: str) -> Iterator[Progress]:
    from mdactors.cli.stored import progress

    bar = progress()
    with bar if path else contextlib.nullcontext():
        yield bar


@contextlib.contextmanager
def _shared_clock(replay: Replay) -> Iterator[None]:
    """Let other processes have the clock, as long as this one runs."""
    from mdactors.runtime import HeldClock

    if not isinstance(replay.clock, HeldClock) or replay.clock.timeline().held_by:
        yield
        return
    descriptor, path = tempfile.mkstemp(prefix="mdactors-", suffix=".clock")
    os.fchmod(descriptor, 0o644)
    os.close(descriptor)
    replay.clock.share(path)
    try:
        yield
    finally:
        os.unlink(path)


class _Watch:
    """Tells, while a recording is played, how far it is, and when it is over."""

    def __init__(self, venue: Venue, *, exit_at_end: bool, quiet: bool) -> None:
        from mdactors.cli.stored import progress
        from mdactors.simulator import Replay

        self._replay = venue if isinstance(venue, Replay) else None
        self._exit_at_end = exit_at_end
        self._said = self._replay is None
        self._bar: Progress | None = None
        if self._replay is not None and not quiet and sys.stderr.isatty():
            self._bar = progress()
            self._bar.start()
            self._task = self._bar.add_task("waiting for a subscription", total=1.0)

    def goes_on(self) -> bool:
        """Look how it is; whether the simulator shall go on."""
        replay = self._replay
        if replay is None:
            return True
        if self._bar is not None and replay.wanted:
            done = replay.share
            self._bar.update(self._task, completed=done, description=f"{replay.played:,} played")
        if replay.over and not self._said:
            self._said = True
            self.close()
            rest = "" if self._exit_at_end else "; the sockets are kept alive until this is stopped"
            print(
                f"the recording is over: {replay.played:,} updates were played{rest}",
                file=sys.stderr,
                flush=True,
            )
        return not (replay.over and self._exit_at_end)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _symbols(venue: Venue) -> list[str]:
    return [
        item.symbol if item.exchange == "NSE" else f"{item.exchange}:{item.symbol}"
        for item in venue.instruments
    ]


def _clock_words(venue: Venue) -> str:
    """The clock as another process is given it; empty where it is the machine's."""
    from mdactors.config.clock import write_clock

    timeline = venue.clock.timeline()
    return "" if timeline is None else write_clock(timeline)


def _greeting(broker: str, bound: int, settings: dict[str, Any], venue: Venue) -> str:
    from mdactors.simulator import Replay

    lines = [f"the {broker} simulator listens on port {bound}; to connect the daemon to it:", "", "brokers:"]
    lines += [f"  {broker}:", *(f"    {name}: {json.dumps(value)}" for name, value in settings.items())]
    if isinstance(venue, Replay):
        lines += ["", *_about(venue)]
    if words := _clock_words(venue):
        lines += ["", f"and to have it live in the same time: --clock {words}"]
    return "\n".join(lines)


def _about(replay: Replay) -> Iterator[str]:
    from mdactors.market import ist

    recording, moved = replay.recording, replay.shift_days
    count = "" if recording.count is None else f"{recording.count:,} "
    kind = "frames" if recording.raw else "updates"
    begin, end = ist.iso(recording.begins_ms), ist.iso(recording.ends_ms)
    yield f"{recording.path}: {count}{kind} of {len(recording.instruments):,} instruments, {begin} to {end}"
    for damage in recording.damage:
        yield f"damaged: {damage}"
    if recording.raw:
        yield "frames are sent as they are: the times in them stay those of the recording"
    elif moved:
        yield (
            f"all times are shifted by {moved} days, to today; "
            f"--clock {_OWN}@{replay.clock.speed:g} leaves them as they are"
        )
    yield "it begins once somebody has subscribed; what is read slowly is sent late, and nothing is left out"
