from __future__ import annotations

import asyncio
import json
import math

import pytest

from azml_magics.catalogue import locate
from azml_magics.emulator.bodies import SPOOL, decode, encode, spool
from azml_magics.emulator.service import Fault

JSON = locate("run.update")[1]
FORM = locate("token.create")[1]


def test_a_form_is_read_with_its_blanks_and_its_last_words():
    assert decode(FORM, b"a=1&b=&c=x%2By+z&a=2&d=%ff") == {"a": "2", "b": "", "c": "x+y z", "d": "\ufffd"}


@pytest.mark.parametrize("content", [b'{"a": 1}', '\ufeff{"a": 1}'.encode(), '{"a": 1}'.encode("utf-16")])
def test_json_is_read_in_the_encodings_that_it_may_have(content):
    assert decode(JSON, content) == {"a": 1}


def test_json_may_hold_numbers_that_json_has_not():
    assert math.isnan(decode(JSON, b"[NaN]")[0])


def test_a_huge_number_is_the_callers_fault():
    with pytest.raises(Fault):
        decode(JSON, b"9" * 5000)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [], "b": {}}, '{\n  "a": [],\n  "b": {}\n}'),
        ("é", '"é"'),
        ([float("inf"), {"x": -float("inf")}, (float("nan"),)], '["Infinity", {"x": "-Infinity"}, ["NaN"]]'),
    ],
)
def test_json_is_written_as_the_service_writes_it(value, text):
    assert json.loads(encode(value)) == json.loads(text)
    assert encode({"a": "é"}) == '{\n  "a": "é"\n}'.encode()


def test_half_a_character_does_not_break_an_answer():
    assert json.loads(encode({"a": "\ud800"})) == {"a": "?"}


async def chunks(*given: bytes | Exception):
    for chunk in given:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


async def at_once(work, *arguments):
    return work(*arguments)


def test_a_body_is_put_together_in_a_file(tmp_path):
    pieces = [bytes([n]) * (SPOOL // 2) for n in range(5)]
    path = asyncio.run(spool(chunks(*pieces), tmp_path, at_once))
    assert path.read_bytes() == b"".join(pieces)


def test_nothing_is_left_of_a_body_that_does_not_end(tmp_path):
    with pytest.raises(EOFError):
        asyncio.run(spool(chunks(bytes(SPOOL), EOFError()), tmp_path, at_once))
    assert list(tmp_path.iterdir()) == []
