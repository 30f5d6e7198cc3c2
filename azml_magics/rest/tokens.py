"""Access tokens: what one is, what a credential promises, and when a kept one is too old to be used.

Pure but for the clock. Tokens live in memory only, and no repr shows one (users 4: token files were read by others).
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["AccessToken", "Credential", "KeptTokens", "claims_of"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and when it ends, in seconds since 1970."""

    token: str = field(repr=False)
    expires_on: int


class Credential(Protocol):
    """Something that gets tokens: the account of the Azure CLI, a service principal, an identity of the machine."""

    @property
    def way(self) -> str:
        """How it signs in: "service-principal", "azure-cli", "managed-identity", "browser" or "device-code"."""

    def describe(self) -> dict[str, str]:
        """Who asks: way, identity, tenant and client; empty where not known. Nothing secret."""

    def get_token(self, audience: str, refresh: bool = False) -> AccessToken:
        """A token for the audience that is good for a while yet; a new one when `refresh` asks for it.

        Raises AuthenticationError when the sign-in is refused, TransportError when nothing came back.
        """


class KeptTokens:
    """The tokens of one credential, by audience. Threads that ask at the same time share one request."""

    def __init__(self, fetch: Callable[[str, bool], AccessToken], clock: Callable[[], float] = time.time) -> None:
        self._fetch, self._clock = fetch, clock
        self._kept: dict[str, tuple[AccessToken, float]] = {}
        self._lock = threading.Lock()

    def get(self, audience: str, refresh: bool = False) -> AccessToken:
        """The kept token while it is good, else a new one."""
        with self._lock:
            token, lifetime = self._kept.get(audience, (None, 0.0))
            if token is None or refresh or self._stale(token, lifetime):
                token = self._fetch(audience, refresh)
                self._kept[audience] = (token, token.expires_on - self._clock())
            return token

    def _stale(self, token: AccessToken, lifetime: float) -> bool:
        # Five minutes are what Microsoft's clients leave; of a token that lives a minute a fifth is enough.
        return token.expires_on - self._clock() < min(300.0, 0.2 * lifetime)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says of its holder, unverified: to name who signed in, never to trust it. Empty if unreadable."""
    part = token.split(".")[1] if token.count(".") >= 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
