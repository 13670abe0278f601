"""Under which names one session asked for what it wants: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

Named: TypeAlias = dict[str, tuple[int, str]]
"""What was asked for -> token and symbol of what is meant."""


class AskedNames:
    """The names of what a session wants, in capitals: neither case nor spaces around them mean anything."""

    def __init__(self) -> None:
        self.symbols: dict[int, str] = {}
        """Of all that is wanted, by token."""
        self._further: dict[str, int] = {}
        """Names other than these symbols."""
        self._versions: dict[int, int] = {}

    def note(self, found: Named, version: int) -> None:
        """Note that these were asked for, in a version of the interest."""
        for name, (token, symbol) in found.items():
            self.symbols[token] = symbol
            self._versions[token] = version
            self._further.pop(asked := spoken(name), None)
            if asked != symbol.upper():
                self._further[asked] = token

    def keep(self, tokens: Collection[int]) -> None:
        """Forget all others."""
        gone = [token for token in self.symbols if token not in tokens]
        if gone:
            for token in gone:
                del self.symbols[token], self._versions[token]
            self._further = {name: token for name, token in self._further.items() if token in tokens}

    def version(self, token: int) -> int:
        """In which version of the interest it was asked for last; 0 where it is not wanted."""
        return self._versions.get(token, 0)

    def by_token(self) -> Mapping[int, list[str]]:
        """The names by which each was asked for; its symbol where there is no other."""
        names: dict[int, list[str]] = {}
        for name, token in self._further.items():
            names.setdefault(token, []).append(name)
        return {token: names.get(token, [symbol.upper()]) for token, symbol in self.symbols.items()}

    def tokens(self) -> dict[str, int]:
        """Every name by which something is wanted -> its token."""
        symbols = {symbol.upper(): token for token, symbol in self.symbols.items()}
        return {str(token): token for token in self.symbols} | symbols | self._further


def spoken(name: str) -> str:
    """A name as a session's names are held."""
    return name.strip().upper()
