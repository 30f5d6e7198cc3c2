"""The REST client: sends the catalogue's operations to a cloud and reads what it answers.

Everything that speaks HTTP lies in here; `requests` and `msal` are imported when a session is made, not before.
"""

from .clouds import CLOUDS, Cloud
from .polling import Poller
from .protocol import Answer, Part, Request, Scope
from .session import RequestShown, Session
from .signin import sign_in
from .tokens import AccessToken, Credential

__all__ = [
    "CLOUDS",
    "AccessToken",
    "Answer",
    "Cloud",
    "Credential",
    "Part",
    "Poller",
    "Request",
    "RequestShown",
    "Scope",
    "Session",
    "sign_in",
]
