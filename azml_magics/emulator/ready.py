"""What an emulator tells about itself once it answers: the one JSON line, and the file that holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

#: The file in a data directory that holds the line while its emulator runs.
FILE = "emulator.json"


@dataclass(frozen=True, slots=True)
class Ready:
    """Where an emulator is and how to sign in to it. The secret is in it on purpose, and in no repr."""

    url: str
    proxy: str
    ca_bundle: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    subscription_id: str
    resource_group: str
    workspace: str
    region: str
    compute: str
    cloud_metadata_url: str
    pid: int
    version: str

    @classmethod
    def from_json(cls, text: str | bytes) -> Ready:
        """The record that a line holds; ValueError when it holds none."""
        document: Any = json.loads(text)
        names = {item.name for item in fields(cls)}
        if not isinstance(document, Mapping) or names - document.keys():
            raise ValueError("not an emulator's ready line")
        return cls(**{name: document[name] for name in names})

    @classmethod
    def of(cls, data: Path) -> Ready | None:
        """What the file of a data directory holds, None when there is none or it is broken."""
        try:
            return cls.from_json((data / FILE).read_bytes())
        except (OSError, ValueError):
            return None

    def to_json(self) -> str:
        """The line, without its end."""
        return json.dumps(asdict(self))
