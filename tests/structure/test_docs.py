"""The documents say what is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
DOCUMENTS = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    missing = {link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()}
    assert not missing


def test_each_step_of_the_tick_walk_names_a_file() -> None:
    _, _, rest = README.read_text().partition("## One tick")
    steps = re.findall(r"^\d\. .*$", rest.partition("\n## ")[0], re.MULTILINE)
    assert len(steps) >= 6
    assert all(LINK.search(step) for step in steps)


def test_the_two_commands_and_their_siblings_are_targets() -> None:
    asked = ["make", "--dry-run", "demo", "test", "any-day", "soak", "lint", "bench", "proto", "format"]
    dry = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    asked = ["make", "--always-make", f"PYTHON={old}", "DEMO_READY=" + str(tmp_path / "ready"), "demo"]
    made = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True)
    assert made.returncode != 0
    assert "mdactors needs Python 3.11 or newer" in made.stderr
    assert not (tmp_path / "ready").exists()


def _named_in_architecture() -> list[tuple[str, str]]:
    """Each file that the architecture names, with the name that follows it, if one does."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    return re.findall(r"`(\w+/\w+\.py)`(?: `([A-Za-z]\w+(?:\.\w+)?)`)?", text)


@pytest.mark.parametrize(("file", "name"), _named_in_architecture())
def test_what_the_architecture_names_on_the_ticks_way_exists(file: str, name: str) -> None:
    path = REPOSITORY / "src" / "mdactors" / file
    source = path.read_text(encoding="utf-8")
    for part in filter(None, name.split(".")):
        assert re.search(rf"^\s*(async )?(class|def) {part}\b", source, re.MULTILINE), f"{file}: no {part}"


def test_the_architecture_names_every_hop() -> None:
    files = {file for file, _ in _named_in_architecture()}
    assert {"actors/feed_socket.py", "market/numbering.py", "actors/session_hub.py", "web/outbox.py"} <= files
