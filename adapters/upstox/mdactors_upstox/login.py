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
    trouble = "no access token; log in and set access_token or access_token_file"
    if path:
        try:
            written = read_text(Path(path).expanduser()).strip()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or f"it {error}"
            trouble = f"cannot read the access token from {path}: {reason}"
        else:
            if written:
                return Secret(written)
            trouble = f"{path} is empty; log in and write the access token to it"
    if not configured:
        raise LoginRequired(f"upstox: {trouble}")
    return configured
