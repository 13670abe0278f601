"""What the shipped files and the documents tell a reader to write, taken out of them as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
DOCUMENTS = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_OFFER = re.compile(r"^#.* take these lines in:\n#\n((?:^# .*\n?)+)", re.MULTILINE)


def blocks(document: Path) -> list[str]:
    """The blocks of YAML."""
    return _BLOCK.findall(document.read_text(encoding="utf-8"))


def spans(document: Path) -> list[str]:
    """What stands in the text as code."""
    text = re.sub(
        r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return [span.replace("\\|", "|") for span in _SPAN.findall(text)]


def shipped(name: str) -> str:
    """A configuration as it is shipped."""
    return (REPOSITORY / "config" / name).read_text(encoding="utf-8")


def offered(text: str) -> str:
    """The lines that a configuration tells its reader to take in, without the signs before them."""
    (lines,) = _OFFER.findall(text)
    return re.sub(r"^# ", "", lines, flags=re.MULTILINE)


def env_file(**values: str) -> str:
    """The example of an env file, filled in."""
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    for name, value in values.items():
        (number,) = [n for n, line in enumerate(lines) if line.startswith(f"{name}=")]
        lines[number] = f"{name}={value}"
    return "\n".join(lines) + "\n"
