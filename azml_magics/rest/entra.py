"""Sign-in at Microsoft's identity platform: a service principal, a browser, a device code.

MSAL speaks the protocol; this module gives it a way out that follows no redirect and waits for no answer for
ever, keeps tokens in memory, and says in one line why a sign-in failed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import AuthenticationError, TransportError, UsageError
from .aadsts import refusal
from .failures import failure_of
from .tokens import AccessToken, KeptTokens, claims_of

if TYPE_CHECKING:
    import requests

    from .clouds import Cloud

__all__ = ["AZURE_CLI", "Browser", "DeviceCode", "ServicePrincipal"]

#: The Azure CLI's own application id, a public constant of Microsoft's: every tenant knows it and it may ask for
#: ARM, so that nobody has to register an application. What one consents to is "Microsoft Azure CLI".
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
TIMEOUT = (10, 30)


class _WayOut:
    """The HTTP client that MSAL asks: a requests session with time-outs, without redirects and without .netrc.

    A redirect would carry the client's secret to where it leads. `said` is the last refusal that came back.
    """

    def __init__(
        self, http: requests.Session | None, proxies: Mapping[str, str] | None, verify: bool | str
    ) -> None:
        import requests

        if http is None:
            http = requests.Session()
            http.mount("https://", requests.adapters.HTTPAdapter(max_retries=1))
        self._http = http
        self._ways: dict[str, Any] = {"timeout": TIMEOUT, "allow_redirects": False, "auth": _unsigned}
        if proxies is not None:
            self._ways["proxies"] = dict(proxies)
        if verify is not True:
            self._ways["verify"] = verify
        self.said: Mapping[str, Any] = {}

    def get(self, url: str, **ways: Any) -> requests.Response:
        """What MSAL asks of an HTTP client: GET."""
        return self._send("GET", url, ways)

    def post(self, url: str, **ways: Any) -> requests.Response:
        """What MSAL asks of an HTTP client: POST."""
        return self._send("POST", url, ways)

    def close(self) -> None:
        """What MSAL asks of an HTTP client: let the connections go."""
        self._http.close()

    def _send(self, method: str, url: str, ways: dict[str, Any]) -> requests.Response:
        host = urlsplit(url).netloc
        if urlsplit(url).scheme != "https":
            raise TransportError(f"sign-in at {host} is not https: nothing was sent")
        try:
            response = self._http.request(method, url, **(ways | self._ways))
        except OSError as error:
            raise failure_of(error, host, TIMEOUT).error from None
        if response.status_code >= 500 or 300 <= response.status_code < 400:
            raise TransportError(f"{host} answers {response.status_code} to the sign-in", "try again")
        if response.status_code >= 400:
            self.said = _json_object(response)
        return response


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An authentication that adds nothing: without one, requests takes what .netrc says of the host."""
    return request


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


class _Entra:
    """What the three ways share: the tenant's address, the kept tokens, the reading of MSAL's results."""

    way = ""

    def __init__(
        self,
        cloud: Cloud,
        tenant: str,
        client_id: str,
        *,
        http: requests.Session | None = None,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # It becomes a part of the address that the secret is sent to.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", tenant):
            raise UsageError(f"{tenant!r} is no tenant", "its id or its domain, such as contoso.onmicrosoft.com")
        self.tenant, self.client_id = tenant, client_id
        self._authority = f"{cloud.login}/{tenant}"
        self._way_out = lambda: _WayOut(http, proxies, verify)
        self._clock = clock
        self._kept = KeptTokens(self._fetch, clock)
        self._application: Any = None
        self._claims: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(tenant={self.tenant!r}, client_id={self.client_id!r})"

    def describe(self) -> dict[str, str]:
        """Who asks: way, identity, tenant and client. The identity is known once a token came."""
        claims = self._claims
        identity = claims.get("preferred_username") or claims.get("upn") or claims.get("name") or self._identity()
        tenant = str(claims.get("tid") or self.tenant)
        return {"way": self.way, "identity": str(identity), "tenant": tenant, "client": self.client_id}

    def get_token(self, audience: str, refresh: bool = False) -> AccessToken:
        """A token for the audience: the kept one while it is good, else a new one."""
        return self._kept.get(audience, refresh)

    def _identity(self) -> str:
        return ""

    def _make(self, **ways: Any) -> Any:
        raise NotImplementedError

    def _ask(self, application: Any, scope: str, refresh: bool) -> Mapping[str, Any] | None:
        raise NotImplementedError

    def _fetch(self, audience: str, refresh: bool) -> AccessToken:
        from msal.exceptions import MsalError

        way_out = self._way_out()
        host = urlsplit(self._authority).netloc
        try:
            if self._application is None:
                # The host comes out of our own table or out of metadata that the user chose: there is nothing
                # to discover, and no second host to be asked about it.
                self._application = self._make(
                    client_id=self.client_id, authority=self._authority, http_client=way_out, instance_discovery=False
                )
            result = self._ask(self._application, f"{audience}/.default", refresh)
        except (ValueError, KeyError, MsalError) as error:
            if way_out.said:
                raise self._refused(way_out.said) from None
            raise TransportError(f"{host} is no sign-in service: {type(error).__name__}", "check the cloud") from None
        if not result or "access_token" not in result:
            raise self._refused(result or {})
        token = str(result["access_token"])
        self._claims = result.get("id_token_claims") or self._claims or claims_of(token)
        return AccessToken(token, int(self._clock()) + int(result.get("expires_in") or 0))

    def _refused(self, answer: Mapping[str, Any]) -> AuthenticationError:
        return refusal(answer, tenant=self.tenant, client=self.client_id)
