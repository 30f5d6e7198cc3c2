"""What Microsoft's sign-in service refuses with, in one line and with the next thing to type.

Pure. The codes and their meanings are those of Microsoft's own list (Entra, "authentication and authorization
error codes"); the service's texts are long, change over time, and end in three lines of ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import AuthenticationError
from .redact import redact

__all__ = ["REFUSALS", "refusal"]

_PROOF = "AZURE_CLIENT_SECRET anew (the secret's value, not its id), then %azml login --service-principal"
_IDS = "check AZURE_TENANT_ID and AZURE_CLIENT_ID, then %azml login --service-principal"
_AGAIN = "az login{--tenant}, then %azml login --azure-cli; or %azml login --browser"
_OTHER_WAY = "%azml login --browser, or --service-principal; the tenant's administrators set the policy"
_TENANT = "%azml login --tenant ID, with the id of the tenant that the subscription belongs to"
_ADMIN = "ask an administrator of the tenant"

#: Code -> what it means, and what to type. `{tenant}` and `{client}` stand for what was signed in with.
REFUSALS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        16000: ("several accounts are signed in and none was chosen", "%azml login --browser, and choose one"),
        50011: ("the application{client} does not allow this way back to this machine", "%azml login --device-code"),
        50020: ("this account is not in tenant{tenant}", _TENANT),
        50034: ("there is no such account in tenant{tenant}", _TENANT),
        50053: ("the account is locked after too many tries", "wait, or " + _ADMIN),
        50055: ("the account's password has expired", "set a new one at https://aka.ms/sspr, then " + _AGAIN),
        50057: ("the account is disabled", _ADMIN),
        50058: ("nobody is signed in", _AGAIN),
        50059: ("the request names no tenant", _TENANT),
        50072: ("the account has to set up multi-factor sign-in first", "%azml login --browser"),
        50074: ("tenant{tenant} asks for multi-factor sign-in", _AGAIN),
        50076: ("tenant{tenant} asks for multi-factor sign-in", _AGAIN),
        50078: ("the multi-factor sign-in has expired", _AGAIN),
        50079: ("the account has to set up multi-factor sign-in first", "%azml login --browser"),
        50097: ("tenant{tenant} asks for a known device", _OTHER_WAY),
        50105: ("the account is not assigned to the application{client}", _ADMIN),
        50126: ("user name or password is wrong", _AGAIN),
        50139: ("the session lacks a token of the account's own provider", _TENANT),
        50158: ("tenant{tenant} asks for one more proof", _AGAIN),
        50173: ("the sign-in was revoked, or the password changed since", _AGAIN),
        53000: ("tenant{tenant} asks for a managed device", _OTHER_WAY),
        53003: ("tenant{tenant} blocks this sign-in by a Conditional Access policy", _OTHER_WAY),
        65001: ("the application{client} lacks consent in tenant{tenant}", _ADMIN + " to consent"),
        65002: ("the application{client} may not ask for this audience", "%azml config cloud shows which is asked"),
        70008: ("the sign-in has expired", _AGAIN),
        70016: ("the code was not typed in yet", "%azml login --device-code"),
        70018: ("the code is wrong", "%azml login --device-code gives a new one"),
        70019: ("the code has expired", "%azml login --device-code gives a new one"),
        70043: ("the tenant{tenant} asks to sign in anew from time to time", _AGAIN),
        90002: (
            "there is no tenant{tenant} in this cloud",
            "check AZURE_TENANT_ID or --tenant, and %azml config cloud",
        ),
        90094: ("tenant{tenant} leaves consent to its administrators", _ADMIN + " to consent"),
        500011: ("the audience is not known in tenant{tenant}", "check --tenant and %azml config cloud"),
        500200: ("a personal account cannot sign in here", _TENANT),
        # "Security defaults" block the device code, which is why it is never the silent default.
        530034: ("the account is blocked: its home tenant finds it suspicious", _ADMIN),
        530035: ("tenant{tenant} blocks this way to sign in by its security defaults", _OTHER_WAY),
        700016: ("there is no application{client} in tenant{tenant}", _IDS),
        700027: ("the certificate does not belong to the application{client}", "check AZURE_CLIENT_CERTIFICATE_PATH"),
        700082: ("the sign-in was not used for so long that it has expired", _AGAIN),
        900023: ("{tenant} is no tenant: neither an id nor a domain", "check AZURE_TENANT_ID or --tenant"),
        7000112: ("the application{client} is disabled in tenant{tenant}", _ADMIN + " to enable it"),
        7000215: ("the client secret is wrong", "set " + _PROOF),
        7000218: ("the application{client} asks for a secret or a certificate", "set " + _PROOF),
        7000222: ("the client secret has expired", "make a new one in the portal (App registrations), set " + _PROOF),
    }
)


def refusal(answer: Mapping[str, Any] | str, *, tenant: str = "", client: str = "") -> AuthenticationError:
    """The error behind a refused sign-in: the service's JSON answer, or a text that holds its message."""
    body = {"error_description": answer} if isinstance(answer, str) else answer
    text = str(body.get("error_description") or body.get("error") or "the sign-in was refused")
    number = _number(body, text)
    if number in REFUSALS:
        message, hint = (_filled(line, tenant, client) for line in REFUSALS[number])
    else:
        message, hint = _first_sentence(text), "%azml login --browser, or az login and %azml login --azure-cli"
        if number:
            hint = f"https://login.microsoftonline.com/error?code={number} tells more"
    return AuthenticationError(
        message,
        hint,
        status=401,
        code=f"AADSTS{number}" if number else str(body.get("error") or "SignInRefused"),
        request_id=_trace(body, text),
    )


def _number(body: Mapping[str, Any], text: str) -> int:
    """The code: from the list of codes when there is one, else out of the text."""
    codes = body.get("error_codes")
    if isinstance(codes, list) and codes and isinstance(codes[0], int):
        return codes[0]
    found = re.search(r"AADSTS(\d{4,10})", text)
    return int(found[1]) if found else 0


def _filled(line: str, tenant: str, client: str) -> str:
    line = line.replace("{--tenant}", f" --tenant {tenant}" if tenant else "")
    line = line.replace("{tenant}", f" {tenant}" if tenant else "").replace("{client}", f" {client}" if client else "")
    return line.strip()


def _first_sentence(text: str) -> str:
    """The part that says what is wrong, without code, ids and time."""
    text = re.split(r"\s*(?:Trace ID|Correlation ID|Timestamp):", text, maxsplit=1)[0]
    text = re.sub(r"^.*?AADSTS\d+:\s*", "", text, flags=re.S)
    return str(redact(" ".join(text.split())))[:300] or "the sign-in was refused"


def _trace(body: Mapping[str, Any], text: str) -> str:
    """The id that support asks for."""
    if known := body.get("trace_id") or body.get("correlation_id"):
        return str(known)
    found = re.search(r"Trace ID:\s*([0-9a-fA-F-]{36})", text)
    return found[1] if found else ""
