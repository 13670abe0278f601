"""The simulator's socket: every rule of Upstox's that a daemon can notice."""

from __future__ import annotations

from contextlib import suppress

import pytest
import requests
import websocket
from tests.today import NOW_MS
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

from mdactors.errors import BrokerRefused, LoginRequired
from mdactors.simulator import Exchange
from mdactors_upstox import simulator as upstox
from mdactors_upstox.adapter import UpstoxAdapter, UpstoxSettings

SHARE, OPTION, INDEX = "NSE_EQ|INE002A01018", "NSE_FO|45450", "NSE_INDEX|Nifty 50"
ALL = {SHARE, OPTION, INDEX}


def as_sent(client) -> official.FeedResponse:
    return official.FeedResponse.FromString(client.frame())


@pytest.fixture
def server(serve, board):
    return serve(board)


@pytest.fixture
def client(connect, server):
    """Connected, and past the market's status."""
    client = connect(server)
    assert client.decoded().market_status["NSE_EQ"] == "NORMAL_OPEN"
    return client


def step(server, board, key, **figures):
    server.call(lambda: board.move(key, **figures))
    server.step(0.25)


def test_the_markets_status_comes_first_and_unasked(connect, server):
    decoded = connect(server).decoded()
    assert decoded.quotes == []
    assert decoded.market_status["MCX_FO"] == "NORMAL_OPEN"
    assert len(decoded.market_status) == 11


def test_each_subscription_is_answered_by_one_snapshot_of_its_keys(client):
    client.ask("sub", [SHARE, "NSE_EQ|NOBODY", INDEX], "full")
    client.ask("sub", [OPTION], "full")
    first, second = as_sent(client), as_sent(client)
    assert (first.type, set(first.feeds)) == (0, {SHARE, INDEX})
    assert (second.type, set(second.feeds)) == (0, {OPTION})


def test_the_adapter_reads_back_what_the_market_says(client, board):
    client.send(client.adapter.subscribe(dict.fromkeys(ALL, "full")))
    quotes = client.quotes()
    for key in ALL:
        quote, state = quotes[key], board.by_key(key)
        assert quote.snapshot
        assert quote.exchange_time == quote.last_trade_time == state.last_trade_time
        assert (quote.last_price, quote.previous_close) == (state.last_price, state.previous_close)
        assert (quote.open, quote.high, quote.low) == (state.open, state.high, state.low)
        assert quote.volume == state.volume
        assert quote.greeks() == state.greeks
        if key != INDEX:
            assert (quote.average_price, quote.last_quantity) == (state.average_price, state.last_quantity)
            assert (quote.buy_quantity, quote.sell_quantity) == (state.buy_quantity, state.sell_quantity)
            book = quote.depth()
            assert [(rung.price, rung.quantity) for rung in book.buy] == [(1277.3, 570), (1277.2, 366)]
            assert [(rung.price, rung.quantity) for rung in book.sell] == [(1277.4, 746), (1277.5, 700)]
    assert (quotes[OPTION].open_interest, quotes[OPTION].iv) == (2_811_525, 0.1277)


def test_only_what_changed_goes_live_with_the_time_of_the_frame(client, server, board):
    client.ask("sub", [SHARE, OPTION], "full")
    client.quotes()
    step(server, board, SHARE, last_price=1280.0, high=1280.0)
    sent = as_sent(client)
    assert (sent.type, set(sent.feeds), sent.currentTs) == (1, {SHARE}, board.now_ms)
    assert sent.feeds[SHARE].fullFeed.marketFF.ltpc.ltp == 1280.0
    assert sent.feeds[SHARE].requestMode == 1


def test_without_a_mode_a_subscription_means_ltpc(client, server, board):
    client.ask("sub", [SHARE])
    assert client.quotes()[SHARE].mode == "ltp"
    step(server, board, SHARE, buy_quantity=1)
    step(server, board, SHARE, last_price=1281.0)
    assert client.quotes()[SHARE].last_price == 1281.0, "no frame for what ltpc does not hold"


def test_option_greeks_hold_one_rung(client):
    client.ask("sub", [OPTION], "option_greeks")
    quote = client.quotes()[OPTION]
    assert quote.mode == "quote"
    assert (len(quote.depth().buy), len(quote.depth().sell)) == (1, 1)
    assert quote.greeks().rho == -1.1677


def test_a_change_of_mode_brings_the_whole_feed_of_the_new_mode_next(client, server, board):
    client.ask("sub", [SHARE], "ltpc")
    client.quotes()
    client.send(client.adapter.change_mode({SHARE: "full", OPTION: "full"}))
    client.ask("sub", [INDEX], "full")
    assert set(client.quotes()) == {INDEX}, "what was not subscribed stays so"
    step(server, board, SHARE, last_price=1282.0)
    quote = client.quotes()[SHARE]
    assert (quote.mode, quote.complete, quote.snapshot) == ("full", True, False)


def test_after_an_unsubscription_nothing_comes(client, server, board):
    client.ask("sub", [SHARE, OPTION], "full")
    client.quotes()
    client.send(client.adapter.unsubscribe([SHARE]))
    client.ask("sub", [INDEX], "full")
    client.quotes()
    step(server, board, SHARE, last_price=1.0)
    step(server, board, OPTION, last_price=2.0)
    assert set(client.quotes()) == {OPTION}


@pytest.mark.parametrize(
    "nonsense",
    [
        '{"guid":"g","method":"sub","data":{"mode":"full","instrumentKeys":["NSE_EQ|INE002A01018"]}}',
        b"{",
        b"5",
        b'{"method":"sub"}',
        b'{"method":"sub","data":{"mode":"odd","instrumentKeys":["NSE_EQ|INE002A01018"]}}',
        b'{"method":"sub","data":{"mode":["full"],"instrumentKeys":["NSE_EQ|INE002A01018"]}}',
        b'{"method":"sub","data":{"mode":"full","instrumentKeys":[5,null]}}',
        b'{"method":"sub","data":{"mode":"full_d30","instrumentKeys":["NSE_EQ|INE002A01018"]}}',
        b'{"method":"dance","data":{"instrumentKeys":["NSE_EQ|INE002A01018"]}}',
    ],
    ids=[
        "text",
        "no json",
        "no object",
        "no keys",
        "odd mode",
        "list as mode",
        "no texts",
        "deep",
        "odd method",
    ],
)
def test_what_it_does_not_take_it_passes_over_in_silence(client, nonsense):
    client.say(nonsense)
    client.ask("sub", [INDEX], "full")
    assert set(client.quotes()) == {INDEX}


def test_plan_plus_gets_thirty_rungs(connect, serve, board):
    client = connect(serve(board, plan="plus"))
    client.decoded()
    client.send(client.adapter.subscribe({SHARE: "depth30"}))
    sent = as_sent(client)
    assert len(sent.feeds[SHARE].fullFeed.marketFF.marketLevel.bidAskQuote) == 30
    assert client.adapter.decode(sent.SerializeToString()).quotes[0].mode == "depth30"


def test_keys_beyond_the_limit_are_dropped_in_silence(connect, serve, monkeypatch):
    monkeypatch.setitem(upstox.MOST_ALONE, "full", 3)
    monkeypatch.setitem(upstox.MOST_COMBINED, "full", 2)
    market = Exchange(seed=1, start_ms=1_795_149_930_000)
    keys = [listed.key for listed in market.instruments if listed.segment == "NSE_EQ"][:6]
    client = connect(serve(market))
    client.decoded()
    client.ask("sub", keys, "full")
    assert set(client.quotes()) == set(keys[:3])
    client.ask("sub", keys[4:], "ltpc")
    assert set(client.quotes()) == set(keys[4:])
    client.ask("unsub", keys[1:3])
    client.ask("sub", [*keys[1:4]], "full")
    assert set(client.quotes()) == {keys[1]}, "combined with another mode the limit is lower"


def test_the_real_limits_are_upstoxs():
    assert upstox.MOST_ALONE == {"ltpc": 5000, "option_greeks": 3000, "full": 2000, "full_d30": 50}
    assert upstox.MOST_CONNECTIONS == {"normal": 2, "plus": 5}


def test_a_share_of_live_frames_is_partial_and_merges_to_the_whole(connect, serve):
    def partial_ones(seed):
        market = Exchange(seed=seed, rate=400, start_ms=1_795_149_930_000)
        server = serve(market, seed=seed)
        client = connect(server)
        client.decoded()
        keys = [listed.key for listed in market.instruments]
        client.ask("sub", keys, "full")
        merged = client.quotes()
        assert set(merged) == set(keys)
        partial = []
        for _ in range(20):
            server.step(0.25)
            for key, quote in client.quotes().items():
                if not quote.complete:
                    partial.append(key)
                merged[key] = quote if quote.complete else quote.merged(merged[key])
        for key, quote in merged.items():
            state = market.by_key(key)
            assert (quote.last_price, quote.volume) == (state.last_price, state.volume)
            assert (quote.open, quote.high, quote.low) == (state.open, state.high, state.low)
        return partial

    assert 20 < len(partial_ones(1)) < 1000
    assert partial_ones(2) == partial_ones(2), "the same seed gives the same frames"


def test_frames_hold_no_more_than_asked_for_and_the_judge_counts_each_update(connect, serve):
    market = Exchange(seed=1, rate=400, start_ms=1_795_149_930_000)
    server = serve(market, packets_per_frame=20)
    client = connect(server)
    client.decoded()
    keys = [listed.key for listed in market.instruments]
    client.ask("sub", keys, "full")
    counts = dict.fromkeys(client.quotes(), 1)
    changed = server.step(0.25)
    left = changed
    while left:
        quotes = client.quotes()
        assert 0 < len(quotes) <= 20
        left -= len(quotes)
        for key in quotes:
            counts[key] += 1
    assert changed > 20
    (sent,) = server.sent().values()
    assert sent == {market.by_key(key).token: count for key, count in counts.items()}


def test_a_silent_line_is_pinged(client, server):
    server.step(upstox.IDLE_SECONDS)
    opcode, _ = client.socket.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_PING


def test_a_change_of_a_segments_phase_is_told(connect, serve):
    market = Exchange(seed=1, start_ms=1_790_653_440_000)  # a Tuesday, 09:14
    server = serve(market)
    client = connect(server)
    client.decoded()
    server.call(lambda: setattr(market, "session", type(market.session)(always_open=False)))
    server.step(1)
    assert client.decoded().market_status["NSE_EQ"] == "PRE_OPEN_END"
    server.step(60)
    while not (statuses := client.decoded().market_status):
        pass
    assert statuses["NSE_EQ"] == "NORMAL_OPEN"


def test_an_address_works_once(connect, server, client):
    endpoint = client.adapter.endpoint()
    address = endpoint.url.reveal()
    assert endpoint.headers.keys() == {"User-Agent"}
    once = websocket.create_connection(address, timeout=5)
    once.close()
    for spent in (address, address.split("code=")[0] + "code=guess", address.split("?")[0]):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(spent, timeout=5)
        assert refused.value.status_code == 401
        assert isinstance(client.adapter.refusal(401, b""), BrokerRefused)


def test_a_third_connection_of_a_normal_plan_is_refused_until_one_ends(connect, server, wait_until):
    first, _ = connect(server), connect(server)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        connect(server)
    assert refused.value.status_code == 403
    first.socket.close()
    wait_until(lambda: len(server.connections) == 1)
    connect(server)


def test_plan_plus_has_five_connections(connect, serve, board):
    server = serve(board, plan="plus")
    for _ in range(5):
        connect(server)
    with pytest.raises(websocket.WebSocketBadStatusException):
        connect(server)


def test_a_dead_token_is_refused_with_upstoxs_envelope(server, connect):
    open_one = connect(server)
    server.faults.expire()
    with pytest.raises(LoginRequired, match="UDAPI100050"):
        connect(server)
    assert open_one.decoded().market_status, "open sockets live on"
    server.faults.accept("fresh")
    connect(server, access_token="fresh")


def test_the_direct_address_redirects_to_a_one_time_one(server):
    url = f"ws://127.0.0.1:{server.port}{upstox.DIRECT_PATH}"
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(url, timeout=5)
    assert refused.value.status_code == 401
    socket = websocket.create_connection(url, timeout=5, header={"Authorization": "Bearer simulated"})
    with suppress(websocket.WebSocketException):
        assert official.FeedResponse.FromString(socket.recv_data()[1]).type == 2
    socket.close()


def test_the_settings_lead_the_adapter_to_the_simulators_instruments(server, board):
    settings = UpstoxSettings(instruments_url=server.settings()["instruments_url"])
    listings = list(UpstoxAdapter(settings).instruments())
    known = {state.instrument.key: state.instrument for state in board.states.values()}
    assert {listing.token for listing in listings} == known.keys()
    for listing in listings:
        ours = known[listing.token]
        theirs = listing.instrument
        assert (theirs.token, theirs.symbol, theirs.type) == (ours.token, ours.symbol, ours.type)
        assert (theirs.lot_size, theirs.expiry, theirs.strike) == (ours.lot_size, ours.expiry, ours.strike)


def test_every_listing_of_the_exchange_survives_the_way_through_the_instrument_file(serve):
    market = Exchange(seed=1, start_ms=NOW_MS)
    settings = UpstoxSettings(instruments_url=serve(market).settings()["instruments_url"])
    read = {listing.instrument.token: listing.instrument for listing in UpstoxAdapter(settings).instruments()}
    assert read.keys() == {listed.token for listed in market.instruments}
    for listed in market.instruments:
        same = ("symbol", "exchange", "segment", "type", "key", "isin", "expiry", "strike", "option_type")
        assert [getattr(read[listed.token], name) for name in same] == [
            getattr(listed, name) for name in same
        ]


def test_the_socket_path_is_no_rest_path(server):
    assert requests.get(f"http://127.0.0.1:{server.port}{upstox.FEED_PATH}", timeout=5).status_code >= 400
