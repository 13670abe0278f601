"""Bars made of a recorded feed's ticks beside the broker's own bars of the same minutes.

Each update of a recording goes through codec, numbering and candles as if it came now. A feed is a sample:
what traded between two updates is in the day's volume and in no price. So a row says in how many minutes
each field of the bar is the broker's, and how far the volumes are apart in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench._recorded import Update, instrument_of, key_of, recordings, updates
from mdactors.market.calendar import Calendar
from mdactors.market.candle import Bar
from mdactors.market.candles import Candles
from mdactors.market.numbering import Numbering
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings

FIELDS = ("open", "high", "low", "close", "volume")
GRACE_SECONDS = 1.5
GOALS = {
    "open_equal": (">=", 0.73),
    "high_equal": (">=", 0.86),
    "low_equal": (">=", 0.83),
    "close_equal": (">=", 0.9),
    "volume_equal": (">=", 0.75),
}
"""What bars of ticks alone reach is a matter of the sample: each is the least of those that were measured."""


def measure() -> dict[str, object]:
    """How often bars of ticks alone are the broker's, and how far their volumes are from the day's figure."""
    files = recordings()
    if not files:
        return {"skipped": "no recorded frames beside the checkout"}
    rows = [compare(file) for file in files]
    minutes = sum(row.minutes for row in rows)
    whole = {
        f"{field}_equal": sum(row.equal[field] for row in rows) / minutes for field in FIELDS
    }  # fmt: skip
    return {"bars of ticks alone": [row.columns() for row in rows], "minutes": minutes, **whole}


class Comparison:
    """One instrument's minutes that both made."""

    def __init__(self, name: str, made: dict[int, Bar], broker: dict[int, Bar], figure: int) -> None:
        # The first minute began before the recording.
        both = sorted(made.keys() & broker.keys())[1:]
        self.name = name
        self.minutes = len(both)
        self.missing = len(broker.keys() - made.keys())
        self.equal = {
            field: sum(getattr(made[at], field) == getattr(broker[at], field) for at in both)
            for field in FIELDS
        }
        self.apart = sum(bar.volume for bar in made.values()) - figure

    def columns(self) -> dict[str, object]:
        """As a row of a table."""
        shares = {field: f"{self.equal[field] / self.minutes:.0%}" for field in FIELDS}
        return {
            "instrument": self.name.partition("|")[2], "minutes": self.minutes,
            "without a bar": self.missing, **shares,
            "pieces apart from the day's figure": self.apart,
        }  # fmt: skip


def compare(file: Path) -> Comparison:
    """Play one instrument's recording through the pipeline."""
    played = list(updates(file))
    broker = {update.minute.start: update.minute for update in played if update.minute is not None}
    made = {bar.start: bar for bar in bars(key_of(file), played)}
    figures = [update.volume for update in played if update.volume]
    return Comparison(key_of(file), made, broker, max(figures) - figures[0] if figures else 0)


def bars(key: str, played: list[Update]) -> Iterator[Bar]:
    """The minute bars of ticks alone, as they are handed out, corrections last."""
    decode = UpstoxAdapter(UpstoxSettings()).decode
    numbering = Numbering("upstox", 1, {key: instrument_of(key)})
    candles = Candles(Calendar(), ["1m"], GRACE_SECONDS)
    for update in played:
        now = update.received_ns / 1e6
        candles.add(numbering.number(decode(update.frame).quotes, update.received_ns), now)
        yield from candles.closed(now)
    yield from candles.rest()
