"""How a refusal is read: from the service's six error shapes, and three of its neighbours', to one error of ours.

Pure. The code that says something is dug out of the codes that say nothing (`UserError`), the message becomes
one line without secrets, and what to type next comes from one table. Shapes: service-facts 3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http.client import responses
from typing import Any

from ..errors import (
    AuthenticationError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    ThrottledError,
)
from .redact import redact

LONGEST = 500

KINDS: dict[int, type[ServiceError]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: ThrottledError,
}

#: Codes that say no more than the status does; a code further in is the real one (service-facts 4).
EMPTY_CODES = frozenset(
    {"", "UserError", "ServiceError", "SystemError", "BadRequest", "NotFound", "Conflict", "Error"}
    | {"InternalServerError", "InvalidTemplateDeployment", "DeploymentFailed"}
)

_LOGIN = "%azml login, then run the cell again"
_NAMES = "%azml workspaces shows what there is; %azml use WORKSPACE --group GROUP"
_TENANT = "%azml login --tenant TENANT"
_VERSION = "use a version that the message names: ?api-version=2019-11-01, for example"
_PROVIDER = "az provider register --namespace Microsoft.MachineLearningServices"
_SLOWER = "wait a moment and ask for less: --top N, a narrower filter, a longer pause between polls"
_LIST = "look at the name and the version: %azml {plural}"

#: Code -> what to type next. Messages are never matched: their wording changes (service-facts 11).
HINTS: Mapping[str, str] = {
    "AuthenticationFailed": _LOGIN,
    "AuthenticationFailedInvalidHeader": _LOGIN,
    "AuthorizationError": _LOGIN,
    "ExpiredAuthenticationToken": _LOGIN,
    "InvalidAuthenticationToken": _LOGIN,
    "InvalidAuthenticationTokenAudience": "%azml config shows the cloud; %azml login gets a token for it",
    "InvalidAuthenticationTokenTenant": _TENANT,
    "SubscriptionNotFound": "%azml subscriptions shows those of this login; those of another tenant need " + _TENANT,
    "InvalidSubscriptionId": "%azml subscriptions shows the ids",
    "ResourceGroupNotFound": "%azml groups shows those of the subscription; %azml use WORKSPACE --group GROUP",
    "ResourceNotFound": f"{_NAMES}; a workspace that was moved to another subscription is not supported",
    # 403 also hides that a thing does not exist (service-facts 12), so the scope comes first.
    "AuthorizationFailed": "check the scope (%azml config), then ask its owner for a role "
    "(AzureML Data Scientist, Contributor); a role just given needs a new %azml login",
    "LinkedAuthorizationFailed": "ask for a role on the linked resource that the message names",
    "MissingApiVersionParameter": "add ?api-version=2019-11-01 to the path",
    "InvalidApiVersionParameter": _VERSION,
    "NoRegisteredProviderFound": _VERSION,
    "UnsupportedApiVersion": "the data plane takes no api-version: leave it out",
    "MissingSubscriptionRegistration": _PROVIDER,
    "SubscriptionNotRegistered": _PROVIDER,
    "TooManyRequests": _SLOWER,
    "ResourceRequestsThrottled": _SLOWER,
    "SubscriptionRequestsThrottled": _SLOWER,
    "ModelNotFound": _LIST.format(plural="models"),
    "WebserviceNotFound": _LIST.format(plural="services"),
    "ServiceNotFound": _LIST.format(plural="services"),
    "NotFoundError": "check the name, and the workspace: %azml config",
    "ForbiddenError": "ask the workspace's owner for the role AzureML Data Scientist",
    "BadGatewayConnection": "try again in a minute",
    "NotEmulated": "the emulator does not answer this; %azml resources shows what it does",
}

#: What to type next when the code is not in `HINTS`.
STATUS_HINTS: Mapping[int, str] = {
    401: _LOGIN,
    403: HINTS["AuthorizationFailed"],
    404: HINTS["NotFoundError"],
    429: _SLOWER,
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ServiceError:
    """The error that an answer of status 400 and up stands for, in whichever shape it came."""
    heads = {name.lower(): value for name, value in headers.items()}
    raw = _document(body)
    code, message = read_reason(raw)
    code = code or heads.get("x-ms-error-code", "") or _phrase(status)
    hint = HINTS.get(code) or STATUS_HINTS.get(status, "")
    if code == "InvalidAuthenticationTokenTenant":
        hint = hint.replace("TENANT", _wanted_tenant(heads) or "TENANT", 1)
    return KINDS.get(status, ServiceError)(
        one_line(message or _rest(raw)) or "the service gave no reason",
        hint,
        status=status,
        code=code,
        request_id=_request_id(heads, raw),
        raw=redact(raw),
    )


def read_scoring_error(status: int, headers: Mapping[str, str], body: bytes) -> ServiceError:
    """The same for a deployed service's own address, which asks for its key and answers what its script says."""
    error = read_error(status, headers, body)
    hints = {
        401: "the key is wrong or missing: %azml service keys NAME",
        403: "the key is wrong or missing: %azml service keys NAME",
        404: "the address is wrong: %azml services shows the scoring_uri",
        429: _SLOWER,
    }
    error.hint = hints.get(status, "%azml service logs NAME shows what the script printed")
    return error


def read_reason(document: Any) -> tuple[str, str]:
    """The innermost code that says something, and the message that belongs to it."""
    if not isinstance(document, dict):
        return "", document if isinstance(document, str) else ""
    error = _get(document, "error")
    if isinstance(error, str):  # the sign-in's shape: {"error": "invalid_client", "error_description": …}
        return error, str(_get(document, "error_description") or "")
    return _reason(error if isinstance(error, dict) else document)


def _reason(error: Mapping[str, Any]) -> tuple[str, str]:
    code, message = _word(_get(error, "code")), _word(_get(error, "message"))
    if inner := _innermost(_get(error, "innerError")) or _innermost(_folded(error)):
        return inner, _unwrapped(message)[1]
    if code in EMPTY_CODES:
        for detail in _dicts(_get(error, "details")):
            found, text = _reason(detail)
            if found:
                return found, text or message
    wrapped, text = _unwrapped(message)
    return (wrapped if wrapped and code in EMPTY_CODES else code), text


def _unwrapped(message: str) -> tuple[str, str]:
    """The code and the message of the answer that a message quotes whole; else no code and the message itself."""
    head, mark, tail = message.partition("Response Body:")
    if mark and (start := tail.find("{")) >= 0:
        try:
            document, _ = json.JSONDecoder(strict=False).raw_decode(tail[start:])
        except ValueError:
            return "", head
        code, text = read_reason(document)
        return code, text or head
    return "", message


def _innermost(error: Any) -> str:
    """The code at the end of a chain of innerErrors, one or two deep."""
    code = ""
    while isinstance(error, dict):
        code = _word(_get(error, "code")) or code
        error = _get(error, "innerError")
    return code


def _folded(error: Mapping[str, Any]) -> Any:
    """The innerError that the management front end folds into additionalInfo (service-facts 3.2)."""
    return next((value for kind, value in _additional(error) if kind == "InnerError"), None)


def _additional(error: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for entry in _dicts(_get(error, "additionalInfo")):
        info = entry.get("info")
        yield str(entry.get("type")), info.get("value") if isinstance(info, dict) else None


def _request_id(headers: Mapping[str, str], raw: Any) -> str:
    """What support asks for: the answer's id, else what the body calls the correlation."""
    for name in ("x-ms-request-id", "x-ms-correlation-request-id"):
        if headers.get(name):
            return headers[name]
    if not isinstance(raw, dict):
        return ""
    error = raw.get("error")
    folded = dict(_additional(error)).get("Correlation") if isinstance(error, dict) else None
    for correlation in (raw.get("correlation"), folded):
        if isinstance(correlation, dict):
            return _word(_get(correlation, "operation") or _get(correlation, "RequestId"))
    return ""


def _document(body: bytes) -> Any:
    """The decoded body: JSON, the code and message of a blob error's XML, or the text as it is."""
    text = body.decode("utf-8", "replace").strip("\ufeff \r\n\t")
    try:
        return json.loads(text)
    except ValueError:
        pass
    if "<Code>" in text:
        found = {tag: re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("Code", "Message")}
        return {tag.lower(): match[1] for tag, match in found.items() if match}
    if text[:1] == "<":  # a proxy's web page: what its tags say is no reason
        title = re.search("<title>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
        return title[1] if title else ""
    return text


def one_line(text: str) -> str:
    """The text as one line of at most `LONGEST` characters, without secrets and without quotes around it."""
    line = " ".join(text.split())
    if len(line) > 1 and line[0] == line[-1] == '"':
        line = line[1:-1].strip()
    line = redact(line)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _rest(raw: Any) -> str:
    """What a document of another shape says: a deployed script answers what it likes."""
    other = isinstance(raw, dict) and not any(raw.get(key) for key in ("error", "code", "message"))
    return json.dumps(raw, ensure_ascii=False) if other and raw else ""


def _wanted_tenant(headers: Mapping[str, str]) -> str:
    found = re.search(r'authorization_uri="https://[^/"]+/([0-9a-fA-F-]{36})"', headers.get("www-authenticate", ""))
    return found[1] if found else ""


def _phrase(status: int) -> str:
    return responses.get(status, "").replace(" ", "")


def _get(document: Mapping[str, Any], key: str) -> Any:
    """A value by its key, whatever the case: inner services write PascalCase (service-facts 6)."""
    if key in document:
        return document[key]
    return next((value for name, value in document.items() if name.lower() == key.lower()), None)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)
