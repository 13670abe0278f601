"""Where Kite's daily access token comes from."""

from __future__ import annotations

from pathlib import Path

from mdactors.adapter import Secret
from mdactors.errors import LoginRequired
from mdactors.text_file import read_text


def access_token(token: Secret, token_file: str) -> Secret:
    """The token of the file where there is one, else the configured one.

    The file is read anew each time, so that a new day's token is picked up by the next connect.

    Raises:
        LoginRequired: neither holds a token.
    """
    written, trouble = _written(token_file)
    if not written and not token:
        raise LoginRequired(f"kite: {trouble}")
    return Secret(written) if written else token


def lacking(token: Secret, token_file: str) -> dict[str, str]:
    """What keeps a token from being there: the setting, and why; also a file that is named in vain."""
    written, trouble = _written(token_file)
    if written or (token and not token_file):
        return {}
    return {"access_token_file" if token_file else "access_token": trouble}


def _written(token_file: str) -> tuple[str, str]:
    """What the file holds, or why that is nothing."""
    if not token_file:
        return "", "there is no access token; log in and set access_token or access_token_file"
    try:
        written = read_text(Path(token_file).expanduser()).strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or f"it {error}"
        return "", f"cannot read the access token from {token_file}: {reason}"
    return written, f"there is no access token; log in and write one to {token_file}"
