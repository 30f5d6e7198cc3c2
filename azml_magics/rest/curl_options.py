"""curl's options as they are read out of a pasted command, one small function for each.

Pure. An option that changes the request is understood or refused by name; one about the connection, the output
or the sign-in is left aside, because the session has its own ways for those.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

from ..errors import UsageError
from .protocol import Part
from .redact import redact

__all__ = ["Reading", "read_option", "read_short_options"]

#: Headers that a pasted command need not bring: the session's token is used, and the client works out the rest.
#: "Authentication" is how the article calls "Authorization" in one place (azure-docs#71484).
_DROPPED = frozenset({"authorization", "authentication", "proxy-authorization", "host", "content-length"})


@dataclass
class Reading:
    """What has been understood of a command so far. `untyped`: `-H 'Content-Type:'` took the type away."""

    urls: list[str] = field(default_factory=list)
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    data: list[str | Path] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    in_query: bool = False
    untyped: bool = False


def read_short_options(word: str, words: list[str], reading: Reading) -> None:
    """Short options, which may stand together (`-sSL`) and have their value attached (`-XPUT`)."""
    for place, letter in enumerate(word[1:], 1):
        option = f"-{letter}"
        if option == "-h":  # curl's help; in the article it is a misspelt -H (service-facts 2.5)
            option = "-H"
        if option in _TAKES_VALUE or option in _IGNORED_WITH_VALUE:
            if rest := word[place + 1 :]:
                words.insert(0, rest)
            read_option(option, words, reading)
            return
        read_option(option, words, reading)


def read_option(option: str, words: list[str], reading: Reading) -> None:
    """One option, with its value out of `words` when it takes one and has none attached."""
    option, attached, value = option.partition("=") if option.startswith("--") else (option, "", "")
    if option in _IGNORED:
        return
    if option in ("-G", "--get"):
        reading.in_query = True
    elif option in ("-I", "--head"):
        reading.method = "HEAD"
    elif option in _TAKES_VALUE or option in _IGNORED_WITH_VALUE:
        if not attached:
            if not words:
                raise UsageError(f"curl's option {option} lacks its value")
            value = words.pop(0)
        if option in _TAKES_VALUE:
            _TAKES_VALUE[option](reading, value)
    else:
        raise UsageError(
            f"curl's option {option} is not understood here", "leave it out, or use %%azml_rest METHOD PATH"
        )


def _header(reading: Reading, value: str) -> None:
    if value.startswith("@"):
        raise UsageError("headers from a file are not understood", "write them out as -H 'Name: value'")
    name, colon, text = value.partition(":")
    if not colon:
        name, text = value.removesuffix(";"), ""
        if name == value:
            raise UsageError(f"{redact(value)!r} is no header", "-H 'Name: value'")
    elif not text.strip():  # `-H 'Name:'` is how curl leaves a header out
        reading.untyped |= name.strip().lower() == "content-type"
        return
    if name.strip().lower() not in _DROPPED:
        reading.headers[name.strip()] = text.strip()


def _data(reading: Reading, value: str) -> None:
    reading.data.append(_file(value[1:]) if value.startswith("@") else value)


def _data_urlencode(reading: Reading, value: str) -> None:
    name, equals, text = value.partition("=")
    if not equals:
        if "@" in value:
            raise UsageError("--data-urlencode with a file is not understood", "write the value out")
        name, text = "", value
    reading.data.append(f"{name}={quote_plus(text)}" if name else quote_plus(text))


def _json(reading: Reading, value: str) -> None:
    reading.headers.setdefault("Content-Type", "application/json")
    reading.headers.setdefault("Accept", "application/json")
    _data(reading, value)


def _file(name: str) -> Path:
    if name in ("", "-"):
        raise UsageError("there is no standard input to read a body from", "name a file: @body.json")
    return Path(name)


_PIECE = re.compile(r'\s*((?:filename=)?"(?:\\.|[^"\\])*"|[^;]*)(?:;|\Z)', re.S)


def _form(reading: Reading, value: str) -> None:
    """A part as curl reads it: `name=@path;type=x`, `name=<path`, `name=text;filename=x`."""
    name, equals, rest = value.partition("=")
    if not equals:
        raise UsageError(f"-F {redact(value)!r} has no name", "-F name=@file or -F name=text")
    mark, rest = (rest[0], rest[1:]) if rest[:1] in ("@", "<") else ("", rest)
    pieces = [m[1] for m in _PIECE.finditer(rest)]
    options = dict(p.strip().partition("=")[::2] for p in pieces[1:] if p)
    if unknown := options.keys() - {"type", "filename"}:
        raise UsageError(f"-F with {sorted(unknown)[0]}= is not understood", "type= and filename= are")
    text = _plain(pieces[0])
    content: bytes | Path = _file(text) if mark else text.encode()
    filename = _plain(options.get("filename", Path(text).name if mark == "@" else ""))
    guessed = (mimetypes.guess_type(filename)[0] or "application/octet-stream") if filename else "text/plain"
    reading.parts.append(Part(name, filename, content, options.get("type", guessed)))


def _plain(piece: str) -> str:
    """Text of `-F` without its double quotes."""
    return re.sub(r"\\([\\\"])", r"\1", piece[1:-1]) if piece.startswith('"') and len(piece) > 1 else piece


def _form_string(reading: Reading, value: str) -> None:
    name, _, text = value.partition("=")
    reading.parts.append(Part(name, "", text.encode(), "text/plain"))


def _upload(reading: Reading, value: str) -> None:
    reading.method = reading.method or "PUT"
    reading.headers.setdefault("Content-Type", "application/octet-stream")
    reading.data.append(_file(value))


def _method(reading: Reading, value: str) -> None:
    reading.method = value.upper()


def _with_header(name: str) -> Callable[[Reading, str], None]:
    return lambda reading, value: reading.headers.__setitem__(name, value)


_TAKES_VALUE: dict[str, Callable[[Reading, str], None]] = {
    option: read
    for options, read in (
        ("-X --request", _method),
        ("-H --header", _header),
        ("-d --data --data-ascii --data-binary", _data),
        ("--data-raw", lambda reading, value: reading.data.append(value)),
        ("--data-urlencode", _data_urlencode),
        ("--json", _json),
        ("-F --form", _form),
        ("--form-string", _form_string),
        ("-T --upload-file", _upload),
        ("--url", lambda reading, value: reading.urls.append(value)),
        ("-A --user-agent", _with_header("User-Agent")),
        ("-e --referer", _with_header("Referer")),
    )
    for option in options.split()
}
#: Options about the connection, the output or the sign-in: the session has its own ways for those.
_WITHOUT_VALUE = """
    -k --insecure -s --silent -S --show-error -L --location -v --verbose -i --include -f --fail --fail-with-body
    -O --remote-name -J --remote-header-name -# --progress-bar --no-progress-meter -N --no-buffer --compressed
    -g --globoff --http1.1 --http2 --tlsv1.2 --tlsv1.3 --ssl-no-revoke -4 --ipv4 -6 --ipv6 -n --netrc
"""
_WITH_VALUE = """
    -o --output -w --write-out -m --max-time --connect-timeout --retry --retry-delay --retry-max-time -x --proxy
    --cacert --capath -D --dump-header -u --user --oauth2-bearer --max-redirs -c --cookie-jar --limit-rate
"""
_IGNORED = frozenset(_WITHOUT_VALUE.split())
_IGNORED_WITH_VALUE = frozenset(_WITH_VALUE.split())
