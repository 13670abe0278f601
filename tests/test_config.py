"""The configuration: what is read, and how its problems are named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mdactors.adapter import Secret
from mdactors.config import Settings, decode_section, load, read_env_file
from mdactors.errors import ConfigError
from mdactors.plugins import load_adapter, make_adapters

REPOSITORY = Path(__file__).resolve().parent.parent


class Adapted(msgspec.Struct, frozen=True):
    """Settings as an adapter may have them."""

    api_key: str
    token: Secret = Secret()
    own: Secret = Secret()
    own_file: str = ""
    size: int = 1


class Paired(msgspec.Struct, frozen=True):
    """Settings of which one depends on another."""

    least: int = 0
    most: int = 10

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError("least is above most")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), environ or {}, lambda broker: load_adapter(broker).settings)
    return caught.value.problems


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, ""), {}) == Settings()


def test_values_are_read(tmp_path: Path) -> None:
    settings = load(
        written(tmp_path, "server: {port: 9000, outbox_seconds: 3}\nstore: {ticks: off}\nlog:\n"), {}
    )
    assert settings.server.port == 9000
    assert settings.server.outbox_seconds == 3.0
    assert settings.store.ticks is False
    assert settings.log == Settings().log


def test_every_problem_is_reported_at_once_by_its_path(tmp_path: Path) -> None:
    text = """
        data_dir: ""
        sever: {}
        server: {port: eighty, hst: there, outbox_seconds: 0, origins: ['*', 2]}
        subscriptions: {mode: ful}
        brokers:
          kite: {api_key: "${NOBODY_SET_ME}", conections: 1, connections: 9}
          kit: {}
    """
    assert problems(tmp_path, text) == [
        "brokers.kite.api_key: the environment variable NOBODY_SET_ME is not set",
        "data_dir: expected str of length >= 1",
        "sever: unknown setting (did you mean server?)",
        "server.port: expected int, got str",
        "server.hst: unknown setting (did you mean host?)",
        "server.outbox_seconds: expected float > 0.0, got 0",
        "server.origins[1]: expected * or an origin like https://app.example.com:8443, without a path",
        "subscriptions.mode: expected one of ltp, quote, full, depth30 (did you mean full?)",
        "brokers.kite.conections: unknown setting (did you mean connections?)",
        "brokers.kite.connections: expected int <= 3, got 9",
        "brokers.kit: no adapter named kit is installed (did you mean kite?); installed: kite, upstox",
    ]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("upstox: {rest_url: api.upstox.com}", "rest_url: expected an address like https://api.upstox.com"),
        ("upstox: {instruments_url: 'ftp://x/y'}", "instruments_url: expected an address like https://"),
        ("kite: {api_key: x, rest_url: ''}", "rest_url: expected an address like https://api.kite.trade"),
        ("kite: {api_key: x, websocket_url: 'https://x'}", "websocket_url: expected an address like wss://"),
    ],
)
def test_a_brokers_address_needs_its_scheme(tmp_path: Path, section: str, problem: str) -> None:
    (said,) = problems(tmp_path, f"brokers: {{{section}}}")
    assert said.partition(".")[2].partition(".")[2].startswith(problem)


def test_a_setting_without_resemblance_gets_no_suggestion(tmp_path: Path) -> None:
    assert problems(tmp_path, "zzz: 1") == ["zzz: unknown setting"]


def test_a_section_that_is_none_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, "server: [1]") == ["server: expected a section of settings, got list"]
    assert problems(tmp_path, "- 1") == [
        f"{tmp_path / 'config.yaml'}: expected sections of settings, got list"
    ]


def test_a_broker_that_is_none_or_no_section_is_named_by_its_path(tmp_path: Path) -> None:
    text = "brokers: {1: {}, upstox: [2], kite: {3: 4, api_key: k}}"
    assert problems(tmp_path, text) == [
        "brokers.upstox: expected a section of settings, got list",
        "brokers.1: no adapter named 1 is installed; installed: kite, upstox",
        "brokers.kite.3: unknown setting",
    ]
    assert problems(tmp_path, "brokers: [kite]") == ["brokers: expected a section of settings, got list"]


def test_a_broker_with_nothing_below_it_means_all_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "brokers:\n  upstox:\n")
    assert load(path, {}, lambda broker: load_adapter(broker).settings).brokers == {"upstox": {}}
    assert load(written(tmp_path, "brokers:"), {}).brokers == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("? [a]\n: 1", ", line 1, column 3: expected the name of a setting, got a list or section"),
        ("{a: 1}: 2", ", line 1, column 1: expected the name of a setting, got a list or section"),
        ("a: &a [*a]", ", line 1, column 8: a is a part of itself"),
        ("server: &s {x: {y: *s}}", ", line 1, column 20: s is a part of itself"),
        ("a: " + "[" * 5000, ": is nested too deep"),
    ],
)
def test_yaml_that_no_setting_can_be_is_a_problem_and_no_traceback(
    tmp_path: Path, text: str, problem: str
) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(str(tmp_path / "config.yaml") + problem)


def test_an_alias_of_another_setting_is_read(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "server: {port: &p 9000, max_sessions: *p}"), {})
    assert settings.server.max_sessions == 9000


def test_a_syntax_error_names_line_and_column(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "server:\n  port: [1\nlog: {}\n")
    assert "config.yaml, line 3, column 4: " in problem


def test_a_setting_given_twice_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "server: {}\nlog: {}\nserver: {}\n")
    assert problem.endswith("config.yaml, line 3, column 1: server is given twice")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read: No such file"):
        load(tmp_path / "absent.yaml", {})
    (tmp_path / "latin.yaml").write_bytes(b"data_dir: \xe9")
    with pytest.raises(ConfigError, match=r"latin\.yaml: is not UTF-8"):
        load(tmp_path / "latin.yaml", {})


def test_variables_replace_themselves_in_any_text(tmp_path: Path) -> None:
    text = """
        data_dir: ${HOME_OF_DATA}/live-${KIND:ticks}
        server: {port: "${PORT:9001}", origins: ["https://${SITE}"]}
        store: {ticks: "${STORE:off}", path: "${DB:7}"}
        cache: {today_minutes: "${MINUTES:30}"}
    """
    environ = {"HOME_OF_DATA": "/srv", "SITE": "desk.example.com", "MINUTES": "5", "KIND": ""}
    settings = load(written(tmp_path, text), environ)
    assert settings.data_dir == "/srv/live-ticks"
    assert settings.server.port == 9001
    assert settings.server.origins == ["https://desk.example.com"]
    assert settings.store.ticks is False
    assert settings.store.path == "7"
    assert settings.cache.today_minutes == 5


def test_a_variable_of_the_wrong_kind_is_one_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, 'server: {port: "${PORT}"}', {"PORT": "[1"}) == [
        "server.port: expected int, got str"
    ]
    assert problems(tmp_path, 'server: {port: "${PORT}"}', {"PORT": "2026-13-45"}) == [
        "server.port: expected int, got str"
    ]
    assert problems(tmp_path, 'server: {port: "${PORT}"}', {"PORT": "70000"}) == [
        "server.port: expected int <= 65535, got 70000"
    ]
    assert problems(tmp_path, 'server: {port: "${PORT}"}') == [
        "server.port: the environment variable PORT is not set"
    ]


@pytest.mark.parametrize("text", ["${A-b}", "${}", "${1A:x}"])
def test_a_reference_without_a_name_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, f'data_dir: "{text}"')
    assert problem.startswith("data_dir: ${…} holds no variable's name")


def test_a_reference_without_an_end_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, 'data_dir: "${A"') == ["data_dir: a ${ has no closing brace"]


def test_a_secret_comes_from_the_file_or_from_a_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  hush\n")
    assert decode_section({"admin": {"token": "hush"}}, Settings, "").admin.token == Secret("hush")
    assert decode_section(
        {"admin": {"token_file": str(tmp_path / "token")}}, Settings, ""
    ).admin.token == Secret("hush")


def test_a_secret_given_twice_or_not_readable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    both = f"admin: {{token: hush, token_file: {tmp_path / 'token'}}}"
    assert problems(tmp_path, both) == ["admin.token_file: give this or token, not both"]
    (problem,) = problems(tmp_path, f"admin: {{token_file: {tmp_path / 'none'}}}")
    assert problem == f"admin.token_file: cannot read {tmp_path / 'none'}: No such file or directory"


def test_no_problem_shows_a_secret(tmp_path: Path) -> None:
    text = "brokers: {kite: {access_token: [hushhush], access_tokens: hushhush, connections: hushhush}}"
    said = problems(tmp_path, text)
    assert len(said) == 3
    assert "hushhush" not in " ".join(said)


def test_a_secret_is_masked_wherever_settings_are_printed() -> None:
    assert "hush" not in repr(decode_section({"admin": {"token": "hush"}}, Settings, ""))


def test_an_adapter_that_declares_the_file_of_a_secret_reads_it_itself(tmp_path: Path) -> None:
    section = decode_section(
        {"api_key": "k", "own": "now", "own_file": str(tmp_path / "later")}, Adapted, "brokers.x"
    )
    assert section == Adapted("k", own=Secret("now"), own_file=str(tmp_path / "later"))


def test_a_required_setting_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        decode_section({"size": "big"}, Adapted, "brokers.x")
    assert caught.value.problems == [
        "brokers.x.size: expected int, got str",
        "brokers.x.api_key: is required",
    ]


def test_a_type_may_refuse_what_does_not_fit_together() -> None:
    with pytest.raises(ConfigError, match=r"^brokers\.x: least is above most$"):
        decode_section({"least": 11}, Paired, "brokers.x")


def test_a_variable_in_a_brokers_section_is_read_as_its_adapter_wants_it(
    tmp_path: Path,
) -> None:
    raw = load(written(tmp_path, "brokers: {x: {api_key: k, size: '${SIZE}'}}"), {"SIZE": "7"}).brokers["x"]
    assert decode_section(raw, Adapted, "brokers.x").size == 7


@pytest.mark.parametrize("name", ["demo.yaml", "kite.yaml", "upstox.yaml"])
def test_a_shipped_configuration_loads_with_the_example_environment(name: str) -> None:
    environ = read_env_file(REPOSITORY / ".env.example")
    settings = load(REPOSITORY / "config" / name, environ, lambda broker: load_adapter(broker).settings)
    assert settings.brokers
    assert settings.subscriptions.selectors()


@pytest.mark.parametrize("name", ["kite.yaml", "upstox.yaml"])
def test_a_shipped_configuration_names_the_public_lists_of_instruments(name: str) -> None:
    environ = read_env_file(REPOSITORY / ".env.example")
    settings = load(REPOSITORY / "config" / name, environ, lambda broker: load_adapter(broker).settings)
    adapters = make_adapters(settings)
    assert set(settings.brokers) <= set(settings.instruments.sources)
    assert {f"upstox/{each}" for each in adapters["upstox"].lists} <= set(settings.instruments.sources)
