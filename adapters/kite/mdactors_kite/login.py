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
    if token_file:
        try:
            written = read_text(Path(token_file).expanduser()).strip()
        except (OSError, UnicodeError) as error:
            if not token:
                reason = getattr(error, "strerror", None) or f"it {error}"
                raise LoginRequired(
                    f"kite: cannot read the access token from {token_file}: {reason}"
                ) from None
            written = ""
        if written:
            return Secret(written)
    if not token:
        where = f"write one to {token_file}" if token_file else "set access_token or access_token_file"
        raise LoginRequired(f"kite: there is no access token; log in and {where}")
    return token
