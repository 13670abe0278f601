"""``mdactors candles rebuild``: bars made again from the stored ticks."""

from __future__ import annotations

import argparse

from mdactors.cli.stored import describe_range, progress, settings_of, stores, tokens

HELP = "Work on stored bars."
REBUILD = "Make bars again from stored ticks, day by day; the daemon may run, but leave today to it."


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    rebuild = actions.add_parser("rebuild", help=REBUILD, description=REBUILD)
    describe_range(rebuild, "the first day, such as 2026-11-20; whole days are rebuilt")
    rebuild.add_argument(
        "--symbol",
        action="append",
        default=[],
        dest="symbols",
        metavar="NAME",
        help="only this one; may be given several times",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from mdactors.cli.workshop import Workshop
    from mdactors.config.sessions import load_calendar
    from mdactors.market import ist
    from mdactors.store.opening import stored_intervals

    settings = settings_of(arguments)
    chosen = tokens(settings, arguments.symbols) if arguments.symbols else None
    days = range(ist.day_number(arguments.from_ns), ist.day_number(arguments.to_ns) + 1)
    with stores(settings) as (ticks, bars), progress() as bar:
        calendar, intervals = load_calendar(settings.calendar), stored_intervals(settings.store)
        workshop = Workshop(ticks, bars, calendar, intervals, settings.candles.prefer)
        wanted = workshop.instruments(arguments.from_ns) if chosen is None else chosen
        for day in days:
            done = workshop.rebuild(day, wanted, everything=chosen is None, bar=bar)
            date = ist.date(day * ist.DAY_SECONDS * ist.SECOND_NS)
            if done.ticks:
                print(f"{date}: bars {done.bars}, ticks {done.ticks}, instruments {done.instruments}")
            else:
                print(f"{date}: no ticks, nothing changed")
    return 0
