"""Faults and the judge's log over REST, under ``/simulator/`` on the simulator's own port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import cast, get_args

from mdactors.simulator.faults import Faults
from mdactors.simulator.routes import CONTROL, Reply, Request, Route
from mdactors.simulator.switchboard import Door, Switchboard


def control_routes(faults: Faults, switchboard: Switchboard) -> list[Route]:
    """``POST /simulator/<fault>``, ``GET /simulator/sent`` and ``/simulator/connections``."""
    actions: Mapping[str, Callable[[Request], object]] = {
        "drop": lambda request: faults.drop(int(request.first("connection")) if request.query else None),
        "stall": lambda request: faults.stall(float(request.first("seconds", "0"))),
        "refuse": lambda request: _refuse(faults, request),
        "expire": lambda _: faults.expire(),
        "accept": lambda request: faults.accept(request.first("token")),
        "silence": lambda request: faults.silence(
            float(request.first("seconds", "0")), heartbeats=request.first("heartbeats", "1") != "0"
        ),
        "raw": lambda request: faults.raw(bytes.fromhex(request.body.decode("ascii"))),
        "say": lambda request: faults.raw(request.body.decode()),
    }
    routes = [Route("POST", CONTROL + name, _local(action)) for name, action in actions.items()]
    routes.append(Route("GET", CONTROL + "sent", _local(lambda _: _sent(switchboard))))
    routes.append(Route("GET", CONTROL + "connections", _local(lambda _: sorted(switchboard.peers))))
    return routes


def _local(action: Callable[[Request], object]) -> Callable[[Request], Reply]:
    def handle(request: Request) -> Reply:
        if not ip_address(request.remote).is_loopback:
            return Reply.json({"error": "faults are for loopback only"}, 403)
        try:
            return Reply.json({"result": action(request)})
        except ValueError as error:
            return Reply.json({"error": str(error)}, 400)

    return handle


def _refuse(faults: Faults, request: Request) -> None:
    door = request.first("door", "socket")
    if door not in get_args(Door):
        raise ValueError(f"door is {' or '.join(get_args(Door))}")
    status, count = int(request.first("status", "403")), int(request.first("count", "1"))
    faults.refuse(status, count, request.body, cast(Door, door))


def _sent(switchboard: Switchboard) -> dict[str, object]:
    connections = switchboard.collect()
    tokens: dict[int, int] = {}
    for counts in connections.values():
        for token, updates in counts.items():
            tokens[token] = tokens.get(token, 0) + updates
    return {"updates": sum(tokens.values()), "tokens": tokens, "connections": connections}
