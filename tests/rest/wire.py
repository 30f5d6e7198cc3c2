"""The double of these tests is the transport: an adapter mounted on requests that answers what it is told."""

import base64
import io
import json
from collections.abc import Callable

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from azml_magics.rest import AccessToken, Scope, Session
from azml_magics.rest.clouds import CLOUDS

CLOUD = CLOUDS["AzureCloud"]
ARM = "https://management.azure.com"
API = "https://eastus.api.azureml.ms"
WS = "/subscriptions/sub/resourceGroups/grp/providers/Microsoft.MachineLearningServices/workspaces/ws"
DISCOVERY = f"{API}/discovery"
WORKSPACE = {"name": "ws", "location": "eastus", "properties": {"discoveryUrl": DISCOVERY}}


class Reply:
    """One answer of the wire: status, body (JSON unless it is bytes), headers."""

    def __init__(self, status=200, body=b"", **headers):
        self.status = status
        self.raw = isinstance(body, bytes | io.IOBase)
        self.body = body if self.raw else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if not self.raw:
            self.headers.setdefault("Content-Type", "application/json; charset=utf-8")


class Wire(BaseAdapter):
    """Answers the next of its replies; keeps what was sent. A reply may be an exception, or a function."""

    def __init__(self, *replies):
        super().__init__()
        self.replies = list(replies)
        self.sent: list[requests.PreparedRequest] = []
        self.bodies: list[bytes] = []
        self.ways: list[dict] = []

    def send(self, request, **ways):
        self.sent.append(request)
        self.ways.append(ways)
        body = request.body or b""
        self.bodies.append(body if isinstance(body, bytes) else b"".join(body))
        assert self.replies, f"not expected: {request.method} {request.url}"
        reply = self.replies.pop(0)
        if isinstance(reply, Callable):
            reply = reply(request)
        if isinstance(reply, BaseException):
            raise reply
        response = requests.Response()
        response.status_code = reply.status
        response.headers = CaseInsensitiveDict(reply.headers)
        response.url = request.url
        response.request = request
        body = reply.body if isinstance(reply.body, io.IOBase) else io.BytesIO(reply.body)
        response.raw = HTTPResponse(
            body, headers=reply.headers, preload_content=False, status=reply.status, request_method=request.method
        )
        return response

    def close(self):
        pass

    @property
    def urls(self):
        return [request.url for request in self.sent]


class Token:
    """A credential that counts; every refresh gives another token."""

    way = "test"

    def __init__(self):
        self.asked: list[tuple[str, bool]] = []
        self.number = 1

    def describe(self):
        return {"way": self.way}

    def get_token(self, audience, refresh=False):
        self.asked.append((audience, refresh))
        self.number += refresh
        return AccessToken(f"token-{self.number}", 2**31)


class Clock:
    """Time that only passes while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def session(*replies, **options):
    """A session on a wire with these replies; the wire, the clock and the credential hang on it."""
    wire, clock, credential = Wire(*replies), Clock(), options.pop("credential", Token())
    http = requests.Session()
    http.mount("https://", wire)
    http.mount("http://", wire)
    scope = options.pop("scope", Scope("sub", "grp", "ws"))
    made = Session(credential, CLOUD, scope, http=http, sleep=clock.sleep, clock=clock, **options)
    made.wire, made.slept, made.told = wire, clock.slept, credential
    return made


def found():
    """The two answers that lead to the workspace's regional server."""
    return Reply(200, WORKSPACE), Reply(200, {"api": API, "history": "https://eastus.experiments.azureml.net"})


def jwt(**claims):
    """A token with these claims that nobody has signed."""
    parts = (json.dumps({"alg": "none"}), json.dumps(claims), "signature")
    return ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts)
