"""Where Upstox's access token comes from; a daily one dies at half past three in the morning."""

from __future__ import annotations

from pathlib import Path

from mdactors.adapter import Secret
from mdactors.errors import LoginRequired
from mdactors.text_file import read_text


def access_token(configured: Secret, path: str) -> Secret:
    """The token in the file at ``path``, read anew at each call; where it holds none, the configured one.

    Raises:
        LoginRequired: neither holds a token.
    """
    written, trouble = _written(path)
    if not written and not configured:
        raise LoginRequired(f"upstox: {trouble}")
    return Secret(written) if written else configured


def lacking(configured: Secret, path: str) -> dict[str, str]:
    """What keeps a token from being there: the setting, and why; also a file that is named in vain."""
    written, trouble = _written(path)
    if written or (configured and not path):
        return {}
    return {"access_token_file" if path else "access_token": trouble}


def _written(path: str) -> tuple[str, str]:
    """What the file holds, or why that is nothing."""
    if not path:
        return "", "no access token; log in and set access_token or access_token_file"
    try:
        written = read_text(Path(path).expanduser()).strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or f"it {error}"
        return "", f"cannot read the access token from {path}: {reason}"
    return written, f"{path} is empty; log in and write the access token to it"
