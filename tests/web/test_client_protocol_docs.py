"""docs/client-protocol.md says all that the source knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mdactors import answers, protocol
from mdactors.market.quote import MODES
from mdactors.protocol import CloseCode, ErrorCode, Request
from mdactors.web.application import REST
from mdactors.web.paths import PATHS, RAW

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docs/client-protocol.md").read_text(encoding="utf-8")
WEB = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "src/mdactors/web").glob("*.py"))

SOURCE = "".join(Path(str(each.__file__)).read_text(encoding="utf-8") for each in (protocol, answers))
EVENTS = re.findall(r'"event": ?"(\w+)"', SOURCE)
REST_CODES = re.findall(r'Failure\(\s*\d+, "(\w+)"', WEB)


@pytest.mark.parametrize("code", CloseCode)
def test_every_close_code_is_documented_with_its_meaning_and_whether_to_reconnect(code):
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| {int(code)} |")]
    assert code.meaning in row
    assert row.endswith("| yes |" if code.reconnect else "| no |")


@pytest.mark.parametrize("word", [*ErrorCode, *EVENTS, *sorted(set(REST_CODES))])
def test_every_event_and_error_code_is_documented(word):
    assert f"`{word}`" in TEXT


def test_the_source_was_searched_in_the_right_way():
    unasked = {"welcome", "heartbeat", "status", "gap", "alarm", "subscription"}
    of_channels = {"candle", "movers", "sector", "chain", "market_status", "auction"}
    answers = {"subscribed", "unsubscribed", "error"}
    assert unasked | of_channels | answers == set(EVENTS)
    assert {"unknown_symbol", "admin_token", "no_answer"} < set(REST_CODES)


@pytest.mark.parametrize("path", [*(path.name for path in PATHS), RAW, *REST])
def test_every_path_is_documented(path):
    assert f"`{path}`" in TEXT or f"GET {path}`" in TEXT or f"POST {path}`" in TEXT or f"{path}?" in TEXT


@pytest.mark.parametrize("field", [*Request.__struct_fields__, *MODES, "shape", "events"])
def test_every_field_mode_and_parameter_is_documented(field):
    assert f"`{field}`" in TEXT
