"""Where a broker's access token comes from: the configuration, or a file that may be written every day."""

from __future__ import annotations

from pathlib import Path

from mdactors.adapter import Secret
from mdactors.errors import LoginRequired
from mdactors.text_file import read_text


class AccessToken:
    """A broker's token: what ``path`` holds, else ``configured``; the file is read anew at each call."""

    def __init__(self, broker: str, configured: Secret, path: str) -> None:
        self._broker = broker
        self._configured = configured
        self._path = path

    def read(self) -> Secret:
        """Return the token.

        Raises:
            LoginRequired: there is none.
        """
        written, trouble = self._written()
        if not written and not self._configured:
            raise LoginRequired(f"{self._broker}: {trouble}")
        return Secret(written) if written else self._configured

    def lacking(self) -> dict[str, str]:
        """Return the setting that leaves us without a token, and why; also a file that is named in vain."""
        written, trouble = self._written()
        if written or (self._configured and not self._path):
            return {}
        return {"access_token_file" if self._path else "access_token": trouble}

    def secrets(self) -> list[str]:
        """Return every token that a text may hold, to mask them in it."""
        return [token for token in (self._configured.reveal(), self._written()[0]) if token]

    def _written(self) -> tuple[str, str]:
        """Return what the file holds, and what to say where that is nothing."""
        if not self._path:
            return "", "there is no access token; log in and set access_token or access_token_file"
        try:
            written = read_text(Path(self._path).expanduser()).strip()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or f"it {error}"
            return "", f"cannot read the access token from {self._path}: {reason}"
        return written, f"{self._path} is empty; log in and write the access token to it"
