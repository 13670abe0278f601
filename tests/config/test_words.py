"""Words that YAML reads as something else: the type of a setting says what they mean."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from mdactors.adapter import Secret
from mdactors.config import Settings, decode_section, load
from mdactors.errors import ConfigError

WORDS = [
    *("off", "Off", "OFF", "on", "no", "No", "NO", "yes", "YES", "y", "n", "true", "False"),
    *("16:00", "08:30", "9:15:00", "2026-11-24", "2026-11-24T09:15:00"),
    *("1_000", "0123", "0x1F", "0o17", "0b11", "1e3", "1E5", "123E4", "360ONE", "3.10", "00", ".5", ".inf"),
    *(".nan", "+5", "-0", "190:20:30", "=", "12345678901234567890"),
]


class Typed(msgspec.Struct, frozen=True):
    """A setting of each type that an adapter may have."""

    text: str = ""
    secret: Secret = Secret()
    texts: list[str] = []
    named: dict[str, str] = {}
    choice: Literal["off", "on", "1e3"] | None = None
    truth: bool = False
    whole: int = 0
    real: float = 0.0
    maybe: int | None = 7
    several: list[int] | None = None
    pair: tuple[int, bool] = (0, False)
    most: Annotated[int, Meta(ge=1)] | Literal["all"] = 1
    mixed: str | list[str] = ""
    bounded: Annotated[list[int], Meta(max_length=2)] = []
    since: dt.date | None = None


@pytest.fixture
def read(tmp_path: Path):
    """``read(yaml, environ)``: what a file says to `Typed`."""

    def from_file(text: str, environ: dict[str, str] | None = None) -> Typed:
        path = tmp_path / "config.yaml"
        path.write_text(f"brokers: {{acme: {{{text}}}}}", encoding="utf-8")
        return decode_section(load(path, environ or {}, lambda _: Typed).brokers["acme"], Typed, "acme")

    return from_file


@pytest.mark.parametrize("word", WORDS)
def test_a_text_is_what_is_written_wherever_it_stands(read, word: str) -> None:
    said = read(f"text: {word}, secret: {word}, texts: [{word}], named: {{{word}: {word}}}, mixed: {word}")
    assert (said.text, said.secret.reveal(), said.texts, said.mixed) == (word, word, [word], word)
    assert said.named == {word: word}


def test_symbols_that_look_like_something_else_are_symbols(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("""
subscriptions:
  symbols: [YES, NO, ON, OFF, Y, 360ONE, 1E5, 3MINDIA, 20MICRONS, 63MOONS, 5PAISA, TRUE, 500325, 1_0]
  universe:
    - {symbols: [ON, 1e3], mode: ltp}
    - {chain: NO, strikes: 010}
    - {sector: off}
cache: {today: off, prefix: 007}
store: {schema: on, flush_at: 16:00, batch_age: 5s, username: 1_000, password: 0123}
instruments: {refresh_at: [06:30, 08:30], series: [EQ, 05]}
""")
    settings = load(path, {})
    assert settings.subscriptions.symbols == [
        *("YES", "NO", "ON", "OFF", "Y", "360ONE", "1E5", "3MINDIA", "20MICRONS", "63MOONS", "5PAISA"),
        *("TRUE", "500325", "1_0"),
    ]
    assert list(map(str, settings.subscriptions.universe)) == ["2 symbols", "chain NO", "sector off"]
    assert (settings.cache.today, settings.cache.prefix) == ("off", "007")
    assert (settings.store.schema, settings.store.flush_at, settings.store.username) == (
        "on",
        "16:00",
        "1_000",
    )
    assert settings.store.password.reveal() == "0123"
    assert settings.instruments.refresh_at == ("06:30", "08:30")
    assert settings.instruments.series == ("EQ", "05")


@pytest.mark.parametrize("word", ["off", "Off", "no", "NO", "n", "false", "False", "'off'", '"no"'])
def test_a_switch_that_is_off_is_off_however_it_is_written(read, word: str) -> None:
    assert read(f"truth: {word}") == Typed(truth=False)
    assert read('truth: "${SWITCH}"', {"SWITCH": word.strip("'\"")}) == Typed(truth=False)


@pytest.mark.parametrize("word", ["on", "ON", "yes", "y", "true", "True", "'on'"])
def test_a_switch_that_is_on_is_on_however_it_is_written(read, word: str) -> None:
    assert read(f"truth: {word}") == Typed(truth=True)


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("1_000", 1000),
        ("0123", 123),
        ("08080", 8080),
        ("1e3", 1000),
        ("+5", 5),
        ("-7", -7),
        ("'80'", 80),
        ("2.0", 2),
    ],
)
def test_a_whole_number_is_decimal_as_people_write_it(read, word: str, number: int) -> None:
    assert read(f"whole: {word}, maybe: {word}, several: [{word}], pair: [{word}, on]") == Typed(
        whole=number, maybe=number, several=[number], pair=(number, True)
    )
    assert read('whole: "${NUMBER}"', {"NUMBER": word.strip("'")}).whole == number


@pytest.mark.parametrize(
    ("word", "number"), [("1e3", 1000.0), (".5", 0.5), ("2", 2.0), ("1_0.25", 10.25), ("1e-2", 0.01)]
)
def test_any_number_is_read_where_parts_count(read, word: str, number: float) -> None:
    assert read(f"real: {word}").real == number


@pytest.mark.parametrize(
    "word", ["16:00", "1:30", "0x1F", "1.5", "five", "1__0", "yes", ".inf", "1e999", "9" * 5000]
)
def test_what_is_no_whole_number_is_refused(read, word: str) -> None:
    with pytest.raises(ConfigError, match=r"^brokers\.acme\.whole: expected int, got"):
        read(f"whole: {word}")


@pytest.mark.parametrize("word", [".inf", ".nan", "inf", "nan", "1e999", "16:00", "5s"])
def test_what_is_no_number_at_all_is_refused(read, word: str) -> None:
    with pytest.raises(ConfigError, match=r"^brokers\.acme\.real: expected float, got"):
        read(f"real: {word}")


def test_a_choice_is_a_word_and_nothing_is_no_choice(read) -> None:
    assert read("choice: off").choice == "off"
    assert read("choice: 1e3").choice == "1e3"
    assert read("choice: OFF").choice == read("choice: Off").choice == "off"
    assert read('choice: " On "').choice == read('choice: "${C}"', {"C": "ON"}).choice == "on"
    assert read("most: All").most == "all"
    assert read("choice: ~") == read("choice: null") == read("choice:") == read('choice: "${C:}"') == Typed()
    with pytest.raises(ConfigError, match=r"choice: expected one of off, on, 1e3$"):
        read("choice: false")


@pytest.mark.parametrize("nothing", ["~", "null", "NULL", "Null", ""])
def test_nothing_where_a_text_is_wanted_asks_for_quotes(read, nothing: str) -> None:
    for setting in ("text", "secret"):
        with pytest.raises(ConfigError) as caught:
            read(f"{setting}: {nothing}")
        assert caught.value.problems == [
            f"brokers.acme.{setting}: expected str, got nothing: put it in quotes, or leave it out"
        ]
    with pytest.raises(ConfigError, match=r"texts\[1\]: expected str, got nothing: put it in quotes"):
        read(f"texts: [a, {nothing or '~'}]")
    assert read(f"text: '{nothing}', texts: ['{nothing}']") == Typed(text=nothing, texts=[nothing])


def test_nothing_behind_a_lists_or_sections_name_leaves_it_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "server:\nbrokers:\nsubscriptions: {symbols: , universe: }\ninstruments: {refresh_at: , series: }"
    )
    assert load(path, {}) == Settings()


def test_one_variable_may_hold_a_whole_list(read) -> None:
    environ = {"NAMES": "[YES, 1e3, 'a b']", "NUMBERS": "[1, 0123]", "NONE": "", "ONE": "NO"}
    assert read('texts: "${NAMES}", several: "${NUMBERS}"', environ) == Typed(
        texts=["YES", "1e3", "a b"], several=[1, 123]
    )
    assert read('texts: "${NONE}", several: "${NONE}"', environ) == Typed()
    for name in ("ONE", "NAMES_OPEN"):
        with pytest.raises(ConfigError, match=r"texts: expected a list, got str$"):
            read(f'texts: "${{{name}}}"', {**environ, "NAMES_OPEN": "[YES"})


def test_a_number_or_a_word_is_whichever_it_is(read) -> None:
    assert [read(f"most: {word}").most for word in ("all", "050", "'2'")] == ["all", 50, 2]
    with pytest.raises(ConfigError, match=r"most: expected int >= 1, got 0$"):
        read("most: 0")


def test_a_date_is_read_with_quotes_or_without(read) -> None:
    assert read("since: 2026-11-24") == read("since: '2026-11-24'") == Typed(since=dt.date(2026, 11, 24))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pair: [1]", "pair: expected a list of 2, got 1"),
        ("pair: ''", "pair: expected a list of 2, got 0"),
        ("pair: [1, maybe]", "pair[1]: expected bool, got str"),
        ("bounded: [1, 2, 3]", "bounded: expected list of length <= 2"),
        ("bounded: [1, x]", "bounded[1]: expected int, got str"),
        ("named: [1]", "named: expected a section of settings, got list"),
        ("text: [1]", "text: expected str, got list"),
        ("text: {a: 1}", "text: expected str, got section"),
    ],
)
def test_a_mistake_within_a_setting_is_named_by_its_path(read, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.problems == [f"brokers.acme.{problem}"]


@pytest.mark.parametrize("value", [r'"\ud83d"', r'"a\0b"', '"${LATIN}"'])
def test_characters_that_no_other_program_could_be_sent_are_refused(read, value: str) -> None:
    with pytest.raises(ConfigError, match=r"^brokers\.acme\.text: holds characters that are no text$"):
        read(f"text: {value}", {"LATIN": b"caf\xe9".decode(errors="surrogateescape")})


def test_a_word_with_a_tag_of_yamls_is_a_word(read) -> None:
    assert read("text: !!int 5, whole: !!str 5, truth: !!bool off") == Typed(text="5", whole=5)


def test_names_of_settings_are_words_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("{on: 1, 16:00: 2, ~: 3, 1e3: 4}")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert caught.value.problems == [f"{name}: unknown setting" for name in ("on", "16:00", "~", "1e3")]
    path.write_text("{1: a, '1': b}")
    with pytest.raises(ConfigError, match="1 is given twice"):
        load(path, {})


def test_merged_sections_are_read(read) -> None:
    said: Any = read("named: {<<: {a: off, b: 1}, b: 2}")
    assert said.named == {"a": "off", "b": "2"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("store: {url: ${DB_URL}}", "within brackets and braces put ${NAME} in quotes"),
        ("subscriptions: {symbols: [${A}, ${B}]}", "within brackets and braces put ${NAME} in quotes"),
        ("admin: {token: @hush}", "a text that begins with @, `, %, | or > must be in quotes"),
        ("admin: {token: %hush}", "a text that begins with @, `, %, | or > must be in quotes"),
        ("admin: {token: |hush}", "a text that begins with @, `, %, | or > must be in quotes"),
        ("admin:\n  token: |hush", "a text that begins with | or > must be in quotes"),
        ("admin:\n  token: >hush", "a text that begins with | or > must be in quotes"),
        ("admin: {token: *hush}", "a text that begins with * must be in quotes"),
        ("server: {origins: [*]}", "a text that begins with * or & must be in quotes"),
        ("server: {host: &hush a}\nadmin: {token: &hush b}", "a text that begins with & must be in quotes"),
        ("admin:\n  token: !hush", "a text that begins with ! must be in quotes"),
        ("admin:\n  token: !hush!hush", "a text that begins with ! must be in quotes"),
        ('admin: {token: "hush\\hush"}', "a text with a \\ in it must be in single quotes"),
        ("admin:\n  token: hush: hush", "a text with a colon and a space in it must be in quotes"),
    ],
)
def test_a_text_that_yaml_cannot_read_without_quotes_is_told_so_and_not_shown(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    (said,) = caught.value.problems
    assert said.endswith(f": {problem}")
    assert "hush" not in said.removeprefix(str(path))
