"""The page loop: from a list's first request to its last item, asking for a page only when one is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..catalogue import Operation
from ..errors import TransportError
from .protocol import Answer, Request, next_request, read_page

#: How many items a query asks for at once: what the v1 SDK does (wire-v1 3.1).
LARGEST_PAGE = 500


def pages(
    send: Callable[[Request], Answer], operation: Operation, request: Request, top: int | None = None
) -> Iterator[dict[str, Any]]:
    """The items of a list, page by page; no more than `top`, and no page more than they need."""
    left = top
    led_here: list[str] = []
    request = sized(operation, request, top)
    while left is None or left > 0:
        items, following = read_page(operation, send(request))
        yield from items[:left]
        left = left - len(items) if left is not None else None
        # The token that was sent, sent back, is how run history may say that there is no more (wire-v1 3.1).
        if not following or (led_here[-1:] == [following] and "://" not in following):
            return
        if following in led_here:
            raise TransportError(
                f"{request.host} leads from page to page in a circle: gave up after {len(led_here) + 1} pages",
                "narrow the list with a filter or --top N, or try again",
            )
        led_here.append(following)
        request = next_request(operation, request, following)


def sized(operation: Operation, request: Request, top: int | None) -> Request:
    """The first request with the size of a page in it, where the service takes one and the caller named none."""
    if operation.paging != "body-token" or "top" in request.json:
        return request
    return replace(request, json={**request.json, "top": min(top or LARGEST_PAGE, LARGEST_PAGE)})
