"""The volume of an instrument's day as it is believed: it never runs away on one wild figure.

A broker's cumulative figure is taken as it comes while it rises by what a day can bring. One that jumps
beyond, or falls, is held: nobody knows the volume until the next figure either goes on from the last
believed one, and the held one is forgotten, or goes on from the held one, which confirms it. So there is
a way back from everything, and what two updates in swapped order say costs nothing.

A figure that falls is expected where a trading date begins: what is said before the session may still be
yesterday's. A counter that begins again at zero (`Quote.counts_to`) is carried on beyond its end.
"""

from __future__ import annotations

LARGEST = 2_000_000_000
"""More pieces than any share has traded in a day, so that no update adds so many.

NSE's most traded one, Vodafone Idea, changed hands 733 million times on both exchanges within the first two
hours of 15 January 2021, one of its largest days; only contracts' figures, counted in pieces of the
underlying, reach thousands of millions, and they grow by and by.
"""
TIMES = 20
"""A figure may grow to so many times itself at once: a feed that comes back after hours tells of all."""
NEAR = 1 << 27
"""How much may have been traded since the last figure where a counter began again: some minutes of the
busiest option. A fall of any other kind is none."""


class DayVolume:
    """The figure of one instrument.

    Args:
        counts_to: where the broker's counter begins again at 0; 0 where it never does.
    """

    __slots__ = ("_begins", "_carried", "_counts_to", "_held", "_leapt", "last", "most")

    def __init__(self, counts_to: int = 0) -> None:
        self.last = 0
        """The newest figure that is believed."""
        self.most = -1
        """What is said from ``last`` to here is believed at once; -1 where all is to be weighed."""
        self._counts_to = counts_to
        self._carried = 0
        """What a counter that began again had counted before."""
        self._held: int | None = None
        self._begins = True
        """Whether nothing of this trading date's is known yet."""
        self._leapt = False
        """Whether it went up by a confirmed jump, and may yet come back from there."""

    def begin(self) -> None:
        """A trading date begins: the next figure that differs is the first of it."""
        self._begins, self._leapt, self._held = True, False, None
        self.most = -1

    def weigh(self, said: int, *, in_session: bool) -> int | None:
        """The day's figure by what is said; None where it is held."""
        if self._begins:
            return self._begin_with(said, in_session)
        figure, carried = self._read(said)
        if follows(self.last, figure):
            return self._take(figure, carried)
        if self._held is not None and follows(self._held, figure):
            self._leapt = figure > self.last
            return self._take(figure, carried)
        self._held = figure
        self.most = -1
        return None

    def recall(self, figure: int) -> None:
        """Take what was believed earlier on the same trading date, before this one began to listen."""
        if self._begins:
            self._begins = False
            self._take(figure, figure - figure % self._counts_to if self._counts_to else 0)
        elif self._counts_to:
            rounds = (figure - NEAR - self.last) // self._counts_to + 1
            if rounds > 0:
                missed = rounds * self._counts_to
                self._take(self.last + missed, self._carried + missed)

    def _begin_with(self, said: int, in_session: bool) -> int | None:
        """The first of a trading date; before the session also yesterday's, which one may fall from."""
        if said and said == self.last - self._carried:
            return self.last
        if not (follows(0, said) or (self._held is not None and follows(self._held, said))):
            self._held = said
            return None
        self._begins = not in_session
        return self._take(said, 0)

    def _take(self, figure: int, carried: int) -> int:
        self.last, self._carried = figure, carried
        self._held = None
        # What has to be carried or may begin the day is weighed each time.
        self.most = -1 if carried or self._begins else figure + max(TIMES * figure, LARGEST)
        return figure

    def _read(self, said: int) -> tuple[int, int]:
        """The figure that a counter stands for, and what of it is carried."""
        carried, whole = self._carried, self._counts_to
        figure = said + carried
        if whole:
            if carried and figure > self.last and 0 <= self.last - (figure - whole) < NEAR:
                return figure - whole, carried - whole  # it was sent before the counter began again
            if not self._leapt and 0 <= figure + whole - self.last < NEAR:
                return figure + whole, carried + whole
        return figure, carried


def follows(before: int, figure: int) -> bool:
    """Whether a figure can come after another in a day."""
    return 0 <= figure - before <= max(TIMES * before, LARGEST)
