"""Any request at all: METHOD PATH with the session's token, where no other word fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..catalogue.schema import WORKSPACE
from ..errors import UsageError
from .resources import BODY, body_from
from .schema import Argument, Context, Subcommand, Text, as_sent

if TYPE_CHECKING:
    from ..rest import Answer

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


def send(context: Context) -> Any:
    """Send one request and return its answer: JSON as it came, text as text.

    A path that begins with an operations-path such as `history/v1.0/` goes to the workspace's regional server,
    any other to ARM. Where the workspace's own path is left out (`history/v1.0/experiments`, `computes`) it is
    put in. The token goes along only where it belongs.
    """
    method = context["method"].upper()
    if method not in METHODS:
        raise UsageError(f"{context['method']!r} is no method", f"one of {', '.join(METHODS)}")
    query = dict(context["query"])
    path = full_path(context, context["path"])
    answer = context.session.send(method, path, query=query, headers=context["header"], body=body_from(context))
    return shown(answer)


def shown(answer: Answer) -> Any:
    """An answer's body: JSON as it came, anything else as text."""
    body = answer.body
    return as_sent(body) if isinstance(body, dict | list) else Text(body or "")


def full_path(context: Context, path: str) -> str:
    """The path with the workspace in it, where it was left out: behind the operations-path, or at the front."""
    if "://" in path or re.match(
        r"/?(\w+/v[\d.]+/?)?(subscriptions|providers|tenants|metadata|discovery|rp)\b", path, re.IGNORECASE
    ):
        return path
    context.need("subscription", "group", "workspace")
    scope = context.scope
    workspace = WORKSPACE.format(subscription=scope.subscription, group=scope.group, workspace=scope.workspace)
    head, tail = re.match(r"/?((?:\w+/v[\d.]+)?)/?(.*)", path, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{head}{workspace}/{tail}".rstrip("/")


def send_cell(context: Context) -> Any:
    """Send METHOD PATH with the cell as its JSON, or the curl command that the cell holds."""
    from ..rest.curl import from_curl

    cell = (context.cell or "").strip()
    if cell.startswith("curl"):
        if context["method"]:
            raise UsageError("the curl command says method and path itself", "leave them out of the line")
        return shown(context.session.send_request(from_curl(cell)))
    if not context["method"] or not context["path"]:
        raise UsageError("METHOD and PATH are missing", "%%azml_rest POST history/v1.0/experiments:query")
    return send(context)


ARGUMENTS = (
    Argument("--query", "a query parameter, again for more", "pair", many=True, metavar="K=V"),
    Argument("--header", "a header, again for more", "pair", many=True, metavar="K=V"),
)

SUBCOMMANDS = (
    Subcommand(
        ("rest",),
        "Send any request with the login's token",
        send,
        (
            Argument("method", "GET, POST, PUT, PATCH or DELETE"),
            Argument("path", "the path, or a whole URL"),
            *ARGUMENTS,
            BODY,
        ),
        example="%azml rest GET history/v1.0/experiments",
    ),
)

CELL = Subcommand(
    ("rest",),
    "Send any request with the login's token and the cell as its body, or a pasted curl command",
    send_cell,
    (
        Argument("method", "GET, POST, PUT, PATCH or DELETE", required=False),
        Argument("path", "the path, or a whole URL", required=False),
        *ARGUMENTS,
        Argument("--expand", "put variables in for {name} in the cell too", "flag"),
    ),
    example="%%azml_rest POST history/v1.0/experiments:query",
    cell="the JSON to send, or a curl command",
    magic="azml_rest",
)
