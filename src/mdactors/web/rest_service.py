"""REST of the service itself: health, status and the page."""

from __future__ import annotations

from importlib.resources import files

from mdactors.web.handler import Handler

PAGE = files("mdactors.web").joinpath("static/index.html").read_bytes()
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:"
)


class Health(Handler):
    """``GET /health``: whether clients can rely on the feed."""

    async def get(self) -> None:
        """Answer UP, or DOWN with 503 and the reasons; no actor is asked."""
        up, details = await self.parts.gateway.health()
        self.answer({"status": "UP" if up else "DOWN", "details": details}, 200 if up else 503)

    head = get  # load balancers ask so


class Live(Handler):
    """``GET /live``: whether the process lives."""

    def get(self) -> None:
        """Answer UP; whoever hears it knows."""
        self.answer({"status": "UP"})

    head = get


class Ready(Handler):
    """``GET /ready``: whether the daemon can serve."""

    def get(self) -> None:
        """Answer UP, or DOWN with 503."""
        ready = self.parts.gateway.ready()
        self.answer({"status": "UP" if ready else "DOWN"}, 200 if ready else 503)

    head = get


class Status(Handler):
    """``GET /api/status``: health, brokers, supervision tree, counters and alarms."""

    async def get(self) -> None:
        """Answer what the daemon knows of itself."""
        self.answer(await self.parts.gateway.status())


class Page(Handler):
    """``GET /``: a page that shows ticks moving."""

    parameters = None

    def get(self) -> None:
        """Answer the page, which asks nobody else for anything."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", POLICY)
        self.finish(PAGE)
