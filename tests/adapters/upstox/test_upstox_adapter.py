"""What the adapter says to Upstox, what it allows, and what it makes of refusals."""

from __future__ import annotations

import msgspec
import pytest

from mdactors.adapter import Secret, serving
from mdactors.errors import BrokerRefused, BrokerUnavailable, LoginRequired
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings


def adapter(**settings) -> UpstoxAdapter:
    return UpstoxAdapter(UpstoxSettings(**settings))


def requests(outgoing):
    assert all(frame.binary for frame in outgoing), "Upstox passes text frames over"
    said = [msgspec.json.decode(frame.data) for frame in outgoing]
    assert len({request.pop("guid") for request in said}) == len(said)
    return said


def test_subscribe_names_the_keys_of_each_mode_in_upstoxs_words():
    wanted = {"NSE_EQ|A": "full", "NSE_EQ|B": "ltp", "NSE_FO|1": "depth30", "NSE_EQ|C": "full"}
    assert requests(adapter().subscribe(wanted)) == [
        {"method": "sub", "data": {"instrumentKeys": ["NSE_EQ|A", "NSE_EQ|C"], "mode": "full"}},
        {"method": "sub", "data": {"instrumentKeys": ["NSE_EQ|B"], "mode": "ltpc"}},
        {"method": "sub", "data": {"instrumentKeys": ["NSE_FO|1"], "mode": "full_d30"}},
    ]


def test_unsubscribe_names_no_mode_and_a_change_of_mode_does():
    assert requests(adapter().unsubscribe(["NSE_EQ|A"])) == [
        {"method": "unsub", "data": {"instrumentKeys": ["NSE_EQ|A"]}}
    ]
    assert requests(adapter().change_mode({"NSE_EQ|A": "ltp"})) == [
        {"method": "change_mode", "data": {"instrumentKeys": ["NSE_EQ|A"], "mode": "ltpc"}}
    ]


def test_long_lists_are_said_in_chunks():
    keys = [f"NSE_FO|{number}" for number in range(1201)]
    said = requests(adapter().subscribe(dict.fromkeys(keys, "full")))
    assert [len(request["data"]["instrumentKeys"]) for request in said] == [500, 500, 201]
    said = requests(adapter(keys_per_message=1000).unsubscribe(keys))
    assert [len(request["data"]["instrumentKeys"]) for request in said] == [1000, 201]
    assert adapter().subscribe({}) == []


def test_the_normal_plan_has_two_connections_of_2000_full_keys_and_no_deep_book():
    limits = adapter().limits
    assert limits.connections == 2
    assert limits.fits({"full": 2000})
    assert not limits.fits({"full": 2001})
    assert limits.fits({"ltp": 5000})
    assert limits.fits({"ltp": 2000, "full": 1500})
    assert not limits.fits({"ltp": 1, "full": 1501})
    assert not limits.fits({"depth30": 1})


def test_plan_plus_has_five_connections_and_fifty_deep_books_on_each():
    limits = adapter(plan="plus").limits
    assert limits.connections == 5
    assert limits.fits({"depth30": 50, "full": 1500})
    assert not limits.fits({"depth30": 51})
    assert not limits.fits({"depth30": 51, "full": 1})


def test_quote_is_served_by_full():
    assert adapter().modes["quote"] == "full"
    assert adapter().modes["ltp"] == "ltp"


def test_settings_allow_fewer_connections_than_the_plan_and_never_more():
    assert adapter(connections=1).limits.connections == 1
    assert adapter(plan="plus", connections=4).limits.connections == 4
    with pytest.raises(msgspec.ValidationError, match="plan normal allows 2 connections"):
        msgspec.convert({"connections": 3}, UpstoxSettings)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"conections": 1}, UpstoxSettings)


def test_a_token_file_is_read_anew_and_preferred(tmp_path):
    path = tmp_path / "token"
    ours = adapter(access_token_file=str(path))
    assert ours.credential() == ""
    both = adapter(access_token=Secret("configured"), access_token_file=str(path))
    assert both.credential() == adapter(access_token=Secret("configured")).credential()
    with pytest.raises(LoginRequired, match=r"cannot read the access token from .*token: No such file"):
        ours.endpoint()
    path.write_text("first\n")
    first = ours.credential()
    path.write_text("second\n")
    assert first != ours.credential() == both.credential() != ""
    assert "second" not in ours.credential()
    path.write_text("\n")
    with pytest.raises(LoginRequired, match="is empty"):
        ours.endpoint()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LoginRequired, match="it is UTF-16 text: save it as UTF-8"):
        ours.endpoint()


def test_without_a_token_a_login_is_required():
    with pytest.raises(LoginRequired, match="access_token_file"):
        adapter().endpoint()
    assert adapter().credential() == ""
    assert adapter(access_token=Secret("a")).credential() == adapter(access_token=Secret("a")).credential()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, BrokerRefused),
        (403, BrokerRefused),
        (429, BrokerRefused),
        (400, BrokerRefused),
        (500, BrokerUnavailable),
        (503, BrokerUnavailable),
    ],
)
def test_a_refused_handshake_is_never_about_the_token_which_authorize_has_just_proved(status, kind):
    error = adapter().refusal(status, b"<html>")
    assert type(error) is kind
    assert str(status) in str(error)
    if isinstance(error, BrokerRefused):
        assert error.retry_after >= 5


def test_a_handshake_that_is_refused_on_and_on_puts_the_login_in_doubt_and_a_spent_address_does_not():
    assert adapter().refusal(403, b"").login_in_doubt
    assert not adapter().refusal(401, b"").login_in_doubt


def test_the_words_of_a_refused_handshake_are_kept_without_the_token():
    ours = adapter(access_token=Secret("s3cret-token"))
    assert "(403, blocked: ***)" in str(ours.refusal(403, b"<p>blocked: s3cret-token</p>"))
    assert "(403, without a word)" in str(ours.refusal(403, b" "))


def test_a_mode_that_upstox_has_not_is_asked_as_the_richest_that_the_plan_has():
    modes = ("ltp", "quote", "full", "depth30")
    served = {
        plan: [serving(adapter(plan=plan).modes, mode) for mode in modes] for plan in ("normal", "plus")
    }
    assert served["normal"] == ["ltp", "full", "full", "full"]
    assert served["plus"] == ["ltp", "full", "full", "depth30"]


def test_nothing_printable_holds_a_secret():
    settings = UpstoxSettings(access_token=Secret("hidden-1"), api_secret=Secret("hidden-2"))
    assert "hidden" not in repr(settings)


def test_the_login_page_names_the_app():
    assert adapter(api_key="k y", redirect_uri="https://me.example/in?a").login_address() == (
        "https://api.upstox.com/v2/login/authorization/dialog"
        "?response_type=code&client_id=k+y&redirect_uri=https%3A%2F%2Fme.example%2Fin%3Fa"
    )
    for some in ({}, {"api_key": "k"}, {"redirect_uri": "https://me.example"}):
        assert adapter(**some).login_address() == "", "Upstox would refuse it"
