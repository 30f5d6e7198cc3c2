"""Sign-in: from the way asked for, or the first that works, to a cloud and a credential."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import TransportError
from .clouds import by_name, from_metadata, is_metadata_url

if TYPE_CHECKING:
    from .clouds import Cloud
    from .credentials import Credential


def cloud_of(name: str) -> Cloud:
    """The cloud of that name, or the one that a metadata URL describes (asked over https, without a token)."""
    if not is_metadata_url(name):
        return by_name(name)
    import requests

    try:
        answer = requests.get(name, timeout=(10, 30), allow_redirects=False)
        answer.raise_for_status()
        return from_metadata(answer.json(), url=name)
    except (requests.RequestException, ValueError) as error:
        raise TransportError(f"the cloud's metadata cannot be read: {type(error).__name__}", "%azml config cloud") from None


