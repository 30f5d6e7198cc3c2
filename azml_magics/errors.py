"""The errors this package raises on purpose. Each is one line in a cell, with the next thing to type.

* AzmlError                 base: shown as one line, and the cell fails
  x UsageError              the line was wrong: nothing was sent
    + NotLoggedIn             no session yet
    + NoWorkspace             a name that the request needs is not chosen
  x TransportError          nothing came back: no connection, time-out, broken answer
  x ServiceError            the service said no; carries status, code, message, request id
    + AuthenticationError     401, or the sign-in itself was refused
    + ForbiddenError          403
    + NotFoundError           404
    + ConflictError           409
    + ThrottledError          429
  x OperationFailed         what was started ended badly (a long operation, a run)
    + RunFailed               a run ended Failed or Canceled
  x Interrupted             the wait was interrupted; what was started goes on
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AuthenticationError",
    "AzmlError",
    "ConflictError",
    "ForbiddenError",
    "Interrupted",
    "NoWorkspace",
    "NotFoundError",
    "NotLoggedIn",
    "OperationFailed",
    "RunFailed",
    "ServiceError",
    "ThrottledError",
    "TransportError",
    "UsageError",
]


class AzmlError(Exception):
    """Base of every error this package raises on purpose. `hint` is the next thing to type."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} -> {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines in place of a traceback; the cell still fails."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(AzmlError):
    """The line was wrong; nothing was sent."""


class NotLoggedIn(UsageError):
    """A word that needs the service came before a login."""

    def __init__(self, message: str = "not logged in", hint: str = "") -> None:
        super().__init__(message, hint or "%azml login (Azure), or %azml login --local (the emulator, no account)")


class NoWorkspace(UsageError):
    """The request needs a subscription, a group or a workspace that nothing chose."""


class TransportError(AzmlError):
    """Nothing usable came back from the host."""


class ServiceError(AzmlError):
    """The service answered with an error.

    `status` is the HTTP status (200 for an operation that failed later), `code` the innermost real
    code, `request_id` what support asks for, `raw` the body as it came.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        status: int = 0,
        code: str = "",
        request_id: str = "",
        raw: Any = None,
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.raw = raw

    def __str__(self) -> str:
        code = "" if self.code == type(self).__name__ else self.code
        status = f"({self.status})" if self.status not in (0, 200, 204) else ""
        said = f"{code} {status}: {self.message}".lstrip() if code else f"{self.message} {status}".rstrip()
        return f"{said} -> {self.hint}" if self.hint else said


class AuthenticationError(ServiceError):
    """The service does not accept who asks: no token, an expired one, a refused sign-in."""


class ForbiddenError(ServiceError):
    """The service knows who asks and refuses."""


class NotFoundError(ServiceError):
    """What was asked for does not exist, or not in this scope."""


class ConflictError(ServiceError):
    """What was asked for stands against something that exists."""


class ThrottledError(ServiceError):
    """Too many requests; the retries did not help."""


class OperationFailed(ServiceError):
    """What was started ended badly, although the request to start it was accepted."""


class RunFailed(OperationFailed):
    """A run ended Failed or Canceled. `raw` holds the run's details document."""


class Interrupted(AzmlError, KeyboardInterrupt):
    """The wait was interrupted. A KeyboardInterrupt too, so that Run All stops."""
