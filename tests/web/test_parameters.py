"""The parameters of REST: those that a path has are documented, all others are refused by their name."""

from __future__ import annotations

import json

import pytest
from tests.contract import contract

from mdactors.web.application import REST

PAGES = ("/", "/docs")
"""People open them, by links that others made."""
STRICT = {name: said for name, said in contract().operations.items() if said[0] not in PAGES}


def documented(path: str) -> set[str]:
    """The parameters that the document gives a path behind its question mark."""
    names = set()
    for own_path, _, said in contract().operations.values():
        for each in said.get("parameters", ()) if own_path == path else ():
            at = each.get("$ref", "").rpartition("/")[2]
            described = contract().openapi["components"]["parameters"][at] if at else each
            names |= {described["name"]} if described["in"] == "query" else set()
    return names


@pytest.mark.parametrize("path", REST)
def test_a_path_has_the_parameters_that_are_documented(path):
    assert set(REST[path].parameters or ()) == documented(path)


def test_a_parameter_that_a_path_does_not_have_is_refused_on_every_path_as_documented(stage):
    stage.start()
    for operation, (path, method, _) in STRICT.items():
        path = path.replace("{kind}", "index").replace("{symbol}", "RELIANCE")
        status, headers, body = stage.http(method.upper(), f"{path}?sort=up")
        assert status == 400, operation
        contract().check_answer(operation, status, headers["Content-Type"], body)
        if method != "head":
            error = json.loads(body)["error"]
            assert (error["code"], error["field"]) == ("unknown_parameter", "sort")


@pytest.mark.parametrize(
    ("asked", "suggestions", "hint"),
    [
        ("/api/ticks/today/RELIANCE?lastminutes=5", ["lastMinutes"], "did you mean lastMinutes?"),
        ("/api/ticks/historical?symbol=INFY&start=2026-11-20", ["startTime"], "did you mean startTime?"),
        ("/api/ticks/historical?symbool=INFY", ["symbol"], "did you mean symbol?"),
        ("/api/instruments?mft=true", ["mtf"], "did you mean mtf?"),
        ("/api/movers?colour=", [], "it has by, n"),
        ("/live?_", [], "it has none"),
    ],
)
def test_a_parameter_that_is_not_known_is_answered_with_what_was_meant(stage, asked, suggestions, hint):
    stage.start()
    status, body = stage.get(asked)
    error = body["error"]
    assert (status, error["code"]) == (400, "unknown_parameter")
    assert error["suggestions"] == suggestions
    assert error["message"].endswith(hint)
    assert error["field"] in asked


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_shown_whatever_a_link_says(stage, path):
    stage.start()
    assert stage.http("GET", f"{path}?from=mail")[0] == 200


def test_a_path_that_there_is_not_stays_a_404_and_a_browser_may_ask_before(stage):
    stage.start()
    assert stage.http("GET", "/nothing?sort=up")[0] == 404
    assert stage.http("OPTIONS", "/live?sort=up", {"Origin": "http://localhost:3000"})[0] == 204


def test_a_very_long_name_is_not_sent_back_whole(stage):
    stage.start()
    status, _, body = stage.http("GET", f"/live?{'x' * 5000}=1")
    assert (status, len(body) < 1000) == (400, True)
