"""What the channels of sessions show is streamed for them, and sent to nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.actors.test_subscription_manager import Rig, token

from mdactors.market.interest import Interest
from mdactors.messages import RouteSet, SessionClosed


@pytest.fixture
def rig(listen: Callable[[str], Any], run_tree: Callable[..., Any]) -> Rig:
    return Rig(listen, run_tree)


def showing(*numbers: int) -> Interest:
    return Interest(behind={token(n): "full" for n in numbers})


def test_it_is_subscribed_for_the_first_and_released_after_the_last(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", showing(1, 2))
    rig.report("b", Interest({token(3): "quote"}, behind={token(2): "full"}))
    wait_until(lambda: rig.streamed() == [{token(1), token(2)}, {token(3)}])
    assert [dict(each.interest.tokens) for each in rig.hub.of(RouteSet)] == [{}, {token(3): "quote"}]
    rig.address.tell(SessionClosed("a"))
    wait_until(lambda: rig.streamed() == [{token(2)}, {token(3)}])
    rig.report("b", Interest({token(3): "quote"}))
    wait_until(lambda: rig.streamed() == [set(), {token(3)}])


def test_what_does_not_fit_is_missing_from_the_channel_and_no_answer_says_so(
    rig: Rig, wait_until: Callable[..., None]
) -> None:
    rig.report("a", Interest({token(n): "quote" for n in (1, 2, 3)}))
    rig.report("b", showing(4, 5), {"event": "subscribed", "symbols": {}, "tokens": {}, "unknown": []})
    wait_until(lambda: rig.answers())
    assert rig.answers()[0]["rejected"] == []
    wait_until(lambda: rig.streamed() == [{token(1), token(2)}, {token(3), token(4)}])
    assert [each["symbol"] for each in rig.status()["refused"]] == ["SHARE5"]
