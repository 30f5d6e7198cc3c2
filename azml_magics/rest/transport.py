"""Sends one request and brings its answer home: token, retries, redirects, and clear words for what went wrong.

Knows no operation. Promises: the token goes to hosts of the cloud and nowhere else, an address is sent to the
letter, and no error holds an address's query, which may be signed.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from ..errors import NotLoggedIn, ServiceError, ThrottledError, TransportError, UsageError
from .envelopes import read_error
from .failures import Failure, failure_of
from .protocol import Answer, Request, retry_after

if TYPE_CHECKING:
    import requests

    from .clouds import Cloud
    from .tokens import AccessToken, Credential

#: What reads a refusal: status, headers, content.
ReadError = Callable[[int, Mapping[str, str], bytes], ServiceError]

#: Statuses that may be gone a moment later (wire-v1 3.3, wire-v2 2.1).
PASSING = frozenset({408, 429, 500, 502, 503, 504})
RETRIES = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
#: A service that asks for a longer wait than this is believed, and the wait is left to the user.
PATIENCE = 120.0
#: After this many seconds of trying again, the user is told.
QUIET = 3.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HOPS = 5


class Transport:
    """The way out. One for a session; safe to use from several threads."""

    def __init__(
        self,
        cloud: Cloud,
        credential: Credential | None,
        http: requests.Session | None = None,
        *,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str = True,
        timeout: tuple[float, float] = (10, 60),
        notify: Callable[[str], None] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cloud, self.credential = cloud, credential
        self.notify, self.sleep, self.clock = notify, sleep, clock
        self._http = http if http is not None else _pool()
        self._verify, self.timeout = verify, timeout
        if proxies is not None:
            # The emulator's own proxy: what the environment says of other proxies is not about it.
            self._http.trust_env = False
            self._http.proxies = dict(proxies)
        self._local = "127.0.0.1" in dict(proxies or {}).get("https", "")

    def token(self, *, refresh: bool = False) -> AccessToken:
        """The ARM token: the data plane takes it too (wire-v1 2.1)."""
        if self.credential is None:
            raise NotLoggedIn
        return self.credential.get_token(self.cloud.arm_audience, refresh=refresh)

    def check(self, url: str) -> None:
        """Raise when the URL is not one of the cloud's: the service's word alone does not make it so."""
        if not self.cloud.trusted(url):
            host = Request("GET", url).host or "an address without a host"
            raise TransportError(
                f"{host} is no server of {self.cloud.name}: nothing was sent there",
                "the token goes only to the cloud's own servers; %azml config shows which cloud is in use",
            )

    def answer(self, request: Request, *, repeat: bool, read: ReadError = read_error) -> Answer:
        """The whole answer; raises the service's error for a status of 400 and up. `repeat` allows retries."""
        response = self.open(request, repeat=repeat, stream=False, read=read)
        return Answer(response.status_code, response.headers, response.content, str(response.url))

    def open(
        self, request: Request, *, repeat: bool, stream: bool = True, read: ReadError = read_error
    ) -> requests.Response:
        """The answer with its content still to come. Follows a GET's redirects inside the cloud."""
        for _ in range(HOPS + 1):
            response = self._signed(request, repeat, stream)
            if response.status_code >= 400:
                raise self._refusal(response, read)
            if response.status_code not in REDIRECTS:
                return response
            request = self._redirected(request, response)
        raise TransportError(f"{request.host} redirects in a circle")

    def _redirected(self, request: Request, response: requests.Response) -> Request:
        response.close()
        target = urljoin(request.full_url, response.headers.get("location", ""))
        host = Request("GET", target).host
        if request.method != "GET" or not self.cloud.trusted(target):
            raise TransportError(f"{request.host} redirects a {request.method} to {host}: not followed")
        return replace(request, url=target, params=())

    def _refusal(self, response: requests.Response, read: ReadError) -> ServiceError:
        error = read(response.status_code, response.headers, response.content)
        asked = retry_after(Answer(response.status_code, response.headers))
        if isinstance(error, ThrottledError) and asked:
            error.hint = f"the service asks to wait {asked:.0f} s"
        return error

    def _signed(self, request: Request, repeat: bool, stream: bool) -> requests.Response:
        """The answer to the request with its token; a token that has expired is renewed once."""
        if request.anonymous:
            return self._persistent(request, {}, repeat, stream)
        self.check(request.full_url)
        response = self._persistent(request, self._authorization(), repeat, stream)
        if response.status_code != 401:
            return response
        response.close()
        return self._persistent(request, self._authorization(refresh=True), repeat, stream)

    def _authorization(self, *, refresh: bool = False) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(refresh=refresh).token}"}

    def _persistent(self, request: Request, extra: Mapping[str, str], repeat: bool, stream: bool) -> requests.Response:
        """The answer, after as many tries as what went wrong and `repeat` allow."""
        began, told = self.clock(), False
        for tried in range(RETRIES + 1):
            outcome = self._once(request, extra, stream)
            last = tried == RETRIES or not repeat
            if isinstance(outcome, Failure):
                if last or not outcome.passing:
                    raise outcome.error
                pause, what = _pause(tried), outcome.error.message
            else:
                asked = retry_after(Answer(outcome.status_code, outcome.headers))
                if outcome.status_code not in PASSING or last or (asked or 0) > PATIENCE:
                    return outcome
                outcome.close()
                pause, what = _pause(tried, asked), f"{request.host} answers {outcome.status_code}"
            if self.notify and not told and self.clock() - began + pause > QUIET:
                told = True
                self.notify(f"{what}; trying again")
            self.sleep(pause)
        raise AssertionError("the last try returns or raises")  # pragma: no cover

    def _once(self, request: Request, extra: Mapping[str, str], stream: bool) -> requests.Response | Failure:
        """One exchange. The adapter is asked itself: no cookies, no .netrc, no redirects of requests' own."""
        with ExitStack() as files:
            prepared = _prepared(request, extra, files)
            # With None, requests looks at REQUESTS_CA_BUNDLE; a file that the session was given wins over that.
            verify = None if self._verify is True else self._verify
            ways: Any = self._http.merge_environment_settings(request.url, {}, stream, verify, None)
            try:
                adapter = self._http.get_adapter(prepared.url or "")
                response = adapter.send(prepared, timeout=self.timeout, **ways)
                if not stream or response.status_code >= 400:
                    response.content  # noqa: B018 - reading it here makes a broken answer a reason to try again
            except OSError as error:
                return failure_of(error, request.host, self.timeout, local=self._local)
        return response


def _prepared(request: Request, extra: Mapping[str, str], files: ExitStack) -> requests.PreparedRequest:
    """What requests sends. The address is put in afterwards, since preparing would re-encode it (service-facts 20)."""
    import requests

    headers = {
        "User-Agent": "azml-magics",
        "Accept-Encoding": "gzip, deflate",
        "x-ms-client-request-id": str(uuid.uuid4()),
        **request.headers,
        **extra,
    }
    data, kind = _body(request, files)
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    try:
        prepared = requests.Request(request.method, request.url, headers=headers, data=data).prepare()
    except requests.RequestException as error:
        raise UsageError(f"this cannot be sent: {type(error).__name__}") from None
    prepared.url = request.full_url
    return prepared


def _body(request: Request, files: ExitStack) -> tuple[Any, str]:
    """The body and its media type. Files are opened anew for every try, and read while they are sent."""
    if request.parts:
        from .transfer import Multipart

        multipart = Multipart(request.parts)
        return multipart, multipart.content_type
    if isinstance(request.data, Path):
        return files.enter_context(request.data.open("rb")), ""
    if request.data is not None or request.json is None:
        return request.data, ""
    try:
        return json.dumps(request.json, allow_nan=False).encode(), "application/json"
    except (TypeError, ValueError) as error:
        raise UsageError(f"the body cannot be written as JSON: {error}") from None


def _pause(tried: int, asked: float | None = None) -> float:
    """How long to wait: what the service asks, else twice as long each time; never at the same beat as others."""
    if asked is not None:
        return asked + random.uniform(0, min(1.0, asked / 10))  # noqa: S311 - spreading load is no secret
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2**tried)) * random.uniform(0.5, 1)  # noqa: S311


def _pool() -> requests.Session:
    """A requests session that keeps enough connections for a handful of threads and does no retries of its own."""
    import requests
    from requests.adapters import HTTPAdapter

    http = requests.Session()
    http.mount("https://", HTTPAdapter(pool_maxsize=16))
    http.mount("http://", HTTPAdapter(pool_maxsize=16))
    return http
