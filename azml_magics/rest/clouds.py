"""Where each of Azure's clouds has its servers, and which of those may see a token.

Pure: it holds addresses and judges them; nothing is fetched here. Every address that a token is sent to has to
pass `Cloud.trusted`: links in answers (next pages, operations, discovery, redirects) are the service's word,
and a stolen token is what comes of believing it (users 4).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from ..errors import UsageError

__all__ = ["CLOUDS", "Cloud", "by_name", "from_metadata", "is_metadata_url"]

#: A host name as servers have it: letters, digits, hyphens, dots. International names arrive as `xn--` labels;
#: anything else in a URL's host is an attempt to make two readers see two hosts.
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: base URLs without a slash at their end, audiences of tokens, suffixes of host names.

    `arm_audience` and `ml_audience` are what tokens are asked for; the scope is the audience and `/.default`.
    """

    name: str
    login: str
    arm: str
    arm_audience: str
    ml_audience: str
    storage_suffix: str
    data_suffixes: tuple[str, ...]
    scoring_suffixes: tuple[str, ...]

    def trusted(self, url: str) -> bool:
        """Whether a token of this cloud may be sent to the URL: ARM itself, or a regional data-plane host."""
        place = _place(url)
        if place is None:
            return False
        host, port = place
        if (host, port) == _place(self.arm):
            return True
        return port == 443 and any(host.endswith("." + suffix) for suffix in self.data_suffixes)


def _place(url: str) -> tuple[str, int] | None:
    """Host and port of an https URL that every reader understands alike; None for any other text."""
    # Some parsers drop tabs and line ends wherever they stand; what follows the host may hold anything else,
    # as next links with blanks and Chinese names in their filters do.
    if not url.isprintable() or not url.lower().startswith("https://"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    # "https://host:" has no port in it, and "https://user@host" names another host to whoever reads fast.
    if "@" in parts.netloc or parts.netloc.endswith(":"):
        return None
    if len(host) > 253 or not _HOST.fullmatch(host):
        return None
    return host, 443 if port is None else port


# Sign-in, ARM, storage and ML audience: the cloud tables of azure-ai-ml and the national-cloud page of Entra (for
# China it names login.partner.microsoftonline.cn; login.chinacloudapi.cn is the deprecated name of the same).
# Data-plane hosts: the tables of required hosts in Azure ML's firewall article and recorded discovery documents.
# The firewall article allows all of *.ml.azure.us and *.ml.azure.cn: too wide for tokens, since scoring hosts
# (*.inference.ml.azure.us), which run users' code, lie below them.
_PUBLIC = Cloud(
    name="AzureCloud",
    login="https://login.microsoftonline.com",
    arm="https://management.azure.com",
    arm_audience="https://management.azure.com",
    ml_audience="https://ml.azure.com",
    storage_suffix="core.windows.net",
    data_suffixes=("api.azureml.ms", "experiments.azureml.net", "modelmanagement.azureml.net"),
    scoring_suffixes=("inference.ml.azure.com", "azurecontainer.io"),
)
_GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    login="https://login.microsoftonline.us",
    arm="https://management.usgovcloudapi.net",
    arm_audience="https://management.usgovcloudapi.net",
    ml_audience="https://ml.azure.us",
    storage_suffix="core.usgovcloudapi.net",
    # api and modelmanagement.azureml.us are in the article; the other two by analogy with China [inferred].
    data_suffixes=(
        "api.ml.azure.us",
        "experiments.ml.azure.us",
        "modelmanagement.ml.azure.us",
        "modelmanagement.azureml.us",
    ),
    scoring_suffixes=("inference.ml.azure.us", "azurecontainer.console.azure.us"),
)
_CHINA = Cloud(
    name="AzureChinaCloud",
    login="https://login.partner.microsoftonline.cn",
    arm="https://management.chinacloudapi.cn",
    arm_audience="https://management.chinacloudapi.cn",
    ml_audience="https://ml.azure.cn",
    storage_suffix="core.chinacloudapi.cn",
    data_suffixes=("api.ml.azure.cn", "experiments.ml.azure.cn", "modelmanagement.ml.azure.cn"),
    scoring_suffixes=("inference.ml.azure.cn", "azurecontainer.console.azure.cn"),
)

CLOUDS: Mapping[str, Cloud] = MappingProxyType({cloud.name: cloud for cloud in (_PUBLIC, _GOVERNMENT, _CHINA)})


def is_metadata_url(text: str) -> bool:
    """Whether the text names a cloud by the URL of its metadata rather than by its name."""
    return "://" in text


def by_name(name: str) -> Cloud:
    """The cloud of that name, in any case. UsageError, with the near name, for one that is not known."""
    for known, cloud in CLOUDS.items():
        if known.lower() == name.strip().lower():
            return cloud
    near = next(iter(difflib.get_close_matches(name, CLOUDS, n=1, cutoff=0.4)), "AzureCloud")
    raise UsageError(
        f"there is no cloud {name!r}: {', '.join(CLOUDS)}, or the https URL of a cloud's metadata",
        f"%azml login --cloud {near}",
    )


def from_metadata(document: Any, name: str = "", url: str = "") -> Cloud:
    """The cloud that a metadata document of ARM describes: one cloud, or a list of which one is taken.

    Out of a list: the one of that `name`, else the one whose ARM host the metadata came from (`url`; the rule of
    the official clients), else AzureCloud, else the only one.
    """
    entries = [e for e in (document if isinstance(document, list) else [document]) if isinstance(e, dict)]
    return _cloud(_entry(entries, name, url))


def _entry(entries: list[dict[str, Any]], name: str, url: str) -> dict[str, Any]:
    """The entry that is meant, out of those of a metadata document."""
    names = [str(entry.get("name", "")) for entry in entries]
    if name:
        for entry, known in zip(entries, names, strict=True):
            if known.lower() == name.lower():
                return entry
        raise UsageError(f"the metadata knows no cloud {name!r}: {', '.join(names) or 'none at all'}")
    asked = _place(url)
    for entry in entries:
        if asked and asked == _place(str(entry.get("resourceManager", ""))):
            return entry
    for entry, known in zip(entries, names, strict=True):
        if known == _PUBLIC.name or len(entries) == 1:
            return entry
    raise UsageError(f"the metadata describes several clouds: {', '.join(names)}" if names else "no cloud's metadata")


def _cloud(entry: Mapping[str, Any]) -> Cloud:
    """The record of one metadata entry. A known ARM host brings the hosts that we know; others are derived."""
    arm = _base(entry, "resourceManager")
    sign_in = entry.get("authentication")
    sign_in = sign_in if isinstance(sign_in, Mapping) else {}
    login = _base(sign_in, "loginEndpoint")
    audiences = [a for a in sign_in.get("audiences") or () if isinstance(a, str) and _place(a)]
    suffixes = entry.get("suffixes")
    storage = str(suffixes.get("storage") or "") if isinstance(suffixes, Mapping) else ""
    name = str(entry.get("name") or "") or (_place(arm) or ("",))[0]
    for known in CLOUDS.values():
        if _place(known.arm) == _place(arm):
            return replace(known, name=name, login=login, storage_suffix=storage or known.storage_suffix)
    audience = arm if arm in (a.rstrip("/") for a in audiences) else next(iter(audiences), arm)
    suffix = _portal_suffix(str(entry.get("portal") or ""))
    return Cloud(
        name=name,
        login=login,
        arm=arm,
        arm_audience=audience,
        ml_audience=f"https://ml.azure.{suffix}" if suffix else audience,
        storage_suffix=storage,
        # [inferred] from the shape that the Government and China clouds share. A cloud whose data plane lies on
        # ARM's own host (an emulator at its loopback address) needs none of these.
        data_suffixes=tuple(f"{part}.ml.azure.{suffix}" for part in _DATA_PARTS) if suffix else (),
        scoring_suffixes=(f"inference.ml.azure.{suffix}",) if suffix else (),
    )


_DATA_PARTS = ("api", "experiments", "modelmanagement")


def _base(entry: Mapping[str, Any], key: str) -> str:
    """The https address under a key, without a slash at its end. Tokens and secrets go there: no plain http."""
    url = entry.get(key)
    if not isinstance(url, str) or not _place(url):
        raise UsageError(f"the cloud's metadata has no https address as {key}", "check ARM_CLOUD_METADATA_URL")
    return url.rstrip("/")


def _portal_suffix(portal: str) -> str:
    """The end of https://portal.azure.us, from which azure-ai-ml derives a cloud's ML audience; else nothing."""
    place = _place(portal)
    return place[0].removeprefix("portal.azure.") if place and place[0].startswith("portal.azure.") else ""
