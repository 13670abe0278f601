"""The simulated Kite speaks the true wire and keeps the broker's rules."""

from __future__ import annotations

import struct

import pytest
import websocket
from tests.today import NOW_MS

from mdactors.adapter import Depth, Level
from mdactors.market.instrument import InstrumentRow
from mdactors.simulator import Exchange, FixedBook, PriceState

INFY = 408065
NIFTY = 256265
USDINR = 1132 << 8 | 3


def equity(token=INFY, segment="NSE_EQ", symbol="INFY", **figures):
    key = f"{segment}|{symbol}"
    instrument = InstrumentRow(token, symbol, "NSE", segment, "STOCK", key, name=symbol)
    book = FixedBook((Level(1500.4, 310, 4),), (Level(1500.45, 75, 1), Level(1500.5, 480, 6)))
    state = {
        "last_price": 1500.45, "previous_close": 1489.85, "open": 1495.0, "high": 1507.1, "low": 1490.1,
        "last_quantity": 12, "average_price": 1498.72, "volume": 3251907, "buy_quantity": 412330,
        "sell_quantity": 508114, "last_trade_time": 1795149929000, "exchange_time": 1795149930000,
        "book": book,
    }  # fmt: skip
    return PriceState(instrument, **{**state, **figures})


def currency():
    day = dict.fromkeys(("previous_close", "open", "high", "low", "average_price"), 84.25)
    return equity(USDINR, "NCD_FO", "USDINR", last_price=84.2575, book=FixedBook(), **day)


def index():
    key = "NSE_INDEX|Nifty 50"
    instrument = InstrumentRow(NIFTY, "NIFTY 50", "NSE", "NSE_INDEX", "INDEX", key, name="Nifty 50")
    return PriceState(instrument, 24055.15, 23962.8, 24001.0, 24102.3, 23980.4, exchange_time=1795149930000)


@pytest.fixture
def market(board):
    return board(equity(), index(), currency())


@pytest.fixture
def server(market, serve):
    return serve(market)


def subscribe(*tokens):
    return {"a": "subscribe", "v": list(tokens)}


def mode(word, *tokens):
    return {"a": "mode", "v": [word, list(tokens)]}


def status_of_handshake(server, query):
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        websocket.create_connection(f"ws://127.0.0.1:{server.port}/{query}", timeout=10)
    return caught.value.status_code


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?access_token=simulated", 400),
        ("?api_key=simulated", 403),
        ("?api_key=simulated&access_token=", 403),
        ("?api_key=simulated&access_token=old", 403),
        ("?api_key=other&access_token=simulated", 403),
    ],
)
def test_a_handshake_without_the_right_credentials_is_refused(server, query, status):
    assert status_of_handshake(server, query) == status


def test_the_order_of_the_credentials_does_not_matter(server):
    address = f"ws://127.0.0.1:{server.port}/?access_token=simulated&uid=1&api_key=simulated"
    socket = websocket.create_connection(address, timeout=10)
    socket.close()


def test_a_fourth_connection_is_too_many_until_one_has_gone(server, connect, wait_until):
    clients = [connect(server) for _ in range(3)]
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(server)
    assert caught.value.status_code == 429
    clients[0].socket.close()
    wait_until(lambda: len(server.connections) == 2)
    assert connect(server).socket.connected


def say_close(client):
    client.socket.send_close()
    client.socket.shutdown()


@pytest.mark.parametrize(
    "leave",
    [lambda client: client.socket.close(), lambda client: client.socket.shutdown(), say_close],
    ids=["closing", "vanishing", "closing-without-waiting"],
)
def test_a_client_that_leaves_frees_its_place_at_once(server, connect, leave):
    clients = [connect(server) for _ in range(3)]
    for _ in range(20):
        leave(clients.pop(0))
        clients.append(connect(server))
        assert clients[-1].socket.connected


def test_a_connection_that_the_broker_is_closing_holds_no_place(server, connect):
    clients = [connect(server) for _ in range(3)]
    # The clients have not answered, so the sockets are still there.
    closed = server.call(lambda: [peer.close(1001) for peer in server._switchboard.peers.values()])
    assert len(closed) == len(clients) == len(server.connections) == 3
    assert connect(server).socket.connected


def test_a_dead_token_refuses_the_next_handshake_and_leaves_open_sockets_alone(server, connect):
    client = connect(server)
    server.faults.expire()
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(server)
    assert caught.value.status_code == 403
    client.say(subscribe(INFY))
    assert client.quotes(1)[0].last_price == 1500.45
    server.faults.accept("fresh")
    assert connect(server, access_token="fresh").socket.connected


def test_a_bare_subscription_answers_at_once_in_mode_quote(server, connect):
    client = connect(server)
    client.say(subscribe(INFY, NIFTY))
    share, index_quote = client.quotes(2)
    assert (share.token, share.mode, share.volume, share.previous_close) == (INFY, "quote", 3251907, 1489.85)
    assert (index_quote.token, index_quote.mode, index_quote.high) == (NIFTY, "quote", 24102.3)
    assert [len(share.raw), len(index_quote.raw)] == [44, 28]


def test_each_change_of_mode_answers_with_the_layout_of_that_mode(server, connect):
    client = connect(server)
    client.say(subscribe(INFY, NIFTY))
    client.quotes(2)
    for word, lengths in (("full", [184, 32]), ("ltp", [8, 8]), ("quote", [44, 28])):
        client.say(mode(word, INFY, NIFTY))
        quotes = client.quotes(2)
        assert [quote.mode for quote in quotes] == [word, word]
        assert [len(quote.raw) for quote in quotes] == lengths


def test_a_full_packet_says_everything_that_the_market_knows(server, connect):
    client = connect(server)
    client.send(client.adapter.subscribe({INFY: "full"}))
    quote = client.quotes(2)[1]
    assert quote.raw.hex().startswith(
        "00063a0100024a1d0000000c0002497000319ec300064aaa0007c0d2000247fc00024cb600024612000245f96affd069"
    )
    assert quote.exchange_time == 1795149930000
    assert quote.depth() == Depth((Level(1500.4, 310, 4),), (Level(1500.45, 75, 1), Level(1500.5, 480, 6)))


def test_currencies_have_seven_decimals_and_prices_may_be_negative(server, market, connect):
    client = connect(server)
    client.say(subscribe(USDINR))
    assert client.quotes(1)[0].last_price == 84.2575
    client.say(mode("ltp", USDINR))
    client.quotes(1)
    server.call(lambda: market.move(USDINR, last_price=-0.0025))
    server.step(0.25)
    assert client.quotes(1)[0].last_price == -0.0025


@pytest.mark.parametrize(
    "message",
    [
        subscribe(str(INFY)),
        subscribe(True, None, [1], 1.5, {}),
        subscribe(999),
        mode("full", INFY),
        mode("depth30", INFY),
        {"a": "subscribe", "v": INFY},
        {"a": "mode", "v": ["full"]},
        {"a": "dance", "v": []},
        [1, 2],
        "{broken",
        "[" * 5000,
        b'{"a":"subscribe","v":[408065]}',
    ],
)
def test_what_kite_does_not_understand_is_passed_over_in_silence(server, connect, message):
    client = connect(server)
    client.say(message, subscribe(NIFTY))
    assert [quote.token for quote in client.quotes(1)] == [NIFTY]
    assert len(client.frames) == 1


def test_later_packets_come_only_when_something_in_their_mode_is_new(server, market, connect):
    client = connect(server)
    client.say(subscribe(INFY, NIFTY), mode("ltp", INFY))
    client.quotes(3)
    server.call(lambda: market.move(INFY, volume=3251908, exchange_time=1795149931000))
    server.step(0.25)
    server.call(lambda: market.move(INFY, last_price=1500.45))
    server.step(0.25)
    server.call(lambda: market.move(INFY, last_price=1500.5))
    server.step(0.25)
    assert [quote.last_price for quote in client.quotes(1)] == [1500.5]


def test_after_an_unsubscription_nothing_more_comes(server, market, connect):
    client = connect(server)
    client.say(subscribe(INFY, NIFTY), {"a": "unsubscribe", "v": [INFY, 999]}, subscribe(NIFTY))
    client.quotes(3)
    server.call(lambda: market.move(INFY, last_price=1.0))
    server.call(lambda: market.move(NIFTY, last_price=2.0))
    server.step(0.25)
    assert [quote.token for quote in client.quotes(1)] == [NIFTY]


def test_a_second_of_nothing_is_followed_by_a_heartbeat_of_one_byte(server, market, connect):
    client = connect(server)
    client.say(subscribe(INFY))
    client.quotes(1)
    for _ in range(3):
        server.step(0.25)
    server.call(lambda: market.move(INFY, last_price=1.0))
    server.step(0.2)
    for _ in range(8):
        server.step(0.25)
    assert [len(client.frame()) for _ in range(3)] == [48, 1, 1]


def test_more_than_three_thousand_tokens_are_an_error_text_and_the_rest_is_ignored(serve, connect):
    market = Exchange.of_size(3010, start_ms=NOW_MS)
    client = connect(serve(market))
    tokens = list(market.states)
    client.say(subscribe(*tokens[:2000]), subscribe(*tokens[1000:]), subscribe(tokens[-1], tokens[0]))
    quotes, notices = [], []
    while len(notices) < 2 or len(quotes) < 4001:
        decoded = client.adapter.decode(client.frame())
        quotes += decoded.quotes
        notices += [decoded.notice] if decoded.notice else []
    assert {quote.token for quote in quotes} == set(tokens[:3000])
    assert [quote.token for quote in quotes][-1] == tokens[0]
    assert all("3000" in notice for notice in notices)
    client.say({"a": "unsubscribe", "v": tokens[:1]}, subscribe(tokens[-1]))
    assert [quote.token for quote in client.quotes(1)] == [tokens[-1]]


def test_a_frame_holds_at_most_so_many_packets(serve, connect):
    market = Exchange.of_size(50, start_ms=NOW_MS)
    client = connect(serve(market, packets_per_frame=20))
    tokens = list(market.states)[:45]
    client.say(subscribe(*tokens))
    assert [quote.token for quote in client.quotes(45)] == tokens
    assert [struct.unpack_from(">H", frame)[0] for frame in client.frames] == [20, 20, 5]


def test_every_listing_of_the_made_up_market_arrives_as_it_is(serve, connect):
    market = Exchange(seed=3, start_ms=NOW_MS)
    client = connect(serve(market))
    states = market.states
    client.send(client.adapter.subscribe(dict.fromkeys(states, "full")))
    quotes = [quote for quote in client.quotes(2 * len(states)) if quote.mode == "full"]
    assert [quote.token for quote in quotes] == list(states)
    for quote in quotes:
        state = states[quote.token]
        assert quote.last_price == pytest.approx(state.last_price, abs=1e-9)
        assert quote.previous_close == pytest.approx(state.previous_close, abs=1e-9)
        assert (quote.open, quote.high, quote.low) == pytest.approx(
            (state.open, state.high, state.low), abs=1e-9
        )
        assert quote.volume == state.volume
        assert quote.exchange_time == state.exchange_time // 1000 * 1000
        if state.instrument.type == "INDEX":
            assert quote.depth() is None
            continue
        assert quote.average_price == pytest.approx(state.average_price, abs=0.005)
        assert (quote.last_quantity, quote.open_interest or 0) == (state.last_quantity, state.open_interest)
        assert (quote.buy_quantity, quote.sell_quantity) == (state.buy_quantity, state.sell_quantity)
        assert quote.last_trade_time == state.last_trade_time // 1000 * 1000
        assert quote.depth() == Depth(tuple(state.bids(5)), tuple(state.asks(5)))


def test_the_judge_counts_what_was_sent(serve, connect):
    server = serve(Exchange(seed=3, start_ms=NOW_MS))
    client = connect(server)
    client.send(client.adapter.subscribe({INFY: "full", NIFTY: "ltp"}))
    got = client.quotes(4)
    for _ in range(4):
        server.step(1.0)
    (sent,) = server.sent().values()
    while len(got) < sum(sent.values()):
        got += client.quotes(1)
    assert sum(sent.values()) > 4
    assert {token: sum(quote.token == token for quote in got) for token in sent} == sent
