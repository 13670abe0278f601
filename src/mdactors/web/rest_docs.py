"""REST of the documents: what can be asked and heard, for programs and for people."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
import yaml

from mdactors.web.handler import Handler
from mdactors.web.rest_service import POLICY

PAGE = files("mdactors.web").joinpath("static/docs.html").read_bytes()


@cache
def read_document(name: str) -> bytes:
    """A document of ours as JSON; its references to other documents lead to where those are served."""
    text = files("mdactors.web").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    text = text.replace("openapi.yaml#", "openapi.json#")
    return msgspec.json.encode(yaml.load(text, yaml.CSafeLoader))


class _Document(Handler):
    document = ""

    async def get(self) -> None:
        """Answer the document."""
        # Read when somebody asks: a start shall not wait for it, and the loop not either.
        self.answer_bytes(await self.in_pool(read_document, self.document))


class OpenApi(_Document):
    """``GET /openapi.json``: what can be asked by REST."""

    document = "openapi"


class AsyncApi(_Document):
    """``GET /asyncapi.json``: what is said on the websockets."""

    document = "asyncapi"


class DocsPage(Handler):
    """``GET /docs``: a page that shows the document of REST."""

    parameters = None

    def get(self) -> None:
        """Answer the page, which asks nobody else for anything."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", POLICY)
        self.finish(PAGE)
