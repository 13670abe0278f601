"""The Kite adapter's settings, endpoint, refusals and outgoing messages."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from mdactors import __version__
from mdactors.adapter import Secret
from mdactors.errors import BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors_kite.adapter import KiteAdapter, KiteSettings

TOKEN = "s3cret-token"


def adapter(**settings):
    return KiteAdapter(KiteSettings(**{"api_key": "my key", "access_token": Secret(TOKEN), **settings}))


def said(outgoing):
    assert not any(frame.binary for frame in outgoing)
    return [json.loads(frame.data) for frame in outgoing]


def test_the_settings_have_kites_addresses_and_limits_as_defaults():
    kite = adapter()
    settings = KiteSettings(api_key="k")
    assert (settings.websocket_url, settings.rest_url) == ("wss://ws.kite.trade", "https://api.kite.trade")
    assert (kite.name, kite.limits.connections, kite.limits.total) == ("kite", 3, 3000)
    assert kite.limits.fits({"full": 2000, "ltp": 1000})
    assert not kite.limits.fits({"full": 2000, "ltp": 1001})
    assert not kite.limits.fits({"full": 3001})
    assert not kite.limits.fits({"depth30": 1})
    assert adapter(connections=1).limits.connections == 1


@pytest.mark.parametrize(
    "section",
    [
        {"api_key": "k", "connections": 4},
        {"api_key": "k", "connections": 0},
        {"api_key": "k", "tokens_per_message": 0},
        {"api_key": "k", "access_tokn": "x"},
    ],
)
def test_settings_that_kite_would_not_bear_are_refused(section):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(section, KiteSettings, dec_hook=lambda _, text: Secret(text))


def test_every_mode_is_had_as_itself_and_depth30_is_not():
    assert dict(KiteAdapter.modes) == {"ltp": "ltp", "quote": "quote", "full": "full"}


def test_the_endpoint_carries_the_credentials_behind_a_slash_and_names_us():
    endpoint = adapter().endpoint()
    url = urlsplit(endpoint.url.reveal())
    assert (url.scheme, url.netloc, url.path) == ("wss", "ws.kite.trade", "/")
    assert parse_qs(url.query) == {"api_key": ["my key"], "access_token": [TOKEN]}
    assert endpoint.headers == {"X-Kite-Version": "3", "User-Agent": f"mdactors/{__version__}"}
    assert TOKEN not in repr(endpoint)


def test_an_address_with_a_slash_of_its_own_gets_no_second_one():
    url = adapter(websocket_url="ws://127.0.0.1:9/").endpoint().url.reveal()
    assert url.startswith("ws://127.0.0.1:9/?")


def test_without_any_token_a_login_is_required():
    with pytest.raises(LoginRequired, match="set access_token or access_token_file"):
        adapter(access_token=Secret()).endpoint()


def test_the_token_file_is_preferred_and_read_anew_at_every_connect(tmp_path):
    file = tmp_path / "token"
    kite = adapter(access_token_file=str(file))
    assert f"access_token={TOKEN}" in kite.endpoint().url.reveal()
    for token in ("monday", "tuesday"):
        file.write_text(f" {token}\n")
        assert kite.endpoint().url.reveal().endswith(f"access_token={token}")


def test_a_token_file_that_is_missing_or_empty_and_nothing_else_requires_a_login(tmp_path):
    file = tmp_path / "token"
    kite = adapter(access_token=Secret(), access_token_file=str(file))
    with pytest.raises(LoginRequired, match=r"cannot read .*token: No such file"):
        kite.endpoint()
    file.write_text("\n")
    with pytest.raises(LoginRequired, match="is empty; log in"):
        kite.endpoint()
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(LoginRequired, match="it is UTF-16 text: save it as UTF-8"):
        kite.endpoint()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, BrokerRefused),
        (400, BrokerRefused),
        (429, BrokerRefused),
        (404, BrokerRefused),
        (301, BrokerRefused),
        (500, BrokerUnavailable),
        (502, BrokerUnavailable),
        (503, BrokerUnavailable),
    ],
)
def test_a_refused_handshake_is_the_error_that_its_status_stands_for(status, error):
    refusal = adapter().refusal(status, b'{"message":"' + TOKEN.encode() + b'"}')
    assert type(refusal) is error
    assert str(status) in str(refusal)
    assert "\n" not in str(refusal)
    assert TOKEN not in str(refusal)


OWN = '{"status":"error","message":"%s","data":null,"error_type":"%s"}'
WRONG = "Incorrect `api_key` or `access_token`."


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, OWN % (WRONG, "TokenException")),
        (401, OWN % ("Session expired.", "TokenException")),
        (400, OWN % (WRONG, "TokenException")),
        (400, OWN % ("Invalid `api_key` or `access_token`.", "InputException")),
        (403, '{"error_type":"TokenException"}'),
        (403, '{"error_type":"TokenException","message":null}'),
    ],
)
def test_only_kites_own_word_on_the_token_is_a_login_that_is_needed(status, body):
    refusal = adapter().refusal(status, body.encode())
    assert type(refusal) is LoginRequired
    assert "log in again" in str(refusal)


GATEWAYS = [
    b"<html><body>Request blocked</body></html>",
    b"",
    b"Forbidden",
    b"\xff\xfe\x00",
    b"error code: 1010",
    b'{"message":"Forbidden"}',
    b'{"message":"TokenException"}',
    b'{"error_type":null,"message":"no"}',
    b'{"error_type":{"TokenException":1}}',
    b'["TokenException"]',
    b'"TokenException"',
    b"{" * 100_000,
    b"<html>TokenException: Incorrect `api_key` or `access_token`.</html>",
    (OWN % ("app lacks the permission", "PermissionException")).encode(),
    (OWN % ("Invalid `mode`.", "InputException")).encode(),
    (OWN % ("no", "UserException")).encode(),
]


@pytest.mark.parametrize("body", GATEWAYS, ids=range(len(GATEWAYS)))
@pytest.mark.parametrize("status", [400, 401, 403])
def test_whatever_else_is_refused_leaves_the_login_in_doubt_and_is_tried_again_slowly(status, body):
    refusal = adapter().refusal(status, body)
    assert type(refusal) is BrokerRefused
    assert refusal.login_in_doubt
    assert refusal.retry_after >= 5
    assert len(str(refusal)) < 300


@pytest.mark.parametrize("status", [200, 301, 404, 405, 410, 418, 429])
def test_other_refusals_are_not_about_the_login(status):
    assert not adapter().refusal(status, b"<html>").login_in_doubt


def test_a_dead_service_is_away_whatever_it_says():
    assert type(adapter().refusal(503, (OWN % (WRONG, "TokenException")).encode())) is BrokerUnavailable


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body>Request blocked</body></html>", "Request blocked"),
        (b"<head><title>no</title></head><p>Sorry,\n <b>blocked</b> &amp; gone", "Sorry, blocked & gone"),
        (b"<script>var a = 1;</script>away\x1b[31m", "away [31m"),
        (b"", "without a word"),
        (f"<p>/?access_token={TOKEN}</p>".encode(), "/?access_token=***"),
        ((OWN % ("app\\n lacks", "PermissionException")).encode(), "PermissionException app lacks"),
    ],
)
def test_the_words_of_a_refusal_are_kept_for_a_person(body, words):
    assert str(adapter().refusal(403, body)).endswith(words)


def test_after_too_many_connections_the_wait_is_at_least_five_seconds():
    assert adapter().refusal(429, b"").retry_after >= 5


def test_a_subscription_is_followed_by_its_mode():
    assert said(adapter().subscribe({408065: "full", 256265: "ltp", 884737: "full"})) == [
        {"a": "subscribe", "v": [256265]},
        {"a": "mode", "v": ["ltp", [256265]]},
        {"a": "subscribe", "v": [408065, 884737]},
        {"a": "mode", "v": ["full", [408065, 884737]]},
    ]


def test_many_tokens_are_spread_over_several_messages():
    messages = said(adapter(tokens_per_message=2).subscribe(dict.fromkeys([1, 2, 3, 4, 5], "quote")))
    assert [message["v"] for message in messages if message["a"] == "subscribe"] == [[1, 2], [3, 4], [5]]
    assert [message["v"] for message in messages if message["a"] == "mode"] == [
        ["quote", [1, 2]],
        ["quote", [3, 4]],
        ["quote", [5]],
    ]


def test_unsubscribe_and_change_of_mode_name_the_tokens_as_numbers():
    kite = adapter(tokens_per_message=2)
    assert said(kite.unsubscribe([1, 2, 3])) == [
        {"a": "unsubscribe", "v": [1, 2]},
        {"a": "unsubscribe", "v": [3]},
    ]
    assert said(kite.change_mode({1: "full", 2: "ltp"})) == [
        {"a": "mode", "v": ["ltp", [2]]},
        {"a": "mode", "v": ["full", [1]]},
    ]


def test_nothing_wanted_is_nothing_said():
    kite = adapter()
    assert [*kite.subscribe({}), *kite.unsubscribe([]), *kite.change_mode({})] == []


def test_the_adapter_decodes_by_its_codec():
    assert adapter().decode(bytes.fromhex("00010008000b450100022cc7")).quotes[0].last_price == 1425.35
    assert adapter().decode('{"type":"message","data":"hello"}').notice == "hello"


def test_the_login_page_names_the_app():
    assert adapter(api_key="k y").login_address() == "https://kite.zerodha.com/connect/login?v=3&api_key=k+y"
    assert adapter(api_key="").login_address() == ""


def test_a_token_out_of_a_file_is_masked_in_what_refuses_it(tmp_path):
    (tmp_path / "token").write_text("of-today-12345\n")
    adapter = KiteAdapter(KiteSettings(api_key="key", access_token_file=str(tmp_path / "token")))
    assert "of-today" not in str(adapter.refusal(403, b"<p>no entry for of-today-12345</p>"))
