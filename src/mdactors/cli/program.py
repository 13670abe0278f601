"""The ``mdactors`` program: reads the command line, runs one command, turns errors into lines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from mdactors import __version__
from mdactors.cli import (
    adapters,
    candles,
    check_config,
    decode,
    demo,
    export,
    instruments,
    journal,
    missing,
    refused,
    run,
    sectors,
    simulate,
    watch,
)
from mdactors.errors import ConfigError, MdactorsError


class Command(Protocol):
    """What a command's module offers."""

    HELP: str

    def describe(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command line."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Run the command; its exit code."""


COMMANDS: dict[str, Command] = {
    "run": run,
    "demo": demo,
    "watch": watch,
    "check-config": check_config,
    "adapters": adapters,
    "simulate": simulate,
    "decode": decode,
    "journal": journal,
    "refused": refused,
    "missing": missing,
    "export": export,
    "candles": candles,
    "instruments": instruments,
    "sectors": sectors,
}

FAILED = 1
MISUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0 done, 1 failed, 2 used or configured wrongly."""
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.command.execute(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return MISUSED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read our output has gone; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except MdactorsError as error:
        _complain(str(error))
        return FAILED
    except OSError as error:
        reason = error.strerror or str(error)
        _complain(f"{error.filename}: {reason}" if error.filename else reason)
        return FAILED
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    program = argparse.ArgumentParser(
        prog="mdactors",
        description="A live market-data daemon for Indian brokers: one feed, one tick, many clients.",
    )
    program.add_argument("--version", action="version", version=f"mdactors {__version__}")
    commands = program.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        described = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.describe(described)
        described.set_defaults(command=command)
    return program


def _complain(text: str) -> None:
    print(f"mdactors: {text}", file=sys.stderr)
