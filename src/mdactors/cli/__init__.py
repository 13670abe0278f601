"""The commands, one file each; a command imports what it needs only when it runs."""

from mdactors.cli.program import main

__all__ = ["main"]
