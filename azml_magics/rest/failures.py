"""Why nothing came back, in one line that names the host: proxy, TLS, name, connection, time, broken answer.

Pure but for looking at the exceptions of requests. The exceptions themselves are dropped: their texts hold whole
addresses, with the signatures in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TransportError

_NETWORK = "check the network, the VPN and %azml config (cloud, workspace)"
_AGAIN = "try again"
_CERTIFICATE = "REQUESTS_CA_BUNDLE=FILE names the certificates of your network's proxy"
_PROXY = "HTTPS_PROXY names the proxy; NO_PROXY the hosts that need none"


@dataclass(frozen=True, slots=True)
class Failure:
    """One try that brought nothing: the error to raise, and whether a second try may do better."""

    error: TransportError
    passing: bool = True


def failure_of(error: OSError, host: str, timeout: tuple[float, float], *, local: bool = False) -> Failure:
    """What an exception of requests, or of the system below it, means; `local`: the proxy is the emulator's."""
    import requests

    text = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        if local and "Tunnel connection failed" not in text:
            return _failure("the emulator does not answer", "%azml login --local", passing=False)
        refused = "Tunnel connection failed: 40" in text
        said = "refuses the way to" if refused else "does not answer, so there is no way to"
        return _failure(f"the proxy {said} {host}", _PROXY, passing=not refused)
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
            return _failure(f"the certificate of {host} is not trusted", _CERTIFICATE, passing=False)
        return _failure(f"no TLS connection to {host}", _CERTIFICATE)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return _failure(f"{host} did not take the connection within {timeout[0]:g} s", _NETWORK)
    if isinstance(error, requests.exceptions.ReadTimeout) or "Read timed out" in text:
        return _failure(f"{host} did not answer within {timeout[1]:g} s", "%azml config timeout_seconds N, or later")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return _failure(f"the answer of {host} broke off or is damaged", _AGAIN)
    if isinstance(error, requests.exceptions.ConnectionError):
        return _connection(text, host)
    if isinstance(error, requests.exceptions.RequestException):
        return _failure(f"{host}: {type(error).__name__}", _NETWORK, passing=False)
    # requests looks for the certificates' file before it connects, and says so with a plain OSError.
    said = "the file of certificates is missing" if "certificate" in text.lower() else type(error).__name__
    return _failure(f"{host} was not reached: {said}", _CERTIFICATE, passing=False)


def _connection(text: str, host: str) -> Failure:
    if any(sign in text for sign in ("NameResolutionError", "Failed to resolve", "getaddrinfo")):
        return _failure(f"the name {host} is not known", _NETWORK)
    if "Connection refused" in text or "actively refused" in text:
        return _failure(f"{host} refuses the connection", _NETWORK)
    return _failure(f"the connection to {host} broke", _AGAIN)


def _failure(message: str, hint: str, *, passing: bool = True) -> Failure:
    return Failure(TransportError(message, hint), passing)
