"""Signed links to artifacts, and back: which artifact the path of a blob stands for.

The artifacts of a workspace are one storage container, named after the workspace's id: the accounts of all its
workspaces are one here. In it they lie as the service's do: `ExperimentRun/dcid.{run}/user_logs/std_log.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ..service import Service

HOST = "blob.core.windows.net"
#: How long a link is good for: the service's are for about eight hours (service-facts 38).
LIFE = timedelta(hours=8)

_CONTAINER = re.compile(r"azureml-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


def storage_container(workspace_id: str) -> str:
    """The storage container of a workspace's artifacts."""
    return f"azureml-{workspace_id}"


def link_to(service: Service, workspace_id: str, artifact: Mapping[str, Any], permissions: str = "r") -> str:
    """A signed link to an artifact. Its host is the real one: clients of the emulator reach it by the proxy."""
    container, path = storage_container(workspace_id), str(artifact["artifactId"])
    query = service.identity.sign_blob(container, path, permissions, datetime.now(UTC) + LIFE)
    return f"https://{service.identity.storage_account}.{HOST}/{container}/{quote(path)}?{query}"


def artifact_at(container: str, path: str) -> tuple[str, str, str, str] | None:
    """The workspace's id, origin, container and path of the artifact that a blob's address stands for."""
    found, parts = _CONTAINER.fullmatch(container), path.split("/", 2)
    if found is None or len(parts) < 3 or not all(parts):
        return None
    return found[1], parts[0], parts[1], parts[2]
