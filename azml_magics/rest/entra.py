"""Sign-in at Microsoft's identity platform: a service principal, a browser, a device code.

MSAL speaks the protocol; this module gives it a way out that follows no redirect and waits for no answer for
ever, keeps tokens in memory, and says in one line why a sign-in failed.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
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

    def __init__(self, http: requests.Session | None, proxies: Mapping[str, str] | None, verify: bool | str) -> None:
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


class _Entra(ABC):
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
        # The tenant becomes a part of the address that the secret is sent to.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", tenant):
            raise UsageError(f"{tenant!r} is no tenant", "its id or its domain, such as contoso.onmicrosoft.com")
        self.tenant, self.client_id = tenant, client_id
        self._authority = f"{cloud.login}/{tenant}"
        self._out = _WayOut(http, proxies, verify)
        self._clock = clock
        self._kept = KeptTokens(self._fetch, clock)
        self._made: Any = None
        self._claims: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(tenant={self.tenant!r}, client_id={self.client_id!r})"

    def describe(self) -> dict[str, str]:
        """Who asks: way, identity, tenant and client. A person's name is known once a token came."""
        claims = self._claims
        identity = claims.get("preferred_username") or claims.get("upn") or self._identity
        tenant = str(claims.get("tid") or self.tenant)
        return {"way": self.way, "identity": str(identity), "tenant": tenant, "client": self.client_id}

    def get_token(self, audience: str, refresh: bool = False) -> AccessToken:
        """A token for the audience: the kept one while it is good, else a new one."""
        return self._kept.get(audience, refresh)

    _identity = ""

    @abstractmethod
    def _make(self, **common: Any) -> Any:
        """MSAL's application for this way."""

    @abstractmethod
    def _ask(self, application: Any, scope: str, refresh: bool) -> Mapping[str, Any]:
        """MSAL's result: a token, or an error."""

    def _fetch(self, audience: str, refresh: bool) -> AccessToken:
        from msal.exceptions import MsalError

        self._out.said = {}
        try:
            # The host comes out of our own table or out of metadata that the user chose: there is nothing to
            # discover about it, and no second host to ask.
            self._made = self._made or self._make(
                client_id=self.client_id, authority=self._authority, http_client=self._out, instance_discovery=False
            )
            result = self._ask(self._made, f"{audience}/.default", refresh)
        except (ValueError, KeyError, MsalError) as error:
            if self._out.said:
                raise self._refused(self._out.said) from None
            host = urlsplit(self._authority).netloc
            raise TransportError(
                f"{host} does not answer as a sign-in service ({type(error).__name__})", "%azml config cloud"
            ) from None
        if "access_token" not in result:
            raise self._refused(result)
        token = str(result["access_token"])
        self._claims = result.get("id_token_claims") or self._claims or claims_of(token)
        return AccessToken(token, int(self._clock()) + int(result.get("expires_in") or 0))

    def _refused(self, answer: Mapping[str, Any]) -> AuthenticationError:
        return refusal(answer, tenant=self.tenant, client=self.client_id)


class ServicePrincipal(_Entra):
    """An application's own identity, proved by its secret or by a certificate (PEM with its key, or PFX)."""

    way = "service-principal"

    def __init__(
        self,
        cloud: Cloud,
        tenant: str,
        client_id: str,
        secret: str = "",
        *,
        certificate: Path | None = None,
        passphrase: str = "",
        **ways: Any,
    ) -> None:
        super().__init__(cloud, tenant, client_id, **ways)
        self._identity = client_id
        # Closures, so that no dump of the object's attributes shows the secret.
        self._proof = (lambda: secret) if certificate is None else (lambda: _certificate(certificate, passphrase))

    def _make(self, **common: Any) -> Any:
        import msal

        return msal.ConfidentialClientApplication(client_credential=self._proof(), **common)

    def _ask(self, application: Any, scope: str, refresh: bool) -> Mapping[str, Any]:
        application.remove_tokens_for_client()  # what is kept, and for how long, is decided here and not by MSAL
        result: Mapping[str, Any] = application.acquire_token_for_client(scopes=[scope]) or {}
        return result


def _certificate(path: Path, passphrase: str) -> dict[str, Any]:
    """The certificate as MSAL takes it."""
    try:
        if path.suffix.lower() in (".pfx", ".p12"):
            path.stat()
            proof: dict[str, Any] = {"private_key_pfx_path": str(path)}
        else:
            text = path.read_text("utf-8")
            proof = {"private_key": text, "public_certificate": text}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the certificate {path} cannot be read: {type(error).__name__}") from None
    return proof | ({"passphrase": passphrase} if passphrase else {})


class _Person(_Entra):
    """A person's sign-in: asked for once, then renewed silently for as long as the tenant allows."""

    def __init__(self, cloud: Cloud, tenant: str = "", *, tell: Callable[[str], None], **ways: Any) -> None:
        super().__init__(cloud, tenant or "organizations", AZURE_CLI, **ways)
        self._tell = tell

    def _make(self, **common: Any) -> Any:
        import msal

        return msal.PublicClientApplication(**common)

    def _ask(self, application: Any, scope: str, refresh: bool) -> Mapping[str, Any]:
        accounts = application.get_accounts()
        if not accounts:
            return self._sign_in(application, scope)
        result: Mapping[str, Any] | None = application.acquire_token_silent_with_error(
            [scope], account=accounts[0], force_refresh=refresh
        )
        # A page or a code in the middle of a long wait would surprise: the person is asked to sign in again.
        return result or {"error": "the sign-in has ended", "error_codes": [70008]}

    @abstractmethod
    def _sign_in(self, application: Any, scope: str) -> Mapping[str, Any]:
        """Ask the person."""


class Browser(_Person):
    """A person in a browser window of the machine that the kernel runs on."""

    way = "browser"
    #: Seconds that the person has.
    patience = 300

    def _sign_in(self, application: Any, scope: str) -> Mapping[str, Any]:
        import webbrowser

        try:
            webbrowser.get()
        except webbrowser.Error:
            raise AuthenticationError(
                "there is no browser on the machine that runs the kernel",
                "%azml login --device-code, or az login and %azml login --azure-cli",
                status=401,
                code="NoBrowser",
            ) from None
        self._tell(f"sign in in the browser window (tenant {self.tenant}, application Azure CLI)")
        result: Mapping[str, Any] = application.acquire_token_interactive(
            [scope], prompt="select_account", timeout=self.patience
        )
        return result or {"error": f"nobody signed in within {self.patience} s"}


class DeviceCode(_Person):
    """A person at any other machine, who types a code there. Never a silent default: codes are phished for."""

    way = "device-code"

    def _sign_in(self, application: Any, scope: str) -> Mapping[str, Any]:
        flow = application.initiate_device_flow(scopes=[scope])
        link = str(flow.get("verification_uri") or flow.get("verification_url") or "")
        if "user_code" not in flow or urlsplit(link).scheme != "https":
            return dict(flow) if "error" in flow else {"error": "the sign-in service gave no code"}
        self._tell(
            f"open {link} and type {flow['user_code']} within {int(flow.get('expires_in', 900)) // 60} minutes: "
            f"this signs the application Azure CLI in to tenant {self.tenant} for {scope.removesuffix('/.default')}. "
            "Whoever types this code gives this notebook their rights: do not pass it on."
        )
        result: Mapping[str, Any] = application.acquire_token_by_device_flow(flow)
        return result
