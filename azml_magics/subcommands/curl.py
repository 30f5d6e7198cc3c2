"""`--curl`: the request that a word would send, as a curl command, in place of sending it."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from .schema import Context, Subcommand, Text


def shown_as_curl(context: Context, subcommand: Subcommand) -> Any:
    """Run a subcommand up to its main request and return that as a curl command.

    What it must know before (where the regional server is, which experiment a run belongs to) is looked up as
    always; the request itself is not sent.
    """
    from ..rest import RequestShown
    from ..rest.curl import to_curl

    if not subcommand.operations and subcommand.phrase != "rest":
        raise UsageError(f"{subcommand.phrase} sends no request of its own")
    with context.session.showing(subcommand.operations[0] if subcommand.operations else "rest"):
        try:
            subcommand.run(context)
        except RequestShown as shown:
            return Text(to_curl(shown.request))
    raise UsageError(f"{subcommand.phrase} had nothing to send")
