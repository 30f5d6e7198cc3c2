"""A pasted curl command, read into the request that curl would send.

Pure: nothing is sent and no file is read. The mistakes of the article that the product implements are forgiven
(service-facts 2.5); what cannot be done as curl would do it is refused by name.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import UsageError
from .curl_options import Reading, read_option, read_short_options
from .protocol import Request
from .redact import redact

__all__ = ["from_curl"]

_FORM = "application/x-www-form-urlencoded"


def from_curl(text: str) -> Request:
    """The request of a curl command. Its token is left out: the session's own goes along where it may.

    UsageError for what is no curl command, and for an option that cannot be honoured.
    """
    words = _words(text)
    reading = Reading()
    while words:
        word = words.pop(0)
        if word in ("|", ">", ">>", "2>", "||", "&&", ";"):
            break  # what becomes of the answer is not ours to read
        if word == "--" or not word.startswith("-") or word == "-":
            reading.urls += [word] if word != "--" else []
        elif word.startswith("--"):
            read_option(word, words, reading)
        else:
            read_short_options(word, words, reading)
    return _request(reading)


def _words(text: str) -> list[str]:
    """The words behind `curl`, split as a shell does it."""
    text = re.sub(r"\A\s*(?:[$!%]\s*)?", "", text).rstrip()
    # The article's commands end in a continuation that nothing continues.
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\\Z", r"\1", text)
    try:
        words = shlex.split(_TOKENS.sub(_without_continuation, text))
    except ValueError as error:
        raise UsageError(f"the command cannot be split into words: {error}", "check its quotes") from None
    if not words or words[0] not in ("curl", "curl.exe"):
        raise UsageError("this is no curl command", "it begins with `curl`")
    return words[1:]


_TOKENS = re.compile(r"\\\r?\n|\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|\$['\"]|.", re.S)


def _without_continuation(match: re.Match[str]) -> str:
    r"""A piece of the command without the line continuations that a shell would drop, for shlex, which keeps them."""
    piece = match[0]
    if piece in ("\\\n", "\\\r\n"):
        return ""
    if piece in ("$'", '$"'):
        raise UsageError("quoting with $'…' is not understood", "put the text in plain single quotes")
    if piece.startswith('"'):
        piece = re.sub(r"\\\r?\n", "", piece)
        return re.sub(r"\\([$`])", r"\1", piece)
    return piece


def _request(reading: Reading) -> Request:
    """The request that was read."""
    if len(reading.urls) != 1:
        found = ", ".join(str(redact(url)) for url in reading.urls) or "none"
        raise UsageError(f"the command needs one URL and has {found}", "quote the URL")
    url = _url(reading.urls[0])
    if reading.parts and reading.data:
        raise UsageError("a request has one body: -d and -F together are two")
    if reading.in_query and reading.data:
        query = "&".join(_texts(reading.data))
        url, reading.data = f"{url}{'&' if urlsplit(url).query else '?'}{query}", []
    method = reading.method or ("POST" if reading.data or reading.parts else "GET")
    headers = dict(reading.headers)
    if reading.parts:
        headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}
        return Request(method, url, headers=headers, parts=tuple(reading.parts))
    body, data, headers = _body(reading.data, headers, reading.untyped)
    return Request(method, url, headers=headers, json=body, data=data)


def _url(word: str) -> str:
    # In single quotes a shell keeps a continuation; the article has one there, and it means none.
    url = re.sub(r"\\\r?\n", "", word)
    if "://" not in url:
        url = f"https://{url}"
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"[\s\0]", url):
        raise UsageError(f"{redact(word)!r} is no address", "quote the URL")
    return url


def _texts(data: list[str | Path]) -> list[str]:
    texts = [piece for piece in data if isinstance(piece, str)]
    if len(texts) < len(data):
        raise UsageError("a body out of several pieces, one of them a file, is not understood", "put it in one file")
    return texts


def _body(
    data: list[str | Path], headers: dict[str, str], untyped: bool
) -> tuple[Any, bytes | Path | None, dict[str, str]]:
    """JSON where it is said to be or looks like it, else the bytes as they are; and the headers that go with it."""
    said = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    typed = headers if said or untyped else {**headers, "Content-Type": _FORM}
    if len(data) == 1 and isinstance(data[0], Path):
        return None, data[0], typed
    text = "&".join(_texts(data))
    if not text:
        return None, None, headers
    if "json" in said.lower() or (not said and not untyped and text.lstrip()[:1] in ("{", "[")):
        return _decoded(text), None, headers
    return None, text.encode(), typed


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(re.sub(r"\\\r?\n", "", text))
    except ValueError as error:
        raise UsageError(f"the body is not JSON: {error}", "mend the text behind -d") from None
