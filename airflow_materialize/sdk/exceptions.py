"""What goes wrong between an asset and its connections. Bruin's assets import these from `bruin.exceptions`."""

from __future__ import annotations

__all__ = [
    "BruinError",
    "ConnectionNotFoundError",
    "ConnectionParseError",
    "ConnectionTypeError",
    "QueryError",
]


class BruinError(Exception):
    """The root of what this package raises into user code."""


class ConnectionNotFoundError(BruinError):
    """The header declares no secret of this name."""


class ConnectionParseError(BruinError):
    """What a secret's variable holds is no connection."""


class ConnectionTypeError(BruinError):
    """There is no client for this type of connection."""


class QueryError(BruinError):
    """A statement failed."""


class Skip(BaseException):
    """Ends the asset as skipped. No `except Exception` of user code stops it.

    Attributes:
        reason: Why.
        mode: `soft` or `hard`.
    """

    def __init__(self, reason: str, mode: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mode = mode
