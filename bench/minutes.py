"""Bars made of a recorded feed's ticks beside the broker's own bars of the same minutes, and what those fill.

Each update of a recording goes through codec, numbering and candles as if it came now. A feed is a sample:
what traded between two updates is in the day's volume and in no price. So a row says in how many minutes
each field of the bar is the broker's, and how far the volumes are apart in all. Then how soon the bars are
the broker's, what an outage leaves without a bar, and how far their volumes are apart from the day's figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import _broker_minutes
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
    "settled_late": ("<=", 0),
    "lost_in_a_minute": ("<=", 0),
    "pieces_apart": ("<=", 0),
}
"""What bars of ticks alone reach is a matter of the sample: each is the least of those that were measured."""
OUTAGES = (20, 60, 105, 300)
"""Seconds. What one of less than two minutes missed, the updates after it tell; else a backfill has to."""
STEP_SECONDS = 35


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
    brokers = [BrokersMinutes(file) for file in files]
    return {
        "bars of ticks alone": [row.columns() for row in rows],
        "the broker's own": [row.columns() for row in brokers],
        "minutes": minutes,
        **whole,
        "settled_late": sum(row.late for row in brokers),
        "lost_in_a_minute": sum(row.lost[seconds][1] for row in brokers for seconds in OUTAGES[:3]),
        "pieces_apart": sum(abs(row.apart) for row in brokers),
    }


class BrokersMinutes:
    """One instrument's minutes where the broker's count."""

    def __init__(self, file: Path) -> None:
        self.name = key_of(file)
        played = list(updates(file))
        minutes = _broker_minutes.Minutes(self.name, played)
        self.settled, self.corrections = len(minutes.settled), minutes.corrections
        self.late, self.slowest = minutes.late(), minutes.slowest_seconds()
        self.apart = _broker_minutes.apart(played, minutes.bars)
        self.lost = _broker_minutes.missing(self.name, played, OUTAGES, STEP_SECONDS)

    def columns(self) -> dict[str, object]:
        """As a row of a table."""
        lost = {f"lost in {seconds} s": f"{lost} of {of}" for seconds, (of, lost) in self.lost.items()}
        return {
            "instrument": self.name.partition("|")[2], "broker": self.settled,
            "corrections": self.corrections, "later than 65 s": self.late, "slowest": f"{self.slowest:.1f} s",
            **lost, "pieces apart": self.apart,
        }  # fmt: skip


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
    candles = Candles(Calendar(), ["1m"], GRACE_SECONDS, prefer="ticks")
    for update in played:
        now = update.received_ns / 1e6
        candles.add(numbering.number(decode(update.frame).quotes, update.received_ns), now)
        yield from candles.closed(now)
    yield from candles.rest()
