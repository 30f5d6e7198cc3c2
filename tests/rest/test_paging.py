"""Lists are read page by page, to their end and no further."""

import itertools
import json

import pytest

from azml_magics.catalogue import locate
from azml_magics.errors import TransportError
from azml_magics.rest.paging import LARGEST_PAGE, pages
from azml_magics.rest.protocol import Answer, Request


class Pages:
    """A service of so many items: remembers what it was asked."""

    def __init__(self, *bodies):
        self.bodies, self.asked = list(bodies), []

    def __call__(self, request):
        self.asked.append(request)
        return Answer(200, {}, json.dumps(self.bodies.pop(0)).encode())


def items(*numbers):
    return [{"n": number} for number in numbers]


def read(operation_id, service, request=None, top=None):
    request = request or Request("POST" if operation_id == "run.list" else "GET", "https://h/q", json={})
    return [item["n"] for item in pages(service, locate(operation_id)[1], request, top)]


@pytest.mark.parametrize(
    ("operation_id", "first", "asked"),
    [
        ("run.list", {"continuationToken": "t"}, ["https://h/q", "https://h/q"]),
        ("run.children", {"continuationToken": "t"}, ["https://h/q", "https://h/q?$continuationToken=t"]),
        ("environment.list", {"continuationToken": "t"}, ["https://h/q", "https://h/q?continuation=t"]),
        ("compute.list", {"nextLink": "https://h/2?x=%3d"}, ["https://h/q", "https://h/2?x=%3d"]),
    ],
)
def test_a_list_goes_on_to_its_last_page(operation_id, first, asked):
    service = Pages({"value": items(1, 2), **first}, {"value": items(3)})
    assert read(operation_id, service) == [1, 2, 3]
    assert [request.full_url for request in service.asked] == asked


def test_the_token_of_a_query_goes_into_its_body():
    service = Pages({"value": items(1), "continuationToken": "t"}, {"value": items(2)})
    read("run.list", service, Request("POST", "https://h/q", json={"filter": "f"}))
    assert [request.json for request in service.asked] == [
        {"filter": "f", "top": LARGEST_PAGE},
        {"filter": "f", "top": LARGEST_PAGE, "continuationToken": "t"},
    ]


def test_an_empty_page_in_the_middle_is_not_the_end():
    service = Pages({"value": [], "continuationToken": "t"}, {"value": items(1)})
    assert read("run.list", service) == [1]


@pytest.mark.parametrize(("top", "numbers", "requests"), [(0, [], 0), (1, [1], 1), (2, [1, 2], 1), (3, [1, 2, 3], 2)])
def test_no_page_is_asked_for_that_is_not_needed(top, numbers, requests):
    service = Pages({"value": items(1, 2), "nextLink": "https://h/2"}, {"value": items(3, 4)})
    assert read("compute.list", service, top=top) == numbers
    assert len(service.asked) == requests


def test_nothing_is_asked_before_the_first_item_is_wanted():
    service = Pages({"value": items(1, 2), "nextLink": "https://h/2"})
    lazy = pages(service, locate("compute.list")[1], Request("GET", "https://h/q"))
    assert not service.asked
    assert list(itertools.islice(lazy, 2)) == items(1, 2)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("top", "body", "size"), [(None, {}, LARGEST_PAGE), (7, {}, 7), (9000, {}, LARGEST_PAGE), (7, {"top": 50}, 50)]
)
def test_a_query_asks_for_pages_of_a_size_that_fits(top, body, size):
    service = Pages({"value": []})
    read("run.list", service, Request("POST", "https://h/q", json=body), top)
    assert service.asked[0].json["top"] == size


def test_a_token_that_comes_back_as_it_was_sent_is_the_end():
    # wire-v1 3.1: the v1 SDK stops there.
    service = Pages(*({"value": items(n), "continuationToken": "t"} for n in (1, 2, 3)))
    assert read("run.list", service) == [1, 2]


@pytest.mark.parametrize(
    ("operation_id", "key", "ring"),
    [("run.list", "continuationToken", ["a", "b", "a"]), ("compute.list", "nextLink", ["https://h/a", "https://h/a"])],
)
def test_a_circle_of_pages_is_an_error_and_no_endless_list(operation_id, key, ring):
    service = Pages(*({"value": items(n), key: following} for n, following in enumerate(ring)))
    with pytest.raises(TransportError, match="circle"):
        read(operation_id, service)
    assert len(service.asked) == len(ring)


def test_two_hundred_thousand_items_are_streamed():
    size = LARGEST_PAGE

    def service(request):
        at = int(request.json.get("continuationToken", 0))
        following = {"continuationToken": str(at + size)} if at + size < 200_000 else {}
        return Answer(200, {}, json.dumps({"value": items(*range(at, at + size)), **following}).encode())

    numbers = pages(service, locate("run.list")[1], Request("POST", "https://h/q", json={}))
    assert sum(1 for _ in numbers) == 200_000
