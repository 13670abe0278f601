"""The limits of a request: its bytes and its names fit each other."""

from __future__ import annotations

import json

import pytest

from mdactors.config import ServerSettings, decode_section
from mdactors.errors import ConfigError

LONGEST = "NSE_FO|MIDCPNIFTY 13925 PE 29 SEP 26"


@pytest.mark.parametrize("names", [1, 10, 5000, 100_000])
def test_without_a_limit_of_bytes_as_many_names_as_are_allowed_fit(names: int) -> None:
    limit = decode_section({"max_symbols_per_request": names}, ServerSettings, "server").request_bytes
    asked = {"action": "UNSUBSCRIBE", "type": "OPTION", "symbols": [LONGEST] * names, "id": "x" * 100}
    assert len(json.dumps(asked, indent=4).encode()) <= limit


def test_a_limit_of_bytes_that_is_set_counts_as_long_as_the_names_fit() -> None:
    settings = {"max_symbols_per_request": 100, "max_request_bytes": 7424}
    assert decode_section(settings, ServerSettings, "server").request_bytes == 7424
    with pytest.raises(ConfigError) as caught:
        decode_section(settings | {"max_request_bytes": 7423}, ServerSettings, "server")
    (problem,) = caught.value.problems
    assert problem.startswith("server: max_request_bytes must be at least 7424 for max_symbols_per_request")
