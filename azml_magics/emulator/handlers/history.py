"""What the handlers of run history share: how they refuse, how they page, how they read a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..filters import BadFilter, Fields, conditions, orders
from ..service import Call, Fault
from ..store import Condition, Order
from .common import PAGE

LARGEST_PAGE = 500


def bad(message: str) -> Fault:
    """The answer to what the caller got wrong."""
    return Fault(400, "UserError", message, inner="BadArgument")


def missing(what: str) -> Fault:
    """The answer for what is not there (wire-v1 3.3: "Run demo_1 was not found")."""
    return Fault(404, "UserError", f"{what} was not found", inner="NotFoundError")


def public(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what is the emulator's own."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def page_size(text: Any) -> int:
    """How many documents a page is to have; the service gives fewer than asked when it likes (wire-v1 3.1)."""
    if text in (None, ""):
        return PAGE
    try:
        size = int(text)
    except (TypeError, ValueError):
        size = 0
    if size < 1:
        raise bad(f"top must be a whole number above 0, not {text!r}.")
    return min(size, LARGEST_PAGE)


def body_of(call: Call) -> Mapping[str, Any]:
    """The body of a call that takes an object; an empty one counts as one."""
    if call.body is None:
        return {}
    if not isinstance(call.body, Mapping):
        raise bad("The body is not a JSON object.")
    return call.body


def wanted(fields: Fields, text: Any, order: Any, *, falling: bool = False) -> tuple[list[Condition], list[Order]]:
    """A filter and an order in the store's terms; 400 for what cannot be read."""
    texts = [part for part in (text, order) if part is not None]
    if not all(isinstance(part, str) for part in texts):
        raise bad("filter and orderby are texts.")
    try:
        return list(conditions(text, fields)), list(orders(order, fields, falling=falling))
    except BadFilter as problem:
        raise bad(f"The query cannot be read: {problem}.") from None


def lowered(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body by lower-case names: the generations of clients differ in the case of some (wire-v1 3)."""
    return {str(name).lower(): value for name, value in body.items()}
