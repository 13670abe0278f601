"""The whole daemon as a helper process that can be asked for its tree and told to kill an actor.

The first line is its configuration, as YAML would give it; then each line is an order: ``{"order":
"tree"}``, ``{"order": "depths"}``, ``{"order": "kill", "actor": NAME}``, ``{"order": "usage"}``,
``{"order": "stop"}``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from mdactors import service
from mdactors.app import Daemon
from mdactors.config import Settings, decode_section
from mdactors.plugins import make_adapters
from mdactors.process import tune_interpreter
from mdactors.runtime import Address, Describe, Kill


async def main() -> None:
    """Run the daemon until standard input ends."""
    loop = asyncio.get_running_loop()
    settings = decode_section(json.loads(await loop.run_in_executor(None, sys.stdin.readline)), Settings, "")
    service.prepare_process(settings.log)
    tune_interpreter()
    daemon = Daemon(settings, make_adapters(settings))
    await daemon.start()
    print(daemon.port, flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if order["order"] == "stop":
            break
        print(json.dumps(await _obey(daemon, order)), flush=True)
    await daemon.stop()
    dropped = sum(node["dropped"] for node in _nodes(daemon.describe_tree()))
    print(json.dumps({"dropped": dropped}), flush=True)


async def _obey(daemon: Daemon, order: dict[str, Any]) -> Any:
    if order["order"] == "tree":
        nodes = {node["name"]: node for node in _nodes(daemon.describe_tree())}
        for address in daemon.addresses():
            if "connection" in address.name and address.name in nodes:
                described = await asyncio.wrap_future(address.ask(Describe()))
                nodes[address.name]["connection"] = described["state"]
        return nodes
    if order["order"] == "depths":
        return {node["name"]: node["depth"] for node in _nodes(daemon.describe_tree())}
    if order["order"] == "kill":
        _address(daemon, order["actor"]).tell(Kill("chaos"))
        return time.monotonic()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu": time.process_time(), "max_rss_mb": memory / 1024}


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    children = node.pop("children", ())
    yield node
    for child in children:
        yield from _nodes(child)


def _address(daemon: Daemon, name: str) -> Address:
    return next(address for address in daemon.addresses() if address.name == name)


if __name__ == "__main__":
    asyncio.run(main())
