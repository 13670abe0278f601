"""Every error that mdactors raises on purpose, in one tree.

::

    MdactorsError
    ├── ConfigError             the configuration; carries all its problems at once
    ├── PluginError             an adapter is missing, broken or does not fit
    ├── BrokerError             what a broker did to us; a state, never a crash
    │   ├── LoginRequired       the token is missing, dead or refused: wait for a person
    │   ├── BrokerRefused       refused, but not for the token: try again, slowly
    │   └── BrokerUnavailable   the network or the broker's service is away: try again
    ├── StoreError              a store cannot be opened, read or written
    │   ├── PositionMoved       somebody else stores this journal
    │   ├── TableFault          a table refuses rows that are good: a person has to mend it
    │   └── JournalFull         the journal's disk, or its share of it, is full
    └── SimulatorError          a simulator cannot be built from what it was given

Messages are for a person, one line each, and never hold a secret or a URL with one.
"""

from __future__ import annotations


class MdactorsError(Exception):
    """The root of the tree."""


class ConfigError(MdactorsError):
    """The configuration is wrong; ``problems`` lists every reason as ``path: what``."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class PluginError(MdactorsError):
    """An adapter is not installed, fails to load or does not keep the plug-in contract."""


class BrokerError(MdactorsError):
    """A broker, or the way to it, did not do what was asked."""


class LoginRequired(BrokerError):
    """The broker itself refuses the token, or there is none: a person has to log in."""


class BrokerRefused(BrokerError):
    """Refused, but not by the broker's own word on the token; wait at least ``retry_after`` seconds.

    With ``login_in_doubt`` it may be the token all the same, as where a gateway's page is all that came:
    one goes by, but what is repeated for minutes is shown as a login that is needed.
    """

    def __init__(self, message: str, retry_after: float = 5.0, *, login_in_doubt: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.login_in_doubt = login_in_doubt


class BrokerUnavailable(BrokerError):
    """The network is lost or the broker's service is away; back off and try again."""


class StoreError(MdactorsError):
    """A store or cache cannot be opened, read or written."""


class PositionMoved(StoreError):
    """The store's position of a journal is not the one that was expected: another writer is at work."""


class TableFault(StoreError):
    """A table refuses rows that are good; nothing was written, and everything can be once it is mended."""


class JournalFull(StoreError):
    """The journal may not or cannot grow; nothing of the record was written."""


class SimulatorError(MdactorsError):
    """A simulator cannot be built from what it was given."""
