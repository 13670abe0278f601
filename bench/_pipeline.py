"""A frame's way to ticks without actors: what the Normalizer does with it."""

from __future__ import annotations

from collections.abc import Sequence

from mdactors.adapter import BrokerAdapter, BrokerToken
from mdactors.market.instrument import Instrument
from mdactors.market.numbering import Numbering
from mdactors.market.tick import Tick


class Pipeline:
    """Decode, merge and number the frames of one broker."""

    def __init__(self, adapter: BrokerAdapter, instruments: dict[BrokerToken, Instrument]) -> None:
        self._decode = adapter.decode
        self._number = Numbering(adapter.name, 1, instruments).number

    def ticks(self, frame: bytes) -> Sequence[Tick]:
        """The final ticks of one frame."""
        return self._number(self._decode(frame).quotes, 1_790_658_001_500_000_000)
