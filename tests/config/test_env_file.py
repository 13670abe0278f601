"""Env files as people write and save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdactors.cli import main
from mdactors.config import read_env_file
from mdactors.errors import ConfigError


def read(folder: Path, text: str | bytes, **environ: str) -> dict[str, str]:
    path = folder / ".env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_env_file(path, environ)


def problems(folder: Path, text: str | bytes, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, **environ)
    prefix = f"{folder / '.env'}, line "
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("A=", ""),
        ("A = two words ", "two words"),
        ("export A=1", "1"),
        ("  export\tA='1'", "1"),
        ('A="x"', "x"),
        ("A='a # b'", "a # b"),
        ('A="a # b"   # a comment', "a # b"),
        ("A='it\\'s'", "it's"),
        ("A=abc # a comment", "abc"),
        ("A=abc#def", "abc#def"),
        ("A=  # nothing", ""),
        ('A="say \\"so\\""', 'say "so"'),
        ("A='C:\\new'", "C:\\new"),
        ("A=C:\\new", "C:\\new"),
        ("A=x=y=z==", "x=y=z=="),
        ("A=pa$$word$", "pa$$word$"),
        ("A=${not closed", None),
        ("A='${B}'", "${B}"),
    ],
)
def test_a_value_is_what_a_shell_would_make_of_it(tmp_path: Path, line: str, value: str | None) -> None:
    if value is None:
        assert len(problems(tmp_path, line)) == 1
    else:
        assert read(tmp_path, line) == {"A": value}


def test_comments_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, "# a comment\n\n   \n; as in a unit's\nA=1\n  # another\n") == {"A": "1"}
    assert read(tmp_path, ';OLD="x\nA="1"\n  ; B=2\r\nC=a;b') == {"A": "1", "C": "a;b"}
    assert read(tmp_path, "") == {}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_how_an_editor_saves_it_makes_no_difference(tmp_path: Path, mark: bytes, end: bytes) -> None:
    lines = [b"A=abc", b"", b"# a comment", b'B="x" # y', b"C=${A}/d", b"export D='e'"]
    assert read(tmp_path, mark + end.join(lines)) == {"A": "abc", "B": "x", "C": "abc/d", "D": "e"}
    assert read(tmp_path, mark + end.join([*lines, b""]))["D"] == "e"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_is_named_as_the_problem(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes("A=hüsch\n".encode(encoding))
    with pytest.raises(ConfigError, match="save it as UTF-8") as caught:
        read_env_file(path)
    assert "sch" not in str(caught.value).removeprefix(str(path))


def test_a_reference_stands_for_a_line_above_or_for_the_environment_which_goes_first(tmp_path: Path) -> None:
    text = (
        'HOST=db.example.com\nURL=postgresql://${HOST}:${PORT:-5432}/md\nAGAIN="<${URL}>"\nHOME_OF=${ABOVE}\n'
    )
    assert read(tmp_path, text, ABOVE="there") == {
        "HOST": "db.example.com",
        "URL": "postgresql://db.example.com:5432/md",
        "AGAIN": "<postgresql://db.example.com:5432/md>",
        "HOME_OF": "there",
    }
    assert read(tmp_path, text, HOST="other", ABOVE="")["URL"] == "postgresql://other:5432/md"


def test_of_a_name_that_is_given_twice_the_last_line_counts(tmp_path: Path) -> None:
    assert read(tmp_path, "TOKEN=old\nB=${TOKEN}\nTOKEN=new\nC=${TOKEN}") == {
        "TOKEN": "new",
        "B": "old",
        "C": "new",
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("hushhush", "expected KEY=VALUE"),
        ("2B=hushhush", "expected KEY=VALUE"),
        ("A-B=hushhush", "expected KEY=VALUE"),
        ("KEY: hushhush", "expected KEY=VALUE"),
        ("A B=hushhush", "expected KEY=VALUE"),
        ("=hushhush", "expected KEY=VALUE"),
        ('A="hushhush', "expected KEY=VALUE"),
        ("A='hushhush", "expected KEY=VALUE"),
        ('A="hush"hush', "expected KEY=VALUE"),
        ('A="hush" hush # x', "expected KEY=VALUE"),
        ("A=hush${B}", "a ${NAME} in it is set neither above nor in the environment"),
        ('A="${A}hush"', "a ${NAME} in it is set neither above nor in the environment"),
        ("A=hush${B-b}", "${…} holds no variable's name"),
        ("A=hush${}", "${…} holds no variable's name"),
        ("A=hush${B:b}", "a ${ is no reference: write ${NAME} or ${NAME:-default}, or use single quotes"),
        ("A=hush${B", "a ${ is no reference: write ${NAME} or ${NAME:-default}, or use single quotes"),
    ],
)
def test_a_line_that_is_not_understood_is_named_by_its_number_and_not_shown(
    tmp_path: Path, line: str, problem: str
) -> None:
    assert problems(tmp_path, f"# comment\nX=1\n\n\n{line}\nY=2\n") == [f"5: {problem}"]
    assert problems(tmp_path, f"\r\n{line}".encode()) == [f"2: {problem}"]


def test_quotes_that_swallow_the_lines_below_are_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, 'A="hush\nB=1\nC="') == ["1: its quotes end on another line"]
    assert problems(tmp_path, "X=1\n\nA='hush\n'\n") == ["3: its quotes end on another line"]


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, "A=1\nhushhush\n2B=hushhush\nC=2\n") == [
        "2: expected KEY=VALUE",
        "3: expected KEY=VALUE",
    ]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent: cannot be read: No such file"):
        read_env_file(tmp_path / "absent")


def test_a_commands_env_file_may_refer_to_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, env = tmp_path / "config.yaml", tmp_path / ".env"
    path.write_text("data_dir: ${DATA_OF_TEST}\n")
    env.write_bytes(b"\xef\xbb\xbfDATA_OF_TEST=${ROOT_OF_TEST}/data\r\n")
    monkeypatch.setenv("ROOT_OF_TEST", "/srv")
    assert main(["check-config", str(path), "--env-file", str(env)]) == 0
    assert "/srv/data/ticks.db" in capsys.readouterr().out
