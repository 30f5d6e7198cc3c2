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
        raise TransportError(
            f"the cloud's metadata cannot be read: {type(error).__name__}", "%azml config cloud"
        ) from None


def sign_in(cloud_name: str, way: str, *, tenant: str, say: Callable[[str], None]) -> tuple[Cloud, Credential]:
    """The cloud and a credential that has just got a token: of the way asked for, or the first that works.

    `say` is told which way won and what a person has to do. AuthenticationError when none works.
    """
    from .credentials import chain, credential_for

    cloud = cloud_of(cloud_name)
    if way:
        credential = credential_for(way, cloud, tenant=tenant, tell=say)
        credential.get_token(cloud.arm_audience)
        return cloud, credential
    credential, tried = chain(cloud, tenant=tenant)
    passed = "".join(f"; {name} did not: {reason}" for name, reason in tried)
    say(f"signed in by {credential.way}{passed}")
    return cloud, credential
