"""What only an operator may do."""

from __future__ import annotations

import hmac
import ipaddress

from mdactors.web.handler import Failure, Handler
from mdactors.web.origins import is_local_host

PROXY_HEADERS = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


class AdminHandler(Handler):
    """A handler that answers an operator only."""

    def prepare(self) -> None:
        """Refuse everybody else."""
        super().prepare()
        if self.request.method != "OPTIONS" and (refusal := admin_refusal(self)):
            raise refusal


def admin_refusal(handler: Handler) -> Failure | None:
    """Why a request is no operator's; None where it is.

    An operator has the token, or while none is configured sits at this machine.
    """
    token = handler.parts.admin.token
    if token:
        given = handler.request.headers.get("Authorization", "").encode()
        if hmac.compare_digest(given, f"Bearer {token.reveal()}".encode()):
            return None
        return Failure(401, "admin_token", "the header Authorization must be: Bearer <admin.token>")
    if _is_local(handler):
        return None
    return Failure(403, "admin_token", "set admin.token to allow this from elsewhere than this machine")


def _is_local(handler: Handler) -> bool:
    request = handler.request
    # A proxy beside us makes everybody look local, and a page may have given its own name our address.
    if any(header in request.headers for header in PROXY_HEADERS):
        return False
    try:
        address = ipaddress.ip_address(request.remote_ip or "")
    except ValueError:
        return False
    return address.is_loopback and is_local_host(request.host)
