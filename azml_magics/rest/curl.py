"""Requests as curl commands, for people: `--curl` prints one, `%%azml_rest` takes a pasted one.

Pure: nothing is sent and no file is read. A printed command works in a POSIX shell with the token in
`$AZML_TOKEN`, and never holds a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .curl_reading import from_curl
from .protocol import Part, Request
from .redact import redact

__all__ = ["from_curl", "to_curl"]

#: Headers that are not printed as they are: the token's line stands for the first, curl works out the others.
_LEFT_OUT = frozenset({"authorization", "host", "content-length"})


def to_curl(request: Request) -> str:
    """The request as a curl command over several lines. Bytes that are no text are named as a file, `@body.bin`."""
    request = _without_secrets(request)
    words = [*_method_words(request), _quoted(request.full_url)]
    if re.search(r"[\[\]{}]", request.full_url):
        words.insert(-1, "--globoff")  # curl would take brackets for a set of URLs
    lines = [" ".join(words)]
    if not request.anonymous:
        lines.append('-H "Authorization: Bearer $AZML_TOKEN"')
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _LEFT_OUT}
    if request.parts:
        headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}  # curl adds it with a boundary
    lines += [f"-H {_quoted(f'{name}: {value}' if value else f'{name};')}" for name, value in headers.items()]
    lines += _body_words(request, "content-type" in {name.lower() for name in headers})
    return " \\\n  ".join(lines)


def _without_secrets(request: Request) -> Request:
    return replace(
        request,
        url=redact(request.full_url),
        params=(),
        headers=redact(dict(request.headers)),
        json=redact(request.json),
        parts=tuple(replace(part, content=redact(part.content)) for part in request.parts),
        data=redact(request.data),
    )


def _method_words(request: Request) -> list[str]:
    if request.method == "HEAD":
        return ["curl", "--head"]  # with -X HEAD curl waits for a body
    bodiless = request.json is None and not request.parts and request.data is None
    return ["curl"] if request.method == "GET" and bodiless else ["curl", "-X", request.method]


def _body_words(request: Request, typed: bool) -> Iterator[str]:
    """The words of the body, and a content type where curl's own guess would not be what we send."""
    if request.parts:
        for part in request.parts:
            yield f"-F {_quoted(_part_word(part))}"
    elif request.json is not None:
        if not typed:
            yield "-H 'Content-Type: application/json'"
        yield f"-d {_quoted(_json_text(request.json))}"
    elif request.data is not None:
        if not typed:
            yield "-H 'Content-Type:'"
        yield _data_word(request.data)
    elif request.method in ("POST", "PUT", "PATCH"):
        yield "-d ''"  # else curl sends no Content-Length, which the service asks for (411)


def _data_word(data: bytes | Path) -> str:
    if isinstance(data, Path):
        return f"--data-binary {_quoted(f'@{data}')}"
    text = _as_text(data)
    return "--data-binary @body.bin" if text is None else f"--data-raw {_quoted(text)}"


def _part_word(part: Part) -> str:
    """A part in curl's own quoting: `name=@"path";filename="x";type=y`, or the text in place of `@path`."""
    text = None if isinstance(part.content, Path) else _as_text(part.content)
    path = str(part.content) if isinstance(part.content, Path) else part.filename or "body.bin"
    word = f"{part.name}=" + (f"@{_curl_quoted(path)}" if text is None else _curl_quoted(text))
    if part.filename:
        word += f";filename={_curl_quoted(part.filename)}"
    return f"{word};type={part.content_type}"


def _as_text(data: bytes) -> str | None:
    """The text of a body; None when it is none that a shell can hold."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _json_text(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can escape it, a terminal cannot show it
        return json.dumps(value, indent=2)
    return text


def _quoted(text: str) -> str:
    """One word of a POSIX shell, always in single quotes, so that nothing in it is expanded."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _curl_quoted(text: str) -> str:
    r"""Text inside `-F`: plain when curl sees nothing special in it, else in double quotes with `\\` and `\"`."""
    if re.fullmatch(r"[\w./-]+", text) and not text.startswith("@"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
