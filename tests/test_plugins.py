"""Entry points: found without importing, loaded by name, refused in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mdactors.adapter import BrokerAdapter
from mdactors.config import InstrumentSettings, Settings
from mdactors.errors import PluginError
from mdactors.plugins import (
    ADAPTERS,
    SIMULATORS,
    available,
    distribution,
    load_adapter,
    load_simulator,
    sources_of,
)

MODULE = '''
"""A stranger's broker."""

import msgspec

from mdactors.adapter import BrokerAdapter


class Blank(msgspec.Struct, frozen=True):
    """It needs nothing."""


class Unfinished(BrokerAdapter):
    """It forgot to say and do almost everything."""

    name = "unfinished"
    settings = Blank


class Acme(BrokerAdapter):
    """It does just enough."""

    name = "acme"
    settings = Blank
    modes = {}

    def __init__(self, settings): ...
    def section(self): ...
    def decode(self, frame): ...
    def subscribe(self, wanted): ...
    def unsubscribe(self, tokens): ...
    def change_mode(self, wanted): ...
    def endpoint(self): ...
    def refusal(self, status, body): ...
    def download(self, name="", before=None): ...
    def listings(self, data, name=""): ...


class AcmeSimulator:
    """Its stand-in."""

    name = "acme"

    def routes(self): ...
    def settings(self, port): ...


class Mute:
    """No simulator."""


def function():
    """No class."""
'''

ENTRIES = """
[mdactors.adapters]
acme = acme_broker:Acme
unfinished = acme_broker:Unfinished
foreign = acme_broker:Blank
function = acme_broker:function
missing = acme_broker:Missing
broken = acme_broken:Anything
absent = acme_absent:Anything

[mdactors.simulators]
acme = acme_broker:AcmeSimulator
mute = acme_broker:Mute
function = acme_broker:function
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make a distribution with these entry points importable, as pip would."""
    modules = set(sys.modules)

    def put(name: str, entries: str) -> None:
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(entries)

    (tmp_path / "acme_broker.py").write_text(MODULE)
    (tmp_path / "acme_broken.py").write_text("raise RuntimeError('out of order\\nfor reasons')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield put
    for name in set(sys.modules) - modules:
        if name.startswith("acme_"):
            del sys.modules[name]


def test_a_third_party_distribution_is_found_beside_ours(install: Install) -> None:
    install("acme-broker", "[mdactors.adapters]\nacme = acme_broker:Acme\n")
    assert set(available(ADAPTERS)) == {"acme", "kite", "upstox"}
    assert distribution(available(ADAPTERS)["acme"]) == "acme-broker 1.2"
    assert set(available(SIMULATORS)) == {"kite", "upstox"}


def test_looking_imports_nothing(install: Install) -> None:
    install("acme-broker", ENTRIES)
    available(ADAPTERS)
    assert "acme_broker" not in sys.modules


def test_a_third_party_adapter_and_its_simulator_load(install: Install) -> None:
    install("acme-broker", ENTRIES)
    assert load_adapter("acme").name == "acme"
    assert load_simulator("acme").__name__ == "AcmeSimulator"


@pytest.mark.parametrize("name", ["kite", "upstox"])
def test_our_own_load(name: str) -> None:
    adapter = load_adapter(name)
    assert issubclass(adapter, BrokerAdapter)
    assert adapter.name == name
    assert load_simulator(name).name == name


def test_an_unknown_name_lists_what_is_installed() -> None:
    with pytest.raises(PluginError) as caught:
        load_adapter("kites")
    assert str(caught.value) == (
        "no adapter named kites is installed (did you mean kite?); installed: kite, upstox"
    )
    with pytest.raises(PluginError, match="no simulator named zzz is installed; installed: kite, upstox"):
        load_simulator("zzz")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("foreign", "adapter foreign: Blank does not derive from BrokerAdapter"),
        ("function", "adapter function: function does not derive from BrokerAdapter"),
        ("missing", "adapter missing does not load: AttributeError: "),
        ("broken", "adapter broken does not load: RuntimeError: out of order"),
        ("absent", "adapter absent does not load: ModuleNotFoundError: No module named 'acme_absent'"),
        (
            "unfinished",
            "adapter unfinished: Unfinished lacks modes, __init__, change_mode, decode, download, endpoint, "
            "listings, refusal, section, subscribe, unsubscribe",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_in_one_line(install: Install, name: str, said: str) -> None:
    install("acme-broker", ENTRIES)
    with pytest.raises(PluginError) as caught:
        load_adapter(name)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_simulator_that_does_not_fit_is_refused(install: Install) -> None:
    install("acme-broker", ENTRIES)
    with pytest.raises(PluginError, match=r"^simulator mute: Mute lacks name, routes, settings$"):
        load_simulator("mute")
    with pytest.raises(PluginError, match=r"^simulator function: function is not a class$"):
        load_simulator("function")


def test_a_name_that_two_distributions_offer_is_refused(install: Install) -> None:
    install("acme-broker", "[mdactors.adapters]\nacme = acme_broker:Acme\n")
    install("other", "[mdactors.adapters]\nacme = acme_broker:Acme\n")
    with pytest.raises(PluginError, match=r"acme is offered twice, by .*: uninstall one"):
        load_adapter("acme")


@pytest.mark.parametrize(
    ("brokers", "named", "sources"),
    [
        ({"kite": {"api_key": "k"}}, [], ["kite", "upstox"]),
        ({"kite": {"api_key": "k", "rest_url": "https://api.kite.trade/"}}, [], ["kite", "upstox"]),
        ({"kite": {"api_key": "k", "rest_url": "http://127.0.0.1:9001"}}, [], ["kite"]),
        ({"kite": {"api_key": "k"}}, ["kite"], ["kite"]),
        ({"upstox": {}}, [], ["upstox"]),
        ({"upstox": {}, "kite": {"api_key": "k"}}, [], ["upstox", "kite"]),
        ({}, [], []),
    ],
)
def test_where_no_sources_are_named_public_lists_complete_the_brokers(
    brokers: dict[str, dict[str, str]], named: list[str], sources: list[str]
) -> None:
    settings = Settings(brokers=brokers, instruments=InstrumentSettings(sources=named))
    assert sources_of(settings) == sources
