"""What models, assets and services share: the filters and the pages of their lists, JSON Patch, their errors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..conditions import Condition, Where
from ..service import Call, Fault, Reply, Service
from .common import PAGE, linked_page, skip_of
from .history import public

#: The most that a page holds, whatever `count` says: what the official client asks for (wire-v1 11).
LARGEST_PAGE = 255
ORDERS = {
    "createdatdesc": ((), True),
    "createdatasc": ((), False),
    "updatedatdesc": (("_updated",), True),
    "updatedatasc": (("_updated",), False),
}


def bad_request(code: str, message: str) -> Fault:
    """A refused request in this family's words: the reason is the first detail (azure-sdk-for-python#11331)."""
    return Fault(400, "BadRequest", message, details=[{"code": code, "message": message}])


def not_found(code: str, message: str) -> Fault:
    """What this family says of something that is not there."""
    return Fault(404, code, message, details=[{"code": code, "message": message}])


def conditions(call: Call, names: Mapping[str, str]) -> list[Condition]:
    """The filters that nearly every list has: equal values by query name, tags, properties.

    `names` maps a query parameter to the key of the document.
    """
    found: list[Condition] = [Where((key,), "eq", call.param(name)) for name, key in names.items() if call.param(name)]
    found += pairs("kvTags", call.param("tags") or call.param("tag"))
    found += pairs("properties", call.param("properties"))
    return found


def pairs(key: str, text: str) -> Iterable[Condition]:
    """`k1,k2=v`: the first must be there, the second have that value (the specification's `tags`)."""
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        yield Where((key, name), "eq", value) if equals else Where((key, name), "ne", None)


def listing(service: Service, call: Call, kind: str, scope: str, where: Sequence[Condition], usual: str) -> Reply:
    """A page of a kind's documents, in the order asked for or the usual one."""
    wanted = (call.param("orderby") or usual).lower()
    if wanted not in ORDERS:
        raise bad_request(
            "InvalidOrderBy",
            f"orderBy is one of CreatedAtDesc, CreatedAtAsc, UpdatedAtDesc, UpdatedAtAsc, not {wanted}.",
        )
    skip = skip_of(call.param("$skipToken")) or _number(call, "offset", 0)
    size = min(_number(call, "count", PAGE), LARGEST_PAGE)
    found, more = service.store.page(kind, scope, where=where, order=(ORDERS[wanted],), skip=skip, size=size)
    return linked_page(call, [public(document) for document in found], skip + size if more else None)


def _number(call: Call, name: str, usual: int) -> int:
    text = call.param(name)
    if not text:
        return usual
    if not text.isdecimal() or (name == "count" and int(text) == 0):
        raise bad_request("InvalidParameter", f"{name} is a whole number, not {text!r}.")
    return int(text)


def words(value: Any, name: str) -> dict[str, str]:
    """A map of texts from a body; null stands for an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(v, str | None) for v in value.values()):
        raise bad_request("InvalidRequest", f"{name} must be an object whose values are texts.")
    return dict(value)


def body_of(call: Call, *required: str) -> dict[str, Any]:
    """The body, an object that has the required keys."""
    if not isinstance(call.body, Mapping):
        raise bad_request("InvalidRequest", "The body must be a JSON object.")
    for name in required:
        if not isinstance(call.body.get(name), str) or not call.body[name]:
            raise bad_request("InvalidRequest", f"The {name} field is required.")
    return dict(call.body)


def patch(document: dict[str, Any], operations: Any, allowed: Collection[str]) -> None:
    """Apply a JSON Patch to the top-level keys that may be changed, or to one entry of a map among them."""
    if not isinstance(operations, list) or not all(isinstance(o, Mapping) for o in operations):
        raise bad_request("InvalidPatch", "The body must be a JSON Patch: a list of operations.")
    for operation in operations:
        parts = [p.replace("~1", "/").replace("~0", "~") for p in str(operation.get("path", "")).split("/")]
        if len(parts) not in (2, 3) or parts[0] or parts[1] not in allowed:
            raise bad_request("InvalidPatch", f"The path {operation.get('path')!r} cannot be changed.")
        if len(parts) == 2:
            _apply(document, parts[1], operation)
            continue
        inner = document.get(parts[1])
        inner = dict(inner) if isinstance(inner, Mapping) else {}
        _apply(inner, parts[2], operation)
        document[parts[1]] = inner


def _apply(target: dict[str, Any], key: str, operation: Mapping[str, Any]) -> None:
    word = str(operation.get("op", "")).lower()
    if word in ("add", "replace"):
        target[key] = operation.get("value")
    elif word != "remove" or key not in target:
        raise bad_request("InvalidPatch", f"Cannot {operation.get('op')} {operation['path']}.")
    elif operation["path"].count("/") == 2:
        del target[key]
    else:
        target[key] = None


def person(call: Call) -> dict[str, Any]:
    """Who calls, as documents name a creator."""
    return {
        "userObjectId": call.caller.get("oid"),
        "userTenantId": call.caller.get("tid"),
        "userName": call.caller.get("name"),
    }
