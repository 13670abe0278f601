"""An exchange model and the server on which an adapter's simulator puts it on the wire."""

from mdactors.simulator.exchange import Exchange
from mdactors.simulator.faults import Faults
from mdactors.simulator.opening import open_venue
from mdactors.simulator.replay import Replay
from mdactors.simulator.routes import (
    Conversation,
    CutFrame,
    Peer,
    Piece,
    Reply,
    Request,
    Route,
    SocketRoute,
)
from mdactors.simulator.server import SimulatorServer
from mdactors.simulator.session import SEGMENTS, Said, Session, Status
from mdactors.simulator.simulator import Simulator, SimulatorOptions
from mdactors.simulator.state import Book, Candle, FixedBook, PriceState
from mdactors.simulator.venue import Venue

__all__ = [
    "SEGMENTS",
    "Book",
    "Candle",
    "Conversation",
    "CutFrame",
    "Exchange",
    "Faults",
    "FixedBook",
    "Peer",
    "Piece",
    "PriceState",
    "Replay",
    "Reply",
    "Request",
    "Route",
    "Said",
    "Session",
    "Simulator",
    "SimulatorOptions",
    "SimulatorServer",
    "SocketRoute",
    "Status",
    "Venue",
    "open_venue",
]
