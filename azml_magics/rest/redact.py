"""The one redactor: takes tokens, keys, signatures and passwords out of whatever is about to be shown.

Pure and total: it never raises, leaves what is no secret as it was, and changes nothing the second time. Every
path that leads to an output, a repr, an error, a log or a widget goes through it (users 4: log links with their
signatures were written into notebooks and published with them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

__all__ = ["HIDDEN", "names_secret", "redact"]

T = TypeVar("T")

#: What stands where a secret was.
HIDDEN = "***"

#: Deeper structures are cut off: no body of the service is, and a structure that holds itself has no end.
_DEPTH = 60

#: Last words of names under which secrets stand, after the name is split at capitals, `_`, `-` and blanks.
_SECRET_WORD = re.compile(
    r"(?:password|passwd|secret|token|key)s?|pwd|passphrase|sas|sig|signature|authorization|cookie|assertion"
)
#: Two last words that name none: paging tokens, tokens of a language, public keys, keys of a table.
_HARMLESS = re.compile(
    r"(?:continuation|skip|page|next|previous|sync|cancellation|pad|eos|bos|unk|mask|sep|cls)token"
    r"|(?:public|partition|row|sort|group|foreign|cache|routing|idempotency|shard|list)keys?"
)
#: Words that hide numbers too. Elsewhere a number is a count: `max_tokens` of a run is no secret.
_NUMERIC = frozenset({"password", "passwd", "pwd", "passphrase", "secret"})
#: The same names written without capitals or separators.
_RUN_TOGETHER = re.compile(
    r".*(?:password|passwd|secret|accesskey|accountkey|sharedkey|apikey|primarykey|secondarykey|storagekey|privatekey"
    r"|accesstoken|refreshtoken|idtoken|sastoken|authtoken|bearertoken|signingkey|identityheader)"
)

#: Names that are followed by a secret in plain text: form bodies, connection strings, printed dicts, curl lines.
_NAMES = (
    r"(?:client|shared)[_-]?secret|client[_-]?assertion|[A-Z0-9]*password|passwd|pwd"
    r"|(?:account|access|shared[_-]?access|primary|secondary|api|storage|subscription|private)[_-]?key"
    r"|(?:primary|secondary)[_-]?access[_-]?key|shared[_-]?access[_-]?signature"
    r"|(?:access|refresh|id|sas|auth|bearer|run)[_-]?token|x-identity-header|x-functions-key"
)
#: Quoted to its closing quote (in quoted JSON both carry backslashes) or to the line's end; bare to a separator.
_VALUE = r"(?:(?P<quote>\\*[\"'])(?:.*?(?<!\\)(?P=quote)|.*)|[^\s&;\"'<>\\]+)"

#: JWTs: base64url of `{"` begins with eyJ; the last part is missing in unsigned ones, encrypted ones have five. The
#: run of characters is taken with or without a dot, so that a long one is read once and not from each eyJ in it.
_JWT = re.compile(r"eyJ[\w-]{6,}+(?:\.[\w-]*+){0,4}")
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), HIDDEN),
    # `Bearer $AZML_TOKEN` stays, so does the service's own "Bearer token not provided."
    (re.compile(r"(?i)\b(bearer\s+)(?=[\w.~+/-]{20}|[\w.~+/-]*\d)[\w.~+/-]{6,}=*"), rf"\1{HIDDEN}"),
    (
        re.compile(r"(?i)(authorization\\*[\"']?\s*[:=]\s*\\*[\"']?(?:bearer|basic|key|shared\w+)\s+)[^\s\"'\\${]+"),
        rf"\1{HIDDEN}",
    ),
    # The signature of a SAS, also where the link stands percent-encoded in another one; and the 3 kB signature
    # in the links of long operations (service-facts 20).
    (re.compile(r"(?i)((?:(?<![A-Z])|(?<=%26)|(?<=%3F))sig(?:=|%3D))(?:[^&\s\"'<>%\\]|%(?!26))+"), rf"\1{HIDDEN}"),
    (re.compile(r"([?&]s=)[\w%-]{60,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)([?&](?:token|key|code)=)[^&\s\"'<>\\]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://)[^/\s:@\"']+:[^/\s@\"']+@"), rf"\1{HIDDEN}@"),
    # Keys of a storage account, whatever stands around them: 64 bytes in base64. Secrets of an app registration.
    (re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{86}==(?![\w+/=])"), HIDDEN),
    (re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])"), HIDDEN),
)
_NAMED = re.compile(rf"(?i)(?<![A-Z0-9])(?P<head>(?:{_NAMES})\\*[\"']?\s*[:=]\s*){_VALUE}")


def redact(value: T) -> T:
    """The same value with its secrets replaced by `***`: text, bytes, and what dicts, lists, tuples and sets hold.

    Under a name that says secret (`client_secret`, `primaryKey`, `Authorization` ...) everything is replaced.
    """
    return cast(T, _walk(value, 0))


def _walk(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bytes | bytearray):
        # Every byte has its own character there and back; the secrets are ASCII.
        return type(value)(_clean(value.decode("latin-1")).encode("latin-1"))
    if depth > _DEPTH:
        return HIDDEN if isinstance(value, Mapping | list | tuple | set | frozenset) else value
    if isinstance(value, Mapping):
        return {_walk(k, depth + 1): _hidden_under(k, v, depth) for k, v in value.items()}
    if isinstance(value, tuple):
        items = [_walk(item, depth + 1) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [_walk(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return type(value)(_walk(item, depth + 1) for item in value)
    return value


def _hidden_under(name: Any, value: Any, depth: int) -> Any:
    if value is None or value == "" or isinstance(value, bool) or not isinstance(name, str):
        return _walk(value, depth + 1)
    if isinstance(value, int | float) and not _NUMERIC & set(_words(name)):
        return value
    return HIDDEN if names_secret(name) else _walk(value, depth + 1)


def names_secret(name: str) -> bool:
    """Whether what stands under this name is a secret: `primaryKey`, `x-api-key`, `tokens`; not `publicKey`."""
    words = _words(name)
    if not words or _HARMLESS.fullmatch("".join(words[-2:])):
        return False
    return bool(_SECRET_WORD.fullmatch(words[-1]) or _RUN_TOGETHER.fullmatch("".join(words)))


def _words(name: str) -> list[str]:
    """The words of a name, lower-case, without numbers at its end: `primaryKey1` is primary, key."""
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]
    while words and words[-1].isdigit():
        words.pop()
    return words


def _clean(text: str) -> str:
    """The text without its secrets. Done until nothing changes, so that doing it again changes nothing either."""
    for _ in range(10):
        cleaned = _JWT.sub(lambda match: HIDDEN if "." in match[0] else match[0], text)
        for pattern, replacement in _PATTERNS:
            cleaned = pattern.sub(replacement, cleaned)
        cleaned = _NAMED.sub(_named, cleaned)
        if cleaned == text:
            break
        text = cleaned
    return text


def _named(match: re.Match[str]) -> str:
    quote = match["quote"] or ""
    return f"{match['head']}{quote}{HIDDEN}{quote}"
