"""The identity that Azure gives to the machine itself: App Service, a compute instance, a virtual machine.

Outside Azure nothing answers at the virtual machine's address, and probing it must not be felt: one second is
all it gets (azure-sdk-for-net#39295 is about ten). No proxy and no redirect: the answer is a token.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AuthenticationError, TransportError
from .redact import redact
from .tokens import AccessToken, KeptTokens, claims_of

if TYPE_CHECKING:
    import requests

__all__ = ["ManagedIdentity"]

#: The instance metadata service of virtual machines: the same link-local address everywhere in Azure.
IMDS = "http://169.254.169.254"
#: Seconds to connect and to answer. Both together are the second that a machine outside Azure loses.
PROBE = (0.5, 0.5)
#: An address that the environment names, or that answered the probe, may take longer: the first token does.
TIMEOUT = (1.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the machine's tokens come from, and how they are asked for (the protocols of MSAL's own client)."""

    name: str
    url: str
    version: str
    headers: Mapping[str, str]
    client_key: str = "client_id"
    method: str = "GET"


class ManagedIdentity:
    """The machine's own identity; with `client_id` one of several that were given to it.

    On a compute cluster `DEFAULT_IDENTITY_CLIENT_ID` names it; `AZURE_CLIENT_ID` is the convention elsewhere.
    """

    way = "managed-identity"

    def __init__(
        self,
        client_id: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        known = os.environ if environment is None else environment
        self._environment = known
        self.client_id = client_id or known.get("DEFAULT_IDENTITY_CLIENT_ID") or known.get("AZURE_CLIENT_ID") or ""
        self._clock = clock
        self._kept = KeptTokens(self._fetch, clock)
        self._claims: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"ManagedIdentity(client_id={self.client_id!r})"

    def describe(self) -> dict[str, str]:
        """Who asks: way, identity, tenant and client, as far as the last token tells."""
        claims = self._claims
        client = str(claims.get("appid") or self.client_id)
        identity = str(claims.get("xms_mirid") or "").rpartition("/")[2] or client
        return {"way": self.way, "identity": identity, "tenant": str(claims.get("tid") or ""), "client": client}

    def get_token(self, audience: str, refresh: bool = False) -> AccessToken:
        """A token for the audience: the kept one while it is good, else a new one."""
        return self._kept.get(audience, refresh)

    def _fetch(self, audience: str, refresh: bool) -> AccessToken:
        source = self._source()
        query = {"api-version": source.version} if source.version else {}
        query |= {"resource": audience} | ({source.client_key: self.client_id} if self.client_id else {})
        response = self._send(source, query, TIMEOUT)
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict) or not isinstance(document.get("access_token"), str):
            raise _refused(source, response.status_code, document)
        self._claims = claims_of(document["access_token"])
        return AccessToken(document["access_token"], self._end(document))

    def _source(self) -> _Source:
        """What the environment names, else the virtual machine's service, if it answers at once."""
        known = self._environment
        if url := known.get("IDENTITY_ENDPOINT"):
            if "IDENTITY_HEADER" not in known or "IDENTITY_SERVER_THUMBPRINT" in known:
                # Azure Arc proves itself by a file on disk, Service Fabric by its certificate's thumbprint.
                raise _none("the identity of Azure Arc and of Service Fabric is not supported")
            headers = {"X-IDENTITY-HEADER": known["IDENTITY_HEADER"], "Metadata": "true"}
            return _Source("App Service", url, "2019-08-01", headers)
        if url := known.get("MSI_ENDPOINT"):
            if secret := known.get("MSI_SECRET"):
                return _Source("the compute instance", url, "2017-09-01", {"secret": secret}, "clientid")
            # wire-v1 2.1: a form instead of a query, and nothing but the header that proves it is no browser
            return _Source("MSI_ENDPOINT", url, "", {"Metadata": "true"}, method="POST")
        base = known.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", IMDS).rstrip("/")
        source = _Source(
            "the virtual machine", f"{base}/metadata/identity/oauth2/token", "2018-02-01", {"Metadata": "true"}
        )
        try:
            # Without its header the service refuses at once with 400: a cheap way to see that it is there.
            self._send(_Source(source.name, source.url, "", {}), {}, PROBE)
        except TransportError:
            raise _none("no identity service answers: this machine is not in Azure, or has no identity") from None
        return source

    def _send(self, source: _Source, query: Mapping[str, str], timeout: tuple[float, float]) -> requests.Response:
        import requests

        with requests.Session() as http:
            http.trust_env = False  # neither a proxy nor .netrc: the address is on this machine or on its link
            carried: Any = {"data": query} if source.method == "POST" else {"params": query}
            try:
                return http.request(
                    source.method, source.url, headers=source.headers, timeout=timeout, allow_redirects=False, **carried
                )
            except OSError as error:
                raise TransportError(
                    f"the identity service of {source.name} does not answer ({type(error).__name__})", "try again"
                ) from None

    def _end(self, document: Mapping[str, Any]) -> int:
        """When the token ends: `expires_on` is text or a number, and missing in some services' answers."""
        for key, start in (("expires_on", 0), ("expires_in", int(self._clock()))):
            if str(document.get(key) or "").isdecimal():
                return start + int(document[key])
        return int(claims_of(document["access_token"]).get("exp") or self._clock() + 300)


def _refused(source: _Source, status: int, document: Any) -> AuthenticationError:
    said = document if isinstance(document, dict) else {}
    text = said.get("error_description") or said.get("message") or said.get("error") or f"answer {status}"
    return _none(f"{source.name} gives no token: {redact(' '.join(str(text).split()))[:200]}", status)


def _none(message: str, status: int = 401) -> AuthenticationError:
    return AuthenticationError(
        message,
        "%azml login --azure-cli or --browser; in Azure: give the machine an identity and a role in the workspace",
        status=status,
        code="NoManagedIdentity",
    )
