"""Every file that a person edits is read however an editor saved it, or the editor's encoding is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mdactors.cli import main
from mdactors.config import (
    CalendarSettings,
    SectorSettings,
    Settings,
    decode_section,
    load,
    load_calendar,
    load_definition,
    read_env_file,
)
from mdactors.config.sectors import SHIPPED as SECTORS
from mdactors.config.sessions import SHIPPED as SESSIONS
from mdactors.errors import MdactorsError
from mdactors.plugins import load_adapter
from mdactors.simulator.sources import open_recording
from mdactors.store.lists import Lists, read_list
from mdactors.store.pin_file import PinFile
from mdactors.text_file import NotUtf8, read_text

CONFIG = "server: {port: 9000}\nsubscriptions: {symbols: [RELIANCE]}\n"
LIST = "Company Name,Industry,Symbol,Series,ISIN Code\nReliance,Power,RELIANCE,EQ,INE002A01018\n"
PINS = json.dumps({"day": "2026-11-20", "tokens": [738561], "sectors": ["BANKING"]})
PRICES = "recv_time,instrument_token,tradingsymbol,ltp\n2025-10-08T09:01:27+05:30,256265,NIFTY 50,25123.35\n"


def access_token(broker: str) -> Callable[[Path], object]:
    """What tells one token in a file from another."""

    def read(path: Path) -> object:
        kind = load_adapter(broker)
        settings = {"access_token_file": str(path), "api_key": "k"}
        adapter = kind(decode_section(settings, kind.settings, broker))
        return adapter.credential() or adapter.endpoint()  # which says why there is none

    return read


KITE = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange\n738561,2885,RELIANCE,RELIANCE,0,,0,0.1,1,EQ,NSE,NSE\n"
)
UPSTOX = json.dumps(
    [
        {
            "segment": "NSE_EQ",
            "exchange": "NSE",
            "name": "R",
            "isin": "INE002A01018",
            "instrument_type": "EQ",
            "instrument_key": "NSE_EQ|INE002A01018",
            "lot_size": 1,
            "exchange_token": "2885",
            "tick_size": 10.0,
            "trading_symbol": "RELIANCE",
        }
    ]
)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a configuration": (CONFIG, lambda path: load(path, {})),
    "an env file": ("A=abc\nB=${A}\n", read_env_file),
    "a secret's file": (
        "hush\n",
        lambda path: decode_section({"admin": {"token_file": str(path)}}, Settings, ""),
    ),
    "Kite's token": ("hush\n", access_token("kite")),
    "Upstox's token": ("hush\n", access_token("upstox")),
    "sectors": (
        read_text(SECTORS),
        lambda path: [each.code for each in load_definition(SectorSettings(definition=str(path)))],
    ),
    "sessions": (
        read_text(SESSIONS),
        lambda path: load_calendar(CalendarSettings(sessions=str(path))).holidays(2026),
    ),
    "a list of shares": (LIST, read_list),
    "pins": (PINS, lambda path: PinFile(path).load()),
    "a recording": (PRICES, lambda path: list(open_recording(path).events())),
}


@pytest.mark.parametrize(("text", "read"), READERS.values(), ids=READERS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_byte_order_mark_makes_no_difference(
    tmp_path: Path, text: str, read: Callable[[Path], object], end: str
) -> None:
    path = tmp_path / "edited"
    path.write_text(text)
    plain = read(path)
    path.write_bytes(text.replace("\n", end).encode("utf-8-sig"))
    assert read(path) == plain


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"pins", "a recording"}))
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf16_is_named(tmp_path: Path, name: str, encoding: str) -> None:
    text, read = READERS[name]
    path = tmp_path / "edited"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(MdactorsError, match=r"is UTF-16.*save it as UTF-8"):
        read(path)


@pytest.mark.parametrize("name", ["pins", "a recording"])
def test_utf16_is_an_error_where_programs_write(tmp_path: Path, name: str) -> None:
    text, read = READERS[name]
    path = tmp_path / "written"
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(MdactorsError, match=str(path)):
        read(path)


def test_a_list_of_shares_with_a_mark_is_imported_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "download.csv").write_bytes(LIST.encode("utf-8-sig"))
    Lists(tmp_path / "lists").keep("NIFTY IT", (tmp_path / "download.csv").read_bytes())
    assert [each.symbol for each in Lists(tmp_path / "lists").read()["NIFTY IT"]] == ["RELIANCE"]


@pytest.mark.parametrize(("broker", "text"), [("kite", KITE), ("upstox", UPSTOX)])
def test_a_brokers_list_that_an_editor_saved_is_read(broker: str, text: str) -> None:
    kind = load_adapter(broker)
    adapter = kind(decode_section({}, kind.settings, broker))
    plain, marked = (list(adapter.listings(text.encode(kind))) for kind in ("utf-8", "utf-8-sig"))
    assert len(plain) == 1
    assert marked == plain


def test_a_frame_in_a_text_file_is_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "frame").write_bytes("0001 0008 000b4341 0004700c\r\n".encode(encoding))
        assert main(["decode", "--broker", "kite", "--hex", str(tmp_path / "frame")]) == 0
        said.append(capsys.readouterr().out)
    assert '"last_price":2908.28' in said[0]
    assert said[1] == said[0]


@pytest.mark.parametrize("data", [b"a\xff", b"caf\xe9", b"\xff\xfea"])
def test_what_is_no_utf8_says_what_to_do(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(NotUtf8, match=r"^is (not UTF-8|UTF-16) text: save it as UTF-8$"):
        read_text(tmp_path / "f")
