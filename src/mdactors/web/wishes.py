"""In which modes one session wants which instruments, and why: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mdactors.market.quote import Mode, richer
from mdactors.web.groups import Group


class Wishes:
    """A session wants an instrument by its own name, as a member of groups, or both.

    What it wants twice, the end of one wish does not end, and the richer mode counts.
    """

    def __init__(self) -> None:
        self._modes: dict[Group | None, dict[int, Mode]] = {}
        """None: by their own names."""

    def want(self, tokens: Iterable[int], mode: Mode, group: Group | None = None) -> None:
        """Want these in this mode, by their own names or as members of a group."""
        if wanted := dict.fromkeys(tokens, mode):
            self._modes.setdefault(group, {}).update(wanted)

    def end(self, tokens: Iterable[int], group: Group | None = None) -> None:
        """Want these no longer by their own names, or as members of a group."""
        held = self._modes.get(group, {})
        for token in tokens:
            held.pop(token, None)
        if not held:
            self._modes.pop(group, None)

    def forget(self, tokens: Iterable[int]) -> None:
        """Want these no longer at all."""
        gone = list(tokens)
        for group in list(self._modes):
            self.end(gone, group)

    def take(self, token: int) -> dict[Group | None, Mode]:
        """Want an instrument no longer at all; why it was wanted, and in which modes."""
        wanted = {group: modes[token] for group, modes in self._modes.items() if token in modes}
        self.forget([token])
        return wanted

    def give(self, token: int, wanted: Mapping[Group | None, Mode]) -> None:
        """Want an instrument for these reasons."""
        for group, mode in wanted.items():
            self.want([token], mode, group)

    def members(self, group: Group) -> list[int]:
        """What is wanted as a member of a group."""
        return list(self._modes.get(group, ()))

    def modes(self) -> dict[int, Mode]:
        """Everything that is wanted, and in which mode."""
        merged = dict(self._modes.get(None, {}))
        for group, wanted in self._modes.items():
            if group is not None:
                merged |= {token: richer(mode, merged.get(token, mode)) for token, mode in wanted.items()}
        return merged
