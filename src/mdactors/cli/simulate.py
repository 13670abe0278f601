"""``mdactors simulate``: a broker's stand-in on a port of this machine."""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING, Any

from mdactors.cli.arguments import add_clock, port
from mdactors.errors import ConfigError

if TYPE_CHECKING:
    from mdactors.runtime import Clock
    from mdactors.simulator import Venue


HELP = "Speak a broker's true wire over a made-up market or a recorded day."


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
        help="exchange time per real time, from 09:15 on (default 1, now)",
    )
    add_clock(parser)
    parser.add_argument("--replay", default="", metavar="FILE", help="recorded bars or ticks (CSV, also .gz)")
    parser.add_argument("--sent-log", default="", metavar="FILE", help="count what was sent, as JSON lines")
    parser.add_argument(
        "--child", type=int, metavar="PID", help="end with this parent; say what is ready as JSON"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.plugins import load_simulator
    from mdactors.simulator import SimulatorOptions, SimulatorServer, open_venue

    logging.basicConfig(level=logging.WARNING)
    clock: Clock = arguments.clock
    if arguments.speed is not None and clock.timeline() is not None:
        raise ConfigError(["--speed: the clock has one, write --clock START@SPEED"])
    options = SimulatorOptions(
        seed=arguments.seed,
        speed=clock.speed if arguments.speed is None else arguments.speed,
        rate=arguments.rate,
        beat=arguments.beat,
        packets_per_frame=arguments.packets_per_frame,
        instruments=arguments.instruments,
        replay=arguments.replay,
        sent_log=arguments.sent_log,
    )
    venue = open_venue(options, clock)
    server = SimulatorServer(load_simulator(arguments.broker)(venue, options), port=arguments.port)

    def announce(bound: int) -> None:
        if arguments.child:
            ready = {"port": bound, "settings": server.settings(), "symbols": _symbols(venue)}
            print(json.dumps(ready), flush=True)
        else:
            print(_greeting(arguments.broker, bound, server.settings(), clock), flush=True)

    server.run_forever(parent=arguments.child, ready=announce)
    return 0


def _symbols(venue: Venue) -> list[str]:
    return [
        item.symbol if item.exchange == "NSE" else f"{item.exchange}:{item.symbol}"
        for item in venue.instruments
    ]


def _greeting(broker: str, bound: int, settings: dict[str, Any], clock: Clock) -> str:
    from mdactors.config.clock import write_clock

    lines = [f"the {broker} simulator listens on port {bound}; to connect the daemon to it:", "", "brokers:"]
    lines += [f"  {broker}:", *(f"    {name}: {json.dumps(value)}" for name, value in settings.items())]
    if (timeline := clock.timeline()) is not None:
        lines += ["", f"and to have it live in the same time: --clock {write_clock(timeline)}"]
    return "\n".join(lines)
