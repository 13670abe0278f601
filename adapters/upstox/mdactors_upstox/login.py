"""Where Upstox's access token comes from; a daily one dies at half past three in the morning."""

from __future__ import annotations

from pathlib import Path

from mdactors.adapter import Secret
from mdactors.errors import LoginRequired


def access_token(configured: Secret, path: str) -> Secret:
    """The token in the file at ``path``, read anew at each call, or the configured one where no path is set.

    Raises:
        LoginRequired: there is no token.
    """
    if not path:
        if not configured:
            raise LoginRequired("upstox: no access token; log in and set access_token or access_token_file")
        return configured
    try:
        token = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise LoginRequired(f"upstox: cannot read the access token from {path}: {reason}") from None
    if not token:
        raise LoginRequired(f"upstox: {path} is empty; log in and write the access token to it")
    return Secret(token)
