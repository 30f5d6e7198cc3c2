"""The certificate that the emulator answers with, under all its names, and the authority that signed it.

The authority's key is thrown away once the certificate is signed: nobody can sign another one with it later.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .files import write_private
from .routes import BLOB_SUFFIX, NAMED, SCORING_SUFFIXES

NAMES = (*NAMED, f"*{BLOB_SUFFIX}", *(f"*{suffix}" for suffix in SCORING_SUFFIXES), "localhost", "127.0.0.1")
LIFETIME = timedelta(days=2 * 365)
#: A certificate that might end while the emulator runs is made anew.
MARGIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the two files are: what clients are told to trust, and key and chain of the server."""

    authority: Path
    server: Path


def load_certificates(data: Path) -> Certificates:
    """The certificates of a data directory; made when there are none for today's names that last for a while."""
    files = Certificates(data / "ca.pem", data / "server.pem")
    if not _serves(files):
        _make(files)
    return files


def _serves(files: Certificates) -> bool:
    """Whether what is there is whole, ours, and lasts. The first line of the server's file tells."""
    try:
        label = json.loads(files.server.read_bytes().partition(b"\n")[0])
        found = _label(files.authority.read_bytes(), str(label["until"]))
        return bool(label == found and datetime.fromisoformat(label["until"]) - datetime.now(UTC) > MARGIN)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _label(authority: bytes, until: str) -> dict[str, Any]:
    return {"names": list(NAMES), "until": until, "authority": hashlib.sha256(authority).hexdigest()}


def _make(files: Certificates) -> None:
    import trustme  # 60 ms, and seldom needed

    until = datetime.now(UTC) + LIFETIME
    authority = trustme.CA(organization_name="azml-magics", organization_unit_name="emulator")
    server = authority.issue_cert(*NAMES, common_name="azml-magics emulator", not_after=until)
    trusted = authority.cert_pem.bytes()
    # text before the first block is no part of a PEM file, so the label costs no file of its own
    label = json.dumps(_label(trusted, until.isoformat())).encode()
    chain = [blob.bytes() for blob in server.cert_chain_pems]
    write_private(files.server, b"\n".join([label, server.private_key_pem.bytes(), *chain]))
    write_private(files.authority, trusted)
